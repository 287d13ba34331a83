//! A new process takes over from an old one on the same socket or address: no client is refused, those that are told to
//! go come back, and if the engine keeps a history nothing is lost meanwhile.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::engine::{KINDS, Server as Engine};
use super::support::command::{BOWSPRIT, Running};
use super::support::peer::{PATIENCE, Peer, REQUEST, assert_close};

/// `bowsprit serve` on a socket that somebody else keeps, as a supervisor passes it (sd_listen_fds(3)).
fn serve_on(listener: &TcpListener, args: &[&str]) -> Running {
    let script = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", BOWSPRIT, "serve", "--systemd"]).args(args);
    let socket = OwnedFd::from(listener.try_clone().unwrap());
    let mut running = Running::start_with(&mut command, Stdio::from(socket));
    assert!(running.first_line().starts_with("ws://127.0.0.1:"));
    running
}

#[test]
fn a_new_process_takes_over_and_nobody_is_refused() {
    for kind in KINDS {
        let Some(engine) = Engine::start(kind, &[]) else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let url = engine.url();
        let args = [
            "-v",
            "--mode",
            "relay",
            "--backplane",
            &url,
            "--backplane-max-age",
            "60s", // this machine may be busy
            "--drain-listen",
            "first",
            "--drain-delay",
            "300ms",
            "--drain-time",
            "1s",
            // After 1012 a client waits 5 to 30 s.
            "--drain-code",
            "1001",
        ];
        let mut old = serve_on(&listener, &args);
        // It speaks at a server of its own, which nobody ends.
        let patient = ["--backplane-max-age", "60s"];
        let apart = super::support::command::serve(
            &[&["--mode", "relay", "--backplane", &url][..], &patient].concat(),
        );
        let (over, said) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let speaking = thread::spawn({
            let (over, said, mut speaker) = (over.clone(), said.clone(), Peer::open(apart.address));
            move || {
                while !over.load(Ordering::Relaxed) {
                    speaker.text(&format!("n {}", said.fetch_add(1, Ordering::Relaxed)));
                    thread::sleep(Duration::from_millis(5)); // its pace
                }
            }
        });
        let mut staying: Vec<Peer> = (0..20).map(|_| Peer::open(address)).collect();
        let mut client = Running::client(&format!("ws://{address}/"), &["--reconnect", "--stay", "-v"]);
        client.told(" open, to ");
        let mut lines = BufReader::new(client.stdout()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        assert!(first.starts_with("n "), "{first}");

        // Somebody connects all the time, and is never turned away.
        let knocking = thread::spawn({
            let over = over.clone();
            move || {
                let mut opened = 0;
                while !over.load(Ordering::Relaxed) {
                    drop(Peer::open(address));
                    opened += 1;
                }
                opened
            }
        });
        let new = serve_on(&listener, &args);
        new.told("backplane: up");
        old.signal("TERM");
        // Those of the old one leave one after the other, with the code asked for, and are let in by the new one.
        for peer in &mut staying {
            loop {
                let frame = peer.frame();
                if frame.0.opcode == 8 {
                    assert_close(&frame, 1001);
                    break;
                }
            }
            peer.close(1001);
            *peer = Peer::open(address);
        }
        assert!(old.status().success());
        // The client that comes back by itself hears what is said from then on.
        let until = Instant::now() + PATIENCE;
        let mut last = None;
        let mut heard = 0;
        let mark = said.load(Ordering::Relaxed);
        while heard < 20 {
            assert!(Instant::now() < until);
            // Each line is a later one than the line before: nothing twice, nothing out of order.
            let line = lines.next().unwrap();
            let this: u32 = line.strip_prefix("n ").unwrap().parse().unwrap();
            assert!(last < Some(this), "{this} after {last:?}");
            heard += u32::from(this >= mark);
            if let Some(before) = last.filter(|last| *last >= mark) {
                assert_eq!(this, before + 1, "nothing is lost once it is back");
            }
            last = Some(this);
        }
        over.store(true, Ordering::Relaxed);
        speaking.join().unwrap();
        let opened = knocking.join().unwrap();
        assert!(opened > 10, "{opened}");
    }
}

/// A client that asks for a history, moves when it is told to, and comes back with its position.
struct Follower {
    peer: Peer,
    address: SocketAddr,
    at: String,
    /// The codes with which it was closed.
    closed: Vec<u16>,
}

impl Follower {
    fn open(address: SocketAddr) -> Self {
        Self { peer: Self::come(address, ""), address, at: String::new(), closed: Vec::new() }
    }

    fn come(address: SocketAddr, at: &str) -> Peer {
        let mut peer = Peer::connect(address);
        peer.write(REQUEST.replacen("/chat", &format!("/chat?since={at}"), 1).as_bytes());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer
    }

    /// Returns the next message, over as many connections as that takes.
    fn next(&mut self) -> String {
        loop {
            let (header, payload) = self.peer.frame();
            if header.opcode == 8 {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                self.closed.push(code);
                self.peer.close(code);
                self.peer = Self::come(self.address, &self.at);
                continue;
            }
            let text = String::from_utf8(payload).unwrap();
            let end = text.find([' ', '\n']).unwrap();
            self.at = text[..end].to_owned();
            match &text[end..] {
                " complete" => {}
                message => return message.strip_prefix('\n').expect("nothing is too old").to_owned(),
            }
        }
    }
}

#[test]
fn whoever_changes_over_misses_nothing_that_a_history_keeps() {
    let Some(engine) = Engine::start(KINDS[0], &[]) else { return };
    let url = format!("{}?streams", engine.url());
    let args = ["-v", "--mode", "relay", "--backplane", &url];
    let drain = ["--drain-listen", "first", "--drain-delay", "100ms", "--drain-time", "500ms"];
    let args = [&args[..], &drain].concat();
    let apart = super::support::command::serve(&["--mode", "relay", "--backplane", &url]);
    for way in ["--systemd", "--reuse-port", "--reuse-port --threads 2"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let start = |listen: &str| {
            if way == "--systemd" {
                return serve_on(&listener, &args);
            }
            let way = way.split(' ');
            let mut command = Command::new(BOWSPRIT);
            Running::start(command.args(["serve", "--listen", listen]).args(way).args(&args))
        };
        let mut old = start("127.0.0.1:0");
        let address: SocketAddr = match way {
            "--systemd" => listener.local_addr().unwrap(),
            _ => old.first_line()[5..].trim_end_matches('/').parse().unwrap(),
        };
        let over = Arc::new(AtomicBool::new(false));
        let mut followers: Vec<Follower> = (0..10).map(|_| Follower::open(address)).collect();
        // All are there before the first message is.
        for follower in &mut followers {
            let (_, payload) = follower.peer.frame();
            follower.at = String::from_utf8(payload).unwrap().strip_suffix(" complete").unwrap().to_owned();
        }
        let speaking = thread::spawn({
            let (over, mut speaker) = (over.clone(), Peer::open(apart.address));
            move || {
                let mut said = 0;
                while !over.load(Ordering::Relaxed) {
                    speaker.text(&format!("n {said}"));
                    said += 1;
                    thread::sleep(Duration::from_millis(2)); // its pace
                }
                said
            }
        });
        let mut heard = vec![0; followers.len()];
        let mut hear = |followers: &mut [Follower], until: &dyn Fn(&Follower, u32) -> bool| {
            for (follower, heard) in followers.iter_mut().zip(&mut heard) {
                while !until(follower, *heard) {
                    assert_eq!(follower.next(), format!("n {heard}"), "{way}: each once, in order");
                    *heard += 1;
                }
            }
        };
        hear(&mut followers, &|_, heard| heard == 5);
        let new = start(&address.to_string());
        new.told("backplane: up");
        old.signal("TERM");
        hear(&mut followers, &|follower, _| !follower.closed.is_empty());
        assert!(old.status().success(), "{way}");
        over.store(true, Ordering::Relaxed);
        let said = speaking.join().unwrap();
        for (follower, heard) in followers.iter_mut().zip(&mut heard) {
            while *heard < said {
                assert_eq!(follower.next(), format!("n {heard}"), "{way}");
                *heard += 1;
            }
            assert_eq!(follower.closed, [1012], "{way}: told to come back, once");
        }
    }
}

#[test]
fn an_address_is_shared_only_where_both_say_so() {
    let first = super::support::command::serve(&[]);
    let address = first.address.to_string();
    for args in [&[][..], &["--reuse-port"], &["--reuse-port", "--threads", "2"]] {
        let args = [&["serve", "--listen", &address], args].concat();
        let (code, _, stderr) = Running::bowsprit(&args).finish();
        assert!(code == 2 && stderr.contains("choose another one with --listen"), "{stderr}");
    }
}
