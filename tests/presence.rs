//! Who is present in a topic, over real engines.

#![cfg(all(feature = "backplane", feature = "event-loop", unix))]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/installed.rs"]
mod installed;
#[path = "support/node.rs"]
mod node;
mod support;

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use bowsprit::backplane::{BackplaneSettings, LinkEvent, Presence};
use bowsprit::event_loop::{ConnId, Context, Handler};
use bowsprit::message::Message;
use engine::{KINDS, Server};
use node::Node;
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

/// A node, and what it knows of who is present.
struct Room {
    node: Node,
    presence: Presence,
}

impl Room {
    fn join(server: &Server, threads: usize) -> Self {
        Self::join_with(server, threads, BackplaneSettings::default())
    }

    fn join_with(server: &Server, threads: usize, settings: BackplaneSettings) -> Self {
        let node = Node::join(&server.url(), threads, settings, |events| App { events });
        let (sender, presence) = channel();
        node.group.remotes()[0].run(move |cx| sender.send(cx.presence().unwrap().clone()).unwrap()).unwrap();
        let presence = presence.recv_timeout(PATIENCE).unwrap();
        Self { node: node.up(), presence }
    }

    /// Until these are present in the room, which an event tells.
    fn until_present(&self, names: &[&str]) {
        while self.names() != names {
            self.node.until(|event| matches!(event, LinkEvent::Presence { topic } if topic == "room"));
        }
    }

    fn names(&self) -> Vec<String> {
        let members = self.presence.members("room").into_iter();
        members.flat_map(|member| vec![member.name; member.count as usize]).collect()
    }

    fn say(&self, text: &str) -> Peer {
        let mut peer = self.node.open();
        peer.text(text);
        assert_text(&peer.frame(), "true");
        peer
    }
}

#[test]
fn nodes_know_who_is_present_at_others() {
    for kind in KINDS {
        let Some(mut server) = Server::start(kind, &[]) else { return };
        let (a, b) = (Room::join(&server, 1), Room::join(&server, 3));
        let mut ann = a.say("room ann");
        let _bobs = [(); 6].map(|()| b.say("room bob"));
        let _elsewhere = b.say("hall carol");
        let everybody = ["ann", "bob", "bob", "bob", "bob", "bob", "bob"];
        for node in [&a, &b] {
            node.until_present(&everybody);
            assert_eq!((node.presence.count("room"), node.presence.count("")), (7, 0));
        }
        // Who comes later is told what was before.
        let c = Room::join(&server, 1);
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
        c.node.until_down();
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
        // Whoever is silent for some of these is gone.
        let mut settings = BackplaneSettings::default();
        settings.announce_interval = Duration::from_millis(200);
        let (a, b) = (Room::join_with(&server, 1, settings.clone()), Room::join_with(&server, 1, settings));
        let (_ann, _bob) = (a.say("room ann"), b.say("room bob"));
        b.until_present(&["ann", "bob"]);
        drop(a); // without a word to anybody
        b.until_present(&["bob"]);
    }
}
