//! Who is present in a topic, over real engines.

#![cfg(all(feature = "backplane", feature = "event-loop", unix))]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/installed.rs"]
mod installed;
mod support;

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bowsprit::backplane::{BackplaneSettings, LinkEvent, Presence};
use bowsprit::event_loop::{ConnId, Context, Group, Handler, Loops, Settings};
use bowsprit::message::Message;
use engine::{KINDS, Server};
use support::peer::{PATIENCE, Peer, assert_text};

/// "TOPIC NAME" enters, "TOPIC" leaves; the answer says whether it did.
struct App {
    events: Sender<LinkEvent>,
}

impl Handler for App {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let Message::Text(text) = message else { return };
        let done = match text.split_once(' ') {
            Some((topic, name)) => cx.enter(id, topic, name),
            None => cx.leave(id, text),
        };
        cx.send_text(id, &done.to_string());
    }

    fn on_backplane(&mut self, _: &mut Context<()>, event: &LinkEvent) {
        let _ = self.events.send(event.clone());
    }
}

struct Node {
    address: SocketAddr,
    events: Receiver<LinkEvent>,
    presence: Presence,
    group: Group<()>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    fn join(server: &Server, threads: usize) -> Self {
        let mut loops = Loops::new(threads, &Settings::default()).unwrap();
        let address = loops.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut settings = BackplaneSettings::default();
        settings.announce_interval = Duration::from_millis(200);
        loops.join_backplane(&server.url(), settings).unwrap();
        let group = loops.group().clone();
        let (sender, events) = channel();
        let thread = thread::spawn(move || {
            loops.run(move |_, _| App { events: sender.clone() }, |_| ()).unwrap();
        });
        let (sender, presence) = channel();
        group.remotes()[0].run(move |cx| sender.send(cx.presence().unwrap().clone()).unwrap()).unwrap();
        let presence = presence.recv_timeout(PATIENCE).unwrap();
        let node = Self { address, events, presence, group, thread: Some(thread) };
        node.until(|event| matches!(event, LinkEvent::Up { .. }), || true);
        node
    }

    /// Until there was such an event, and then something is so.
    fn until(&self, is_it: impl Fn(&LinkEvent) -> bool, is_so: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut was_there = false;
        while !was_there || !is_so() {
            let left = until.saturating_duration_since(Instant::now());
            was_there |= is_it(&self.events.recv_timeout(left).expect("it is still not so"));
        }
    }

    /// Until these are present in the room, which an event tells.
    fn until_present(&self, names: &[&str]) {
        if self.names() != names {
            let changed =
                |event: &LinkEvent| matches!(event, LinkEvent::Presence { topic } if topic == "room");
            self.until(changed, || self.names() == names);
        }
    }

    fn names(&self) -> Vec<String> {
        let members = self.presence.members("room").into_iter();
        members.flat_map(|member| vec![member.name; member.count as usize]).collect()
    }

    fn say(&self, text: &str) -> Peer {
        let mut peer = Peer::open(self.address);
        peer.text(text);
        assert_text(&peer.frame(), "true");
        peer
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.group.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn nodes_know_who_is_present_at_others() {
    for kind in KINDS {
        let Some(mut server) = Server::start(kind, &[]) else { return };
        let (a, b) = (Node::join(&server, 1), Node::join(&server, 3));
        let mut ann = a.say("room ann");
        let _bobs = [(); 6].map(|()| b.say("room bob"));
        let _elsewhere = b.say("hall carol");
        let everybody = ["ann", "bob", "bob", "bob", "bob", "bob", "bob"];
        for node in [&a, &b] {
            node.until_present(&everybody);
            assert_eq!((node.presence.count("room"), node.presence.count("")), (7, 0));
        }
        // Who comes later is told what was before.
        let c = Node::join(&server, 1);
        c.until_present(&everybody);
        // By another name, gone, and gone with its connection.
        ann.text("room anna");
        assert_text(&ann.frame(), "true");
        b.until_present(&["anna", "bob", "bob", "bob", "bob", "bob", "bob"]);
        ann.text("room");
        assert_text(&ann.frame(), "true");
        ann.text("room");
        assert_text(&ann.frame(), "false");
        drop(_bobs);
        for node in [&a, &b, &c] {
            node.until_present(&[]);
        }
        // An engine that is killed takes nobody along.
        let _dora = a.say("room dora");
        c.until_present(&["dora"]);
        server.kill();
        c.until(|event| matches!(event, LinkEvent::Down { .. }), || true);
        let _eve = c.say("room eve");
        server.start_again();
        for node in [&a, &b, &c] {
            node.until_present(&["dora", "eve"]);
        }
    }
}

#[test]
fn a_node_that_is_gone_takes_its_members_along() {
    for kind in KINDS {
        let Some(server) = Server::start(kind, &[]) else { return };
        let (a, b) = (Node::join(&server, 1), Node::join(&server, 1));
        let (_ann, _bob) = (a.say("room ann"), b.say("room bob"));
        b.until_present(&["ann", "bob"]);
        drop(a); // without a word to anybody
        b.until_present(&["bob"]);
    }
}
