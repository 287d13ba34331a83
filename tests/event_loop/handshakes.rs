//! Handshakes that are refused, slow or too many.

use super::*;

#[test]
fn a_refused_request_can_be_read_by_the_peer() {
    let refusal = Refusal::new(403).unwrap().with_text("Not today.");
    for (request, status) in [
        (REQUEST.to_owned(), "403 Forbidden"),
        (REQUEST.replace("Version: 13", "Version: 8"), "426 Upgrade Required"),
        (REQUEST.replace("Host: 127.0.0.1\r\n", ""), "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "404 Not Found"),
        ("\u{16}\u{3}\u{1}".to_owned(), "400 Bad Request"),
    ] {
        let mut world = World::new();
        world.probe.refuses = Some(refusal.clone());
        let mut peer = world.connect();
        // What is unread when a socket is closed makes the system send a reset, which takes the answer along.
        let mut bytes = request.into_bytes();
        bytes.resize(bytes.len() + 500_000, b'x');
        world.write(&mut peer, &bytes);
        let answer = world.rest(&mut peer);
        let start = format!("HTTP/1.1 {status}\r\n");
        assert!(answer.starts_with(start.as_bytes()), "{status}: {}", answer.escape_ascii());
        assert!(answer.ends_with(b"\n"), "it says why: {}", answer.escape_ascii());
        let failed = world.told_failed();
        assert!(matches!(failed, Failed::Refused(403 | 404) | Failed::Request(_)), "{failed:?}");
        drop(peer);
        world.until_empty();
    }
}

#[test]
fn slow_handshakes_end_in_time_whatever_they_send() {
    let mut world = World::with(|settings| {
        settings.handshake_timeout = Duration::from_millis(200);
        settings.head.max_bytes = usize::MAX;
    });
    let mut silent = world.connect();
    let mut slow = world.connect();
    slow.write(REQUEST.trim_end().as_bytes());
    slow.write(b"\r\nX-Endless: ");
    // A byte a turn extends nothing.
    let mut gone = false;
    let answer = world.until(|_| {
        gone = gone || io::Write::write(&mut slow.stream, b"x").is_err();
        slow.try_head().or_else(|| read(&mut slow).and_then(|_| slow.try_head()))
    });
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(world.rest(&mut silent), b"");
    for _ in 0..2 {
        let failed = world.told_failed();
        assert!(matches!(failed, Failed::Timeout), "{failed:?}");
    }
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn where_accepting_is_deferred_the_first_bytes_bring_the_connection() {
    let mut world = World::with(|settings| settings.defer_accept = Some(Duration::from_secs(600)));
    let mut silent = world.connect();
    let (_speaks, first) = world.open();
    assert_eq!(world.cx().stats().accepted, 1, "who came before has said nothing yet");
    silent.write(REQUEST.as_bytes());
    assert_ne!(world.told_open(), first);
    assert_eq!(world.cx().stats().accepted, 2);
}

#[test]
fn a_peer_that_goes_before_the_handshake_is_done_is_forgotten() {
    let mut world = World::new();
    for bytes in [&b""[..], b"GET", &REQUEST.as_bytes()[..REQUEST.len() - 1]] {
        let mut peer = world.connect();
        peer.write(bytes);
        peer.finish();
        let failed = world.told_failed();
        assert!(matches!(failed, Failed::Eof), "{failed:?}");
        world.until_empty();
        drop(peer);
        let mut peer = world.connect();
        peer.write(bytes);
        world.turn();
        peer.reset();
        world.told_failed();
        world.until_empty();
    }
}

#[test]
fn too_many_connections_are_told_so() {
    let mut world = World::with(|settings| settings.max_connections = 2);
    world.probe.echoes = true;
    let (mut first, _) = world.open();
    let (second, _) = world.open();
    let mut third = world.connect();
    let answer = world.rest(&mut third);
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    first.text("undisturbed");
    assert_text(&world.frame(&mut first), "undisturbed");
    world.told();
    second.reset();
    world.told_closed();
    world.open();
}

/// The 503 must not be lost because the request came before it was written.
#[test]
fn a_503_can_be_read_by_a_peer_that_has_sent_its_request() {
    let mut world = World::with(|settings| settings.max_connections = 1);
    let _first = world.open();
    for _ in 0..50 {
        let mut peer = world.connect();
        peer.write(REQUEST.as_bytes());
        let answer = world.rest(&mut peer);
        assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    }
}
