//! Whatever programs send of what has arrived, to whomever, and by whatever way: each peer gets what was sent to it, in
//! order.

#![cfg(all(feature = "event-loop", feature = "deflate"))]

#[path = "support/in_memory.rs"]
mod in_memory;
mod support;

use std::num::NonZeroUsize;
use std::sync::Arc;

use bowsprit::Role;
use bowsprit::connection::{Chunk, Config, Delivery};
use bowsprit::event_loop::{Allowance, ConnId, Context, Handler, Rate, Readiness};
use bowsprit::extension::deflate::DeflateConfig;
use bowsprit::frame::{DataKind, RawHeader};
use bowsprit::handshake::Agreement;
use bowsprit::message::{Message, Prepared};
use in_memory::{WIRES, World};
use support::*;

/// What a peer is to read: the opcode of each message or Ping, and its payload.
type Log = Vec<(u8, Vec<u8>)>;

struct Mixed {
    random: Random,
    conns: Vec<ConnId>,
    logs: Vec<Log>,
    config: Arc<Config>,
    /// What came, all of it.
    came: Vec<Vec<u8>>,
}

impl Mixed {
    fn number(&self, id: ConnId) -> usize {
        self.conns.iter().position(|&it| it == id).unwrap()
    }

    fn note(&mut self, id: ConnId, opcode: u8, payload: &[u8]) {
        let number = self.number(id);
        self.logs[number].push((opcode, payload.to_vec()));
    }

    fn act(&mut self, cx: &mut Context<()>, id: ConnId, kind: DataKind, payload: &[u8]) {
        let to = if self.random.one_in(4) { *self.random.pick(&self.conns) } else { id };
        let opcode = kind.opcode();
        let part = {
            let from = self.random.below(payload.len() + 1);
            let len = self.random.below(payload.len() - from + 1);
            if self.random.one_in(2) { from..payload.len() } else { from..from + len }
        };
        let message = |bytes| match kind {
            DataKind::Text => Message::Text(std::str::from_utf8(bytes).unwrap()),
            DataKind::Binary => Message::Binary(bytes),
        };
        match self.random.below(24) {
            0 => {
                assert!(cx.send_binary(to, payload).is_queued());
                self.note(to, 2, payload);
            }
            1 | 2 => {
                assert!(cx.send(to, message(&payload[part.clone()])).is_queued());
                self.note(to, opcode, &payload[part]);
            }
            3 => {
                assert!(cx.ping(to, b"ping").is_queued());
                self.note(to, 9, b"ping");
            }
            4 => {
                cx.publish("all", message(payload));
                for id in self.conns.clone() {
                    self.note(id, opcode, payload);
                }
            }
            5 => {
                cx.publish("all", Message::Binary(b"short, for all"));
                for id in self.conns.clone() {
                    self.note(id, 2, b"short, for all");
                }
            }
            6 => {
                assert!(cx.start_message(to, kind, &payload[..part.start]).is_queued());
                assert!(cx.continue_message(to, b"").is_queued());
                assert!(cx.finish_message(to, &payload[part.start..]).is_queued());
                self.note(to, opcode, payload);
            }
            7 => {
                assert!(cx.send_prepared(to, &Prepared::from(message(payload))).is_queued());
                self.note(to, opcode, payload);
            }
            8 => cx.pause(to),
            9 => cx.resume(to),
            10 => {
                let mut rate = Rate::default();
                let burst = self.random.below(70_000) as u64;
                rate.bytes = Some(Allowance { per_second: 1 << 30, burst });
                cx.set_rate(to, Some(rate).filter(|_| self.random.one_in(2)));
            }
            11 => {
                let mut config = (*self.config).clone();
                config.fragment_size = self.random.one_in(4).then(|| NonZeroUsize::new(3000).unwrap());
                if self.random.one_in(4) {
                    config.delivery = Delivery::Both;
                }
                cx.set_config(to, Arc::new(config));
            }
            _ => {
                assert!(cx.send(to, message(payload)).is_queued());
                self.note(to, opcode, payload);
            }
        }
    }
}

impl Handler for Mixed {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        self.conns.push(id);
        self.logs.push(Log::new());
        cx.subscribe(id, "all").unwrap();
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let copy = message.as_bytes().to_vec();
        for _ in 0..self.random.below(4) {
            self.act(cx, id, message.kind(), message.as_bytes());
        }
        assert!(message.as_bytes() == copy);
        self.came.push(copy);
    }

    fn on_chunk(&mut self, cx: &mut Context<()>, id: ConnId, chunk: Chunk<'_>) {
        if self.random.one_in(3) {
            self.act(cx, id, DataKind::Binary, chunk.payload);
        }
    }

    fn on_ping(&mut self, cx: &mut Context<()>, id: ConnId, payload: &[u8]) {
        self.note(id, 10, payload);
        self.act(cx, id, DataKind::Binary, payload);
    }

    fn on_pong(&mut self, cx: &mut Context<()>, id: ConnId, payload: &[u8]) {
        self.act(cx, id, DataKind::Binary, payload);
    }
}

const SIZES: [usize; 20] = [
    0, 1, 125, 126, 1_000, 2_043, 2_047, 2_048, 2_049, 2_100, 3_000, 4_091, 4_095, 4_096, 4_097, 5_000,
    9_000, 33_000, 65_535, 65_536,
];

