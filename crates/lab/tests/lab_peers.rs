//! Bad servers, and peers that are no servers: each gets a clear verdict in bounded time, and none ends the run.

mod peers;

#[path = "../../../tests/support/port.rs"]
mod port;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bowsprit_lab::report::Outcome;
use bowsprit_lab::runner::{self, Aftermath, Gone, Peer, Plan, Survey, Target};
use bowsprit_lab::{Behaviour, CloseBehaviour, Options, Record, Selection, Subject};
use peers::{echo, mortal, serve, talk, upgrade, upgrade_with};

/// Enough for who answers at once, on a busy machine, and what a server that does not answer takes.
const PATIENCE: Duration = Duration::from_secs(2);
/// For who does nothing right in any time.
const SHORT: Duration = Duration::from_millis(300);
/// Where what is waited for comes, however busy the machine is.
const LONG: Duration = Duration::from_secs(20);
/// Far more than these take; without bounds they would not end.
const BOUNDED: Duration = Duration::from_secs(120);

fn target(addr: SocketAddr) -> Target {
    Target::new(addr, &addr.to_string(), "/")
}

fn options() -> Options {
    Options { patience: Some(PATIENCE), ..Options::default() }
}

/// Returns the outcomes of these cases, what became of the server, and how long they took.
fn play(addr: SocketAddr, patterns: &[&str]) -> (Vec<Outcome>, Peer, Duration) {
    play_with(addr, patterns, 8)
}

/// Plays these cases with this many at once.
fn play_with(addr: SocketAddr, patterns: &[&str], jobs: usize) -> (Vec<Outcome>, Peer, Duration) {
    play_for(addr, patterns, jobs, PATIENCE)
}

/// Plays these cases with this many at once and this patience.
fn play_for(
    addr: SocketAddr,
    patterns: &[&str],
    jobs: usize,
    patience: Duration,
) -> (Vec<Outcome>, Peer, Duration) {
    let patterns = patterns.iter().map(|pattern| pattern.to_string()).collect();
    let cases = Selection { patterns, ..Selection::default() }.choose(Subject::Server).unwrap();
    let options = Options { patience: Some(patience), ..options() };
    let plan = Plan::new(target(addr), cases, options, jobs);
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
    let addr = port::reserved();
    let error = runner::preflight(&target(addr), options()).unwrap_err();
    assert!(error.contains("could not connect"), "{error}");
    let (outcomes, peer, _) = play(addr, &["1"]);
    assert!(outcomes.iter().all(|outcome| !outcome.was_played() && !outcome.passed()));
    assert_eq!(peer, Peer::Gone(Gone::Crashed, Vec::new()));
}

/// The end of TCP is a right answer to a reserved opcode, and still no verdict is final before the server has served
/// again after it. Whether cases are played one at a time or many at once, the one that ended the server is named.
#[test]
fn a_server_that_a_case_kills_fails_that_case() {
    for jobs in [1, 8] {
        let (outcomes, peer, _) = play_for(mortal(5), &["1.1.1", "1.1.2", "2.1", "4.1", "7.3.1"], jobs, LONG);
        let behaviour = |id: &str| {
            let outcome = outcomes.iter().find(|outcome| outcome.record.case.id == id).unwrap();
            (outcome.record.verdict.behaviour, outcome.record.verdict.reason.clone())
        };
        assert_eq!(peer, Peer::Gone(Gone::Crashed, vec!["4.1.3"]), "{:?}", behaviour("4.1.3"));
        assert_eq!(behaviour("4.1.3").0, Behaviour::Crashed);
        let crashed = outcomes.iter().find(|outcome| outcome.record.case.id == "4.1.3").unwrap();
        assert!(matches!(&crashed.aftermath, Some(Aftermath::Gone(_))), "{:?}", crashed.aftermath);
        if jobs == 1 {
            // The cases before it were cleared by the next one; the cases after it were not played.
            for (id, expected) in
                [("4.1.1", Behaviour::Ok), ("4.1.4", Behaviour::NotPlayed), ("7.3.1", Behaviour::NotPlayed)]
            {
                assert_eq!(behaviour(id).0, expected, "{id}: {}", behaviour(id).1);
            }
        }
    }
    // The very last case.
    let (outcomes, peer, _) = play_for(mortal(5), &["4.1.3"], 8, LONG);
    assert_eq!((outcomes[0].passed(), peer), (false, Peer::Gone(Gone::Crashed, vec!["4.1.3"])));
}

/// A server on one thread that answers nothing more once a frame with a reserved opcode has come.
#[test]
fn a_server_that_a_case_hangs_fails_that_case() {
    static HANGS: AtomicBool = AtomicBool::new(false);
    let addr = serve(|mut stream| {
        if HANGS.load(Ordering::SeqCst) || echo(&mut stream, |first| first & 15 == 5).is_none() {
            HANGS.store(true, Ordering::SeqCst);
            thread::park();
        }
    });
    let (outcomes, peer, took) = play(addr, &["1.1.1", "1.1.2", "2.1", "4.1", "7.3.1"]);
    assert_eq!(peer, Peer::Gone(Gone::Hung, vec!["4.1.3"]));
    let hung = outcomes.iter().find(|outcome| outcome.record.verdict.behaviour == Behaviour::Hung).unwrap();
    assert_eq!(hung.record.case.id, "4.1.3");
    assert!(took < BOUNDED, "{took:?}");
}

