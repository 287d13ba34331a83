//! Histories that a real redis-server keeps, and clients that come back to them.

#![cfg(all(feature = "backplane", feature = "event-loop", unix))]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/installed.rs"]
mod installed;
#[path = "support/node.rs"]
mod node;
mod support;

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bowsprit::backplane::{BackplaneSettings, LinkEvent, Position};
use bowsprit::event_loop::{ConnId, Context, Handler, ReplayError, Replayed, To};
use bowsprit::frame::RawHeader;
use bowsprit::message::Message;
use engine::{Kind, Server};
use node::Node;
use support::peer::{PATIENCE, Peer, assert_text};

/// "follow" or "follow POSITION" follows the room; all else goes to it, but for the sender. Followers get a line in front
/// of each message: its position and what it is.
struct App {
    events: Sender<LinkEvent>,
}

impl Handler for App {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        if let Message::Text(text) = message
            && let Some(since) = text.strip_prefix("follow")
        {
            if let Err(error) = cx.replay(id, "room", since.trim().parse().ok()) {
                cx.send_text(id, &error.to_string());
            }
            return;
        }
        cx.publish(To::topic("room").except(id).everywhere(), message);
    }

    fn on_replay(&mut self, cx: &mut Context<()>, id: ConnId, topic: &str, replayed: &Replayed<'_>) {
        assert_eq!(topic, "room");
        match replayed {
            Replayed::Message { at, message: Message::Text(text) } => {
                cx.send_text(id, &format!("{at}\n{text}"))
            }
            Replayed::Message { at, message: Message::Binary(bytes) } => {
                cx.send(id, Message::Binary(&[format!("{at}\n").as_bytes(), bytes].concat()))
            }
            Replayed::Own { at } => cx.send_text(id, &format!("{at} own")),
            Replayed::Complete { at } => cx.send_text(id, &format!("{at} complete")),
            Replayed::TooOld { at } => cx.send_text(id, &format!("{at} too old")),
            _ => unreachable!(),
        };
    }

    fn on_backplane(&mut self, _: &mut Context<()>, event: &LinkEvent) {
        let _ = self.events.send(event.clone());
    }
}

fn join(url: &str, threads: usize) -> Node {
    Node::join(url, threads, BackplaneSettings::default(), |events| App { events }).up()
}

/// A connection that follows from a position on, and what it is told first.
fn follow(node: &Node, since: Option<Position>) -> Peer {
    let mut peer = node.open();
    peer.text(&since.map_or("follow".to_owned(), |since| format!("follow {since}")));
    peer
}

/// What a follower gets: a position, and what stands behind it.
fn next(peer: &mut Peer) -> (Position, String) {
    let (_, payload) = peer.frame();
    let text = String::from_utf8(payload).unwrap();
    let end = text.find([' ', '\n']).unwrap_or_else(|| panic!("{text}"));
    (text[..end].parse().unwrap(), text[end..].to_owned())
}

/// The position that the engine has reached, for one that follows from now on.
fn here(peer: &mut Peer) -> Position {
    let (at, what) = next(peer);
    assert_eq!(what, " complete");
    at
}

fn streams(server: &Server, length: &str) -> String {
    format!("{}?streams{length}", server.url())
}

#[test]
fn who_comes_back_gets_what_it_missed_from_any_node() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    for threads in [1, 3] {
        let nodes = [(); 2].map(|()| join(&streams(&server, ""), threads));
        let mut follower = follow(&nodes[0], None);
        let begin = here(&mut follower);
        let mut speaker = follow(&nodes[1], None);
        here(&mut speaker);
        for number in 1..=5 {
            speaker.text(&format!("live {number}"));
            let at = Position { offset: begin.offset + number, ..begin };
            assert_eq!(next(&mut follower), (at, format!("\nlive {number}")));
            assert_eq!(next(&mut speaker), (at, " own".into()));
        }
        drop(follower);
        const MISSED: u64 = 700;
        for number in 0..MISSED {
            speaker.text(&format!("missed {number}"));
            next(&mut speaker);
        }
        // So many at once that they are in all loops.
        let since = Position { offset: begin.offset + 5, ..begin };
        let mut back: Vec<Peer> = (0..6).map(|at| follow(&nodes[at % 2], Some(since))).collect();
        speaker.text("new");
        let (end, _) = next(&mut speaker);
        for peer in &mut back {
            let mut complete = false;
            let mut last = since;
            while last != end {
                let (at, what) = next(peer);
                if what == " complete" {
                    assert_eq!(at, last);
                    complete = true;
                    continue;
                }
                assert_eq!(at.offset, last.offset + 1, "{what}");
                let number = at.offset - since.offset - 1;
                assert_eq!(what, if number < MISSED { format!("\nmissed {number}") } else { "\nnew".into() });
                last = at;
            }
            while !complete {
                complete = next(peer).1 == " complete";
            }
            assert!(peer.ahead.is_empty());
        }
        speaker.text("newer");
        for peer in &mut back {
            assert_eq!(next(peer).1, "\nnewer");
        }
    }
}

