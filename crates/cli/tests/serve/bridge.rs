//! `serve` as a bridge: bytes, lines, ends and commands of the far end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Instant;

use bowsprit::frame::RawHeader;

use super::end;
use super::support::Random;
use super::support::command::{Running, Server, serve};
use super::support::peer::{PATIENCE, Peer, REQUEST, assert_close, assert_text};
use super::support::port::reserved;

/// Reads everything until the server's Close frame, and returns it with the code and reason.
fn rest(peer: &mut Peer) -> (Vec<u8>, u16, String) {
    let mut all = Vec::new();
    loop {
        let (header, payload) = peer.frame();
        if header.opcode == RawHeader::CLOSE.opcode {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            peer.close(code);
            return (all, code, String::from_utf8(payload[2..].to_vec()).unwrap());
        }
        all.extend(payload);
    }
}

fn exec(command: &str, args: &[&str]) -> Server {
    serve(&[&["--mode", &format!("exec:{command}")], args].concat())
}

/// Sends everything, and reads as much as is expected meanwhile.
fn exchange(peer: &mut Peer, bytes: &[u8], expected: usize) -> Vec<u8> {
    let mut writer = Peer { stream: peer.stream.try_clone().unwrap(), ahead: Vec::new() };
    let mut back = Vec::with_capacity(expected);
    thread::scope(|scope| {
        scope.spawn(move || bytes.chunks(100_000).for_each(|part| writer.send(RawHeader::BINARY, part)));
        while back.len() < expected {
            let (header, payload) = peer.frame();
            assert_eq!(header.opcode, RawHeader::BINARY.opcode);
            back.extend(payload);
        }
    });
    back
}

/// 50 MB of arbitrary bytes, more than any buffer in between, in both directions at once, and the end of each
/// direction.
#[test]
fn bytes_pass_as_they_are_in_both_directions() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(&["--mode", &format!("tcp:{}", listener.local_addr().unwrap())]);
    let some = Random::new(7).bytes(1_000_003);
    let bytes = some.repeat(50);
    let echo = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut copy = stream.try_clone().unwrap();
        let greeting = b"\0\xff greeting\n";
        stream.write_all(greeting).unwrap();
        std::io::copy(&mut copy, &mut stream).unwrap();
        // What the client closes is the end of what we read.
    });
    let mut peer = Peer::open(server.address);
    let back = exchange(&mut peer, &bytes, 12 + bytes.len());
    assert!(back.starts_with(b"\0\xff greeting\n") && back[12..] == bytes);
    peer.close(1000);
    assert_close(&peer.frame(), 1000);
    echo.join().unwrap();
    assert_eq!(end(server).0, 0);

    // Through the pipes of a command.
    let server = exec("cat", &["--framing", "bytes"]);
    let mut peer = Peer::open(server.address);
    let bytes = some.repeat(8);
    assert!(exchange(&mut peer, &bytes, bytes.len()) == bytes);
    peer.close(1000);
    assert_close(&peer.frame(), 1000);
    assert_eq!(end(server).0, 0);
}

