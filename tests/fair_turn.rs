//! What one connection costs in a turn is bounded, whatever it sends. The rest follows in the next turns, in order.

#![cfg(feature = "event-loop")]

#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::{Config, Delivery};
use bowsprit::event_loop::{ConnId, Context, Ended, Handler, Readiness, To};
use bowsprit::frame::{Header, RawHeader};
use bowsprit::message::Message;
use in_memory::{WIRES, World};
use support::*;

/// Answers, and notes how much came.
#[derive(Default)]
struct Echo {
    messages: usize,
    bytes: usize,
    closed: usize,
    /// Pauses whoever has sent so many.
    pauses_after: usize,
}

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        self.messages += 1;
        self.bytes += message.len();
        cx.send(id, message);
        if self.messages == self.pauses_after {
            cx.pause(id);
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, _: &Ended) {
        self.closed += 1;
    }
}

fn one_turn<H: Handler<Data = ()>>(world: &mut World<H>) {
    let now = world.engine.context().now();
    world.engine.on_time(now, &mut world.handler);
}

/// So many messages, each with its number.
fn numbered(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| sent_by(Role::Client, RawHeader::BINARY, &number.to_be_bytes())).collect()
}

fn take(number: usize) -> Vec<u8> {
    WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from))
}

fn answers(wire: &[u8]) -> Vec<u32> {
    frames(wire).iter().map(|(_, payload)| u32::from_be_bytes(payload[..].try_into().unwrap())).collect()
}

#[test]
fn a_flood_is_cut_and_comes_in_order() {
    let mut world = World::new(Echo::default(), 2, |_| ());
    let held = world.held();
    world.arrive(1, &numbered(20_000));
    let first = world.handler.messages;
    assert!((500..5000).contains(&first), "{first} at once");
    // Whoever comes after it does not wait for it.
    world.arrive(0, &numbered(1));
    one_turn(&mut world);
    assert_eq!(answers(&take(0)), [0]);
    assert!(world.handler.messages < 3 * first, "{}", world.handler.messages);
    world.turn();
    assert_eq!(answers(&take(1)), (0..20_000).collect::<Vec<_>>());
    // Nothing is kept for it.
    assert_eq!(world.held(), held);
}

/// What a layer takes for itself counts, as records of TLS that hold next to nothing.
#[test]
fn what_lies_below_the_messages_counts() {
    let reads = || WIRES.with_borrow(|wires| wires[1..].iter().map(|wire| wire.reads).sum::<usize>());
    let mut world = World::new(Echo::default(), 101, |_| ());
    WIRES.with_borrow_mut(|wires| wires[1..].iter_mut().for_each(|wire| wire.overhead = Some(64 * 1024)));
    let mut before = reads();
    (1..=100).for_each(|number| world.arrive(number, &numbered(2)));
    assert_eq!(reads() - before, 100, "one of each at once");
    one_turn(&mut world); // has nothing left for them
    while world.handler.messages < 100 * 2 {
        before = reads();
        world.arrive(0, &numbered(1));
        one_turn(&mut world);
        assert_eq!(answers(&take(0)), [0]);
        assert!((1..=3).contains(&(reads() - before)), "{} in a turn", reads() - before);
        world.handler.messages -= 1;
    }
    world.turn();
    (1..=100).for_each(|number| assert_eq!(answers(&take(number)), [0, 1]));
}

/// A hundred of them cost the others no more than one.
#[test]
fn many_floods_share_what_a_turn_has() {
    let flood = numbered(20_000);
    let mut most = 0;
    let mut world = World::new(Echo::default(), 101, |_| ());
    (1..=100).for_each(|number| world.arrive(number, &flood));
    let (mut before, mut turns) = (world.handler.messages, 0);
    while world.handler.messages < 100 * 20_000 {
        world.arrive(0, &numbered(1));
        one_turn(&mut world);
        assert_eq!(answers(&take(0)), [0]);
        most = most.max(world.handler.messages - before);
        before = world.handler.messages;
        turns += 1;
        assert!(turns < 100_000);
    }
    assert!(most < 5000, "{most} in a turn");
    world.turn();
    for number in 1..=100 {
        assert_eq!(answers(&take(number)).len(), 20_000);
    }
}

