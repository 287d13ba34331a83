//! `bowsprit serve` beyond one loop in the clear: threads, sockets that were passed, TLS, what it tells on a terminal.

#![cfg(unix)]

mod bridge;
#[path = "../../../../tests/support/certificates.rs"]
mod certificates;
mod console;
mod drain;
#[path = "../../../../tests/support/installed.rs"]
mod installed;
mod places;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod talk;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use bowsprit::frame::RawHeader;
use bowsprit::tls::rustls::pki_types::ServerName;
use bowsprit::tls::rustls::{self, ClientConnection, StreamOwned};
use certificates::{Authority, Identity};
use installed::skip;
use support::command::{BOWSPRIT, Running, Server, serve, serve_by};
use support::peer::{PATIENCE, Peer, REQUEST, assert_close, assert_text};
use support::workspace;

/// What the counters at `address` say of `name`.
fn counter(address: SocketAddr, name: &str) -> u64 {
    let mut peer = Peer::connect(address);
    peer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let text = String::from_utf8(peer.rest()).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

fn end(server: Server) -> (i32, String) {
    server.running.signal("TERM");
    let (code, _, stderr) = server.running.finish();
    (code, stderr)
}

// --- threads -----------------------------------------------------------------------------------------------------

#[test]
fn messages_and_counters_know_no_border_between_threads() {
    const PEERS: usize = 24;
    for (mode, echo) in [("relay", 0), ("broadcast", 1)] {
        let server = serve(&["--mode", mode, "--threads", "3", "--verbose", "--metrics", "127.0.0.1:0"]);
        let metrics = server.running.told("counters at http://");
        let metrics = metrics.strip_suffix("/metrics").unwrap().parse().unwrap();
        let mut peers: Vec<Peer> = (0..PEERS).map(|_| Peer::open(server.address)).collect();
        for at in 0..PEERS {
            let text = format!("from {at}");
            peers[at].text(&text);
            for (other, peer) in peers.iter_mut().enumerate() {
                if other != at || echo == 1 {
                    assert_text(&peer.frame(), &text);
                }
            }
        }
        assert_eq!(counter(metrics, "bowsprit_connections_open"), PEERS as u64);
        assert_eq!(counter(metrics, "bowsprit_messages_in_total"), PEERS as u64);
        assert_eq!(counter(metrics, "bowsprit_messages_out_total"), (PEERS * (PEERS - 1 + echo)) as u64);
        server.running.signal("TERM");
        for peer in &mut peers {
            assert_close(&peer.frame(), 1001);
            peer.close(1001);
        }
        let (code, _, stderr) = server.running.finish();
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains("connections closed: 24\n"), "{stderr}");
        // The system shares them out by a hash of the port, so each loop has some.
        let loops = (0..3).filter(|number| stderr.contains(&format!(" {number}:0.1 127."))).count();
        assert!(loops > 1, "all landed in one loop: {stderr}");
    }
}

#[test]
fn limits_hold_for_all_threads_together() {
    let server = serve(&["--threads", "4", "--max-connections", "6"]);
    let mut peers: Vec<Peer> = (0..6).map(|_| Peer::open(server.address)).collect();
    for _ in 0..8 {
        let answer = Peer::connect(server.address).rest();
        assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    }
    // A place is free again once its connection is gone.
    peers[0].close(1000);
    assert_close(&peers[0].frame(), 1000);
    assert_eq!(peers.remove(0).rest(), b"");
    until(|| {
        let mut peer = Peer::connect(server.address);
        peer.stream.write_all(REQUEST.as_bytes()).is_ok() && peer.head().starts_with("HTTP/1.1 101 ")
    });

    let server = serve(&["--threads", "4", "--max-per-address", "3"]);
    let _peers: Vec<Peer> = (0..3).map(|_| Peer::open(server.address)).collect();
    for _ in 0..8 {
        let answer = Peer::connect(server.address).rest();
        assert!(answer.starts_with(b"HTTP/1.1 429 "), "{}", answer.escape_ascii());
    }
}

