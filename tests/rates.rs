//! How fast a connection may send (`Settings::rate`), on a virtual clock.

#![cfg(feature = "event-loop")]

#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::sync::Arc;
use std::time::Duration;

use bowsprit::Role;
use bowsprit::connection::{Config, Delivery};
use bowsprit::event_loop::{
    Allowance, Cause, ConnId, Context, Ended, Handler, Rate, RateExceeded, RatePolicy, Settings,
};
use bowsprit::frame::{Header, RawHeader};
use bowsprit::message::Message;
use in_memory::{WIRES, World};
use support::*;

const SECOND: Duration = Duration::from_secs(1);

/// Notes what comes and what is told.
#[derive(Default)]
struct Notes {
    messages: Vec<u32>,
    frames: usize,
    exceeded: Vec<RateExceeded>,
    ended: Vec<(String, u16)>,
}

impl Handler for Notes {
    type Data = ();

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, message: Message<'_>) {
        self.messages.push(u32::from_be_bytes(*message.as_bytes().first_chunk().unwrap()));
    }

    fn on_frame(&mut self, _: &mut Context<()>, _: ConnId, _: &Header) {
        self.frames += 1;
    }

    fn on_rate_exceeded(&mut self, _: &mut Context<()>, _: ConnId, exceeded: RateExceeded) {
        self.exceeded.push(exceeded);
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        assert!(matches!(ended.cause, Cause::RateExceeded | Cause::Closed | Cause::Timeout(_)), "{ended:?}");
        self.ended.push((format!("{:?}", ended.cause), ended.outcome.code().0));
    }
}

fn messages(per_second: u64, burst: u64, policy: RatePolicy) -> Rate {
    let mut rate = Rate::default();
    rate.messages = Some(Allowance { per_second, burst });
    rate.policy = policy;
    rate
}

fn bytes(per_second: u64, burst: u64, policy: RatePolicy) -> Rate {
    let mut rate = Rate::default();
    rate.bytes = Some(Allowance { per_second, burst });
    rate.policy = policy;
    rate
}

fn world(connections: usize, rate: Rate, change: impl FnOnce(&mut Settings)) -> World<Notes> {
    World::new(Notes::default(), connections, |settings| {
        settings.rate = Some(rate);
        change(settings);
    })
}

/// Messages of 96 bytes, with their numbers; 102 with their headers.
fn numbered(range: std::ops::Range<u32>) -> Vec<u8> {
    let payload = |number: u32| [&number.to_be_bytes()[..], &[0; 92]].concat();
    range.flat_map(|number| sent_by(Role::Client, RawHeader::BINARY, &payload(number))).collect()
}

/// The time passes, in steps.
fn pass(world: &mut World<Notes>, time: Duration, step: Duration) {
    let (start, mut passed) = (world.engine.context().now(), Duration::ZERO);
    while passed < time {
        passed = (passed + step).min(time);
        world.engine.on_time(start + passed, &mut world.handler);
        world.turn();
    }
}

#[test]
fn whoever_is_too_fast_is_slowed_down_and_loses_nothing() {
    let mut world = world(2, messages(10, 5, RatePolicy::SlowDown), |_| ());
    world.arrive(0, &numbered(0..100));
    world.turn();
    assert_eq!(world.handler.messages, (0..5).collect::<Vec<_>>(), "the burst");
    assert_eq!(world.handler.exceeded, [RateExceeded::Slowed(SECOND / 10)]);
    // Others have an allowance of their own.
    world.arrive(1, &numbered(1000..1003));
    assert_eq!(world.handler.messages.split_off(5), [1000, 1001, 1002]);
    world.turn();
    // The loop is woken when there is something to do, and not before.
    let now = world.engine.context().now();
    assert_eq!(world.engine.next_deadline(), Some(now + SECOND / 10));
    pass(&mut world, 3 * SECOND, SECOND / 20);
    assert_eq!(world.handler.messages, (0..35).collect::<Vec<_>>(), "and then the rate");
    pass(&mut world, 10 * SECOND, SECOND / 20);
    assert_eq!(world.handler.messages, (0..100).collect::<Vec<_>>());
    let stats = world.engine.context().stats();
    assert_eq!((stats.messages_in, stats.rate_dropped, stats.rate_closed), (103, 0, 0));
    assert_eq!(stats.slowed as usize, world.handler.exceeded.len());
    // A pause fills the bucket again.
    pass(&mut world, SECOND, SECOND);
    world.arrive(0, &numbered(100..106));
    assert_eq!(world.handler.messages.len(), 105);
}

