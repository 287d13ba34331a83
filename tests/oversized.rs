//! A long message may get the buffer of an earlier one, which is larger than what has arrived of the message. All such
//! buffers together hold a bounded amount.

#![cfg(feature = "event-loop")]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::time::Duration;

use bowsprit::Role;
use bowsprit::event_loop::{ConnId, Context, Handler};
use bowsprit::frame::RawHeader;
use bowsprit::message::{Message, MessageBuffer};
use counting::COUNTS;
use in_memory::{WIRES, World};
use support::*;

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

const LEN: usize = 1 << 20;
const BEGUN: usize = 70 * 1024;

/// What buffers that are too large may hold together.
const BOUND: usize = 64 << 20;

#[test]
fn whoever_begins_long_messages_holds_little() {
    const CONNECTIONS: usize = 100;
    let mut world = World::new(Echo, CONNECTIONS + 1, |_| ());
    let idle = world.held();
    let long = sent_by(Role::Client, RawHeader::BINARY, &Random::new(1).bytes(LEN));
    let (begun, rest) = long.split_at(BEGUN);
    for number in 1..=CONNECTIONS {
        // A whole message leaves its buffer for the next one.
        world.arrive(0, &long);
        world.turn();
        WIRES.with_borrow_mut(|wires| wires[0].from.clear());
        world.arrive(number, begun);
        world.turn();
        let most = idle + BOUND + number * MessageBuffer::fair(BEGUN);
        assert!(world.held() <= most, "{} bytes of {number} connections", world.held());
    }
    // Whoever got a smaller buffer on the way has lost nothing.
    for number in 1..=CONNECTIONS {
        world.arrive(number, rest);
        world.turn();
        let answer = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from));
        let frames = frames(&answer);
        assert_eq!(frames.len(), 1, "connection {number}");
        assert!(sent_by(Role::Server, RawHeader::BINARY, &frames[0].1) == answer);
        let header = long.len() - LEN;
        let key = bowsprit::frame::MaskKey(long[header - 4..header].try_into().unwrap());
        let mut payload = long[header..].to_vec();
        key.apply_naive(&mut payload);
        assert!(frames[0].1 == payload, "connection {number}");
    }
    assert_eq!(world.held(), idle, "all is done");
}

/// What long messages have needed is there for the next ones, and goes once none comes.
#[test]
fn what_is_not_needed_any_more_is_given_back() {
    const CONNECTIONS: usize = 20;
    let mut world = World::new(Echo, CONNECTIONS, |_| ());
    let long = sent_by(Role::Client, RawHeader::BINARY, &Random::new(3).bytes(LEN));
    let live = || COUNTS.get().live as usize;
    let idle = live();
    let round = |world: &mut World<Echo>| {
        let (begun, rest) = long.split_at(long.len() - 100);
        for part in [begun, rest] {
            (0..CONNECTIONS).for_each(|number| world.arrive(number, part));
        }
        world.turn();
        WIRES.with_borrow_mut(|wires| wires.iter_mut().for_each(|wire| wire.from = Vec::new()));
    };
    let after_a_while = |world: &mut World<Echo>| {
        let at = world.engine.next_deadline().unwrap();
        assert!(at <= world.engine.context().now() + Duration::from_secs(1));
        world.engine.on_time(at, &mut world.handler);
    };
    round(&mut world);
    for _ in 0..3 {
        round(&mut world);
        after_a_while(&mut world);
        assert!(live() > idle + CONNECTIONS * LEN, "{} bytes, all of which were needed", live() - idle);
    }
    after_a_while(&mut world);
    assert!(live() <= idle + (8 << 20), "{} bytes", live() - idle);
    round(&mut world);
}

/// Where memory is short, none keeps more than fits.
#[test]
fn where_memory_is_short_they_are_exchanged() {
    let mut world = World::new(Echo, 9, |settings| settings.max_held = 12 << 20);
    let long = sent_by(Role::Client, RawHeader::BINARY, &Random::new(2).bytes(LEN));
    for number in 1..9 {
        world.arrive(0, &long);
        world.turn();
        world.arrive(number, &long[..BEGUN]);
        world.turn();
    }
    let stats = world.engine.context().stats();
    assert_eq!((stats.open, stats.over_budget), (9, 0), "{} bytes are held", stats.held);
    for number in 1..9 {
        world.arrive(number, &long[BEGUN..]);
        world.turn();
        let answer = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from));
        assert_eq!(frames(&answer).len(), 1, "connection {number}");
    }
}

/// What is only kept for the next message ends nobody.
#[test]
fn what_nobody_has_is_given_back_before_anybody_is_ended() {
    const MANY: usize = 35;
    let mut world = World::new(Echo, MANY + 1, |settings| settings.max_held = 8 << 20);
    let message = sent_by(Role::Client, RawHeader::BINARY, &Random::new(4).bytes(BEGUN));
    let (begun, rest) = message.split_at(message.len() - 10);
    for part in [begun, rest] {
        (1..=MANY).for_each(|number| world.arrive(number, part));
    }
    world.turn();
    // More than is left comes in one turn.
    let long = sent_by(Role::Client, RawHeader::BINARY, &Random::new(5).bytes(4 << 20));
    world.arrive(0, &long[..3 << 20]);
    world.turn();
    world.arrive(0, &long[3 << 20..]);
    world.turn();
    let stats = world.engine.context().stats();
    assert_eq!((stats.open, stats.over_budget), (MANY as u64 + 1, 0), "{} bytes are held", stats.held);
}
