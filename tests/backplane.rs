//! Nodes that meet over the real engines: redis-server and nats-server, as Debian packages them.

#![cfg(all(feature = "backplane", feature = "event-loop", unix))]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/installed.rs"]
mod installed;
#[path = "support/node.rs"]
mod node;
mod support;

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bowsprit::backplane::{BackplaneSettings, LinkEvent, LinkStats};
use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler, To};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;
use engine::{KINDS, Kind, Server};
use node::Node;
use support::peer::{PATIENCE, Peer, assert_text};

/// A node: every message goes to everybody else everywhere, or to the topic in front of its first colon; "join TOPIC"
/// subscribes.
struct App {
    events: Sender<LinkEvent>,
}

impl Handler for App {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        cx.send_text(id, "open");
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        if let Message::Text(text) = message {
            if let Some(topic) = text.strip_prefix("join ") {
                cx.subscribe(id, topic).unwrap();
                cx.send_text(id, "joined");
                return;
            }
            if let Some((topic, text)) = text.split_once(':') {
                cx.publish(To::topic(topic).except(id).everywhere(), Message::Text(text));
                return;
            }
        }
        cx.publish(To::all().except(id).everywhere(), message);
    }

    fn on_backplane(&mut self, _: &mut Context<()>, event: &LinkEvent) {
        let _ = self.events.send(event.clone());
    }
}

/// Nothing is too old and no engine too slow: this machine may be busy.
fn patient() -> BackplaneSettings {
    let mut settings = BackplaneSettings::default();
    settings.max_age = PATIENCE;
    settings.pong_timeout = PATIENCE;
    settings
}

fn join(url: &str, settings: BackplaneSettings) -> Node {
    Node::join(url, 1, settings, |events| App { events })
}

fn up(url: &str) -> Node {
    join(url, patient()).up()
}

fn open(node: &Node) -> Peer {
    let mut peer = node.open();
    assert_text(&peer.frame(), "open");
    peer
}

fn member(node: &Node, topic: &str) -> Peer {
    let mut peer = open(node);
    peer.text(&format!("join {topic}"));
    assert_text(&peer.frame(), "joined");
    peer
}

/// Says numbers, each behind `prefix`, until the first of these has heard one, and all have heard the last: a moment after a
/// node has asked for a subscription the engine has it, which no event tells.
fn until_heard(speaker: &mut Peer, prefix: &str, listeners: &mut [Peer]) {
    let first = listeners[0].stream.try_clone().unwrap();
    first.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut number = 0;
    loop {
        number += 1;
        speaker.text(&format!("{prefix}{number}"));
        match listeners[0].read() {
            Ok(len) => break assert_ne!(len, 0, "the node has gone"),
            Err(_) => assert!(number < PATIENCE.as_millis() / 20, "nothing is heard"),
        }
    }
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    let last = number.to_string();
    for listener in listeners {
        while listener.frame().1 != last.as_bytes() {}
    }
}

/// What a loop knows of the link by itself.
fn stats(node: &Node) -> LinkStats {
    let (sender, stats) = channel();
    node.group.remotes()[0].run(move |cx| sender.send(cx.backplane_stats().unwrap()).unwrap()).unwrap();
    stats.recv_timeout(PATIENCE).unwrap()
}

/// Counters that are this, which no event tells.
fn wait_for(node: &Node, is_it: impl Fn(&LinkStats) -> bool) -> LinkStats {
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = stats(node);
        if is_it(&stats) {
            return stats;
        }
        assert!(Instant::now() < until, "{stats:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn messages_of_every_kind_reach_the_connections_of_other_nodes() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &[]) else { return };
        let (a, b) = (up(&server.url()), up(&server.url()));
        let (mut speaker, mut neighbour, mut other) = (open(&a), open(&a), open(&b));
        let long = "x".repeat(900_000);
        for text in ["hello", "", "naïve ☃", &long] {
            speaker.text(text);
            assert_text(&neighbour.frame(), text);
            assert_text(&other.frame(), text);
        }
        speaker.send(RawHeader::BINARY, b"\0\r\n\xff");
        for peer in [&mut neighbour, &mut other] {
            let (header, payload) = peer.frame();
            assert_eq!((header.opcode, &payload[..]), (RawHeader::BINARY.opcode, &b"\0\r\n\xff"[..]));
        }
        // The sender hears nothing of its own, not by way of the engine either.
        other.text("answer");
        assert_text(&speaker.frame(), "answer");
        let stats = stats(&b);
        assert_eq!((stats.received, stats.repeated, stats.lost), (5, 0, 0), "{kind:?}");
    }
}