#[test]
fn a_port_that_other_threads_share_is_taken() {
    let server = serve(&["--threads", "2"]);
    let address = server.address.to_string();
    let (code, _, stderr) = Running::bowsprit(&["serve", "--threads", "2", "--listen", &address]).finish();
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("choose another one with --listen"), "{stderr}");
}

#[test]
fn a_path_is_shared_by_threads_and_removed() {
    let path = std::env::temp_dir().join(format!("bowsprit-serve-{}", std::process::id()));
    let server = serve(&["--threads", "2", "--unix", path.to_str().unwrap()]);
    for _ in 0..8 {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let mut start = [0; 13];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 101 ");
    }
    // A path that is there already stays when it cannot be listened on.
    let taken = Running::bowsprit(&["serve", "--listen", "127.0.0.1:0", "--unix", path.to_str().unwrap()]);
    assert_eq!(taken.finish().0, 2);
    assert!(path.exists());
    assert_eq!(end(server).0, 0);
    assert!(!path.exists());
}

#[test]
fn who_was_cut_is_told() {
    for threads in ["1", "2"] {
        let server = serve(&["--close-timeout", "0.2", "--threads", threads]);
        let mut silent = Peer::open(server.address);
        let mut polite = Peer::open(server.address);
        server.running.signal("TERM");
        assert_close(&silent.frame(), 1001);
        assert_close(&polite.frame(), 1001);
        polite.close(1001);
        let (code, _, stderr) = server.running.finish();
        let name = silent.stream.local_addr().unwrap();
        assert_eq!(code, 0);
        let told = format!("connections closed: 1; cut: 1, of which {name} did not answer in time\n");
        assert!(stderr.contains(&told), "{told} is not in {stderr}");
    }
}

/// Asks again until the answer is yes; each question is one to the server, so nothing sleeps.
fn until(mut ask: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !ask() {
        assert!(std::time::Instant::now() < end, "it never comes true");
    }
}

// --- many at once ------------------------------------------------------------------------------------------------

/// A process with so many connections is killed: its system ends them all in one moment.
fn vanish_at_once(connections: u64, threads: &str) {
    let server = serve(&["--threads", threads, "--metrics", "127.0.0.1:0"]);
    let metrics = server.running.told("counters at http://");
    let metrics = metrics.strip_suffix("/metrics").unwrap().parse().unwrap();
    let mut witness = Peer::open(server.address);
    let number = connections.to_string();
    let mut clients = Running::bowsprit(&[
        "bench",
        &server.url,
        "--idle",
        "--connections",
        &number,
        "--connect-timeout",
        "5m",
        "--duration",
        "1h",
    ]);
    let open = |wanted| {
        let end = std::time::Instant::now() + 10 * PATIENCE;
        while counter(metrics, "bowsprit_connections_open") != wanted {
            assert!(std::time::Instant::now() < end, "there are never {wanted}");
        }
    };
    open(connections + 1);
    clients.child.kill().unwrap();
    clients.child.wait().unwrap();
    witness.text("still served");
    assert_text(&witness.frame(), "still served");
    open(1);
    assert_eq!(counter(metrics, "bowsprit_connections"), 1);
    assert_eq!(counter(metrics, "bowsprit_connections_closed_total"), connections);
    witness.text("and now");
    assert_text(&witness.frame(), "and now");
}

#[test]
fn a_thousand_clients_vanish_at_once() {
    vanish_at_once(1000, "1");
    vanish_at_once(1000, "2");
}

#[test]
#[ignore = "10,000 connections, of which each process needs a descriptor: ulimit -n 10100"]
fn ten_thousand_clients_vanish_at_once() {
    vanish_at_once(10_000, "1");
    vanish_at_once(10_000, "2");
}

// --- sockets that were passed ------------------------------------------------------------------------------------

