//! Every example runs against clients and servers on sockets, and so do the memory and load measurements in `benches/`.

#![cfg(unix)]

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../tests/support/engine.rs"]
mod engine;
#[path = "../../../tests/support/installed.rs"]
mod installed;
mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{ChildStdout, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use bowsprit::Role;
use bowsprit::event_loop::{ConnId, Context, Decision, EventLoop, Handler};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::{Acceptance, Agreement, Request};
use bowsprit::message::Message;
use certificates::Authority;
use serde_json::Value;
use support::command::{BOWSPRIT, Running, serve, serve_by};
use support::peer::{PATIENCE, Peer, REQUEST, assert_close, assert_text};
use support::sent_by;
use support::workspace;

/// Returns the paths of the examples, built now by the same cargo, which has nothing to do if it has just built them.
fn examples() -> &'static HashMap<String, PathBuf> {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--package=bowsprit",
            "--examples",
            "--benches",
            "--all-features",
            "--offline",
            "--quiet",
            "--message-format=json",
        ]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        // What cargo tells a test of its package: build scripts would take it for a change.
        for (name, _) in std::env::vars_os() {
            let of_package =
                ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
            if name.to_str().is_some_and(|name| of_package.iter().any(|start| name.starts_with(start))) {
                build.env_remove(name);
            }
        }
        let output = build.current_dir(workspace()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let messages = messages.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        let built = messages.filter_map(|message| {
            let path = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
        });
        let mut programs = HashMap::new();
        for (name, path) in built {
            assert!(programs.insert(name.clone(), path).is_none(), "two programs are called {name}");
        }
        programs
    })
}

fn start(name: &str, args: &[&str]) -> Running {
    Running::start(Command::new(&examples()[name]).args(args))
}

/// An example that serves, what it says on stdout, and where it listens.
fn server(name: &str, args: &[&str]) -> (Running, BufReader<ChildStdout>, SocketAddr, String) {
    let mut running = start(name, args);
    let mut stdout = BufReader::new(running.stdout());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let (_, address) = line.split_once("://").expect(&line);
    let address = address.split('/').next().unwrap().parse().unwrap();
    (running, stdout, address, line)
}

/// Reads lines until one holds this.
fn wait_for(stdout: &mut impl BufRead, what: &str) {
    let mut line = String::new();
    while !line.contains(what) {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "{what} is still missing");
    }
}

fn says_back(peer: &mut Peer) {
    peer.text("come back");
    loop {
        let frame = peer.frame();
        // Beside what the program says by itself.
        if frame.1 == b"come back" {
            break;
        }
        assert_eq!(frame.0.opcode, RawHeader::TEXT.opcode);
    }
}

#[test]
fn each_example_is_run_here() {
    // The last three are benchmarks proper, which only have to build.
    let mut known = [
        "echo",
        "forward",
        "spin",
        "turns",
        "chat",
        "own_poll",
        "embed_udp",
        "autobahn_client",
        "sans_io",
        "tls",
        "auth",
        "rooms",
        "rooms_over_machines",
        "reconnect",
        "blocking",
        "subscriptions",
        "idle_memory",
        "deflate_memory",
        "codec",
        "turn",
        "tls_cost",
    ];
    known.sort_unstable();
    let mut found: Vec<&str> = examples().keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn echo() {
    let (_server, _stdout, address, _) = server("echo", &["127.0.0.1:0"]);
    says_back(&mut Peer::open(address));
}

/// The core on plain sockets: a fault is answered with the Close frame that names it, and the end is in order.
#[test]
fn sans_io() {
    let (_server, mut stdout, address, _) = server("sans_io", &["127.0.0.1:0"]);
    for (says, code, line) in [
        (sent_by(Role::Client, RawHeader::CLOSE, &1000_u16.to_be_bytes()), 1000, "closed with 1000"),
        (sent_by(Role::Client, RawHeader::TEXT, b"\xff"), 1007, "closed with 1006"),
    ] {
        let mut peer = Peer::open(address);
        says_back(&mut peer);
        peer.write(&says);
        assert_close(&peer.frame(), code);
        assert_eq!(peer.rest(), b"");
        drop(peer);
        wait_for(&mut stdout, line);
    }
}

#[test]
fn tls() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("example-tls");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"]);
    let (chain, key) = (file("chain.pem", &identity.certificate_pem), file("key.pem", &identity.key_pem));
    let ca = file("ca.pem", &authority.pem());
    let (mut server, mut stdout, address, _) = server("tls", &["127.0.0.1:0", &chain, &key]);
    for _ in 0..2 {
        let url = format!("wss://localhost:{}/", address.port());
        let client = Running::client(&url, &["-m", "come back", "--ca", &ca]);
        assert_eq!(client.finish(), (0, "come back\n".into(), String::new()));
        server.write(b"\n");
        wait_for(&mut stdout, "reloaded");
    }
}