#[test]
fn topics_go_to_nodes_that_have_subscribers_and_to_no_others() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &[]) else { return };
        let (a, b) = (up(&server.url()), up(&server.url()));
        // All characters of ASCII but the colon that ends a topic here.
        let all: String =
            (0..128).map(char::from).filter(|c| *c != ':').chain("ü☃\u{10ffff}".chars()).collect();
        for topic in ["kitchen", "", "a.b *>", "%41", "snow ☃", &all] {
            let mut member = [member(&b, topic)];
            let mut speaker = open(&a);
            until_heard(&mut speaker, &format!("{topic}:"), &mut member);
            speaker.text(&format!("{topic}:hello"));
            assert_text(&member[0].frame(), "hello");
        }
        let before = stats(&b).received;
        open(&a).text("nobody:hello");
        let mut bystander = open(&b);
        open(&a).text("all");
        assert_text(&bystander.frame(), "all");
        assert_eq!(stats(&b).received, before + 1, "{kind:?}");
    }
}

/// Numbers from 0 on to `other`, until told to stop; gives how many.
fn count_up(mut speaker: Peer, every: Duration, stop: Receiver<()>) -> JoinHandle<u32> {
    thread::spawn(move || {
        let mut number = 0;
        while stop.try_recv().is_err() {
            speaker.text(&number.to_string());
            number += 1;
            thread::sleep(every);
        }
        number
    })
}

fn number(peer: &mut Peer) -> u32 {
    String::from_utf8(peer.frame().1).unwrap().parse().unwrap()
}

#[test]
fn an_engine_that_is_killed_and_comes_back_loses_nothing() {
    for kind in KINDS {
        let Some(mut server) = Server::start(kind, &[]) else { return };
        let nodes = [(); 2].map(|()| join(&server.url(), patient()));
        nodes.iter().for_each(Node::until_up);
        let (speaker, mut other) = (open(&nodes[0]), open(&nodes[1]));
        let (stop, stopped) = channel();
        let counting = count_up(speaker, Duration::from_micros(500), stopped);
        while number(&mut other) < 200 {}
        server.kill();
        nodes.iter().for_each(|node| drop(node.until_down()));
        server.start_again();
        nodes.iter().for_each(Node::until_up);
        stop.send(()).unwrap();
        let count = counting.join().unwrap();
        let mut next = None;
        loop {
            let number = number(&mut other);
            assert!(next.is_none_or(|next| next == number), "{kind:?}: {number} and not {next:?}");
            next = Some(number + 1);
            if number + 1 == count {
                break;
            }
        }
        assert_eq!(stats(&nodes[1]).lost, 0, "{kind:?}");
    }
}

#[test]
fn what_is_lost_with_a_cut_link_is_told_to_the_last_message() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let (a, b) = (up(&server.url()), up(&server.url()));
    let (speaker, mut other) = (open(&a), open(&b));
    let (stop, stopped) = channel();
    let counting = count_up(speaker, Duration::from_micros(500), stopped);
    while number(&mut other) < 100 {}
    for _ in 0..2 {
        assert!(server.redis("CLIENT KILL TYPE pubsub").starts_with(':'));
        b.until_up();
    }
    stop.send(()).unwrap();
    let count = u64::from(counting.join().unwrap());
    // What came and what was told as lost are all that there was.
    wait_for(&b, |stats| stats.received + stats.lost == count);
}

#[test]
fn a_hung_engine_is_noticed() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &[]) else { return };
        let mut settings = BackplaneSettings::default();
        settings.ping_interval = Duration::from_millis(200);
        settings.pong_timeout = Duration::from_millis(400);
        let node = join(&server.url(), settings);
        node.until_up();
        server.signal("STOP");
        let down = node.until_down();
        assert!(format!("{down}").contains("ping"), "{down}");
        server.signal("CONT");
        node.until_up();
    }
}

