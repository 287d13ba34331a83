//! A message that is sent back unchanged is sent from where it lies. Anything else that is sent before it, after it or
//! in its place is sent as if each were a copy.

#![cfg(feature = "event-loop")]

#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Handler, Readiness};
use bowsprit::frame::RawHeader;
use bowsprit::message::Message;
use in_memory::{WIRES, World};
use support::*;

/// What is made of a message; its first byte says which.
const ANSWERS: usize = 12;

/// Of a message that is so long a part is sent: the one that lies where the second of two messages of 5,000 bytes does.
const LONG: usize = 70_000;
const PART: Range<usize> = 5_008 - 14..10_008 - 14;

/// What a peer is to read: the opcode of each frame, and its payload.
type Log = Vec<(u8, Vec<u8>)>;

/// Says what it is told to say, and notes for whom.
struct Echo {
    conns: Vec<ConnId>,
    logs: Vec<Log>,
}

impl Echo {
    fn say(&mut self, cx: &mut Context<()>, id: ConnId, opcode: u8, payload: &[u8]) {
        let sent = match opcode {
            1 => cx.send_text(id, std::str::from_utf8(payload).unwrap()),
            2 => cx.send_binary(id, payload),
            _ => cx.ping(id, payload),
        };
        assert!(sent.is_queued());
        let number = self.conns.iter().position(|&it| it == id).unwrap();
        self.logs[number].push((opcode, payload.to_vec()));
    }
}

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let payload = message.as_bytes();
        let opcode = message.kind().opcode();
        let other = self.conns[usize::from(self.conns[0] == id)];
        let Some(first) = payload.first() else { return self.say(cx, id, opcode, payload) };
        if payload.len() == LONG {
            return self.say(cx, id, opcode, &payload[PART]);
        }
        match usize::from(*first) % ANSWERS {
            0 => {}
            1 => {
                self.say(cx, id, opcode, payload);
                self.say(cx, id, opcode, payload);
            }
            2 => self.say(cx, id, 2, payload), // as binary, whatever it was
            3 => self.say(cx, id, opcode, &payload[1..]),
            4 => self.say(cx, id, opcode, &payload[..payload.len() - 1]),
            5 => {
                self.say(cx, id, 9, b"before");
                self.say(cx, id, opcode, payload);
            }
            6 => {
                self.say(cx, id, opcode, payload);
                self.say(cx, id, 2, b"behind");
            }
            7 => self.say(cx, other, opcode, payload),
            8 => {
                self.say(cx, other, opcode, payload);
                self.say(cx, id, opcode, payload);
            }
            9 => {
                let copy = payload.to_vec();
                self.say(cx, id, opcode, &copy);
            }
            _ => self.say(cx, id, opcode, payload),
        }
    }
}

fn world(change: impl FnOnce(&mut Config)) -> World<Echo> {
    let echo = Echo { conns: Vec::new(), logs: vec![Log::new(); 2] };
    let mut world = World::new(echo, 2, |settings| {
        let mut config = Config::default();
        config.max_queued = 64 << 20;
        change(&mut config);
        (settings.high_watermark, settings.low_watermark) = (64 << 20, 1 << 20);
        settings.connection = Arc::new(config);
    });
    world.handler.conns = world.conns.iter().map(|(id, _)| *id).collect();
    world
}

const SIZES: [usize; 17] =
    [0, 1, 16, 125, 126, 127, 255, 256, 257, 300, 1_000, 1_024, 4_095, 4_096, 5_000, 16_384, 65_535];

/// Messages of a client, some of them in parts or with something between, in one piece.
fn input(random: &mut Random, messages: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..messages {
        let len = *random.pick(&SIZES);
        let header = if random.one_in(2) { RawHeader::TEXT } else { RawHeader::BINARY };
        let mut payload: Vec<u8> = random.bytes(len).into_iter().map(|byte| byte & 0x7f).collect();
        if random.one_in(2) && len > 0 {
            payload[0] = 11; // an echo, several in a row
        }
        match random.below(8) {
            0 => {
                let (start, end) = payload.split_at(len / 2);
                bytes.extend_from_slice(&sent_by(Role::Client, not_fin(header), start));
                bytes.extend_from_slice(&sent_by(Role::Client, RawHeader::CONTINUATION, end));
            }
            1 => {
                bytes.extend_from_slice(&sent_by(Role::Client, RawHeader::PONG, b"by the way"));
                bytes.extend_from_slice(&sent_by(Role::Client, header, &payload));
            }
            _ => bytes.extend_from_slice(&sent_by(Role::Client, header, &payload)),
        }
    }
    bytes
}