#[test]
fn auth() {
    let (_server, _stdout, address, _) = server("auth", &["127.0.0.1:0", "secret"]);
    let url = format!("ws://{address}/");
    let ask = |header: &str| Running::client(&url, &["-m", "hello", "-H", header]).finish();
    assert_eq!(ask("Authorization: Bearer secret"), (0, "hello\n".into(), String::new()));
    for wrong in ["Authorization: Bearer secre", "Authorization: Basic secret", "X-Other: secret"] {
        let (code, stdout, stderr) = ask(wrong);
        assert_eq!((code, stdout.as_str()), (3, ""));
        assert!(stderr.contains("401"), "{stderr}");
    }
}

#[test]
fn rooms() {
    let (_server, _stdout, address, _) = server("rooms", &["127.0.0.1:0"]);
    let enter = |room: &str| {
        let mut peer = Peer::connect(address);
        peer.write(REQUEST.replacen("/chat", room, 1).as_bytes());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer
    };
    let mut first = enter("/kitchen");
    assert_text(&first.frame(), "0 others are in /kitchen");
    let mut elsewhere = enter("/cellar");
    assert_text(&elsewhere.frame(), "0 others are in /cellar");
    let mut second = enter("/kitchen");
    assert_text(&second.frame(), "1 others are in /kitchen");
    assert_text(&first.frame(), "somebody came in");
    first.text("hello, kitchen");
    assert_text(&second.frame(), "hello, kitchen");
    first.close(1000);
    assert_text(&second.frame(), "somebody left");
}

/// Two processes and an engine: a room has members in both, and no other room gets their messages.
#[test]
fn rooms_over_machines() {
    for kind in engine::KINDS {
        let Some(engine) = engine::Server::start(kind, &[]) else { return };
        let servers = [(); 2].map(|()| server("rooms_over_machines", &["127.0.0.1:0", &engine.url()]));
        let enter = |at: usize, room: &str| {
            let mut peer = Peer::connect(servers[at].2);
            peer.write(REQUEST.replacen("/chat", room, 1).as_bytes());
            assert!(peer.head().starts_with("HTTP/1.1 101 "));
            assert_text(&peer.frame(), &format!("you are in {room}, with 0 others on this machine"));
            peer
        };
        let (mut one, mut other, mut elsewhere) =
            (enter(0, "/kitchen"), enter(1, "/kitchen"), enter(1, "/cellar"));
        // Until the engine knows who listens where.
        other.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        while other.read().is_err() {
            one.text("hello?");
        }
        other.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        one.text("hello, kitchen");
        while other.frame().1 != b"hello, kitchen" {}
        elsewhere.text("hello, cellar");
        other.text("who is there?");
        while one.frame().1 != b"who is there?" {}
        one.close(1000);
        assert_text(&other.frame(), "somebody left");
        assert_eq!(elsewhere.try_frame(), None);
    }
}