/// Those who are paused get nothing of what was read before, until they are resumed.
#[test]
fn what_is_left_waits_while_nothing_is_to_be_read() {
    let mut world = World::new(Echo { pauses_after: 1500, ..Echo::default() }, 1, |_| ());
    world.arrive(0, &numbered(10_000));
    world.turn();
    let paused = world.handler.messages;
    assert!((1500..8000).contains(&paused), "{paused}");
    world.turn();
    assert_eq!(world.handler.messages, paused);
    let id = world.conns[0].0;
    world.engine.context().resume(id);
    world.turn();
    assert_eq!(answers(&take(0)), (0..10_000).collect::<Vec<_>>());
}

/// The end comes after all that was said before it.
#[test]
fn the_end_comes_after_what_is_left() {
    for in_order in [false, true] {
        let mut world = World::new(Echo::default(), 1, |_| ());
        let mut wire = numbered(10_000);
        if in_order {
            wire.extend(sent_by(Role::Client, RawHeader::CLOSE, &close_payload(1000, "")));
        }
        WIRES.with_borrow_mut(|wires| wires[0].has_ended = true);
        world.arrive(0, &wire);
        assert_eq!(world.handler.closed, 0);
        for _ in 0..100 {
            world.engine.ready(world.conns[0].1, Readiness::READABLE, &mut world.handler);
            one_turn(&mut world);
        }
        assert_eq!((world.handler.messages, world.handler.closed), (10_000, 1), "{in_order}");
    }
}

#[cfg(feature = "deflate")]
#[test]
fn inflating_is_cut() {
    use bowsprit::extension::deflate::DeflateConfig;

    let settings = std::sync::Arc::new(config(|config| config.deflate = Some(DeflateConfig::default())));
    let mut sender =
        Side::new(Role::Server, &settings, std::time::Instant::now()).conn.with_deflate(Default::default());
    sender.outbound.send_binary(&vec![0; 1 << 20]).unwrap();
    let payload = frames(sender.outbound.pending())[0].1.clone();
    let rsv1 = RawHeader { rsv1: true, ..RawHeader::BINARY };
    let bombs = sent_by(Role::Client, rsv1, &payload).repeat(30);
    let mut world = World::new(Echo::default(), 2, |to| to.connection = settings);
    world.arrive(1, &bombs);
    let mut before = 0;
    while world.handler.messages < 30 {
        world.arrive(0, &sent_by(Role::Client, RawHeader::TEXT, b"quiet"));
        one_turn(&mut world);
        assert_eq!(take(0), b"\x81\x05quiet");
        let bytes = world.handler.bytes - before;
        assert!(bytes <= 3 << 20, "{bytes} in a turn");
        before = world.handler.bytes;
    }
    world.turn();
    let answered = frames(&take(1)).len();
    assert!(answered == 30, "{answered}");
}

struct Relay {
    reached: Vec<usize>,
}

impl Handler for Relay {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        self.reached.push(cx.publish(To::all().except(id), message).here);
    }
}

/// What is said to very many is written over several turns: to each receiver in order, and to those who were there.
#[test]
fn a_broadcast_to_many_is_cut_without_reordering() {
    const RECEIVERS: usize = 500;
    let mut world = World::new(Relay { reached: Vec::new() }, RECEIVERS + 2, |_| ());
    let mut from = [0, 0];
    for round in 0..20u32 {
        let sender = (round % 2) as usize;
        world.arrive(sender, &sent_by(Role::Client, RawHeader::BINARY, &round.to_be_bytes()));
        let before: usize =
            WIRES.with_borrow(|wires| wires.iter().filter(|wire| !wire.from.is_empty()).count());
        one_turn(&mut world);
        let after: usize =
            WIRES.with_borrow(|wires| wires.iter().filter(|wire| !wire.from.is_empty()).count());
        // The senders get what is there for them with what they say themselves.
        assert!(after - before <= 128 + 2, "{} written in a turn", after - before);
        from[sender] += 1;
    }
    world.turn();
    assert_eq!(world.handler.reached, [RECEIVERS + 1; 20]);
    for number in 2..RECEIVERS + 2 {
        assert_eq!(answers(&take(number)), (0..20).collect::<Vec<_>>());
    }
}

/// What is said in one go to very many goes out in one write to each, and still no more is said in a turn than a share
/// of it.
#[test]
fn what_is_said_together_goes_out_together() {
    const RECEIVERS: usize = 1000;
    let mut world = World::new(Relay { reached: Vec::new() }, RECEIVERS + 1, |_| ());
    world.arrive(0, &numbered(8));
    one_turn(&mut world);
    let written: Vec<_> = (1..=RECEIVERS).map(take).filter(|wire| !wire.is_empty()).collect();
    assert_eq!(written.len(), 128);
    for wire in &written {
        assert_eq!(answers(wire), (0..8).collect::<Vec<_>>());
    }
    world.turn();
    world.handler.reached.clear();
    (1..=RECEIVERS).for_each(|number| drop(take(number)));
    world.arrive(0, &numbered(500));
    let first = world.handler.reached.len();
    assert!((8..50).contains(&first), "{first} at once");
    world.turn();
    assert_eq!(world.handler.reached, [RECEIVERS; 500]);
    for number in 1..=RECEIVERS {
        assert_eq!(answers(&take(number)), (0..500).collect::<Vec<_>>());
    }
}