fn is_python_there() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok();
    if !there {
        skip("Python", "apt-get install python3");
    }
    there
}

/// What systemd does: binds, then becomes the server with the sockets as descriptors 3 and up.
const SUPERVISOR: &str = r#"
import os, socket, sys
sockets = []
for where in sys.argv[1].split(","):
    if where.startswith("/"):
        one = socket.socket(socket.AF_UNIX)
        one.bind(where)
    else:
        one = socket.create_server(("127.0.0.1", 0))
    if where != "deaf":
        one.listen()
    else:
        one = socket.socket()
    sockets.append(os.dup(os.dup(one.fileno())))
for at, fd in enumerate(sockets):
    os.dup2(fd, 30 + at)
for at in range(len(sockets)):
    os.dup2(30 + at, 3 + at, inheritable=True)
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[2]))
os.execv(sys.argv[3], sys.argv[3:])
"#;

fn supervised(sockets: &str, wrong_by: &str, args: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", SUPERVISOR, sockets, wrong_by, BOWSPRIT, "serve", "--systemd"]).args(args);
    command
}

#[test]
fn sockets_of_a_supervisor_are_listened_on() {
    if !is_python_there() {
        return;
    }
    let path = std::env::temp_dir().join(format!("bowsprit-passed-{}", std::process::id()));
    for threads in ["1", "3"] {
        let _ = std::fs::remove_file(&path);
        let server =
            serve_by(&mut supervised(&format!("tcp,{}", path.display()), "0", &["--threads", threads]));
        let mut peers: Vec<Peer> = (0..8).map(|_| Peer::open(server.address)).collect();
        for peer in &mut peers {
            peer.text("passed");
            assert_text(&peer.frame(), "passed");
        }
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let mut start = [0; 13];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 101 ");
        drop((peers, stream));
        let (code, stderr) = end(server);
        assert_eq!(code, 0, "{stderr}");
        assert!(stderr.contains(&format!("listening on {}", path.display())), "{stderr}");
        assert!(path.exists(), "it is not ours to remove");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_supervisor_that_passes_nothing_of_use_is_told() {
    if !is_python_there() {
        return;
    }
    for (sockets, wrong_by, why) in
        [("tcp", "1", "no socket was passed"), ("deaf", "0", "socket 0 does not listen")]
    {
        let (code, _, stderr) = Running::start(&mut supervised(sockets, wrong_by, &[])).finish();
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
    }
    let (code, _, stderr) = Running::bowsprit(&["serve", "--systemd"]).finish();
    assert_eq!(code, 2);
    assert!(stderr.contains("no socket was passed"), "{stderr}");
}

// --- TLS ---------------------------------------------------------------------------------------------------------

/// Files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bowsprit-serve-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The flags that name the files of an identity.
    fn identity(&self, name: &str, identity: &Identity) -> [String; 4] {
        let chain = self.write(&format!("{name}.pem"), &identity.certificate_pem);
        let key = self.write(&format!("{name}.key"), &identity.key_pem);
        ["--tls-cert".into(), chain, "--tls-key".into(), key]
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `bowsprit serve` with TLS.
fn serve_tls(args: &[&str]) -> (Running, SocketAddr) {
    let mut command = Command::new(BOWSPRIT);
    let mut running = Running::start(command.args(["serve", "--listen", "127.0.0.1:0"]).args(args));
    let url = running.first_line();
    let address = url.strip_prefix("wss://").and_then(|url| url.strip_suffix('/')).expect(&url);
    let address = address.parse().unwrap();
    (running, address)
}

fn flags<'a>(parts: &[&'a [String]]) -> Vec<&'a str> {
    parts.iter().flat_map(|part| part.iter().map(String::as_str)).collect()
}

