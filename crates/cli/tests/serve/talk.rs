//! What `serve` logs on stderr: which clients came, how they ended, and never so much that anything waits for it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bowsprit::frame::RawHeader;

use super::support::command::{BOWSPRIT, serve, serve_by};
use super::support::peer::{PATIENCE, Peer, REQUEST, assert_close, assert_text};
use super::{address_in, end};

/// A request of a page that may not connect.
fn foreign(origin: &str, agent: &str) -> String {
    REQUEST.replace("Host:", &format!("Origin: {origin}\r\nUser-Agent: {agent}\r\nHost:"))
}

/// Sends each request, and sees each refused: many at once, which takes a busy machine less time than one after the other.
fn refused(address: SocketAddr, requests: impl Iterator<Item = String>) {
    let mut requests = requests.peekable();
    while requests.peek().is_some() {
        let ask = |request: String| {
            let mut peer = Peer::connect(address);
            peer.write(request.as_bytes());
            peer
        };
        for mut peer in requests.by_ref().take(100).map(ask).collect::<Vec<_>>() {
            assert!(peer.head().starts_with("HTTP/1.1 403 "));
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Far more than a pipe holds and than may wait in front of one.
#[test]
fn nobody_has_to_read_stderr() {
    const REFUSED: usize = 3000;
    for threads in ["1", "2"] {
        let mut server = Killed(
            Command::new(BOWSPRIT)
                .args(["serve", "--listen", "127.0.0.1:0", "-v", "--threads", threads])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let mut url = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let address = address_in(&url);
        let (agent, begun) = ("x".repeat(180), Instant::now());
        refused(address, (0..REFUSED).map(|at| foreign(&format!("https://{at}.example"), &agent)));
        // Of repeats some lines are told in each ten seconds.
        let repeats = 10 * (1 + begun.elapsed().as_secs() as usize / 10);
        let mut peer = Peer::open(address);
        peer.text("still here");
        assert_text(&peer.frame(), "still here");

        // Once somebody reads, it is told how much was lost, and it goes on.
        let mut stderr = BufReader::new(server.0.stderr.take().unwrap());
        let (mut line, mut lines) = (String::new(), 0);
        let lost: usize = loop {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ends");
            if let Some((_, number)) = line.split_once("lines lost, as nobody read them in time: ") {
                break number.trim().replace(',', "").parse().unwrap();
            }
            assert!(line.contains(" refused 403") || line.contains(" refused a page"), "{line}");
            lines += 1;
        };
        assert!(
            lost > 0 && lines + lost > REFUSED && lines + lost < REFUSED + 10 + repeats,
            "{lines} and {lost}"
        );
        peer.close(1000);
        assert_close(&peer.frame(), 1000);
        while !line.contains(" closed 1000") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ends");
        }
    }
}

#[test]
fn nobody_has_to_read_stderr_for_it_to_end() {
    let mut server = Killed(
        Command::new(BOWSPRIT)
            .args(["serve", "--listen", "127.0.0.1:0", "-v"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let agent = "x".repeat(180);
    refused(address_in(&url), (0..500).map(|_| foreign("https://evil.example", &agent)));
    let status = Command::new("kill").args(["-s", "TERM", &server.0.id().to_string()]).status().unwrap();
    assert!(status.success());
    let until = Instant::now() + PATIENCE;
    while server.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(5)); // a child's end is no event
    }
    let mut rest = String::new();
    server.0.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" refused 403"));
}

#[test]
fn repeats_are_folded() {
    let server = serve(&[]);
    let repeated = (0..100).map(|_| foreign("https://evil.example", "x"));
    let different = (0..100).map(|at| foreign(&format!("https://{at}.example"), "x"));
    refused(server.address, repeated.chain(different));
    let (code, stderr) = end(server);
    assert_eq!(code, 0);
    assert_eq!(stderr.lines().filter(|line| line.contains("refused a page of ")).count(), 5, "{stderr}");
    assert!(stderr.contains("bowsprit: … pages refused: 195 more\n"), "{stderr}");
}

/// The system has no descriptor left, again and again.
#[test]
fn what_accepting_fails_with_is_told_once_in_a_while() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 24; exec \"$0\" serve --listen 127.0.0.1:0", BOWSPRIT]);
    let server = serve_by(&mut command);
    let peers: Vec<_> = (0..40).map(|_| Peer::connect(server.address)).collect();
    let more = server.running.told("bowsprit: … failures to accept: ");
    assert!(more.ends_with(" more"), "{more}");
    drop(peers);
    let (code, stderr) = end(server);
    assert_eq!(code, 0);
    assert_eq!(stderr.matches("cannot accept for now").count(), 1, "{stderr}");
}

