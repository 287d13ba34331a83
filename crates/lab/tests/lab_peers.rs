//! Servers that are none, or bad ones: each gets a clear verdict in bounded time, and none ends the run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bowsprit_lab::report::Outcome;
use bowsprit_lab::runner::{self, Aftermath, Peer, Plan, Target};
use bowsprit_lab::{Behaviour, Options, Record, Selection, Subject};

const PATIENCE: Duration = Duration::from_millis(300);

/// A server that does this with each connection, each on a thread of its own.
fn serve(with: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || with(stream));
        }
    });
    addr
}

/// The answer to a request, for servers that misbehave only later.
fn upgrade(stream: &mut TcpStream) {
    use base64::Engine as _;
    use sha1::Digest as _;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let accept = sha1::Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = base64::engine::general_purpose::STANDARD.encode(accept.finalize());
    let _ = write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
}

fn target(addr: SocketAddr) -> Target {
    Target::new(addr, &addr.to_string(), "/")
}

fn options() -> Options {
    Options { patience: Some(PATIENCE), ..Options::default() }
}

/// The records of these cases, and how long they took.
fn play(addr: SocketAddr, patterns: &[&str]) -> (Vec<Outcome>, Peer, Duration) {
    let patterns = patterns.iter().map(|pattern| pattern.to_string()).collect();
    let cases = Selection { patterns, ..Selection::default() }.choose(Subject::Server).unwrap();
    let plan = Plan { target: target(addr), cases, options: options(), jobs: 8 };
    let started = Instant::now();
    let mut outcomes = Vec::new();
    let peer =
        runner::run(&plan, &mut |record, aftermath| outcomes.push(Outcome { record, aftermath })).unwrap();
    assert_eq!(outcomes.len(), plan.cases.len(), "every case has a verdict");
    (outcomes, peer, started.elapsed())
}

fn all_failed(outcomes: &[Outcome]) -> &Record {
    for outcome in outcomes {
        assert_eq!(outcome.record.verdict.behaviour, Behaviour::Failed, "{}", outcome.record.case.id);
    }
    &outcomes[0].record
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let error = runner::preflight(&target(addr), options()).unwrap_err();
    assert!(error.contains("could not connect"), "{error}");
    let (outcomes, peer, _) = play(addr, &["1"]);
    all_failed(&outcomes);
    assert!(matches!(peer, Peer::Gone(_)));
}

#[test]
fn something_else_than_http() {
    let addr = serve(|mut stream| {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    let error = runner::preflight(&target(addr), options()).unwrap_err();
    assert!(error.contains("no HTTP head"), "{error}");
}

#[test]
fn a_web_server() {
    let addr = serve(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    });
    let error = runner::preflight(&target(addr), options()).unwrap_err();
    assert!(error.contains("HTTP status 200"), "{error}");
}

#[test]
fn garbage_instead_of_frames() {
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        let _ = stream.write_all(&[0xff; 64]);
        let _ = stream.read(&mut [0; 4096]);
    });
    let (outcomes, ..) = play(addr, &["1.1.1"]);
    let record = all_failed(&outcomes);
    assert!(record.verdict.reason.contains("must not mask"), "{}", record.verdict.reason);
    assert!(matches!(outcomes[0].aftermath, Some(Aftermath::Hangs(_))));
}

#[test]
fn a_flood_of_messages() {
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        let flood = [&[0x82, 0x7e, 0x40, 0x00][..], &[7; 0x4000]].concat();
        while stream.write_all(&flood).is_ok() {}
    });
    let (outcomes, _, took) = play(addr, &["1.1.*"]);
    all_failed(&outcomes);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_message_without_end() {
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        let mut frame = [&[2, 0x7f, 0, 0, 0, 0, 0, 0x10, 0, 0][..], &[7; 1 << 20]].concat();
        while stream.write_all(&frame).is_ok() {
            frame[0] = 0;
        }
    });
    let (outcomes, _, took) = play(addr, &["1.1.1"]);
    all_failed(&outcomes);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_trickle() {
    let addr = serve(|mut stream| {
        while stream.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (_, _, took) = play(addr, &["1.1.1", "1.1.2"]);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        while stream.write_all(b"\x8a\x00").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (outcomes, _, took) = play(addr, &["1.1.1", "1.1.2"]);
    all_failed(&outcomes);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn never_a_word() {
    let addr = serve(|mut stream| while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {});
    let (outcomes, peer, took) = play(addr, &["1.1.*"]);
    let record = all_failed(&outcomes);
    assert!(record.verdict.reason.contains("no answer"), "{}", record.verdict.reason);
    assert_eq!(peer, Peer::Alive);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn never_closes() {
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    let (outcomes, _, took) = play(addr, &["1.1.*", "7.1.*"]);
    assert!(outcomes.iter().all(|outcome| !outcome.passed() || outcome.record.case.id == "7.1.6"));
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn closes_at_once() {
    let addr = serve(drop);
    let (outcomes, peer, _) = play(addr, &["1.1.*"]);
    let record = all_failed(&outcomes);
    assert!(record.verdict.reason.contains("without an answer"), "{}", record.verdict.reason);
    assert_eq!(peer, Peer::Alive);
}
