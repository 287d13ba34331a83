//! `serve` over TLS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use bowsprit::frame::RawHeader;
use bowsprit::tls::rustls::pki_types::ServerName;
use bowsprit::tls::rustls::{self, ClientConnection, StreamOwned};

use super::certificates::{Authority, Identity};
use super::installed::skip;
use super::support::command::{BOWSPRIT, Running};
use super::support::peer::{PATIENCE, REQUEST};
use super::support::{sent_by, workspace};

/// The files of one test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bowsprit-serve-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Returns the flags that name the files of an identity.
    pub(super) fn identity(&self, name: &str, identity: &Identity) -> [String; 4] {
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
pub(super) fn serve_tls(args: &[&str]) -> (Running, SocketAddr) {
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

/// Connects a TLS client that trusts `authority`, asks for `name` and has completed the handshake.
fn secure(authority: &Authority, address: SocketAddr, name: &str) -> Tls {
    let mut stream = secure_with(authority, address, name, &[]);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Connects a client that offers these protocols and has not sent anything yet.
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

/// Returns the certificate that a client gets if it asks for `name`.
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

/// Returns curl's exit code and its output.
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
        // ALPN: HTTP/2 and HTTP/1.1 of what is offered, and no connection to who can only speak another protocol.
        let url = format!("https://localhost:{port}/");
        for http in ["--http1.1", "--http2"] {
            assert_eq!(curl(&["--cacert", &ca, http, &url]), (Some(0), "200".into()));
        }
        let alpn = |offer: &[&[u8]]| {
            let mut stream = secure_with(&authority, address, "localhost", offer);
            stream.conn.complete_io(&mut stream.sock).map(|_| stream.conn.alpn_protocol().map(<[u8]>::to_vec))
        };
        assert_eq!(alpn(&[b"h2", b"http/1.1"]).unwrap(), Some(b"h2".to_vec()));
        assert_eq!(alpn(&[b"http/1.1"]).unwrap(), Some(b"http/1.1".to_vec()));
        assert_eq!(alpn(&[]).unwrap(), None);
        assert!(alpn(&[b"spdy/3"]).is_err());
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

/// Opens a WebSocket over an existing stream.
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
        self.0.write_all(&sent_by(bowsprit::Role::Client, RawHeader::TEXT, text.as_bytes())).unwrap();
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
        // It is told as well to whoever waits for it to speak first, and ends in a close_notify; in HTTP/1.1 to all.
        let mut second = secure_with(&authority, address, "localhost", &[b"h2", b"http/1.1"]);
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