#[test]
fn the_end_of_the_far_end_closes_and_what_the_client_says_till_then_arrives() {
    let path = std::env::temp_dir().join(format!("bowsprit-bridge-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let server = serve(&["--mode", &format!("unix:{}", path.display())]);
    let mut peer = Peer::open(server.address);
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"last words").unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    assert_eq!(peer.frame().1, b"last words");
    assert_close(&peer.frame(), 1000);
    peer.send(RawHeader::BINARY, b"and mine");
    peer.close(1000);
    let mut all = String::new();
    far.read_to_string(&mut all).unwrap();
    assert_eq!(all, "and mine");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_far_end_that_is_not_there_is_told() {
    let nobody = reserved();
    for mode in [format!("tcp:{nobody}"), "unix:/nowhere/at/all".to_owned()] {
        let server = serve(&["--mode", &mode]);
        let mut peer = Peer::connect(server.address);
        peer.write(REQUEST.as_bytes());
        assert!(peer.head().starts_with("HTTP/1.1 502 "), "{mode}");
        server.running.told("bowsprit: cannot reach ");
        assert_eq!(end(server).0, 0);
    }
    for (mode, hint) in [("tcp:nohost", "tcp:127.0.0.1:22"), ("exec:", "exec:COMMAND"), ("x", "unix:PATH")] {
        let (code, _, stderr) = Running::bowsprit(&["serve", "--mode", mode]).finish();
        assert!(code == 2 && stderr.contains(hint), "{mode}: {stderr}");
    }
}

/// A client that reads nothing stops the far end, and a far end that reads nothing stops the client.
#[test]
fn whoever_is_slow_slows_the_other_side() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(&["--mode", &format!("tcp:{}", listener.local_addr().unwrap())]);
    let fills = |write: &mut dyn FnMut(&[u8]) -> std::io::Result<usize>| {
        let (block, mut all) = (vec![0; 64 << 10], 0);
        loop {
            match write(&block) {
                Ok(len) => all += len,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return all,
                Err(error) => panic!("{error}"),
            }
            assert!(all < 256 << 20, "somebody swallows it all");
        }
    };
    // What systems keep for sockets is some megabytes; the server itself keeps 256 KiB and a little more.
    let peer = Peer::open(server.address);
    let (mut far, _) = listener.accept().unwrap();
    far.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    fills(&mut |block| far.write(block));
    drop((peer, far));

    let mut peer = Peer::open(server.address);
    let (far, _) = listener.accept().unwrap();
    peer.stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    peer.write(&super::support::sent_by(bowsprit::Role::Client, RawHeader::BINARY, b"x"));
    let frame = super::support::sent_by(bowsprit::Role::Client, RawHeader::BINARY, &vec![0; 64 << 10]);
    let mut at = 0;
    fills(&mut |_| {
        let written = peer.stream.write(&frame[at..])?;
        at = (at + written) % frame.len();
        Ok(written)
    });
    drop((peer, far));
    let mut other = Peer::open(server.address);
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"nobody else waits").unwrap();
    assert_eq!(other.frame().1, b"nobody else waits");
}

#[test]
fn a_command_gets_lines_and_answers_in_lines() {
    let server = exec("while read -r line; do echo \"<$line>\"; done; echo done", &[]);
    let mut peer = Peer::open(server.address);
    peer.text("one");
    assert_text(&peer.frame(), "<one>");
    peer.text("zwei \u{1f30d}");
    assert_text(&peer.frame(), "<zwei \u{1f30d}>");
    peer.close(1000);
    assert_close(&peer.frame(), 1000);
    assert_eq!(end(server).0, 0);

    let server = exec("printf 'no end'; exit 0", &[]);
    assert_eq!(rest(&mut Peer::open(server.address)), (b"no end".to_vec(), 1000, String::new()));
    let server = exec("cat", &["--framing", "bytes"]);
    let mut peer = Peer::open(server.address);
    peer.send(RawHeader::BINARY, b"a\nb");
    assert_eq!(peer.frame().1, b"a\nb");
}

#[test]
fn exit_codes_are_carried_over() {
    for (command, code, reason) in [
        ("true", 1000, ""),
        ("echo x; exit 3", 1011, "exit code 3"),
        ("kill -9 $$", 1011, "ended by signal 9"),
        ("nosuchcommand 2>/dev/null", 1011, "exit code 127"),
        // Whoever has closed its output is still waited for.
        ("exec >&-; read -r line; exit 4", 1011, "exit code 4"),
        // Whoever is left behind holding the pipe is not.
        ("sleep 100 & exit 5", 1011, "exit code 5"),
    ] {
        let server = exec(command, &[]);
        let mut peer = Peer::open(server.address);
        peer.send(RawHeader::TEXT, b"line");
        let (_, told, why) = rest(&mut peer);
        assert_eq!((told, why.as_str()), (code, reason), "{command}");
    }
}