/// A client under TLS that trusts `authority`, asks for `name` and has shaken hands.
fn secure(authority: &Authority, address: SocketAddr, name: &str) -> Tls {
    let mut stream = secure_with(authority, address, name, &[]);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A client that offers these protocols, and has not said a word yet.
fn secure_with(authority: &Authority, address: SocketAddr, name: &str, alpn: &[&[u8]]) -> Tls {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

/// The certificate that is shown to a client that asks for `name`.
fn shown(authority: &Authority, address: SocketAddr, name: &str) -> Vec<u8> {
    secure(authority, address, name).conn.peer_certificates().unwrap()[0].to_vec()
}

fn is_curl_there() -> bool {
    let there = Command::new("curl").arg("--version").output().is_ok();
    if !there {
        skip("curl", "install it by hand");
    }
    there
}

/// What curl says: its exit code and what it printed.
fn curl(args: &[&str]) -> (Option<i32>, String) {
    let patience = PATIENCE.as_secs().to_string();
    let output = Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--max-time", &patience, "--write-out", "%{http_code}"])
        .args(["--output", "/dev/null"])
        .args(args)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn curl_gets_the_certificate_of_the_name_and_the_page() {
    if !is_curl_there() {
        return;
    }
    let (authority, folder) = (Authority::new(), Folder::new("names"));
    let ca = folder.write("ca.pem", &authority.pem());
    let (first, second) = (authority.issue(&["first.test", "localhost"]), authority.issue(&["second.test"]));
    let (one, two) = (folder.identity("first", &first), folder.identity("second", &second));
    for threads in ["1", "2"] {
        let names = ["--allow-host", "first.test", "--allow-host", "second.test", "--threads", threads];
        let (_server, address) = serve_tls(&[&flags(&[&one, &two])[..], &names].concat());
        let port = address.port();
        for name in ["first.test", "second.test"] {
            let resolve = format!("{name}:{port}:127.0.0.1");
            let url = format!("https://{name}:{port}/");
            assert_eq!(
                curl(&["--cacert", &ca, "--resolve", &resolve, &url]),
                (Some(0), "200".into()),
                "{name}"
            );
        }
        assert_eq!(shown(&authority, address, "first.test"), first.certificate.to_vec());
        assert_eq!(shown(&authority, address, "second.test"), second.certificate.to_vec());
        // Nobody's name: the first certificate, which is not for it.
        let resolve = format!("third.test:{port}:127.0.0.1");
        let url = format!("https://third.test:{port}/");
        assert_eq!(curl(&["--cacert", &ca, "--resolve", &resolve, &url]).0, Some(60));
        // ALPN: HTTP/1.1 of what is offered, and no connection to who can only speak another protocol.
        let url = format!("https://localhost:{port}/");
        assert_eq!(curl(&["--cacert", &ca, "--http2", &url]), (Some(0), "200".into()));
        let alpn = |offer: &[&[u8]]| {
            let mut stream = secure_with(&authority, address, "localhost", offer);
            stream.conn.complete_io(&mut stream.sock).map(|_| stream.conn.alpn_protocol().map(<[u8]>::to_vec))
        };
        assert_eq!(alpn(&[b"h2", b"http/1.1"]).unwrap(), Some(b"http/1.1".to_vec()));
        assert_eq!(alpn(&[]).unwrap(), None);
        assert!(alpn(&[b"h2"]).is_err());
    }
}

#[test]
fn client_certificates_are_asked_for() {
    if !is_curl_there() {
        return;
    }
    let (authority, clients, folder) = (Authority::new(), Authority::new(), Folder::new("clients"));
    let ca = folder.write("ca.pem", &authority.pem());
    let client_ca = ["--tls-client-ca".to_owned(), folder.write("clients.pem", &clients.pem())];
    let identity = folder.identity("server", &authority.issue(&["localhost"]));
    let me = folder.identity("me", &clients.issue(&["me"]));
    let stranger = folder.identity("stranger", &authority.issue(&["me"]));
    for optional in [false, true] {
        let more: &[&str] = if optional { &["--tls-client-optional"] } else { &[] };
        let (_server, address) = serve_tls(&[&flags(&[&identity, &client_ca])[..], more].concat());
        let url = format!("https://localhost:{}/", address.port());
        let with = |who: &[String; 4]| curl(&["--cacert", &ca, "--cert", &who[1], "--key", &who[3], &url]).1;
        assert_eq!(with(&me), "200");
        assert_eq!(with(&stranger), "000");
        let without = curl(&["--cacert", &ca, &url]).1;
        assert_eq!(without, if optional { "200" } else { "000" });
    }
}

#[test]
fn python_websockets_is_served_under_tls() {
    let python = workspace().join("target/peers/venv/bin/python");
    if !python.exists() {
        return skip("Python websockets", "run tests/peers/install");
    }
    let (authority, folder) = (Authority::new(), Folder::new("python"));
    let ca = folder.write("ca.pem", &authority.pem());
    let identity = folder.identity("server", &authority.issue(&["localhost"]));
    let (_server, address) = serve_tls(&flags(&[&identity]));
    let script = workspace().join("tests/peers/websockets_client.py");
    let url = format!("wss://localhost:{}/", address.port());
    for more in [&[][..], &["--deflate"]] {
        let mut command = Command::new(&python);
        command.arg(&script).arg(&url).args(more).env("SSL_CERT_FILE", &ca);
        let (code, stdout, stderr) = Running::start(&mut command).finish();
        assert_eq!(code, 0, "{stderr}");
        assert!(stdout.contains("closed with 1000"), "{stdout}");
    }
}

/// A WebSocket over what there is.
struct Secure(Tls);

impl Secure {
    fn open(authority: &Authority, address: SocketAddr) -> Self {
        let mut stream = secure(authority, address, "localhost");
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        Self(stream)
    }

    fn echo(&mut self, text: &str) {
        self.0
            .write_all(&support::sent_by(bowsprit::Role::Client, RawHeader::TEXT, text.as_bytes()))
            .unwrap();
        let mut frame = vec![0; 2 + text.len()];
        self.0.read_exact(&mut frame).unwrap();
        assert_eq!(&frame[2..], text.as_bytes());
    }
}

#[test]
fn a_hangup_has_certificates_read_again_and_connections_stay() {
    let (authority, folder) = (Authority::new(), Folder::new("reload"));
    let old = authority.issue(&["localhost"]);
    let identity = folder.identity("server", &old);
    for threads in ["1", "2"] {
        folder.identity("server", &old);
        let (server, address) = serve_tls(&[&flags(&[&identity])[..], &["--threads", threads]].concat());
        let mut stays = Secure::open(&authority, address);
        stays.echo("before");
        let new = authority.issue(&["localhost"]);
        folder.identity("server", &new);
        assert_eq!(shown(&authority, address, "localhost"), old.certificate.to_vec(), "nobody has asked yet");
        server.signal("HUP");
        server.told("the certificates have been read again");
        assert_eq!(shown(&authority, address, "localhost"), new.certificate.to_vec());
        stays.echo("after");
        // What is wrong with the files is told, and nothing changes.
        folder.write("server.key", "no key");
        server.signal("HUP");
        server.told("the certificates stay as they were: ");
        stays.echo("still");
        let mut other = Secure::open(&authority, address);
        other.echo("new");
        assert_eq!(shown(&authority, address, "localhost"), new.certificate.to_vec());
        server.signal("TERM");
        drop((stays, other));
        let (code, _, stderr) = server.finish();
        assert_eq!(code, 0, "{stderr}");
    }
}

#[test]
fn whoever_finds_no_room_under_tls_is_told() {
    let (authority, folder) = (Authority::new(), Folder::new("room"));
    let ca = folder.write("ca.pem", &authority.pem());
    let identity = folder.identity("server", &authority.issue(&["localhost"]));
    for (limit, status) in [("--max-connections", "503"), ("--max-per-address", "429")] {
        let (_server, address) = serve_tls(&[&flags(&[&identity])[..], &[limit, "1"]].concat());
        let mut first = Secure::open(&authority, address);
        if is_curl_there() {
            let url = format!("https://localhost:{}/", address.port());
            for _ in 0..5 {
                assert_eq!(curl(&["--cacert", &ca, &url]), (Some(0), status.into()));
            }
        }
        // It is told as well to whoever waits for it to speak first, and ends in a close_notify.
        let mut second = secure(&authority, address, "localhost");
        let mut answer = Vec::new();
        second.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{}", answer.escape_ascii());
        first.echo("undisturbed");
    }
}

#[test]
fn wrong_tls_flags_are_told() {
    let (authority, folder) = (Authority::new(), Folder::new("wrong"));
    let one = folder.identity("one", &authority.issue(&["a.test"]));
    let two = folder.identity("two", &authority.issue(&["b.test"]));
    for (args, hint) in [
        (vec![&one[0], &one[1]], "--tls-key"),
        (vec![&one[0], &one[1], &one[2], &one[3], &two[0], &two[1]], "as many --tls-key as --tls-cert"),
        (vec![&one[0], &one[1], &two[2], &two[3]], "key"),
        (vec![&one[0], &one[3], &one[2], &one[3]], &one[3]),
    ] {
        let args: Vec<&str> = args.into_iter().map(String::as_str).collect();
        let args = [&["serve", "--listen", "127.0.0.1:0"], &args[..]].concat();
        let (code, stdout, stderr) = Running::bowsprit(&args).finish();
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.to_lowercase().contains(hint), "{args:?}: {stderr}");
    }
}

// --- on a terminal -----------------------------------------------------------------------------------------------

/// Runs a command on a terminal of its own and shows what that gets.
const TERMINAL: &str = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))";

