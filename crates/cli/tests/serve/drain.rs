//! The end of `serve` behind a balancer.

use std::net::SocketAddr;
use std::time::Instant;

use bowsprit::Role;
use bowsprit::frame::RawHeader;

use super::counter;
use super::support::command::{Running, serve};
use super::support::peer::{PATIENCE, Peer, REQUEST, assert_close, assert_text};
use super::support::sent_by;

fn check(address: SocketAddr, method: &str, target: &str) -> String {
    let mut peer = Peer::connect(address);
    peer.write(format!("{method} {target} HTTP/1.1\r\nHost: balancer.internal\r\n\r\n").as_bytes());
    String::from_utf8(peer.rest()).unwrap()[9..12].to_owned()
}

#[test]
fn balancers_see_it_end_and_clients_leave_one_after_the_other() {
    for threads in [1, 2] {
        let number = threads.to_string();
        let args = ["--health", "/healthz", "--metrics", "127.0.0.1:0", "--threads", &number];
        // Nothing ends by itself in this test: the first in each thread is closed at once, the next in minutes.
        let drain = ["--drain-delay", "500ms", "--drain-time", "2h", "--drain-reason", "new version"];
        let mut server = serve(&[&args[..], &drain[..]].concat());
        let metrics: SocketAddr =
            server.running.told("counters at http://").strip_suffix("/metrics").unwrap().parse().unwrap();
        let mut peers: Vec<Peer> = (0..20).map(|_| Peer::open(server.address)).collect();
        for address in [server.address, metrics] {
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert_eq!(check(address, method, "/healthz"), "200", "{method}");
            }
            assert_eq!(check(address, "GET", "/healthz/live"), "200");
            // Anything else is not for a name that is not known.
            assert_eq!(check(address, "GET", "/"), "421");
        }

        server.running.signal("TERM");
        let until = Instant::now() + PATIENCE;
        while check(server.address, "GET", "/healthz/ready") == "200" {
            assert!(Instant::now() < until);
        }
        assert_eq!(check(metrics, "OPTIONS", "/healthz"), "503");
        assert_eq!(check(metrics, "GET", "/healthz/live"), "200");

        // Some leave, the others are served as before.
        let mut left = 0;
        while left < threads {
            assert!(Instant::now() < until);
            peers.retain_mut(|peer| {
                peer.text("served");
                let frame = peer.frame();
                if frame.0.opcode == RawHeader::CLOSE.opcode {
                    assert_close(&frame, 1012);
                    assert_eq!(&frame.1[2..], b"new version");
                    peer.close(1012);
                    left += 1;
                    return false;
                }
                assert_text(&frame, "served");
                true
            });
        }
        assert_eq!((left, peers.len()), (threads, 20 - threads));
        let mut refused = Peer::connect(server.address);
        refused.write(REQUEST.as_bytes());
        assert!(refused.head().starts_with("HTTP/1.1 503 "));
        // Whoever asks again does not want to wait.
        server.running.signal("TERM");
        assert_eq!(server.running.status().code(), Some(128 + 15));
    }
}

#[test]
fn in_the_end_all_have_left() {
    let server = serve(&["-v", "--drain-time", "100ms", "--threads", "2"]);
    let mut peers: Vec<Peer> = (0..10).map(|_| Peer::open(server.address)).collect();
    server.running.signal("TERM");
    for peer in &mut peers {
        assert_close(&peer.frame(), 1012);
        peer.close(1012);
    }
    let (code, _, stderr) = server.running.finish();
    assert_eq!(code, 0);
    assert!(stderr.contains("connections closed: 10\n"), "{stderr}");
}

#[test]
fn the_code_is_of_ones_choice() {
    for threads in ["1", "2"] {
        let server = serve(&["-v", "--drain-code", "4001", "--drain-reason", "bye", "--threads", threads]);
        let mut peer = Peer::open(server.address);
        server.running.signal("TERM");
        let frame = peer.frame();
        assert_close(&frame, 4001);
        assert_eq!(&frame.1[2..], b"bye");
        peer.close(4001);
        let (code, _, stderr) = server.running.finish();
        assert_eq!(code, 0);
        assert!(stderr.contains("connections closed: 1\n"), "{stderr}");
    }
    for args in [["--drain-code", "1006"], ["--health", "healthz"], ["--drain-time", "soon"]] {
        let (code, _, stderr) = Running::bowsprit(&[&["serve"], &args[..]].concat()).finish();
        assert!(code == 2 && stderr.contains(args[0]), "{stderr}");
    }
}