#[test]
fn a_node_serves_without_its_engine_and_joins_when_it_comes() {
    for kind in KINDS {
        let Some(mut server) = Server::start(kind, &[]) else { return };
        server.kill();
        let node = join(&server.url(), patient());
        node.until_down();
        let (mut speaker, mut neighbour) = (open(&node), open(&node));
        speaker.text("hello");
        assert_text(&neighbour.frame(), "hello");
        server.start_again();
        node.until_up();
    }
}

#[test]
fn wrong_passwords_are_told_and_right_ones_let_in() {
    for (kind, args, right, wrong) in [
        (Kind::Redis, &["--requirepass", "secret"][..], ":secret@", ["", ":nope@"]),
        (Kind::Nats, &["--user", "u", "--pass", "secret"], "u:secret@", ["", "u:nope@"]),
        (Kind::Nats, &["--auth", "tok"], "tok@", ["", "nope@"]),
    ] {
        let Some(server) = Server::start(kind, args) else { return };
        let url = |user: &str| server.url().replacen("://", &format!("://{user}"), 1);
        for user in wrong {
            let node = join(&url(user), BackplaneSettings::default());
            let refused = node.until(|event| matches!(event, LinkEvent::Refused { .. })).to_string();
            assert!(refused.contains("password") && !refused.contains("nope"), "{kind:?}: {refused}");
        }
        up(&url(right));
    }
}

#[test]
fn what_is_longer_than_the_engine_takes_harms_nobody() {
    let Some(server) = Server::start(Kind::Nats, &[]) else { return };
    let (a, b) = (up(&server.url()), up(&server.url()));
    let (mut speaker, mut neighbour, mut other) = (open(&a), open(&a), open(&b));
    let long = "x".repeat(2 << 20); // nats-server takes 1 MiB
    speaker.text(&long);
    assert_text(&neighbour.frame(), &long);
    let refused = a.until(|event| matches!(event, LinkEvent::Refused { .. })).to_string();
    assert!(refused.contains("2097152") && refused.contains("max_payload"), "{refused}");
    speaker.text("short");
    assert_text(&other.frame(), "short");
    assert_eq!(
        a.until(|event| matches!(event, LinkEvent::Dropped { .. })),
        LinkEvent::Dropped { messages: 1 }
    );
}

#[test]
fn what_is_longer_than_another_node_takes_harms_nobody() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &[]) else { continue };
        let mut settings = patient();
        settings.max_message = 100_000;
        let (a, b) = (up(&server.url()), join(&server.url(), settings).up());
        let (mut speaker, mut other) = (open(&a), open(&b));
        for round in 1..=3 {
            speaker.text(&"x".repeat(300_000));
            speaker.text("short");
            assert_text(&other.frame(), "short");
            // Who is present may be told at any time.
            let next = || b.until(|event| !matches!(event, LinkEvent::Presence { .. }));
            let refused = next().to_string();
            assert!(refused.contains("of 3000") && refused.contains("max_message is 100000"), "{refused}");
            let gap = next();
            assert!(matches!(gap, LinkEvent::Gap { topic: None, lost: 1, .. }), "{kind:?}: {gap}");
            assert_eq!((stats(&b).lost, stats(&b).reconnects), (round, 0), "{kind:?}");
        }
    }
}

#[test]
fn a_topic_that_the_engine_does_not_take_harms_no_other() {
    // A line of NATS may have 4,096 bytes.
    let Some(server) = Server::start(Kind::Nats, &[]) else { return };
    let (a, b) = (up(&server.url()), up(&server.url()));
    let topic = "ü".repeat(1000);
    let (mut neighbour, mut other) = (member(&a, &topic), member(&b, &topic));
    let (mut speaker, mut well) = (open(&a), [member(&b, "kitchen")]);
    b.until(|event| matches!(event, LinkEvent::Refused { why } if why.contains("name of a topic")));
    speaker.text(&format!("{topic}:hello"));
    assert_text(&neighbour.frame(), "hello");
    a.until(|event| matches!(event, LinkEvent::Dropped { messages: 1 }));
    until_heard(&mut speaker, "kitchen:", &mut well);
    speaker.text("kitchen:hello");
    assert_text(&well[0].frame(), "hello");
    assert_eq!((stats(&a).reconnects, stats(&b).reconnects, other.ahead.len()), (0, 0, 0));
    other.text("all");
    assert_text(&well[0].frame(), "all");
}