#[test]
fn a_connection_is_told_in_words_for_an_operator() {
    for threads in ["1", "2"] {
        let server = serve(&["-v", "--subprotocol", "chat", "--threads", threads]);
        let told = |what: &str| {
            let line = server.running.told(what);
            assert!(!line.contains("s3cret") && !line.contains('\u{1b}'), "{line}");
            line
        };
        let mut peer = Peer::connect(server.address);
        let more = "User-Agent: a\u{202e}gent/1\r\nCookie: s3cret\r\nAuthorization: Basic s3cret\r\n\
                    Sec-WebSocket-Protocol: chat\r\nHost:";
        let request = REQUEST.replace("/chat ", "/chat?room=1&token=s3cret ").replace("Host:", more);
        peer.write(request.as_bytes());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        let from = peer.stream.local_addr().unwrap();
        assert_eq!(
            told(&format!(" {from} opened ")),
            "GET /chat?room=1&token=… host 127.0.0.1 agent \"a\\u{202e}gent/1\", subprotocol chat, no compression"
        );
        peer.text("hello");
        assert_text(&peer.frame(), "hello");
        peer.text("you");
        assert_text(&peer.frame(), "you");
        peer.send(RawHeader::CLOSE, &super::support::close_payload(4001, "bye\u{7f}"));
        assert_close(&peer.frame(), 4001);
        let closed = told(&format!(" {from} closed "));
        assert!(closed.starts_with("4001 \"bye\\u{7f}\", after "), "{closed}");
        assert!(closed.ends_with("s, received 2 (8 bytes), sent 2 (8 bytes)"), "{closed}");

        // The peer and the operator get the same words.
        let mut peer = Peer::open(server.address);
        let from = peer.stream.local_addr().unwrap();
        peer.write(b"\x81\x01x");
        let (_, payload) = peer.frame();
        let failed = told(&format!(" {from} failed "));
        let reason = std::str::from_utf8(&payload[2..]).unwrap();
        assert!(failed.starts_with(&format!("1002 \"{reason}\", RFC 6455 §5.1, after ")), "{failed}");

        let mut peer = Peer::connect(server.address);
        let from = peer.stream.local_addr().unwrap();
        peer.write(
            REQUEST.replace("Host:", "Sec-WebSocket-Protocol:\r\nUser-Agent: tcllib\r\nHost:").as_bytes(),
        );
        let answer = String::from_utf8(peer.rest()).unwrap();
        let words = answer.trim_end().rsplit("\r\n").next().unwrap();
        let refused = told(&format!(" {from} refused "));
        assert_eq!(refused, format!("400, {words}: GET /chat host 127.0.0.1 agent \"tcllib\""));

        let mut peer = Peer::connect(server.address);
        let from = peer.stream.local_addr().unwrap();
        peer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        peer.rest();
        assert_eq!(told(&format!(" {from} answered ")), "200: GET / host localhost agent none");

        let peer = Peer::connect(server.address);
        let from = peer.stream.local_addr().unwrap();
        peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(told(&format!(" {from} did not open: ")), "gone before its request was whole");
        drop(peer);

        let mut peer = Peer::open(server.address);
        let from = peer.stream.local_addr().unwrap();
        peer.text("x");
        peer.frame();
        peer.finish();
        assert!(told(&format!(" {from} gone 1006, ")).starts_with("without a Close frame, after "));

        let (code, stderr) = end(server);
        assert_eq!(code, 0);
        for line in stderr.lines() {
            let (time, _) = line.split_once(' ').unwrap();
            assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
        }
    }
}

#[test]
fn messages_are_shown_at_the_second_level() {
    let server = serve(&["-vv"]);
    let mut peer = Peer::open(server.address);
    peer.text("a\u{1b}[31m\nb");
    peer.frame();
    assert_eq!(server.running.told(" received text, "), "8 bytes: a\\u{1b}[31m\\nb");
    peer.send(RawHeader::BINARY, b"\x00\xff");
    peer.frame();
    assert_eq!(server.running.told(" received binary, "), "2 bytes: 0x00ff");
    peer.send(RawHeader::PING, b"p");
    peer.frame();
    assert_eq!(server.running.told(" received Ping, "), "1 byte: 0x70");
    peer.text(&"ä".repeat(1_000_000));
    peer.frame();
    let shown = server.running.told(" received text, 2000000 bytes: ");
    assert_eq!(shown, format!("{}…", "ä".repeat(200)));
    // At the first level nothing of it.
    let quieter = serve(&["-v"]);
    let mut peer = Peer::open(quieter.address);
    peer.text("a");
    peer.frame();
    let (_, stderr) = end(quieter);
    assert!(!stderr.contains("received text"), "{stderr}");
}

/// The flag that sets it names the timeout that expired: some clients (libcurl's) answer a Ping only when they have
/// something to do.
#[test]
fn what_ran_out_is_told_with_its_flag() {
    for (flags, part, told) in [
        (
            &["--ping", "50ms", "--pong-timeout", "50ms"][..],
            &b""[..],
            "\"no answer to a Ping\" (--pong-timeout)",
        ),
        (&["--idle-timeout", "50ms"], b"", "\"idle for too long\" (--idle-timeout)"),
        (
            &["--message-timeout", "50ms"],
            b"\x81\x85\0\0\0\0H",
            "\"nothing of the message for too long\" (--message-timeout)",
        ),
    ] {
        let server = serve(&[&["-v"], flags].concat());
        let mut peer = Peer::open(server.address);
        peer.write(part);
        server.running.told(told);
    }
}
