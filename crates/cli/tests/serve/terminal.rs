//! What `serve` shows on a terminal.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::Command;

use super::is_python_there;
use super::support::command::{BOWSPRIT, Running};
use super::support::peer::{Peer, REQUEST, assert_close, assert_text};

/// Runs a command on a terminal of its own and returns what that receives.
const TERMINAL: &str = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))";

fn on_terminal(args: &[&str]) -> (Running, BufReader<std::process::ChildStdout>) {
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL, BOWSPRIT, "serve", "--listen", "127.0.0.1:0"]).args(args);
    let mut running = Running::start(command.env("TERM", "xterm"));
    let stdout = BufReader::new(running.stdout());
    (running, stdout)
}

pub(super) fn address_in(line: &str) -> SocketAddr {
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
