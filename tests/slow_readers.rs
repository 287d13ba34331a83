//! Readers that are too slow: the oldest is dropped, the newest of each key survives, nothing is mixed up.

#![cfg(feature = "event-loop")]

#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Ended, Handler, Overflow, Readiness, Sent, Settings, To};
use bowsprit::frame::{DataKind, RawHeader};
use bowsprit::message::Message;
use in_memory::{WIRES, World};
use support::*;

/// Notes when a reader has caught up, and what it has missed.
#[derive(Default)]
struct Notes {
    drained: Vec<u64>,
    ended: Vec<u16>,
}

impl Handler for Notes {
    type Data = ();

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}

    fn on_drained(&mut self, cx: &mut Context<()>, id: ConnId) {
        self.drained.push(cx.take_dropped(id));
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        self.ended.push(ended.outcome.code().0);
    }
}

fn world(
    connections: usize,
    overflow: Overflow,
    change: impl FnOnce(&mut Settings, &mut Config),
) -> World<Notes> {
    World::new(Notes::default(), connections, |settings| {
        let mut config = Config::default();
        config.max_queued = 100_000;
        (settings.high_watermark, settings.low_watermark) = (10_000, 2_000);
        settings.overflow = overflow;
        change(settings, &mut config);
        settings.connection = Arc::new(config);
    })
}

/// A message of about 100 bytes.
fn text(what: &str, number: u32) -> String {
    format!("{what} {number} {:x<90}", "")
}

/// The reader reads all that there is.
fn drain(world: &mut World<Notes>, number: usize) -> Vec<(RawHeader, Vec<u8>)> {
    WIRES.with_borrow_mut(|wires| wires[number].is_full = false);
    world.engine.ready(world.conns[number].1, Readiness::WRITABLE, &mut world.handler);
    world.turn();
    frames(&WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from)))
}

/// What stands in front of the padding.
fn said(frames: &[(RawHeader, Vec<u8>)]) -> Vec<(String, u32)> {
    let data = frames.iter().filter(|(header, _)| matches!(header.opcode, 1 | 2));
    data.map(|(_, payload)| {
        let text = str::from_utf8(payload).unwrap();
        let mut words = text.split(' ');
        (words.next().unwrap().to_owned(), words.next().unwrap().parse().unwrap())
    })
    .collect()
}

#[test]
fn the_oldest_is_dropped_and_all_else_comes_in_order() {
    let mut world = world(1, Overflow::DropOldest, |_, _| ());
    let id = world.conns[0].0;
    world.fill(true);
    for number in 0..3000 {
        assert!(world.engine.context().send(id, &*text("n", number)).is_queued());
        if number % 500 == 0 {
            world.turn();
        }
        assert!(world.engine.context().queued(id) <= 100_200);
    }
    world.engine.context().ping(id, b"beside");
    let frames = drain(&mut world, 0);
    let numbers: Vec<u32> = said(&frames).into_iter().map(|(_, number)| number).collect();
    // What was encoded before it was too slow, and the newest.
    let gap = numbers.windows(2).position(|pair| pair[1] != pair[0] + 1).unwrap();
    assert!(numbers[..=gap].iter().copied().eq(0..=gap as u32));
    assert!(numbers[gap + 1..].iter().copied().eq(numbers[gap + 1]..3000));
    let lost = 3000 - numbers.len() as u64;
    assert!((1900..2200).contains(&lost), "{lost}");
    assert_eq!(world.handler.drained, [lost], "told once it reads again");
    let stats = world.engine.context().stats();
    assert_eq!((stats.dropped, stats.messages_out, stats.queued), (lost, 3000, 0));
    // Control frames wait behind nothing that may be dropped.
    let ping = frames.iter().position(|(header, _)| header.opcode == 9).unwrap();
    assert!(ping <= gap + 1, "{ping} {gap}");
    // And then it is as it was.
    world.engine.context().send(id, &*text("n", 3000));
    world.turn();
    assert_eq!(said(&drain(&mut world, 0)), [("n".to_owned(), 3000)]);
}

#[test]
fn the_newest_of_each_key_survives() {
    for overflow in [Overflow::Close, Overflow::DropData, Overflow::DropOldest] {
        let mut world = world(2, overflow, |_, _| ());
        let slow = world.conns[0].0;
        WIRES.with_borrow_mut(|wires| wires[0].is_full = true);
        world.engine.context().subscribe(slow, "prices").unwrap();
        world.engine.context().subscribe(world.conns[1].0, "prices").unwrap();
        for number in 0..10_000 {
            let key = format!("k{}", number % 7);
            let text = text(&key, number);
            if number % 2 == 0 {
                assert_eq!(world.engine.context().publish(To::topic("prices").latest(&key), &*text).here, 2);
            } else {
                assert!(world.engine.context().send_latest(slow, &key, &*text).is_queued());
            }
            if number % 100 == 0 {
                world.turn();
            }
        }
        world.turn();
        let held = world.engine.context().stats().held;
        assert!(held < 1 << 20, "{held}");
        // Whoever reads has got all.
        let fast = said(&drain(&mut world, 1));
        assert!(fast.iter().map(|(_, number)| *number).eq((0..10_000).step_by(2)));
        let said = said(&drain(&mut world, 0));
        assert!(said.len() < 200, "{}", said.len());
        // None is older than one before it that has the same key, and the last of each is the newest.
        let mut last = BTreeMap::new();
        for (key, number) in said {
            let before = last.insert(key, number);
            assert!(before < Some(number));
        }
        assert_eq!(last.into_values().collect::<Vec<_>>(), [9996, 9997, 9998, 9999, 9993, 9994, 9995]);
        let stats = world.engine.context().stats();
        assert!(stats.conflated > 9_700 && stats.dropped == 0, "{stats:?}");
        assert_eq!(world.handler.drained, [stats.conflated]);
        assert!(world.handler.ended.is_empty());
    }
}