#[test]
fn messages_of_every_kind_come_back() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let node = join(&streams(&server, ""), 1);
    let begin = here(&mut follow(&node, None));
    let mut speaker = follow(&node, None);
    here(&mut speaker);
    let long = "x".repeat(3 << 20);
    for text in ["", "naïve ☃", "a\r\nb", &long] {
        speaker.text(text);
    }
    speaker.send(RawHeader::BINARY, b"\0\r\n\xff");
    let end = (0..5).map(|_| next(&mut speaker).0).last().unwrap();
    let mut back = follow(&node, Some(begin));
    for text in ["", "naïve ☃", "a\r\nb", &long] {
        assert_eq!(next(&mut back).1[1..], *text);
    }
    let (header, payload) = back.frame();
    assert_eq!(header.opcode, RawHeader::BINARY.opcode);
    assert_eq!(payload, [format!("{end}\n").as_bytes(), b"\0\r\n\xff"].concat());
    assert_eq!(here(&mut back), end);
}

#[test]
fn who_comes_back_too_late_is_told() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let node = join(&streams(&server, "=10"), 1);
    let begin = here(&mut follow(&node, None));
    let mut speaker = follow(&node, None);
    here(&mut speaker);
    let mut end = begin;
    for number in 0..400 {
        speaker.text(&number.to_string());
        end = next(&mut speaker).0;
    }
    for since in [
        begin,
        Position { epoch: begin.epoch ^ 1, ..end },
        Position { offset: end.offset + 1, ..end },
        Position { offset: u64::MAX, ..end },
    ] {
        let mut back = follow(&node, Some(since));
        assert_eq!(next(&mut back), (end, " too old".into()), "{since}");
    }
    assert_eq!(node.stats().too_old, 4);
    let mut back = follow(&node, Some(Position { offset: end.offset - 1, ..end }));
    assert_eq!(next(&mut back), (end, "\n399".into()));
    assert_eq!(here(&mut back), end);
}

#[test]
fn an_engine_that_has_lost_its_data_is_noticed() {
    let Some(mut server) = Server::start(Kind::Redis, &[]) else { return };
    let node = join(&streams(&server, ""), 1);
    let (mut follower, mut speaker) = (follow(&node, None), node.open());
    let begin = here(&mut follower);
    speaker.text("one");
    assert_eq!(next(&mut follower).1, "\none");
    for how in ["FLUSHALL", "kill -9"] {
        if how == "FLUSHALL" {
            assert!(server.redis(how).starts_with("+OK"));
        } else {
            server.kill();
            node.until_down();
            server.start_again();
            node.until_up();
        }
        speaker.text(how);
        node.until(|event| matches!(event, LinkEvent::Reset { topic: Some(topic) } if topic == "room"));
        // Whoever follows is told, and sees what is new or is behind it.
        let (at, what) = next(&mut follower);
        assert_eq!(what, " too old", "{how}");
        speaker.text("and on");
        assert_eq!(next(&mut follower), (Position { offset: 2, ..at }, "\nand on".into()));
        let mut back = follow(&node, Some(begin));
        assert_eq!(next(&mut back), (Position { offset: 2, ..at }, " too old".into()));
    }
}