/// A server that accepts one connection at a time makes the others wait: that is our load, and not a failure.
#[test]
fn failures_of_our_own_load_are_played_again_alone() {
    static ONE: Mutex<()> = Mutex::new(());
    let addr = serve(|mut stream| {
        let _one = ONE.lock();
        thread::sleep(Duration::from_millis(400)); // which is what makes it slow
        let _ = echo(&mut stream, |_| false);
    });
    // Enough for each alone on a busy machine, and too little for all at once.
    let cases = ["1.1.1", "1.1.2", "1.1.3", "1.1.4", "2.1", "2.2", "2.3", "2.4"];
    let (outcomes, peer, _) = play_with(addr, &cases, 32);
    assert_eq!(peer, Peer::Alive);
    for outcome in &outcomes {
        assert!(outcome.passed(), "{}: {:?}", outcome.record.case.id, outcome.record.verdict);
    }
    assert!(outcomes.iter().any(|outcome| outcome.record.verdict.behaviour == Behaviour::Muddled));
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
    assert!(matches!(outcomes[0].aftermath, Some(Aftermath::Serves(_))));
}

#[test]
fn a_flood_of_messages() {
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        let flood = [&[0x82, 0x7e, 0x40, 0x00][..], &[7; 0x4000]].concat();
        while stream.write_all(&flood).is_ok() {}
    });
    let (outcomes, _, took) = play_for(addr, &["1.1.*"], 8, SHORT);
    all_failed(&outcomes);
    assert!(took < BOUNDED, "{took:?}");
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
    assert!(took < BOUNDED, "{took:?}");
}