/// Messages without a key stay in order with those that have one.
#[test]
fn what_has_no_key_overtakes_nothing() {
    let mut world = world(1, Overflow::Close, |_, _| ());
    let id = world.conns[0].0;
    world.fill(true);
    for number in 0..150 {
        world.engine.context().send(id, &*text("first", number));
    }
    let context = world.engine.context();
    context.send_latest(id, "a", &*text("a", 1));
    context.send(id, &*text("plain", 2));
    context.send_latest(id, "b", &*text("b", 3));
    context.send_latest(id, "a", &*text("a", 4));
    // A message in parts, a Close frame: both come behind all.
    context.start_message(id, DataKind::Text, text("parts", 5).as_bytes());
    context.finish_message(id, b"");
    context.close(id, None);
    assert_eq!(context.send_latest(id, "a", "late"), Sent::Closed);
    let frames = drain(&mut world, 0);
    let tail: Vec<_> = said(&frames[150..]);
    let expected = [("a", 4), ("plain", 2), ("b", 3), ("parts", 5)];
    assert_eq!(tail[..4], expected.map(|(what, number)| (what.to_owned(), number)));
    assert_eq!(frames.last().unwrap().0.opcode, 8);
}

/// Beyond the bound the policy counts, for what has a key as well.
#[test]
fn keys_without_end_are_bounded_by_the_policy() {
    for (overflow, sent) in [(Overflow::Close, Sent::Closed), (Overflow::DropData, Sent::Dropped)] {
        let mut world = world(1, overflow, |_, _| ());
        let id = world.conns[0].0;
        world.fill(true);
        let refused = (0..10_000).find_map(|number| {
            let sent = world.engine.context().send_latest(id, &number.to_string(), &*text("k", number));
            (!sent.is_queued()).then_some(sent)
        });
        assert_eq!(refused, Some(sent), "{overflow:?}");
        world.turn();
        assert_eq!(world.handler.ended.len(), usize::from(overflow == Overflow::Close));
    }
}

/// A shutdown says all that was said before it.
#[test]
fn the_end_comes_behind_all() {
    let mut world = world(1, Overflow::DropOldest, |_, _| ());
    let id = world.conns[0].0;
    world.fill(true);
    for number in 0..500 {
        world.engine.context().send(id, &*text("n", number));
    }
    world.engine.context().shutdown(std::time::Duration::from_secs(60));
    world.turn();
    let frames = drain(&mut world, 0);
    assert_eq!(said(&frames).len(), 500);
    assert_eq!(frames.last().unwrap().0.opcode, 8);
}

/// What waits without being encoded counts for the bound on all connections together as all else does.
#[test]
fn the_bound_on_all_queues_together_holds_for_what_waits_here() {
    let mut world = world(40, Overflow::DropOldest, |settings, _| settings.max_held = 2 << 20);
    world.fill(true);
    for number in 0..2000 {
        for at in 0..40 {
            world.engine.context().send(world.conns[at].0, &*text("n", number));
        }
        if number % 10 == 0 {
            world.turn();
            assert!(world.held() <= 2 << 20, "{}", world.held());
        }
    }
    let stats = world.engine.context().stats();
    assert!(stats.over_budget > 0 && stats.open > 0, "{stats:?}");
    // Whoever may stay gets the newest.
    let open = (0..40).find(|at| world.engine.context().is_open(world.conns[*at].0)).unwrap();
    assert_eq!(said(&drain(&mut world, open)).last().unwrap().1, 1999);
}

/// Sends back what comes.
#[derive(Default)]
struct Echo {
    came: usize,
    ended: bool,
}

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        self.came += 1;
        cx.send(id, message);
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, _: &Ended) {
        self.ended = true;
    }
}

/// A reset comes while the loop reads nothing, as too much waits to be written: what came before it is read to its end, though
/// the answers to it are again more than may wait.
#[test]
fn a_slow_reader_that_is_reset_ends() {
    let mut world = World::new(Echo::default(), 1, |settings| {
        (settings.high_watermark, settings.low_watermark) = (10_000, 2_000);
        settings.receive_buffer = 4096;
    });
    world.fill(true);
    let message = sent_by(Role::Client, RawHeader::BINARY, &[b'x'; 5000]);
    world.arrive(0, &message.repeat(40));
    world.turn();
    let came = world.handler.came;
    assert!(came < 20, "it is read no more");
    WIRES.with_borrow_mut(|wires| (wires[0].is_broken, wires[0].has_ended) = (true, true));
    let reset = Readiness { readable: true, writable: true, read_closed: true, error: true };
    world.engine.ready(world.conns[0].1, reset, &mut world.handler);
    world.turn();
    assert_eq!((world.handler.came, world.handler.ended), (40, true));
    assert!(world.engine.is_empty());
}