/// What is long is written to fewer receivers in a turn, as each write takes longer.
#[test]
fn a_turn_writes_what_is_long_to_fewer() {
    const RECEIVERS: usize = 100;
    for (len, expected) in [(16_000, RECEIVERS), (60_000, 128 / 4), (100_000, 128_usize.div_ceil(7))] {
        let mut world = World::new(Relay { reached: Vec::new() }, RECEIVERS + 1, |_| ());
        world.arrive(0, &sent_by(Role::Client, RawHeader::BINARY, &vec![7; len]));
        one_turn(&mut world);
        let written = (1..=RECEIVERS).map(take).filter(|wire| !wire.is_empty()).count();
        assert_eq!(written, expected, "{len} bytes");
        world.turn();
        let rest = (1..=RECEIVERS).map(take).filter(|wire| frames(wire).len() == 1).count();
        assert_eq!(written + rest, RECEIVERS, "{len} bytes");
    }
}

/// A real socket tells of what it has once: what is cut off again and again must not wait for another event.
#[cfg(all(feature = "blocking", feature = "deflate"))]
#[test]
fn what_is_left_needs_no_further_event() {
    use std::sync::Arc;
    use std::time::Duration;

    use bowsprit::blocking;
    use bowsprit::client::ClientConfig;
    use bowsprit::connection::Config;
    use bowsprit::event_loop::{EventLoop, Settings};
    use bowsprit::extension::deflate::DeflateConfig;

    let mut config = Config::default();
    config.deflate = Some(DeflateConfig::default());
    let config = Arc::new(config);
    let mut settings = Settings::default();
    settings.connection = config.clone();
    let mut event_loop = EventLoop::with_settings(settings).unwrap();
    let address = event_loop.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let remote = event_loop.remote().unwrap();
    let server = std::thread::spawn(move || event_loop.run(&mut Echo::default()).unwrap());
    let client = ClientConfig::new(&format!("ws://{address}/")).unwrap().connection(config);
    let mut client = blocking::connect_with(&client).unwrap();
    client.set_timeout(Some(Duration::from_secs(20)));
    // Some kilobytes on the way, and the work of many turns.
    let message = vec![b'x'; 8 << 20];
    client.send(&message[..]).unwrap();
    assert!(client.read().unwrap() == Some(Message::Binary(&message)));
    drop(client);
    remote.stop().unwrap();
    server.join().unwrap();
}

/// Says so much about each frame that its share of the turn is used up.
#[derive(Default)]
struct Talker {
    frames: usize,
    messages: Vec<Vec<u8>>,
}

impl Handler for Talker {
    type Data = ();

    fn on_frame(&mut self, cx: &mut Context<()>, id: ConnId, _: &Header) {
        self.frames += 1;
        for _ in 0..3000 {
            assert!(cx.send_binary(id, b"a frame").is_queued());
        }
    }

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, message: Message<'_>) {
        self.messages.push(message.as_bytes().to_vec());
    }
}

/// All of its frames are told, and nothing more may come for a long time.
#[test]
fn a_message_that_is_whole_comes_though_the_share_is_used_up() {
    for len in [0, 1, 300, 5000] {
        let mut world = World::new(Talker::default(), 1, |settings| {
            let mut config = Config::default();
            config.delivery = Delivery::Both;
            settings.connection = Arc::new(config);
        });
        let held = world.held();
        let payload = vec![7; len];
        world.arrive(0, &sent_by(Role::Client, RawHeader::BINARY, &payload));
        world.turn();
        assert!(world.handler.frames == 1 && world.handler.messages == [payload.clone()], "{len}");
        let two = [not_fin(RawHeader::BINARY), RawHeader::CONTINUATION];
        world.arrive(0, &two.map(|header| sent_by(Role::Client, header, &payload)).concat());
        world.turn();
        assert!(world.handler.frames == 3 && world.handler.messages.len() == 2, "{len}");
        assert_eq!(world.handler.messages[1], payload.repeat(2));
        take(0);
        assert_eq!(world.held(), held);
    }
}