#[test]
fn a_trickle() {
    let addr = serve(|mut stream| {
        while stream.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (_, _, took) = play_for(addr, &["1.1.1", "1.1.2"], 8, SHORT);
    assert!(took < BOUNDED, "{took:?}");
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        while stream.write_all(b"\x8a\x00").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (outcomes, _, took) = play_for(addr, &["1.1.1", "1.1.2"], 8, SHORT);
    all_failed(&outcomes);
    assert!(took < BOUNDED, "{took:?}");
}

#[test]
fn never_a_word() {
    let addr = serve(|mut stream| while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {});
    let (outcomes, peer, took) = play_for(addr, &["1.1.*"], 8, SHORT);
    let record = all_failed(&outcomes);
    assert!(record.verdict.reason.contains("no answer"), "{}", record.verdict.reason);
    assert_eq!(peer, Peer::Gone(Gone::Hung, Vec::new()));
    assert!(took < BOUNDED, "{took:?}");
}

#[test]
fn never_closes() {
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    let (outcomes, _, took) = play_for(addr, &["1.1.*", "7.1.*"], 8, SHORT);
    assert!(outcomes.iter().all(|outcome| !outcome.passed() || outcome.record.case.id == "7.1.6"));
    assert!(took < BOUNDED, "{took:?}");
}

/// This server leaves every connection open, however many there are, so others are played side by side again once that
/// has shown.
#[test]
fn leaves_every_connection_to_us() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static BESIDE: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let addr = serve(|mut stream| {
        BESIDE.lock().unwrap().push(OPEN.fetch_add(1, Ordering::SeqCst));
        let _ = echo(&mut stream, |_| false);
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
        OPEN.fetch_sub(1, Ordering::SeqCst);
    });
    let cases = ["6.5.*", "6.7.*", "6.9.*", "6.22.*", "6.23.*"];
    let (outcomes, peer, _) = play_with(addr, &cases, 16);
    assert_eq!(peer, Peer::Alive);
    for outcome in &outcomes {
        let verdict = &outcome.record.verdict;
        assert_eq!(verdict.close, CloseBehaviour::Unclean, "{}: {verdict:?}", outcome.record.case.id);
    }
    let beside = BESIDE.lock().unwrap();
    let (before, last) = beside.split_at(beside.len() * 3 / 4);
    assert!(before[16..].iter().any(|others| *others <= 2), "few were played at once: {beside:?}");
    assert!(last.iter().any(|others| *others >= 6), "many were at the end: {beside:?}");
}

/// Of the cases that may end a server, one is played at a time, until the server has answered; a server that then takes
/// its time to end the connection keeps nobody waiting.
#[test]
fn takes_its_time_behind_its_close() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let addr = serve(|mut stream| {
        MOST.fetch_max(OPEN.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _ = echo(&mut stream, |_| false);
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
        OPEN.fetch_sub(1, Ordering::SeqCst);
    });
    let (outcomes, ..) = play(addr, &["4.1.1", "4.1.2", "4.2.1", "4.2.2", "FRM-026.*"]);
    assert!(outcomes.iter().all(|outcome| outcome.record.facts.both_closed));
    assert!(MOST.load(Ordering::SeqCst) > 2, "{MOST:?}");
}

#[test]
fn closes_at_once() {
    let addr = serve(drop);
    let (outcomes, peer, _) = play_for(addr, &["1.1.*"], 8, SHORT);
    let record = all_failed(&outcomes);
    assert!(record.verdict.reason.contains("without an answer"), "{}", record.verdict.reason);
    assert_eq!(peer, Peer::Gone(Gone::Crashed, Vec::new()));
}

/// Returns what the preflight finds out about a server.
fn survey(addr: SocketAddr) -> Survey {
    runner::preflight(&target(addr), options()).unwrap()
}

#[test]
fn what_a_server_is_shows_before_the_first_case() {
    let plain = Survey { echoes: true, ..Survey::default() };
    let addr = serve(|mut stream| {
        let _ = echo(&mut stream, |_| false);
    });
    assert_eq!(survey(addr), plain);
    // It sends two messages first.
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        let _ = stream.write_all(b"\x81\x02hi\x81\x05there");
        let _ = talk(&mut stream, |_| false);
    });
    let greeter = survey(addr);
    assert_eq!(greeter, Survey { greetings: 2, greeting: Some(b"hi".to_vec()), ..plain.clone() });
    // These belong to no case.
    let cases =
        Selection { patterns: vec!["1.1.*".into(), "2".into(), "5.3".into()], ..Selection::default() };
    let options = Options { greetings: greeter.greetings, ..options() };
    let plan = Plan::new(target(addr), cases.choose(Subject::Server).unwrap(), options, 4);
    runner::run(&plan, &mut |record, _| {
        // Its echo knows neither fragments nor long frames; the rest passes.
        let beyond = ["1.1.6", "1.1.7", "1.1.8", "2.5", "5.3"].contains(&record.case.id);
        assert!(beyond || record.verdict.passed(), "{}: {:?}", record.case.id, record.verdict);
    })
    .unwrap();
    // It reads everything and sends nothing.
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    assert_eq!(survey(addr), Survey::default());
    // It accepts one connection at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let addr = serve(|mut stream| {
        let _one = ONE.lock();
        let _ = echo(&mut stream, |_| false);
    });
    assert_eq!(survey(addr), Survey { one_at_a_time: true, ..plain });
    // It sends every message to everybody but the sender.
    static ALL: Mutex<Vec<std::net::TcpStream>> = Mutex::new(Vec::new());
    let addr = serve(|mut stream| {
        upgrade(&mut stream);
        ALL.lock().unwrap().push(stream.try_clone().unwrap());
        let mut head = [0; 6];
        while stream.read_exact(&mut head).is_ok() {
            let mut payload = vec![0; usize::from(head[1] & 127)];
            let _ = stream.read_exact(&mut payload);
            payload.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
            let frame = [&[head[0], head[1] & 127][..], &payload].concat();
            for other in ALL.lock().unwrap().iter() {
                if other.peer_addr().ok() != stream.peer_addr().ok() {
                    let _ = (&*other).write_all(&frame);
                }
            }
        }
    });
    assert_eq!(survey(addr), Survey { relays: true, ..Survey::default() });
}

/// Each of these servers breaks a rule that one case is about, and is examined nevertheless.
#[test]
fn servers_with_a_slip_are_examined() {
    for (lines, fails) in
        [("Content-Length: 0\r\n", "HSS-121"), ("Sec-WebSocket-Protocol: unasked\r\n", "SUB-001")]
    {
        static LINES: Mutex<&str> = Mutex::new("");
        *LINES.lock().unwrap() = lines;
        let addr = serve(|mut stream| {
            let lines = *LINES.lock().unwrap();
            upgrade_with(&mut stream, lines);
            let _ = talk(&mut stream, |_| false);
        });
        assert!(survey(addr).echoes, "{lines}");
        let (outcomes, ..) = play(addr, &["1.1.2", "2.2", "7.1.1", "HSS-121", "SUB-001"]);
        let failed: Vec<&str> = outcomes
            .iter()
            .filter(|outcome| !outcome.passed())
            .map(|outcome| outcome.record.case.id)
            .collect();
        assert_eq!(failed, [fails]);
    }
    // It sends something in HTTP once it has closed.
    let addr = serve(|mut stream| {
        let _ = echo(&mut stream, |_| false);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let (outcomes, ..) = play(addr, &["1.1.2", "2.2", "7.3.3", "7.1.1"]);
    let mut failed =
        outcomes.iter().filter(|outcome| !outcome.passed()).map(|outcome| outcome.record.case.id);
    assert_eq!((failed.next(), failed.next()), (Some("7.1.1"), None));
}
