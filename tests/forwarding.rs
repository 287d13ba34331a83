//! Forwards what one connection of a loop has received to another, while the first is a client of ours to which nothing
//! can be sent.

#![cfg(feature = "event-loop")]

#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use bowsprit::Role;
use bowsprit::event_loop::{ConnId, Context, Handler, Sent};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::ClientRequest;
use bowsprit::message::Message;
use in_memory::{WIRES, World};
use support::*;

/// Answers with something long, in vain, and passes on what came.
#[derive(Default)]
struct Forward {
    to: Option<ConnId>,
    refused: usize,
}

impl Handler for Forward {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let Some(to) = self.to else { return };
        if id != to {
            let sent = cx.send_binary(id, &vec![1; 100_000]);
            self.refused += usize::from(sent == Sent::Closed);
            assert!(cx.send(to, message).is_queued());
        }
    }
}

/// A queue that refers to the receive buffer, or to the message at hand, does not go to another connection.
#[test]
fn what_is_passed_on_is_what_came() {
    for len in [100, 5_000, 60_000, 200_000] {
        let mut world = World::new(Forward::default(), 1, |_| ());
        world.handler.to = Some(world.conns[0].0);
        let client = world.dial(ClientRequest::new("a", "/").unwrap());
        let id = world.conns[client].0;
        assert!(world.engine.context().close(id, None).is_queued());
        world.turn();
        let payload = Random::new(len as u64).bytes(len);
        for read in sent_by(Role::Server, RawHeader::BINARY, &payload).chunks(70_000) {
            world.arrive(client, read);
        }
        world.turn();
        assert_eq!(world.handler.refused, 1);
        let bytes = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[0].from));
        let got: Vec<Vec<u8>> = frames(&bytes).into_iter().map(|(_, payload)| payload).collect();
        assert!(got == [payload], "{len} bytes: {:?}", got.iter().map(Vec::len).collect::<Vec<_>>());
    }
}