#[test]
fn bytes_are_what_is_read() {
    let mut world = world(1, bytes(1020, 2040, RatePolicy::SlowDown), |_| ());
    world.arrive(0, &numbered(0..200));
    world.turn();
    assert_eq!(world.handler.messages.len(), 20, "no more than the burst is read at once");
    pass(&mut world, 10 * SECOND, SECOND / 10);
    let after = world.handler.messages.len();
    assert!((115..=140).contains(&after), "{after}");
    // What is left is left in the socket.
    assert!(WIRES.with_borrow(|wires| wires[0].to.len()) >= 50 * 102);
    pass(&mut world, 20 * SECOND, SECOND / 10);
    assert_eq!(world.handler.messages, (0..200).collect::<Vec<_>>());
    // Control frames count, and are answered when their time comes.
    let pings: Vec<u8> = (0..100).flat_map(|_| sent_by(Role::Client, RawHeader::PING, &[7; 96])).collect();
    world.arrive(0, &pings);
    pass(&mut world, SECOND, SECOND / 10);
    assert!(WIRES.with_borrow(|wires| wires[0].to.len()) >= 50 * 102);
}

/// A long message in few reads, straight into a buffer of its own.
#[test]
fn a_long_message_comes_at_its_rate() {
    let mut world = world(1, bytes(100_000, 100_000, RatePolicy::SlowDown), |_| ());
    world.arrive(0, &sent_by(Role::Client, RawHeader::BINARY, &[1; 1_000_000]));
    pass(&mut world, 8 * SECOND, SECOND / 10);
    assert!(world.handler.messages.is_empty() && world.handler.ended.is_empty());
    pass(&mut world, 2 * SECOND, SECOND / 10);
    assert_eq!(world.handler.messages.len(), 1);
}

#[test]
fn what_is_too_much_is_dropped_and_told() {
    let mut world = world(1, messages(10, 5, RatePolicy::Drop), |_| ());
    world.arrive(0, &numbered(0..8));
    assert_eq!(world.handler.messages, [0, 1, 2, 3, 4]);
    assert_eq!(world.handler.exceeded, [RateExceeded::Dropped(96); 3]);
    pass(&mut world, SECOND / 5, SECOND / 5);
    world.arrive(0, &numbered(8..12));
    assert_eq!(world.handler.messages, [0, 1, 2, 3, 4, 8, 9]);
    let stats = world.engine.context().stats();
    assert_eq!((stats.messages_in, stats.rate_dropped, stats.slowed), (7, 5, 0));
    assert!(stats.to_prometheus().contains("bowsprit_rate_messages_dropped_total 5\n"));

    // What fits is let through, however much has been dropped before.
    let mut world = self::world(1, bytes(960, 960, RatePolicy::Drop), |_| ());
    for second in 0..10 {
        world.arrive(0, &numbered(second * 100..(second + 1) * 100));
        pass(&mut world, SECOND, SECOND);
    }
    let expected: Vec<_> = (0..10).flat_map(|second| second * 100..second * 100 + 10).collect();
    assert_eq!(world.handler.messages, expected);
}

#[test]
fn whoever_is_too_fast_is_closed() {
    for rate in [messages(10, 5, RatePolicy::Close), bytes(100, 520, RatePolicy::Close)] {
        let mut world = world(1, rate, |_| ());
        world.arrive(0, &numbered(0..5));
        world.turn();
        assert_eq!((world.handler.messages.len(), world.handler.ended.len()), (5, 0));
        world.arrive(0, &numbered(5..7));
        world.turn();
        assert_eq!(world.handler.messages.len(), 5);
        assert_eq!(world.handler.ended, [("RateExceeded".to_owned(), 1006)]);
        let wire = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[0].from));
        let (header, payload) = frames(&wire).remove(0);
        assert_eq!((header.opcode, &payload[..2]), (0x8, &1008u16.to_be_bytes()[..]));
        assert_eq!(world.engine.context().stats().rate_closed, 1);
    }
}