#[test]
fn a_topic_that_is_not_allowed_harms_no_other() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let user = "ACL SETUSER u on >s resetchannels &test:all &test:control &test:topic:yes ~* +@all";
    assert!(server.redis(user).starts_with("+OK"));
    let node = up(&server.url().replace("//", "//u:s@"));
    let mut members = ["yes", "no"].map(|topic| member(&node, topic));
    node.until(|event| matches!(event, LinkEvent::Refused { .. }));
    // After an outage all are asked for again, of which the engine refuses all for the sake of one.
    assert!(server.redis("CLIENT KILL TYPE pubsub").starts_with(':'));
    node.until(|event| matches!(event, LinkEvent::Refused { .. }));
    node.until_up();
    let other = up(&server.url());
    let mut speaker = open(&other);
    until_heard(&mut speaker, "yes:", &mut members[..1]);
    speaker.text("yes:hello");
    assert_text(&members[0].frame(), "hello");
}

fn ordered() -> BackplaneSettings {
    let mut settings = patient();
    settings.ordered = true;
    settings
}

#[test]
fn all_nodes_see_one_order_where_it_is_asked_for() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &[]) else { return };
        let nodes = [(); 2].map(|()| join(&server.url(), ordered()));
        nodes.iter().for_each(Node::until_up);
        let mut listeners = [open(&nodes[0]), open(&nodes[1])];
        let speakers = [open(&nodes[0]), open(&nodes[1])];
        const EACH: usize = 200;
        let speaking = speakers.into_iter().enumerate().map(|(at, mut speaker)| {
            thread::spawn(move || {
                (0..EACH).for_each(|number| speaker.text(&format!("{at} {number}")));
                // What the other one says, and nothing of its own.
                let from = format!("{} ", 1 - at);
                (0..EACH).all(|_| speaker.frame().1.starts_with(from.as_bytes()))
            })
        });
        let speaking: Vec<_> = speaking.collect();
        let [one, other] =
            listeners.each_mut().map(|peer| (0..2 * EACH).map(|_| peer.frame().1).collect::<Vec<_>>());
        // NATS serves its clients side by side: what two nodes say at once may come to others in either order.
        if kind == Kind::Redis {
            assert_eq!(one, other);
        }
        for heard in [one, other] {
            for at in 0..2 {
                let from = format!("{at} ");
                let of_one: Vec<_> = heard.iter().filter(|text| text.starts_with(from.as_bytes())).collect();
                let said: Vec<_> = (0..EACH).map(|number| format!("{at} {number}").into_bytes()).collect();
                assert_eq!(of_one, said.iter().collect::<Vec<_>>(), "{kind:?}");
            }
        }
        assert!(speaking.into_iter().all(|speaker| speaker.join().unwrap()), "{kind:?}");
    }
}

#[test]
fn what_is_ordered_waits_for_an_engine_that_is_away() {
    for kind in KINDS {
        let Some(mut server) = Server::start(kind, &[]) else { return };
        let node = join(&server.url(), ordered());
        node.until_up();
        let (mut speaker, mut neighbour) = (open(&node), open(&node));
        speaker.text("before");
        assert_text(&neighbour.frame(), "before");
        server.kill();
        node.until_down();
        speaker.text("meanwhile");
        wait_for(&node, |stats| stats.queued > 0);
        assert!(neighbour.ahead.is_empty(), "heard before the engine has it");
        server.start_again();
        assert_text(&neighbour.frame(), "meanwhile");
        speaker.text("after");
        assert_text(&neighbour.frame(), "after");
    }
}

#[test]
fn what_is_ordered_and_too_old_reaches_nobody_and_is_told() {
    let Some(mut server) = Server::start(Kind::Redis, &[]) else { return };
    let mut settings = ordered();
    settings.max_age = Duration::from_millis(10);
    let node = join(&server.url(), settings);
    node.until_up();
    let (mut speaker, mut neighbour) = (open(&node), open(&node));
    server.kill();
    node.until_down();
    speaker.text("too old");
    assert_eq!(
        node.until(|event| matches!(event, LinkEvent::Dropped { .. })),
        LinkEvent::Dropped { messages: 1 }
    );
    server.start_again();
    node.until_up();
    neighbour.text("in time");
    assert_text(&speaker.frame(), "in time");
    speaker.text("in time, too");
    assert_text(&neighbour.frame(), "in time, too");
}

