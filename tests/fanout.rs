//! What is sent to many reaches each of them once and in the order in which it was sent, whatever else is sent to them
//! and however slowly they read.

#![cfg(feature = "event-loop")]

#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::sync::Arc;

use bowsprit::Role;
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{Cause, ConnId, Context, Decision, Ended, Handler, Readiness, To};
use bowsprit::frame::{DataKind, RawHeader};
use bowsprit::handshake::{Acceptance, Agreement, Request};
use bowsprit::message::Message;
use in_memory::{WIRES, World};
use support::*;

/// More than are written to in one turn.
const CONNECTIONS: usize = 300;

/// Says to all what comes, and after that more to the one who has said it.
#[derive(Default)]
struct Herald {
    ended: Vec<(ConnId, bool)>,
}

impl Handler for Herald {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.publish(To::all(), message);
        cx.send(id, Message::Binary(b"said"));
    }

    fn on_close(&mut self, _: &mut Context<()>, id: ConnId, ended: &Ended) {
        self.ended.push((id, matches!(ended.cause, Cause::Closed)));
    }
}

/// What a peer is to read: the opcode of each frame, and its payload.
type Log = Vec<(u8, Vec<u8>)>;

struct Told {
    world: World<Herald>,
    logs: Vec<Log>,
}

impl Told {
    fn new() -> Self {
        Self::with(|_| ())
    }

    /// All of them take messages compressed.
    #[cfg(feature = "deflate")]
    fn compressing() -> Self {
        use bowsprit::extension::deflate::DeflateConfig;

        let mut deflate = DeflateConfig::default();
        deflate.threshold = 100;
        Self::with(|config| config.deflate = Some(deflate))
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut world = World::new(Herald::default(), CONNECTIONS, |settings| {
            let mut config = Config::default();
            config.max_queued = 64 << 20;
            change(&mut config);
            (settings.high_watermark, settings.low_watermark) = (64 << 20, 1 << 20);
            settings.connection = Arc::new(config);
        });
        for (number, (id, _)) in world.conns.iter().enumerate() {
            let cx = world.engine.context();
            cx.subscribe(*id, if number % 2 == 0 { "even" } else { "odd" }).unwrap();
            if number % 3 == 0 {
                cx.subscribe(*id, "third").unwrap();
            }
        }
        Self { world, logs: vec![Log::new(); CONNECTIONS] }
    }

    fn note(&mut self, opcode: u8, payload: &[u8], to: impl Fn(usize) -> bool) {
        for (number, log) in self.logs.iter_mut().enumerate() {
            if to(number) {
                log.push((opcode, payload.to_vec()));
            }
        }
    }

    /// Something is said to some of them.
    fn say(&mut self, number: usize, random: &mut Random) {
        let len = *random.pick(&[0, 1, 20, 200, 2_000, 4_095, 5_000, 12_000]);
        let mut payload = if random.one_in(2) { random.bytes(len) } else { vec![number as u8; len] };
        payload.extend_from_slice(&number.to_be_bytes());
        let one = random.below(CONNECTIONS);
        let id = self.world.conns[one].0;
        let cx = self.world.engine.context();
        let message = Message::Binary(&payload);
        match random.below(12) {
            0..=2 => {
                assert_eq!(cx.publish(To::all(), message).here, CONNECTIONS);
                self.note(2, &payload, |_| true);
            }
            3 => {
                assert_eq!(cx.publish(To::all().except(id), message).here, CONNECTIONS - 1);
                self.note(2, &payload, |number| number != one);
            }
            4 => {
                cx.publish("even", message);
                self.note(2, &payload, |number| number % 2 == 0);
            }
            5 => {
                cx.publish(To::topic("third").latest("key"), message);
                self.note(2, &payload, |number| number % 3 == 0);
            }
            6 => {
                cx.publish_where(|id| id == self.world.conns[one].0, message);
                self.note(2, &payload, |number| number == one);
            }
            7 => {
                assert!(cx.send(id, message).is_queued());
                self.note(2, &payload, |number| number == one);
            }
            8 => {
                assert!(cx.ping(id, b"now").is_queued());
                self.note(9, b"now", |number| number == one);
            }
            9 => {
                let part = &payload[payload.len() - 8..];
                cx.start_message(id, DataKind::Binary, part);
                cx.publish(To::all().except(id), Message::Binary(b"beside"));
                cx.finish_message(id, b"end");
                self.note(2, b"beside", |number| number != one);
                self.note(2, part, |number| number == one);
                self.note(0, b"end", |number| number == one);
            }
            10 => {
                let message = sent_by(Role::Client, RawHeader::BINARY, &payload);
                self.world.arrive(one, &message);
                self.note(2, &payload, |_| true);
                self.note(2, b"said", |number| number == one);
            }
            _ => {
                let at = self.world.engine.context().now();
                self.world.engine.on_time(at, &mut self.world.handler);
            }
        }
    }