/// Nobody who is slowed down has fallen silent: what has not been read may be an answer to a Ping.
#[test]
fn slowness_that_is_ours_is_nobodys_silence() {
    let mut config = Config::default();
    config.ping_interval = Some(2 * SECOND);
    config.pong_timeout = SECOND;
    config.idle_timeout = Some(5 * SECOND);
    config.message_timeout = Some(5 * SECOND);
    let mut world =
        world(1, bytes(102, 1020, RatePolicy::SlowDown), |settings| settings.connection = Arc::new(config));
    world.arrive(0, &numbered(0..60));
    // Between two reads lie ten seconds, in which nothing is heard.
    pass(&mut world, 35 * SECOND, SECOND / 4);
    assert_eq!(world.handler.ended, []);
    assert!(world.handler.messages.len() < 60);
    pass(&mut world, 10 * SECOND, SECOND / 4);
    assert_eq!(world.handler.ended, []);
    assert_eq!(world.handler.messages, (0..60).collect::<Vec<_>>());
    // Once all is read, silence counts again.
    pass(&mut world, 20 * SECOND, SECOND / 4);
    assert_eq!(world.handler.ended.len(), 1);
}

/// A closing handshake that we begin does not wait for a rate.
#[test]
fn the_end_waits_for_no_rate() {
    let mut world = world(1, messages(1, 1, RatePolicy::SlowDown), |_| ());
    let close = sent_by(Role::Client, RawHeader::CLOSE, &1000u16.to_be_bytes());
    world.arrive(0, &[numbered(0..500), close].concat());
    let id = world.conns[0].0;
    world.engine.context().close(id, None);
    world.turn();
    assert_eq!(world.handler.ended, [("Closed".to_owned(), 1000)]);
}

#[test]
fn a_connection_may_have_a_rate_of_its_own() {
    let mut world = World::new(Notes::default(), 2, |_| ());
    let (slow, free) = (world.conns[0].0, world.conns[1].0);
    world.engine.context().set_rate(slow, Some(messages(1, 1, RatePolicy::SlowDown)));
    world.arrive(0, &numbered(0..50));
    world.arrive(1, &numbered(100..150));
    world.turn();
    assert_eq!(world.handler.messages.len(), 51);
    // Another one counts at once, and so does none.
    world.engine.context().set_rate(slow, Some(messages(1, 9, RatePolicy::SlowDown)));
    world.turn();
    assert_eq!(world.handler.messages.len(), 60);
    world.engine.context().set_rate(slow, None);
    world.engine.context().set_rate(free, None);
    world.turn();
    assert_eq!(world.handler.messages.len(), 100);
    // A rate of nothing is for ever.
    world.engine.context().set_rate(slow, Some(messages(0, 1, RatePolicy::SlowDown)));
    world.arrive(0, &numbered(0..9));
    pass(&mut world, 3600 * SECOND, 60 * SECOND);
    assert_eq!(world.handler.messages.len(), 101);
    assert_eq!(world.engine.next_deadline(), None);
}

/// A message that is delivered in frames counts once, at its first.
#[test]
fn frames_are_counted_by_message() {
    let mut config = Config::default();
    config.delivery = Delivery::Frames;
    let mut world =
        world(1, messages(1, 2, RatePolicy::SlowDown), |settings| settings.connection = Arc::new(config));
    let part = |header: RawHeader, fin: bool| sent_by(Role::Client, RawHeader { fin, ..header }, b"part");
    let message = [
        part(RawHeader::TEXT, false),
        part(RawHeader::CONTINUATION, false),
        part(RawHeader::CONTINUATION, true),
    ]
    .concat();
    world.arrive(0, &message.repeat(5));
    pass(&mut world, SECOND / 2, SECOND / 2);
    assert!((4..9).contains(&world.handler.frames), "{}", world.handler.frames);
    pass(&mut world, 5 * SECOND, SECOND / 2);
    assert_eq!(world.handler.frames, 15);
}