#[test]
fn a_command_knows_who_asks_for_what() {
    let server = exec(
        "echo \"$REQUEST_URI|$PATH_INFO|$QUERY_STRING|$REMOTE_ADDR|$HTTP_USER_AGENT|$HTTP_ORIGIN\"",
        &[],
    );
    let mut peer = Peer::connect(server.address);
    let request =
        REQUEST.replace("/chat ", "/a/$(id)?b=`id` ").replace("Host:", "User-Agent: $(id)'\"\r\nHost:");
    peer.write(request.as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    let expected = "/a/$(id)?b=`id`|/a/$(id)|b=`id`|127.0.0.1|$(id)'\"|";
    assert_text(&peer.frame(), expected);
}

/// Returns the children of `parent` that are zombies, and those that run.
fn children(parent: u32) -> (usize, usize) {
    let mut count = (0, 0);
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(stat) = fs::read_to_string(entry.unwrap().path().join("stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let (state, of) = (fields.next(), fields.next());
        if of == Some(&parent.to_string()) {
            if state == Some("Z") { count.0 += 1 } else { count.1 += 1 }
        }
    }
    count
}

#[test]
#[cfg(target_os = "linux")]
fn a_thousand_short_commands_leave_no_zombie() {
    let server = exec("read -r line; echo \"$line\"", &["--framing", "lines"]);
    for round in 0..50 {
        let mut peers: Vec<Peer> = (0..20).map(|_| Peer::open(server.address)).collect();
        for (at, peer) in peers.iter_mut().enumerate() {
            peer.text(&format!("{round}.{at}"));
        }
        for (at, peer) in peers.iter_mut().enumerate() {
            let told = rest(peer);
            assert_eq!(told, (format!("{round}.{at}").into_bytes(), 1000, String::new()));
        }
    }
    assert_eq!(children(server.running.child.id()), (0, 0));
    assert_eq!(end(server).0, 0);
}

/// Clients that vanish take their commands with them, even those that ignore the request to end.
#[test]
#[cfg(target_os = "linux")]
fn nobody_is_left_behind() {
    let stubborn = "trap '' TERM; while :; do sleep 0.1; done";
    for command in ["cat", "sleep 1000", stubborn] {
        let server = exec(command, &["--close-timeout", "0.3"]);
        let peers: Vec<Peer> = (0..5).map(|_| Peer::open(server.address)).collect();
        let until = Instant::now() + PATIENCE;
        while children(server.running.child.id()).1 != 5 {
            assert!(Instant::now() < until, "{command}");
        }
        for peer in peers {
            peer.reset();
        }
        while children(server.running.child.id()) != (0, 0) {
            assert!(Instant::now() < until, "{command}");
        }
        assert_eq!(end(server).0, 0);
        // The server sees those off that are there when it ends.
        let mut server = exec(command, &["--close-timeout", "0.3"]);
        let _peer = Peer::open(server.address);
        server.running.signal("TERM");
        assert!(server.running.status().success(), "{command}");
    }
}

/// As with `nc -l` at the far end: either side may send first.
#[test]
fn many_far_ends_are_kept_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = serve(&["--mode", &format!("tcp:{}", listener.local_addr().unwrap())]);
    let mut pairs: Vec<(Peer, TcpStream)> =
        (0..100).map(|_| (Peer::open(server.address), listener.accept().unwrap().0)).collect();
    for (at, (peer, far)) in pairs.iter_mut().enumerate() {
        peer.send(RawHeader::BINARY, format!("to {at:3}").as_bytes());
        let mut bytes = [0; 6];
        far.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, *format!("to {at:3}").as_bytes());
        far.write_all(format!("of {at}").as_bytes()).unwrap();
    }
    for (at, (peer, _)) in pairs.iter_mut().enumerate() {
        assert_eq!(peer.frame().1, format!("of {at}").as_bytes());
    }
}