/// Behind a proxy each client counts by itself; without trust, no announced address counts.
#[test]
fn clients_of_a_trusted_proxy_count_by_themselves() {
    let from = |address: SocketAddr, field: &str| {
        let mut peer = Peer::connect(address);
        peer.write(REQUEST.replace("Host:", &format!("{field}\r\nHost:")).as_bytes());
        let status = peer.head()[9..12].to_owned();
        (peer, status)
    };
    for threads in ["1", "2"] {
        let args = ["-v", "--max-per-address", "2", "--threads", threads];
        let server = serve(&[&args[..], &["--trust-proxy", "127.0.0.0/8,10.0.0.0/8"]].concat());
        let mut open = Vec::new();
        for client in ["192.0.2.1", "198.51.100.7, 192.0.2.2", "192.0.2.3, 10.0.0.1"] {
            let field = format!("X-Forwarded-For: {client}");
            for status in ["101", "101", "429"] {
                let (peer, told) = from(server.address, &field);
                assert_eq!(told, status, "{field}");
                open.push(peer);
            }
        }
        let by = open[0].stream.local_addr().unwrap();
        server.running.told(&format!(" 192.0.2.1 by {by} opened "));
        // A place is free again once its connection is gone.
        open.remove(0).reset();
        let until = Instant::now() + PATIENCE;
        while from(server.address, "X-Forwarded-For: 192.0.2.1").1 != "101" {
            assert!(Instant::now() < until);
        }
        // What the other field says, anybody may have written.
        assert_eq!(from(server.address, "Forwarded: for=192.0.2.9\r\nX-Forwarded-For: 192.0.2.2").1, "429");

        let server = serve(&args);
        let _open: Vec<_> = (0..2).map(|_| Peer::open(server.address)).collect();
        let answer = Peer::connect(server.address).rest();
        assert!(answer.starts_with(b"HTTP/1.1 429 "));
    }
    let server =
        serve(&["--trust-proxy", "127.0.0.1", "--proxy-field", "forwarded", "--max-per-address", "1"]);
    let (_open, status) = from(server.address, "Forwarded: for=\"[2001:db8::1]:5\";proto=http");
    assert_eq!(status, "101");
    assert_eq!(from(server.address, "Forwarded: for=\"[2001:db8::1]\"").1, "429");
    assert_eq!(from(server.address, "Forwarded: for=192.0.2.1").1, "101");
    let (code, _, stderr) = Running::bowsprit(&["serve", "--trust-proxy", "10.0.0.0/40"]).finish();
    assert!(code == 2 && stderr.contains("10.0.0.0/8"), "{stderr}");
}

// --- rates -------------------------------------------------------------------------------------------------------

/// Messages beyond the rate are dropped, close the connection, or wait; and that is counted and reported.
#[test]
fn who_sends_too_fast_is_stopped() {
    for (policy, counted) in [
        ("drop", "bowsprit_rate_messages_dropped_total"),
        ("close", "bowsprit_rate_connections_closed_total"),
        ("slow", "bowsprit_rate_slowed_total"),
    ] {
        // So slow that no test takes as long as the next message would.
        let rate = ["--rate", "1/s,1M/s", "--rate-burst", "5", "--over-rate", policy];
        let server = serve(&[&rate[..], &["-v", "--metrics", "127.0.0.1:0"]].concat());
        let metrics = server.running.told("counters at http://");
        let metrics = metrics.strip_suffix("/metrics").unwrap().parse().unwrap();
        let mut peer = Peer::open(server.address);
        let says = |number| sent_by(Role::Client, RawHeader::TEXT, format!("message {number}").as_bytes());
        peer.write(&(0..8).flat_map(says).collect::<Vec<u8>>());
        for number in 0..5 {
            assert_text(&peer.frame(), &format!("message {number}"));
        }
        match policy {
            "drop" => drop(server.running.told("sends too fast: a message is dropped")),
            "close" => {
                assert_close(&peer.frame(), 1008);
                server.running.told("closed 1008, as it sends more than --rate allows");
            }
            // It is late, and not lost.
            _ => assert_text(&peer.frame(), "message 5"),
        }
        assert!(counter(metrics, counted) > 0, "{counted}");
    }
    for args in [["--rate", "100"], ["--over-rate", "drop"], ["--rate-burst", "9"]] {
        let (code, _, stderr) = Running::bowsprit(&[&["serve"], &args[..]].concat()).finish();
        assert!(code == 2 && stderr.contains("--rate"), "{stderr}");
    }
}

// --- slow readers ------------------------------------------------------------------------------------------------

/// The queue of a reader that does not read has gaps at its oldest messages, or holds the newest of each sender; and
/// the reader is told how much it missed.
#[test]
fn slow_readers_get_the_newest_and_are_told() {
    for (policy, threads) in [("drop-oldest", "1"), ("drop-oldest", "3"), ("latest", "1"), ("latest", "3")] {
        let server = serve(&[
            "-v",
            "--mode",
            "relay",
            "--threads",
            threads,
            "--slow-reader",
            policy,
            "--tell-dropped",
            "--high-watermark",
            "64K",
            "--low-watermark",
            "16K",
            "--max-queued",
            "256K",
        ]);
        let mut slow = Peer::open(server.address);
        let mut senders = [(); 4].map(|()| Peer::open(server.address));
        let mut fast = Peer::open(server.address);
        let padding = "x".repeat(32 << 10);
        const EACH: usize = 200;
        for number in 0..EACH {
            for (at, sender) in senders.iter_mut().enumerate() {
                sender.text(&format!("{at} {number} {padding}"));
                // One after the other: the fast one has read it, so it was sent to the slow one, too, or is about to be.
                assert!(fast.frame().1.starts_with(format!("{at} {number} ").as_bytes()));
            }
            // The senders hear each other; nobody is slow but one.
            for sender in &mut senders {
                (0..3)
                    .for_each(|_| assert_eq!(sender.frame().1.len(), format!("0 {number} {padding}").len()));
            }
        }
        let (mut last, mut received, mut dropped) = ([None; 4], 0, 0);
        // It may be told more than once: what the system takes in between makes it read again for a while.
        while received + dropped < 4 * EACH {
            let text = String::from_utf8(slow.frame().1).unwrap();
            if let Some(number) = text.strip_prefix("{\"dropped\":") {
                dropped += number.trim_end_matches('}').parse::<usize>().unwrap();
                continue;
            }
            let mut words = text.split(' ').map(|word| word.parse::<usize>());
            let (at, number) = (words.next().unwrap().unwrap(), words.next().unwrap().unwrap());
            assert!(last[at] < Some(number), "{policy}: {number} after {last:?}");
            (last[at], received) = (Some(number), received + 1);
        }
        assert_eq!(received + dropped, 4 * EACH, "{policy} in {threads} threads");
        assert!(dropped > 0 && last == [Some(EACH - 1); 4], "{policy} in {threads} threads: {last:?}");
        server.running.told(" reads again, after ");
    }
}