/// Both read all that there is, and have got what they were to get.
fn check(world: &mut World<Echo>, seed: u64) {
    for number in 0..2 {
        WIRES.with_borrow_mut(|wires| wires[number].room = None);
        world.engine.ready(world.conns[number].1, Readiness::WRITABLE, &mut world.handler);
    }
    world.turn();
    for number in 0..2 {
        let bytes = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from));
        let got: Log = frames(&bytes).into_iter().map(|(header, payload)| (header.opcode, payload)).collect();
        let expected = std::mem::take(&mut world.handler.logs[number]);
        assert_eq!(got.len(), expected.len(), "seed {seed}, connection {number}");
        for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert!(
                got == expected,
                "seed {seed}, connection {number}, frame {at}: opcode {}, {} bytes",
                got.0,
                got.1.len()
            );
        }
    }
    assert_eq!(world.engine.context().stats().queued, 0);
}

#[test]
fn whatever_is_made_of_what_came_is_what_was_said() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut world = world(|_| ());
        for _ in 0..6 {
            let messages = 1 + random.below(20);
            let input = input(&mut random, messages);
            let mut rest = &input[..];
            while !rest.is_empty() {
                let len = if random.one_in(2) { rest.len() } else { 1 + random.below(rest.len()) };
                let (now, later) = rest.split_at(len);
                world.arrive(0, now);
                if random.one_in(2) {
                    world.turn();
                }
                rest = later;
            }
        }
        check(&mut world, seed);
    }
}

/// What the socket does not take is kept when the receive buffer has other things to hold.
#[test]
fn what_a_slow_reader_leaves_is_kept() {
    for seed in 100..160 {
        let mut random = Random::new(seed);
        let mut world = world(|_| ());
        for _ in 0..12 {
            WIRES.with_borrow_mut(|wires| {
                for wire in wires.iter_mut() {
                    wire.room = Some(random.below(20_000));
                }
            });
            let number = random.below(2);
            let messages = 1 + random.below(6);
            world.arrive(number, &input(&mut random, messages));
            world.engine.ready(world.conns[random.below(2)].1, Readiness::WRITABLE, &mut world.handler);
            if random.one_in(3) {
                world.turn();
            }
        }
        world.turn();
        check(&mut world, seed);
    }
}

/// Where a frame is not the message alone, it is not sent as it came.
#[test]
fn what_is_cut_into_fragments_is_cut() {
    let mut world = world(|config| config.fragment_size = NonZeroUsize::new(200));
    let mut payload = vec![11; 1_000];
    world.arrive(0, &sent_by(Role::Client, RawHeader::BINARY, &payload));
    payload[0] = 10;
    world.arrive(0, &sent_by(Role::Client, RawHeader::BINARY, &payload));
    world.turn();
    let bytes = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[0].from));
    let sizes: Vec<(bool, u8, usize)> =
        frames(&bytes).iter().map(|(header, payload)| (header.fin, header.opcode, payload.len())).collect();
    let one = [(false, 2, 200), (false, 0, 200), (false, 0, 200), (false, 0, 200), (true, 0, 200)];
    assert_eq!(sizes, [one, one].concat());
}

/// What one read has brought was offered and not sent. The next one has something else at that very place.
#[test]
fn what_lay_at_a_place_before_is_forgotten() {
    let mut world = world(|_| ());
    let message = |answer: usize, len: usize| {
        let mut payload = vec![7; len];
        payload[0] = answer as u8;
        sent_by(Role::Client, RawHeader::BINARY, &payload)
    };
    world.arrive(0, &[message(11, 5_000), message(0, 5_000)].concat());
    world.arrive(0, &message(11, LONG));
    check(&mut world, 0);
}

/// Answers to a read are one piece where they lie, however many they are.
#[test]
fn echoes_go_out_in_one_write() {
    let mut world = world(|_| ());
    let message = sent_by(Role::Client, RawHeader::BINARY, &[11; 5_000]);
    let before = WIRES.with_borrow(|wires| wires[0].writes);
    world.arrive(0, &message.repeat(50));
    world.turn();
    let (bytes, writes) =
        WIRES.with_borrow_mut(|wires| (std::mem::take(&mut wires[0].from), wires[0].writes - before));
    assert_eq!((frames(&bytes).len(), writes), (50, 1));
}