/// It was killed after it had written down less than it had given out: what is new stands in another history, so that no
/// position means two messages.
#[test]
fn an_engine_that_comes_back_with_less_begins_another_history() {
    let directory = std::env::temp_dir().join(format!("bowsprit-less-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let args = ["--dir", directory.to_str().unwrap()];
    let Some(mut server) = Server::start(Kind::Redis, &args) else { return };
    let node = join(&streams(&server, ""), 1);
    let (mut follower, mut speaker) = (follow(&node, None), node.open());
    here(&mut follower);
    let mut says = |range: std::ops::RangeInclusive<u64>| {
        for number in range {
            speaker.text(&number.to_string());
        }
    };
    says(1..=5);
    let kept = (1..=5).map(|_| next(&mut follower).0).last().unwrap();
    assert!(server.redis("SAVE").starts_with("+OK"));
    says(6..=10);
    let end = (6..=10).map(|_| next(&mut follower).0).last().unwrap();
    assert_eq!((end.epoch, end.offset), (kept.epoch, kept.offset + 5));
    server.kill();
    node.until_down();
    server.start_again();
    node.until(|event| matches!(event, LinkEvent::Reset { topic: Some(topic) } if topic == "room"));
    // Whoever follows is told with what comes next, and of the position that the rest goes on from.
    says(11..=11);
    let (new, what) = next(&mut follower);
    assert_eq!((new.epoch != end.epoch, new.offset, &*what), (true, kept.offset + 1, " too old"));
    says(12..=12);
    let last = Position { offset: new.offset + 1, ..new };
    assert_eq!(next(&mut follower), (last, "\n12".into()));
    for since in [kept, end] {
        assert_eq!(next(&mut follow(&node, Some(since))), (last, " too old".into()));
    }
    drop((node, server));
    let _ = std::fs::remove_dir_all(directory);
}

/// A way to the engine that can be closed.
struct Gate {
    port: u16,
    /// Those that pass it; `None` while it is closed.
    passing: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Gate {
    fn to(engine: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let passing = Arc::new(Mutex::new(Some(Vec::new())));
        let gate = Arc::clone(&passing);
        thread::spawn(move || {
            for near in listener.incoming() {
                let mut gate = gate.lock().unwrap();
                let (Some(passing), Ok(near)) = (&mut *gate, near) else { continue };
                let Ok(far) = TcpStream::connect(("127.0.0.1", engine)) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                passing.extend([near, far]);
            }
        });
        Self { port, passing }
    }

    fn close(&self) {
        for stream in self.passing.lock().unwrap().take().unwrap() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn open(&self) {
        *self.passing.lock().unwrap() = Some(Vec::new());
    }
}

#[test]
fn what_was_trimmed_while_a_node_was_away_is_told_and_counted() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let engine = server.url().rsplit(':').next().unwrap().trim_end_matches("/test").parse().unwrap();
    let gate = Gate::to(engine);
    let away = join(&format!("redis://127.0.0.1:{}/test?streams=10", gate.port), 1);
    let there = join(&streams(&server, "=10"), 1);
    let (mut follower, mut other) = (follow(&away, None), follow(&there, None));
    here(&mut follower);
    here(&mut other);
    let mut speaker = there.open();
    speaker.text("before");
    let begin = next(&mut other).0;
    assert_eq!(next(&mut follower), (begin, "\nbefore".into()));
    gate.close();
    away.until_down();
    for number in 0..400 {
        speaker.text(&number.to_string());
    }
    // Those who were there may have been too slow for the trim, too.
    let end = Position { offset: begin.offset + 400, ..begin };
    while next(&mut other).0 != end {}
    gate.open();
    let told = away.until(|event| matches!(event, LinkEvent::Trimmed { .. }));
    let LinkEvent::Trimmed { topic, lost } = told else { unreachable!() };
    assert_eq!(topic.as_deref(), Some("room"));
    assert!((1..400).contains(&lost), "{lost}");
    assert_eq!(away.stats().lost, lost);
    // Whoever follows is told, and gets what is left.
    assert_eq!(next(&mut follower).1, " too old");
    speaker.text("after");
    let mut left = 0;
    loop {
        let (at, what) = next(&mut follower);
        if what == "\nafter" {
            assert_eq!(at.offset, end.offset + 1);
            break;
        }
        left += 1;
        assert!(at.offset <= end.offset && left <= 400, "{at} {what}");
    }
}

/// The engine lets go of a history that nobody adds to any more.
#[test]
fn what_is_longer_than_a_node_takes_is_missing_there_alone() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let url = streams(&server, "");
    let mut settings = BackplaneSettings::default();
    settings.max_message = 100_000;
    let small = Node::join(&url, 1, settings, |events| App { events }).up();
    let large = join(&url, 1);
    let (mut there, mut here_too, mut speaker) = (follow(&large, None), follow(&small, None), large.open());
    let begin = here(&mut there);
    assert_eq!(here(&mut here_too), begin);
    let long = "x".repeat(300_000);
    for text in ["one", &long, "two"] {
        speaker.text(text);
        assert_eq!(next(&mut there).1, format!("\n{text}"));
    }
    assert_eq!(next(&mut here_too).1, "\none");
    // It hears of the one that it lacks with the next, which is among what it has missed.
    let (end, text) = next(&mut here_too);
    assert_eq!(text, " too old");
    let refused = small.until(|event| matches!(event, LinkEvent::Refused { .. })).to_string();
    assert!(refused.contains("of 3000") && refused.contains("max_message is 100000"), "{refused}");
    let gap = small.until(|event| !matches!(event, LinkEvent::Presence { .. }));
    assert!(matches!(gap, LinkEvent::Gap { lost: 1, .. }), "{gap}");
    // Whoever comes back has all of it at one node, and hears that something is missing at the other.
    let mut back = follow(&large, Some(begin));
    for text in ["one", &long, "two"] {
        assert_eq!(next(&mut back).1, format!("\n{text}"));
    }
    assert_eq!(next(&mut back), (end, " complete".to_owned()));
    let mut back = follow(&small, Some(begin));
    assert_eq!(next(&mut back).1, "\none");
    assert_eq!(next(&mut back), (end, " too old".to_owned()));
    speaker.text("three");
    for peer in [&mut there, &mut here_too, &mut back] {
        assert_eq!(next(peer).1, "\nthree");
    }
}

#[test]
fn a_history_is_kept_for_its_age() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let age = Duration::from_secs(1000);
    let mut settings = BackplaneSettings::default();
    settings.history_age = age;
    let node = Node::join(&streams(&server, ""), 1, settings, |events| App { events }).up();
    let (mut follower, mut speaker) = (follow(&node, None), node.open());
    here(&mut follower);
    let left = |name: &str| -> Vec<u64> {
        let keys = server.redis(&format!("KEYS *:{name}:*room"));
        let keys = keys.split("\r\n").filter(|line| line.contains(name));
        let answers = keys.map(|key| server.redis(&format!("TTL {key}")));
        answers.map(|answer| answer[1..].trim().parse().expect("it has an end")).collect()
    };
    for text in ["one", "two"] {
        speaker.text(text);
        let at = next(&mut follower).0;
        for name in ["stream", "meta"] {
            let left = left(name);
            assert!(
                !left.is_empty() && left.iter().all(|left| (900..=1000).contains(left)),
                "{name} {left:?}"
            );
        }
        // The next message begins it anew.
        for name in ["stream", "meta"] {
            let keys = server.redis(&format!("KEYS *:{name}:*room"));
            let key = keys.split("\r\n").find(|line| line.contains(name)).unwrap().to_owned();
            assert!(server.redis(&format!("EXPIRE {key} 500")).starts_with(":1"));
        }
        if text == "two" {
            // It is over, and who comes back is told.
            for name in ["stream", "meta"] {
                let keys = server.redis(&format!("KEYS *:{name}:*room"));
                let key = keys.split("\r\n").find(|line| line.contains(name)).unwrap().to_owned();
                assert!(server.redis(&format!("EXPIRE {key} 0")).starts_with(":1"));
            }
            speaker.text("three");
            node.until(|event| matches!(event, LinkEvent::Reset { topic: Some(topic) } if topic == "room"));
            let mut back = follow(&node, Some(at));
            assert_eq!(next(&mut back).1, " too old");
        }
    }
}

#[test]
fn nothing_is_lost_with_cut_links() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let nodes = [(); 2].map(|()| join(&streams(&server, ""), 1));
    let (mut follower, mut speaker) = (follow(&nodes[0], None), nodes[1].open());
    let mut last = here(&mut follower);
    let (stop, stopped) = channel::<()>();
    let speaking = thread::spawn(move || {
        let mut number = 0_u64;
        while stopped.try_recv().is_err() {
            speaker.text(&number.to_string());
            number += 1;
            thread::sleep(Duration::from_micros(500));
        }
        speaker.text("end");
        number
    });
    for _ in 0..3 {
        for _ in 0..50 {
            let (at, text) = next(&mut follower);
            assert_eq!(at.offset, last.offset + 1);
            assert_eq!(text, format!("\n{}", last.offset));
            last = at;
        }
        assert!(server.redis("CLIENT KILL TYPE pubsub").starts_with(':'));
        nodes.iter().for_each(Node::until_up);
    }
    stop.send(()).unwrap();
    let count = speaking.join().unwrap();
    loop {
        let (at, text) = next(&mut follower);
        assert_eq!(at.offset, last.offset + 1);
        last = at;
        if text == "\nend" {
            break;
        }
        assert_eq!(text, format!("\n{}", last.offset - 1));
    }
    assert_eq!(last.offset, count + 1, "once each");
    for node in &nodes {
        let stats = node.stats();
        assert_eq!((stats.lost, stats.dropped), (0, 0));
    }
}

