//! `serve --mode console`: a server that a person talks through.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use bowsprit::frame::RawHeader;

use super::address_in;
use super::support::command::{BOWSPRIT, Running};
use super::support::peer::{Peer, assert_close, assert_text};

#[test]
fn what_is_typed_goes_to_all_and_what_comes_is_shown() {
    for threads in ["1", "2"] {
        let mut command = Command::new(BOWSPRIT);
        command.args(["serve", "--listen", "127.0.0.1:0", "--mode", "console", "--threads", threads]);
        let mut running = Running::start(&mut command);
        let mut shown = BufReader::new(running.stdout());
        let mut line = || {
            let mut line = String::new();
            shown.read_line(&mut line).unwrap();
            line
        };
        let address = address_in(&line());
        running.write(b"nobody hears this\n");
        running.told("bowsprit: nobody is connected to get \"nobody hears this\"");
        let mut peers: Vec<Peer> = (0..5).map(|_| Peer::open(address)).collect();
        for peer in &peers {
            running.told(&format!(" {} opened ", peer.stream.local_addr().unwrap()));
        }
        running.write("grüße an alle\n".as_bytes());
        for peer in &mut peers {
            assert_text(&peer.frame(), "grüße an alle");
        }
        for (at, peer) in peers.iter_mut().enumerate() {
            peer.text(&format!("from {at}\u{1b}[2J"));
            let line = line();
            let from = peer.stream.local_addr().unwrap();
            assert!(line.ends_with(&format!(" {from}: from {at}\\u{{1b}}[2J\n")), "{line}");
        }
        peers[0].send(RawHeader::BINARY, b"\x00\x01");
        assert!(line().ends_with(": 0x0001\n"));
        // The end of what is typed is not the end of the server.
        running.end_input();
        peers[1].text("still here");
        assert!(line().ends_with(": still here\n"));
        running.signal("TERM");
        for peer in &mut peers {
            assert_close(&peer.frame(), 1001);
            peer.close(1001);
        }
        assert!(running.status().success());
    }
}

/// Messages that nobody looks at delay nobody.
#[test]
fn nobody_has_to_read_what_is_shown() {
    let mut child = Command::new(BOWSPRIT)
        .args(["serve", "--listen", "127.0.0.1:0", "--mode", "console", "--max-message", "1M"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut shown = BufReader::with_capacity(64, child.stdout.take().unwrap());
    let mut url = String::new();
    shown.read_line(&mut url).unwrap();
    let mut peer = Peer::open(address_in(&url));
    for _ in 0..50 {
        peer.text(&"x".repeat(50_000));
    }
    peer.send(RawHeader::PING, b"there?");
    assert_eq!(peer.frame().1, b"there?");
    child.stdin.as_mut().unwrap().write_all(b"yes\n").unwrap();
    assert_text(&peer.frame(), "yes");
    let mut line = String::new();
    while !line.contains("lines lost") {
        line.clear();
        assert_ne!(shown.read_line(&mut line).unwrap(), 0);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