/// With a history: a client that comes back to the other process gets what was sent meanwhile.
#[test]
fn rooms_over_machines_with_a_history() {
    let Some(engine) = engine::Server::start(engine::KINDS[0], &[]) else { return };
    let url = format!("{}?streams", engine.url());
    let servers = [(); 2].map(|()| server("rooms_over_machines", &["127.0.0.1:0", &url]));
    let enter = |at: usize, since: &str| {
        let mut peer = Peer::connect(servers[at].2);
        peer.write(REQUEST.replacen("/chat", &format!("/kitchen{since}"), 1).as_bytes());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer
    };
    let next = |peer: &mut Peer| {
        let text = String::from_utf8(peer.frame().1).unwrap();
        let (place, what) = text.split_once(' ').unwrap();
        (place.to_owned(), what.to_owned())
    };
    let (mut one, mut other) = (enter(0, ""), enter(1, ""));
    assert_eq!(next(&mut one).1, "that is all that you missed");
    let (place, _) = next(&mut other);
    other.close(1000);
    while next(&mut one).1 != "somebody left" {}
    let mut speaker = enter(1, "");
    next(&mut speaker);
    speaker.text("said meanwhile");
    assert_eq!(next(&mut one).1, "said meanwhile");
    // Each stays, as who leaves is told to whoever comes.
    let _back = [0, 1].map(|at| {
        let mut back = enter(at, &format!("?since={place}"));
        let heard = [(); 3].map(|()| next(&mut back).1);
        assert_eq!(heard, ["somebody left", "said meanwhile", "that is all that you missed"]);
        back
    });
}

/// The server goes away and another one takes its place; the client finds it.
#[test]
fn reconnect() {
    let first = serve(&[]);
    let address = first.address;
    let mut client = start("reconnect", &[&first.url]);
    let mut stdout = BufReader::new(client.stdout());
    wait_for(&mut stdout, "tick 1");
    first.running.signal("TERM");
    first.running.finish();
    wait_for(&mut stdout, "Retry");
    let _second = serve_by(Command::new(BOWSPRIT).args(["serve", "--listen", &address.to_string()]));
    wait_for(&mut stdout, "tick");
}

#[test]
fn blocking() {
    let server = serve(&[]);
    let (code, stdout, stderr) = start("blocking", &[&server.url, "hello"]).finish();
    assert_eq!((code, stdout.as_str()), (0, "Text(\"hello\")\nclosed with 1000\n"), "{stderr}");
}

#[test]
fn forward() {
    let (_server, _stdout, address, _) = server("forward", &["127.0.0.1:0"]);
    let mut peer = Peer::open(address);
    says_back(&mut peer);
    // The first half of a message is answered before the second is sent; the cut is inside a character.
    let text = "nächster Versuch";
    let wire = sent_by(Role::Client, RawHeader::TEXT, text.as_bytes());
    let cut = wire.len() - text.len() + 2;
    peer.write(&wire[..cut]);
    let (first, bytes) = peer.frame();
    assert!(!first.fin && first.opcode == RawHeader::TEXT.opcode && bytes == text.as_bytes()[..2]);
    peer.write(&wire[cut..]);
    let (last, bytes) = peer.frame();
    assert!(last.fin && last.opcode == RawHeader::CONTINUATION.opcode && bytes == text.as_bytes()[2..]);
}

#[test]
fn spin() {
    let (_server, _stdout, address, _) = server("spin", &["127.0.0.1:0", "20"]);
    says_back(&mut Peer::open(address));
}

#[test]
fn turns() {
    let (_server, _stdout, address, _) = server("turns", &["127.0.0.1:0"]);
    let mut peer = Peer::open(address);
    let step = |peer: &mut Peer| {
        let text = String::from_utf8(peer.frame().1).unwrap();
        text.strip_prefix("step ").expect(&text).parse::<u64>().unwrap()
    };
    let (first, second) = (step(&mut peer), step(&mut peer));
    assert_eq!(second, first + 1);
    says_back(&mut peer);
}