#[test]
fn nothing_is_lost_with_an_engine_that_is_killed_and_keeps_its_data() {
    let directory = std::env::temp_dir().join(format!("bowsprit-history-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let args = ["--appendonly", "yes", "--appendfsync", "always", "--dir", directory.to_str().unwrap()];
    let Some(mut server) = Server::start(Kind::Redis, &args) else { return };
    let nodes = [(); 2].map(|()| join(&streams(&server, ""), 1));
    let (mut follower, mut speaker) = (follow(&nodes[0], None), nodes[1].open());
    let begin = here(&mut follower);
    let (killed, kill) = channel::<()>();
    let speaking = thread::spawn(move || {
        for number in 1..=1500 {
            speaker.text(&number.to_string());
            if number == 500 {
                killed.send(()).unwrap();
            }
            thread::sleep(Duration::from_micros(300));
        }
        speaker
    });
    kill.recv().unwrap();
    server.kill();
    thread::sleep(Duration::from_secs(3)); // longer than what is no history may wait
    server.start_again();
    for number in 1..=1500 {
        let at = Position { offset: begin.offset + number, ..begin };
        assert_eq!(next(&mut follower), (at, format!("\n{number}")));
    }
    let _speaker = speaking.join().unwrap();
    drop(server);
    let _ = std::fs::remove_dir_all(directory);
}

#[test]
fn who_reads_a_long_history_slowly_costs_no_memory() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let node = join(&streams(&server, ""), 1);
    let begin = here(&mut follow(&node, None));
    let mut speaker = follow(&node, None);
    here(&mut speaker);
    let long = "x".repeat(100_000);
    const COUNT: usize = 300;
    for _ in 0..COUNT {
        speaker.text(&long);
        next(&mut speaker);
    }
    let mut back = follow(&node, Some(begin));
    let (mut most, mut read) = (0, 0);
    while read < COUNT {
        assert_eq!(next(&mut back).1[1..], *long);
        read += 1;
        let (sender, queued) = channel();
        let ask = move |cx: &mut Context<()>| {
            let sum: usize = cx.connections().map(|id| cx.queued(id)).sum();
            sender.send(sum).unwrap();
        };
        node.group.remotes()[0].run(ask).unwrap();
        most = most.max(queued.recv_timeout(PATIENCE).unwrap());
    }
    here(&mut back);
    // The low watermark, and a step behind it.
    assert!(most < 1 << 20, "{most} bytes waited for one that reads {} MB", COUNT / 10);
}

#[test]
fn many_who_come_back_at_once_take_turns() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let node = join(&streams(&server, ""), 2);
    let begin = here(&mut follow(&node, None));
    let mut speaker = follow(&node, None);
    here(&mut speaker);
    let long = "x".repeat(20_000);
    const COUNT: u64 = 40;
    for _ in 0..COUNT {
        speaker.text(&long);
        next(&mut speaker);
    }
    // Far more than there are steps at once, and none of them reads.
    let mut back: Vec<Peer> = (0..150).map(|_| follow(&node, Some(begin))).collect();
    speaker.text("live");
    let (live, _) = next(&mut speaker);
    for peer in &mut back {
        let mut offset = begin.offset;
        while offset < live.offset {
            let (at, what) = next(peer);
            if what != " complete" {
                offset += 1;
                assert_eq!(at.offset, offset);
            }
        }
    }
    assert_eq!(node.stats().too_old, 0);
}

#[test]
fn an_engine_that_forgets_its_scripts_is_told_again() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let node = join(&streams(&server, ""), 1);
    let (mut follower, mut speaker) = (follow(&node, None), node.open());
    here(&mut follower);
    assert!(server.redis("SCRIPT FLUSH").starts_with("+OK"));
    speaker.text("all the same");
    assert_eq!(next(&mut follower).1, "\nall the same");
}

#[test]
fn without_streams_there_is_no_history() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let node = join(&server.url(), 1);
    assert_text(&follow(&node, None).frame(), &ReplayError::NoHistory.to_string());
}