fn on_terminal(args: &[&str]) -> (Running, BufReader<std::process::ChildStdout>) {
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL, BOWSPRIT, "serve", "--listen", "127.0.0.1:0"]).args(args);
    let mut running = Running::start(command.env("TERM", "xterm"));
    let stdout = BufReader::new(running.stdout());
    (running, stdout)
}

fn address_in(line: &str) -> SocketAddr {
    let url = line.trim_end();
    let url = &url[url.find("ws://").expect(url) + 5..];
    url.trim_end_matches('/').parse().unwrap()
}

#[test]
fn a_line_on_a_terminal_tells_how_it_goes() {
    if !is_python_there() {
        return;
    }
    for threads in ["1", "2"] {
        let (mut running, mut screen) = on_terminal(&["--threads", threads]);
        let mut url = String::new();
        screen.read_line(&mut url).unwrap();
        let mut peer = Peer::open(address_in(&url));
        peer.text("counted");
        assert_text(&peer.frame(), "counted");
        // Each telling starts at the first column and clears what stood there.
        let mut told = Vec::new();
        while !told.ends_with(b"1 open | messages/s ") {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap();
            told.push(byte[0]);
        }
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("\r\x1b[K1 open | messages/s "), "{told:?}");
        running.write(b"\x03");
        assert_close(&peer.frame(), 1001);
        peer.close(1001);
        let mut rest = String::new();
        screen.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("\r\x1b[K"), "the line is taken away: {rest:?}");
        assert!(running.status().success());
    }
}

#[test]
fn quiet_is_quiet() {
    if !is_python_there() {
        return;
    }
    let (mut running, mut screen) = on_terminal(&["--quiet", "--close-timeout", "0.2"]);
    let mut url = String::new();
    screen.read_line(&mut url).unwrap();
    let mut peer = Peer::open(address_in(&url));
    let mut refused = Peer::connect(address_in(&url));
    refused.write(REQUEST.replace("Host:", "Origin: https://evil.example\r\nHost:").as_bytes());
    assert!(refused.head().starts_with("HTTP/1.1 403 "));
    running.write(b"\x03");
    assert_close(&peer.frame(), 1001);
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.replace("^C", ""), "");
    assert!(running.status().success());
}