#[test]
fn chat() {
    let (_server, mut stdout, address, _) = server("chat", &["127.0.0.1:0"]);
    let mut peers = [(); 3].map(|()| Peer::open(address));
    peers[0].text("hello, others");
    for peer in &mut peers[1..] {
        assert_text(&peer.frame(), "hello, others");
    }
    peers[0].close(1000);
    assert_close(&peers[0].frame(), 1000);
    wait_for(&mut stdout, "left: 1000");
}

#[test]
fn own_poll() {
    let (mut server, _stdout, address, _) = server("own_poll", &["127.0.0.1:0"]);
    let mut peer = Peer::open(address);
    says_back(&mut peer);
    server.write(b"from stdin\n");
    assert_text(&peer.frame(), "from stdin");
}

#[test]
fn embed_udp() {
    let (_server, _stdout, address, line) = server("embed_udp", &["127.0.0.1:0", "127.0.0.1:0"]);
    let (_, readings) = line.trim_end().rsplit_once("udp ").unwrap();
    let mut watcher = Peer::open(address); // of /chat
    let sensor = UdpSocket::bind("127.0.0.1:0").unwrap();
    sensor.connect(readings).unwrap();
    sensor.send(b"cellar 7").unwrap();
    sensor.send(b"chat 12.5").unwrap();
    assert_text(&watcher.frame(), "12.5");
    // Whoever comes later gets the last one.
    assert_text(&Peer::open(address).frame(), "12.5");
}

/// What the suite's fuzzing server sends to a client, with two cases.
struct Suite {
    visits: Sender<String>,
}

impl Handler for Suite {
    type Data = String;

    fn on_request(&mut self, cx: &mut Context<String>, id: ConnId, request: &Request) -> Decision {
        *cx.data(id).unwrap() = request.resource().to_owned();
        Decision::Accept(Acceptance::default())
    }

    fn on_open(&mut self, cx: &mut Context<String>, id: ConnId, _: &Agreement) {
        let resource = cx.data(id).unwrap().clone();
        match resource.split('?').next() {
            Some("/getCaseCount") => {
                cx.send_text(id, "2");
                cx.close(id, None);
            }
            Some("/runCase") => {
                cx.send_text(id, &resource);
            }
            _ => {
                cx.close(id, None);
            }
        }
        self.visits.send(resource).unwrap();
    }

    fn on_message(&mut self, cx: &mut Context<String>, id: ConnId, message: Message<'_>) {
        self.visits.send(format!("echoed {}", String::from_utf8_lossy(message.as_bytes()))).unwrap();
        cx.close(id, None);
    }
}

#[test]
fn autobahn_client() {
    let mut suite = EventLoop::new().unwrap();
    let address = suite.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let remote = suite.remote().unwrap();
    let (visits, visited) = channel();
    let thread = thread::spawn(move || suite.run(&mut Suite { visits }));
    let (code, stdout, stderr) = start("autobahn_client", &[&format!("ws://{address}/")]).finish();
    remote.stop().unwrap();
    thread.join().unwrap().unwrap();
    assert_eq!((code, stdout.as_str()), (0, "2 cases played\n"), "{stderr}");
    let visited: Vec<String> = visited.iter().collect();
    let case = |number| format!("/runCase?case={number}&agent=bowsprit");
    let expected = [
        "/getCaseCount".to_owned(),
        case(1),
        format!("echoed {}", case(1)),
        case(2),
        format!("echoed {}", case(2)),
        "/updateReports?agent=bowsprit".to_owned(),
    ];
    assert_eq!(visited, expected);
}

/// The measurements without a socket: their own assertions hold, and they print what they should.
#[test]
fn measures() {
    for (name, args, rows) in [
        ("subscriptions", &["200"][..], &["| 1 |", "| 64 |"][..]),
        ("idle_memory", &["1000"], &["memory after it", "closed in"]),
        ("deflate_memory", &[], &["| Fresh | Fresh | 15 | 8 |"]),
    ] {
        let (code, stdout, stderr) = start(name, args).finish_within(200);
        assert_eq!(code, 0, "{name}: {stderr}");
        for row in rows {
            assert!(stdout.contains(row), "{name}: {row} is not in {stdout}");
        }
    }
}