/// Messages of a client in one piece, and their payloads.
fn input(random: &mut Random, messages: usize, sent: &mut Vec<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..messages {
        let len = *random.pick(&SIZES);
        let header = if random.one_in(2) { RawHeader::TEXT } else { RawHeader::BINARY };
        let payload: Vec<u8> = random.bytes(len).into_iter().map(|byte| byte & 0x7f).collect();
        match random.below(10) {
            0 => {
                let (start, end) = payload.split_at(random.below(len + 1));
                bytes.extend_from_slice(&sent_by(Role::Client, not_fin(header), start));
                bytes.extend_from_slice(&sent_by(Role::Client, RawHeader::CONTINUATION, end));
            }
            1 => {
                bytes.extend_from_slice(&sent_by(Role::Client, RawHeader::PONG, b"by the way"));
                bytes.extend_from_slice(&sent_by(Role::Client, header, &payload));
            }
            2 => {
                bytes.extend_from_slice(&sent_by(Role::Client, RawHeader::PING, b"are you there?"));
                bytes.extend_from_slice(&sent_by(Role::Client, header, &payload));
            }
            _ => bytes.extend_from_slice(&sent_by(Role::Client, header, &payload)),
        }
        sent.push(payload);
    }
    bytes
}

fn inflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    flate2::Decompress::new(false).decompress_vec(&input, &mut out, flate2::FlushDecompress::Sync).unwrap();
    out
}

/// Messages and control frames as a peer reads them.
fn read(bytes: &[u8]) -> Log {
    let mut log = Log::new();
    let mut open: Option<(RawHeader, Vec<u8>)> = None;
    for (header, payload) in frames(bytes) {
        if header.opcode >= 8 {
            log.push((header.opcode, payload));
            continue;
        }
        let mut message = match open.take() {
            None => (header, payload),
            Some((first, mut before)) => {
                assert_eq!(header.opcode, 0);
                before.extend(payload);
                (first, before)
            }
        };
        if header.fin {
            if message.0.rsv1 {
                message.1 = inflated(&message.1);
            }
            log.push((message.0.opcode, message.1));
        } else {
            open = Some(message);
        }
    }
    log
}

const PLAIN: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn each_gets_what_was_said_to_it() {
    for seed in 0..25 {
        let mut random = Random::new(seed);
        let mut config = Config::default();
        config.max_queued = 256 << 20;
        config.deflate = Some(DeflateConfig::default());
        let config = Arc::new(config);
        let handler = Mixed {
            random: Random::new(seed + 1000),
            conns: Vec::new(),
            logs: Vec::new(),
            config: Arc::clone(&config),
            came: Vec::new(),
        };
        // The first two have agreed on compression, the others not.
        let mut world = World::new(handler, 2, |settings| {
            (settings.high_watermark, settings.low_watermark) = (256 << 20, 1 << 20);
            settings.connection = Arc::clone(&config);
            settings.max_held = 4 << 30;
        });
        let mut sent: Vec<Vec<u8>> = Vec::new();
        for _ in 0..3 {
            let messages = random.below(4);
            let request = [PLAIN, &input(&mut random, messages, &mut sent)].concat();
            let number = world.adopt();
            world.arrive(number, &request);
            world.turn();
        }
        for _ in 0..12 {
            if random.one_in(2) {
                WIRES.with_borrow_mut(|wires| {
                    for wire in wires.iter_mut() {
                        wire.room = random.one_in(3).then(|| random.below(40_000));
                    }
                });
            }
            let number = random.below(5);
            let most = if random.one_in(5) { 200 } else { 12 };
            let messages = 1 + random.below(most);
            let input = input(&mut random, messages, &mut sent);
            let mut rest = &input[..];
            while !rest.is_empty() {
                let len = if random.one_in(2) { rest.len() } else { 1 + random.below(rest.len()) };
                let (now, later) = rest.split_at(len);
                world.arrive(number, now);
                if random.one_in(2) {
                    world.engine.ready(
                        world.conns[random.below(5)].1,
                        Readiness::WRITABLE,
                        &mut world.handler,
                    );
                }
                if random.one_in(2) {
                    world.turn();
                }
                rest = later;
            }
        }
        for _ in 0..1000 {
            if world.handler.came.len() == sent.len() && world.engine.context().stats().queued == 0 {
                break;
            }
            for number in 0..5 {
                WIRES.with_borrow_mut(|wires| wires[number].room = None);
                let (id, token) = world.conns[number];
                world.engine.context().resume(id);
                world.engine.context().set_rate(id, None);
                world.engine.ready(token, Readiness::WRITABLE, &mut world.handler);
                world.arrive(number, b"");
            }
            world.turn();
        }
        for number in 0..5 {
            let mut bytes = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[number].from));
            if number > 1 {
                let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                bytes.drain(..head);
            }
            let (got, expected) = (read(&bytes), std::mem::take(&mut world.handler.logs[number]));
            // Only the last of several Pings is answered where much waits.
            let data = |log: Log| log.into_iter().filter(|(opcode, _)| *opcode != 10).collect::<Log>();
            let (got, expected) = (data(got), data(expected));
            for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
                assert!(
                    got == expected,
                    "seed {seed}, connection {number}, {at}: opcode {} {}, {} {} bytes",
                    got.0,
                    expected.0,
                    got.1.len(),
                    expected.1.len()
                );
            }
            assert_eq!(got.len(), expected.len(), "seed {seed}, connection {number}");
        }
        // Whatever the order among connections, all of it came, once and as it was sent.
        let mut came = std::mem::take(&mut world.handler.came);
        came.sort();
        sent.sort();
        assert!(came == sent, "seed {seed}: {} of {}", came.len(), sent.len());
    }
}