    fn take(&self, number: usize) -> Log {
        let bytes = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from));
        let frames = frames(&bytes).into_iter();
        frames.map(|(header, payload)| (header.opcode, plain(&header, payload))).collect()
    }

    /// Everybody reads all that there is.
    fn read_all(&mut self) {
        for number in 0..CONNECTIONS {
            WIRES.with_borrow_mut(|wires| wires[number].room = None);
            let token = self.world.conns[number].1;
            self.world.engine.ready(token, Readiness::WRITABLE, &mut self.world.handler);
        }
        self.world.turn();
    }
}

/// The payload of a frame, inflated by another engine than ours where it is a whole compressed message.
fn plain(header: &RawHeader, payload: Vec<u8>) -> Vec<u8> {
    if !header.rsv1 {
        return payload;
    }
    assert!(header.fin, "none of these is cut");
    let stream = [&payload[..], &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat(); // and a last block, which is empty
    miniz_oxide::inflate::decompress_to_vec(&stream).expect("a message is deflated")
}

#[test]
fn everybody_gets_all_in_order_whatever_is_between() {
    for seed in 0..3 {
        in_order(seed, Told::new());
    }
}

/// The same from a copy of the compressed frame.
#[test]
#[cfg(feature = "deflate")]
fn whoever_takes_them_compressed_gets_the_same() {
    for seed in 3..6 {
        let mut told = in_order(seed, Told::compressing());
        told.world.engine.context().publish(To::all(), Message::Binary(&[7; 3_000]));
        told.world.turn();
        WIRES.with_borrow(|wires| assert!(wires.iter().all(|wire| (2..100).contains(&wire.from.len()))));
    }
}

fn in_order(seed: u64, mut told: Told) -> Told {
    let mut random = Random::new(seed);
    for number in 0..150 {
        told.say(number, &mut random);
    }
    told.read_all();
    for number in 0..CONNECTIONS {
        assert!(told.take(number) == told.logs[number], "seed {seed}, connection {number}");
    }
    let stats = told.world.engine.context().stats();
    let data = told.logs.iter().flatten().filter(|(opcode, _)| *opcode == 2).count();
    assert_eq!((stats.messages_out, stats.queued), (data as u64, 0), "seed {seed}");
    told
}

/// The same where peers read a part now and then: what is half written goes on where it stopped.
#[test]
fn whoever_reads_slowly_gets_the_same() {
    for seed in 0..3 {
        let mut random = Random::new(seed);
        let mut told = Told::new();
        for number in 0..120 {
            if number % 3 == 0 {
                let one = random.below(CONNECTIONS);
                let room = Some(random.below(3_000));
                WIRES.with_borrow_mut(|wires| wires[one].room = room);
            }
            let token = told.world.conns[random.below(CONNECTIONS)].1;
            told.say(number, &mut random);
            told.world.engine.ready(token, Readiness::WRITABLE, &mut told.world.handler);
        }
        told.read_all();
        for number in 0..CONNECTIONS {
            assert!(told.take(number) == told.logs[number], "seed {seed}, connection {number}");
        }
    }
}

/// A Close frame is the last that is sent, and comes behind all that was said before.
#[test]
fn the_end_comes_behind_what_was_published() {
    let reason = || Some(CloseReason { code: CloseCode::GOING_AWAY, reason: "" });
    type End = fn(&mut World<Herald>, Option<CloseReason<'static>>);
    let ends: [End; 4] = [
        |world, reason| {
            for number in 0..CONNECTIONS {
                let id = world.conns[number].0;
                world.engine.context().close(id, reason);
            }
        },
        |world, _| world.engine.context().shutdown(std::time::Duration::from_secs(60)),
        |world, _| (0..CONNECTIONS).for_each(|number| world.engine.context().fail(world.conns[number].0)),
        // The peer says Close.
        |world, _| {
            let close = sent_by(Role::Client, RawHeader::CLOSE, &1001_u16.to_be_bytes());
            (0..CONNECTIONS).for_each(|number| world.arrive(number, &close));
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let mut told = Told::new();
        told.world.engine.context().publish(To::all(), Message::Binary(b"last"));
        end(&mut told.world, reason());
        told.world.engine.context().publish(To::all(), Message::Binary(b"late"));
        told.world.turn();
        for one in 0..CONNECTIONS {
            let log = told.take(one);
            assert_eq!((log[0].0, &*log[0].1), (2, &b"last"[..]), "end {number}");
            let (closes, data): (Vec<_>, Vec<_>) = log.iter().partition(|(opcode, _)| *opcode == 8);
            assert_eq!((closes.len(), log.last().unwrap().0), (1, 8), "end {number}");
            // What is said after the call and before the end of the turn is another matter: only `close` acts at once.
            assert!(data.len() <= 2, "end {number}");
        }
    }
}

/// One that is aborted, or whose socket breaks, gets nothing more and keeps nothing back.
#[test]
fn whoever_is_gone_is_forgotten() {
    let mut told = Told::new();
    let held_by_one = told.world.held() / CONNECTIONS;
    let rounds = 40;
    for round in 0..rounds {
        told.world.engine.context().publish(To::all(), Message::Binary(&[7; 3_000]));
        let one = round * 7;
        match round % 3 {
            0 => told.world.engine.context().abort(told.world.conns[one].0),
            1 => WIRES.with_borrow_mut(|wires| (wires[one].is_broken, wires[one].has_ended) = (true, true)),
            _ => WIRES.with_borrow_mut(|wires| wires[one].has_ended = true),
        }
        told.world.engine.ready(told.world.conns[one].1, Readiness::READABLE, &mut told.world.handler);
        told.world.turn();
    }
    assert_eq!(told.world.handler.ended.len(), rounds);
    let whole = (0..CONNECTIONS).filter(|&number| told.take(number).len() == rounds).count();
    assert_eq!(whole, CONNECTIONS - rounds);
    let (stats, left) = (told.world.engine.context().stats(), CONNECTIONS - rounds);
    assert_eq!((stats.open as usize, stats.queued, stats.held as usize), (left, 0, left * held_by_one));
}

/// Says something to all as soon as it is open.
struct Greeter {
    waits: Option<ConnId>,
}

impl Handler for Greeter {
    type Data = ();

    fn on_request(&mut self, _: &mut Context<()>, id: ConnId, request: &Request) -> Decision {
        if request.resource() != "/later" {
            return Decision::Accept(Acceptance::default());
        }
        self.waits = Some(id);
        Decision::Later
    }

    fn on_open(&mut self, cx: &mut Context<()>, _: ConnId, _: &Agreement) {
        cx.publish(To::all(), Message::Binary(b"welcome"));
    }

    fn on_message(&mut self, cx: &mut Context<()>, _: ConnId, _: Message<'_>) {
        cx.accept(self.waits.unwrap(), &Acceptance::default()).unwrap();
    }
}

/// What was sent behind a request is answered behind what all get when it opens.
#[test]
fn what_came_before_it_opened_is_answered_behind_what_is_said_to_all() {
    for (opcode, answer) in [(RawHeader::CLOSE, 8), (RawHeader::PING, 10), (RawHeader::PONG, 0)] {
        for is_written in [false, true] {
            let mut world = World::new(Greeter { waits: None }, 1, |_| ());
            let number = world.adopt();
            let request = b"GET /later HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
            world.arrive(number, &[request, &sent_by(Role::Client, opcode, b"")[..]].concat());
            world.turn();
            world.arrive(0, &sent_by(Role::Client, RawHeader::TEXT, b"now"));
            if is_written {
                // The response goes out before the connection is open.
                world.engine.ready(world.conns[number].1, Readiness::WRITABLE, &mut world.handler);
            }
            world.turn();
            let bytes = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from));
            let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
            let got: Vec<u8> = frames(&bytes[head..]).iter().map(|(header, _)| header.opcode).collect();
            let expected = [2, answer];
            assert_eq!(got, expected[..1 + usize::from(answer > 0)], "{is_written}");
        }
    }
}