#[test]
fn the_sender_is_left_out_in_its_own_loop_alone() {
    let Some(server) = Server::start(Kind::Redis, &[]) else { return };
    let loops = Node::join(&server.url(), 3, ordered(), |events| App { events }).up();
    // So many that each loop has some, with the same names for different connections.
    let mut peers: Vec<Peer> = (0..12).map(|_| open(&loops)).collect();
    for speaker in 0..peers.len() {
        peers[speaker].text(&format!("of {speaker}"));
        for (at, peer) in peers.iter_mut().enumerate().filter(|(at, _)| *at != speaker) {
            assert_text(&peer.frame(), &format!("of {speaker}"));
            assert!(peer.ahead.is_empty(), "{at} got something twice");
        }
    }
}

#[test]
fn all_loops_of_a_group_share_one_link() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &[]) else { return };
        let loops = Node::join(&server.url(), 3, patient(), |events| App { events }).up();
        let node = up(&server.url());
        // So many that each loop has some.
        let mut peers: Vec<Peer> = (0..12).map(|_| open(&loops)).collect();
        for peer in &mut peers {
            peer.text("join kitchen");
            assert_text(&peer.frame(), "joined");
        }
        let mut other = [member(&node, "kitchen")];
        until_heard(&mut other[0], "kitchen:", &mut peers);
        until_heard(&mut peers[0], "kitchen:", &mut other);
        let [other] = &mut other;
        other.text("kitchen:from outside");
        // The others have heard what the first of them has said until it was heard.
        for peer in &mut peers {
            while peer.frame().1 != b"from outside" {}
        }
        for (at, peer) in peers.iter_mut().enumerate() {
            peer.text(&format!("kitchen:from {at}"));
            assert_text(&other.frame(), &format!("from {at}"));
        }
    }
}

#[test]
fn urls_that_cannot_work_are_refused_at_once() {
    let mut server = EventLoop::<()>::new().unwrap();
    for (url, what) in
        [("127.0.0.1:6379", "redis://"), ("rediss://127.0.0.1", "TLS"), ("http://a/", "nats://")]
    {
        let error =
            server.engine().join_backplane(url, BackplaneSettings::default()).unwrap_err().to_string();
        assert!(error.contains(what), "{url}: {error}");
    }
}

/// A loop in which nothing else happens does not sleep before it dials, nor before it tells that nobody is there.
#[test]
fn a_quiet_loop_dials_and_tells_at_once() {
    let (sender, events) = channel();
    let mut app = App { events: sender };
    let mut server = EventLoop::new().unwrap();
    let none = std::env::temp_dir().join(format!("bowsprit-no-engine-{}", std::process::id()));
    let url = format!("redis+unix://{}", none.display());
    server.engine().join_backplane(&url, BackplaneSettings::default()).unwrap();
    for what in ["dial", "tell"] {
        let next = server.engine().next_deadline();
        assert!(next.is_some_and(|next| next <= Instant::now()), "it sleeps before it can {what}");
        server.turn(&mut app, Some(Duration::ZERO)).unwrap();
    }
    assert!(matches!(events.try_recv(), Ok(LinkEvent::Down { .. })));
}

/// An engine that says why it ends the link and ends it, in one packet: both are taken at once.
#[test]
fn an_end_that_comes_with_the_last_words_is_seen() {
    let (sender, events) = channel();
    let mut app = App { events: sender };
    let mut server = EventLoop::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    server.engine().join_backplane(&url, BackplaneSettings::default()).unwrap();
    server.turn(&mut app, Some(Duration::ZERO)).unwrap();
    let (mut engine, _) = listener.accept().unwrap();
    server.turn(&mut app, Some(Duration::ZERO)).unwrap();
    engine.write_all(b"INFO {\"max_payload\":1000}\r\n").unwrap();
    engine.shutdown(Shutdown::Write).unwrap();
    let patience = Instant::now() + PATIENCE;
    let event = loop {
        server.turn(&mut app, Some(Duration::from_millis(100))).unwrap();
        match events.try_recv() {
            Ok(event) => break event,
            Err(_) => assert!(Instant::now() < patience, "the end is not seen"),
        }
    };
    assert!(matches!(&event, LinkEvent::Down { why, .. } if why.contains("ended")), "{event:?}");
}
