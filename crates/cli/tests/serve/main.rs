//! `bowsprit serve` beyond one loop without TLS: threads and inherited sockets here, the rest in its modules.

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
mod terminal;
mod tls;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::Command;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use installed::skip;
use support::command::{BOWSPRIT, Running, Server, serve, serve_by};
use support::peer::{PATIENCE, Peer, REQUEST, assert_close, assert_text};
use terminal::address_in;
use tls::{Folder, serve_tls};

/// Returns the value of the counter `name` at `address`.
fn counter(address: SocketAddr, name: &str) -> u64 {
    let mut peer = Peer::connect(address);
    peer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let text = String::from_utf8(peer.rest()).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

/// Returns how often the main thread of a process has gone to sleep.
#[cfg(target_os = "linux")]
fn sleeps(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.running.child.id())).unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap_or_else(|| panic!("{status}")).trim().parse().unwrap()
}

/// With `--spin` the server does not sleep between messages, without it does; both answer, and end when they are told.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_spins_does_not_sleep() {
    const MESSAGES: u64 = 40;
    let messages = |server: &Server, peer: &mut Peer| {
        let before = sleeps(server);
        for _ in 0..MESSAGES {
            peer.text("hello");
            assert_text(&peer.frame(), "hello");
        }
        sleeps(server) - before
    };
    let awake = serve(&["--spin", "1h"]);
    let slept = messages(&awake, &mut Peer::open(awake.address));
    assert!(slept < MESSAGES / 4, "{slept} times in {MESSAGES} messages");
    assert_eq!(end(awake).0, 0);

    let asleep = serve(&[]);
    let mut peer = Peer::open(asleep.address);
    // Where the client is quick, a message may be there before the server has looked.
    let patience = Instant::now() + PATIENCE;
    while messages(&asleep, &mut peer) < MESSAGES / 4 {
        assert!(Instant::now() < patience, "it never sleeps");
    }
    drop(peer);
    assert_eq!(end(asleep).0, 0);

    // Loops on threads of their own, and the one thread that waits for signals.
    let threads = serve(&["--spin", "50us", "--threads", "2"]);
    let mut peer = Peer::open(threads.address);
    messages(&threads, &mut peer);
    drop(peer);
    assert_eq!(end(threads).0, 0);
}

fn end(server: Server) -> (i32, String) {
    server.running.signal("TERM");
    let (code, _, stderr) = server.running.finish();
    (code, stderr)
}

// --- threads -----------------------------------------------------------------------------------------------------

/// SIGSTOP stops the server for longer than a client may be silent: the time that it slept is not the clients' silence,
/// and what they sent meanwhile is read first.
#[test]
fn a_server_that_was_stopped_ends_nobody() {
    let mut all = ["1", "2"].map(|threads| {
        let server = serve(&["--idle-timeout", "3s", "--threads", threads]);
        // All at once, so that none is silent for long before it is stopped.
        let mut peers: Vec<Peer> = (0..50).map(|_| Peer::connect(server.address)).collect();
        peers.iter_mut().for_each(|peer| peer.write(REQUEST.as_bytes()));
        peers.iter_mut().for_each(|peer| assert!(peer.head().starts_with("HTTP/1.1 101 ")));
        server.running.signal("STOP");
        (server, peers)
    });
    for (_, peers) in &mut all {
        peers.iter_mut().for_each(|peer| peer.text("still here"));
    }
    std::thread::sleep(Duration::from_secs(4)); // that is what happens to it
    for (server, peers) in &mut all {
        server.running.signal("CONT");
        for peer in peers {
            assert_text(&peer.frame(), "still here");
        }
    }
}

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
        // Enough for the polite one on a busy machine.
        let server = serve(&["--close-timeout", "3", "--threads", threads]);
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

/// Asks again until the answer is yes; each question is a request to the server, so nothing sleeps.
fn until(mut ask: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !ask() {
        assert!(std::time::Instant::now() < end, "it never comes true");
    }
}

// --- many at once ------------------------------------------------------------------------------------------------

/// A process with this many connections is killed: its system ends them all at once.
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
