//! A loop among peers that send as much as they can. The work for one of them when it is readable, and for all in a
//! turn, stays within what `docs/limits.md` states; the memory held after a turn is within the budget; a peer that
//! sends little is answered in the turn in which it sends; and the loop comes to an end with each of them.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use bowsprit::connection::{Chunk, Compression, Config, Connection, Delivery};
use bowsprit::event_loop::{ConnId, Context, Ended, Handler, Overflow, Settings, To};
use bowsprit::extension::deflate::{DeflateConfig, DeflateParams};
use bowsprit::frame::{Header, MaskKey, RawHeader};
use bowsprit::message::Message;

use self::in_memory::{WIRES, Wire, World};
use crate::support::frames;

#[path = "../../tests/support/in_memory.rs"]
mod in_memory;

// As stated in `docs/limits.md`.
const QUANTUM: usize = 524_288;
const ALL: usize = 1_048_576;
const EVENT: usize = 256;
const SEND: usize = 256;
/// The least cost of one of many receivers: one to whose queue the message is added costs as much as by itself.
const RECEIVER: usize = 32;
const COMPRESSED: usize = 8;

/// How many bytes a message of these peers inflates to.
const LONGEST: usize = 1 << 20;
/// The most bytes that one of them sends, and what these inflate to.
const SAID: usize = 128 * 1024;
const INFLATED: usize = 24 << 20;
/// How much may be inflated beyond that: a piece of 512 bytes is taken at a time, and DEFLATE makes at most 1,032 of
/// one byte.
const PIECE: usize = 512 * 1032;
/// The memory limit of all in the `little` setup, and how much a turn may leave above it: buffers that are lent anew,
/// and closing messages.
const LITTLE: usize = 2 << 20;
const ABOVE: usize = 8 * 1024;

pub fn run(data: &[u8]) {
    let mut choices = Choices(data);
    let bits = choices.byte();
    let setup = Setup {
        relays: bits & 1 != 0,
        frames: bits & 2 != 0,
        deaf: bits & 4 != 0,
        drops: bits & 8 != 0,
        little: bits & 16 != 0,
    };
    let mut flood = Flood::new(setup, 1 + usize::from(choices.byte() % 3));
    for number in 1..flood.world.conns.len() {
        let said = say(&mut choices);
        flood.arrive(number, &said);
    }
    flood.finish();
}

/// What differs between runs.
#[derive(Clone, Copy, Debug)]
struct Setup {
    /// Whether a message goes to all others rather than back to its sender.
    relays: bool,
    /// Whether the program gets events for frames and chunks.
    frames: bool,
    /// Whether the peers read nothing.
    deaf: bool,
    drops: bool,
    /// Whether the memory limit of all is small.
    little: bool,
}

/// The work of the program in the units of the limits: as much as the loop counts, or less.
#[derive(Debug)]
struct Program {
    setup: Setup,
    quiet: Option<ConnId>,
    spent: usize,
    /// The highest cost of one event.
    dearest: usize,
    inflated: usize,
}

impl Program {
    fn event(&mut self, cost: usize) {
        self.spent += EVENT + cost;
        self.dearest = self.dearest.max(EVENT + cost);
    }
}

impl Handler for Program {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let sending = if self.setup.relays && self.quiet != Some(id) {
            cx.publish(To::all().except(id), message).here * RECEIVER
        } else {
            cx.send(id, message);
            SEND
        };
        self.inflated += message.len();
        // What was compressed, if it was, was so once.
        self.event(sending);
        self.dearest = self.dearest.max(EVENT + sending + message.len() * COMPRESSED);
    }

    fn on_frame(&mut self, _: &mut Context<()>, _: ConnId, _: &Header) {
        self.event(0);
    }

    fn on_chunk(&mut self, _: &mut Context<()>, _: ConnId, chunk: Chunk<'_>) {
        self.inflated += chunk.payload.len();
        self.event(0);
    }

    fn on_ping(&mut self, _: &mut Context<()>, _: ConnId, _: &[u8]) {
        self.event(0);
    }

    fn on_pong(&mut self, _: &mut Context<()>, _: ConnId, _: &[u8]) {
        self.event(0);
    }

    fn on_close(&mut self, _: &mut Context<()>, id: ConnId, ended: &Ended) {
        assert_ne!(self.quiet, Some(id), "whoever says little is not ended for what others do: {ended:?}");
    }
}

struct Flood {
    world: World<Program>,
    now: Instant,
    max_held: usize,
    /// How many inflated bytes may have come by now.
    allowed: usize,
    serial: u32,
}

impl Flood {
    fn new(setup: Setup, peers: usize) -> Self {
        let program = Program { setup, quiet: None, spent: 0, dearest: 0, inflated: 0 };
        let mut max_held = 0;
        let mut world = World::new(program, 1 + peers, |settings: &mut Settings| {
            let mut config = Config::default();
            config.max_message = LONGEST;
            config.deflate = Some(DeflateConfig::default());
            config.delivery = if setup.frames { Delivery::Both } else { Delivery::Messages };
            settings.connection = Arc::new(config);
            settings.overflow = if setup.drops { Overflow::DropData } else { Overflow::Close };
            settings.receive_buffer = 64 * 1024;
            if setup.little {
                settings.max_held = LITTLE;
            }
            max_held = settings.max_held;
        });
        world.handler.quiet = Some(world.conns[0].0);
        if setup.deaf {
            world.fill(true);
            WIRES.with_borrow_mut(|wires| wires[0].is_full = false);
        }
        let now = world.engine.context().now();
        Self { world, now, max_held, allowed: 0, serial: 0 }
    }

    /// Delivers bytes of a peer, and notifies the loop.
    fn arrive(&mut self, number: usize, bytes: &[u8]) {
        self.begin();
        self.world.arrive(number, bytes);
        self.keeps_to(QUANTUM, "one that is readable");
    }

    fn begin(&mut self) {
        (self.world.handler.spent, self.world.handler.dearest) = (0, 0);
    }

    /// Checks a limit. An event is never cut, so the last one may exceed it.
    fn keeps_to(&mut self, most: usize, who: &str) {
        let Program { spent, dearest, inflated, .. } = self.world.handler;
        assert!(spent <= most + dearest, "{who} costs {spent}");
        self.allowed += most + PIECE;
        assert!(inflated <= self.allowed + LONGEST, "{inflated} bytes came of {}", self.allowed);
    }

    /// Runs a turn, in which the quiet peer is answered.
    fn turn(&mut self) {
        self.serial += 1;
        let said = self.serial.to_be_bytes();
        WIRES.with_borrow_mut(|wires| wires.iter_mut().for_each(|wire| wire.from.clear()));
        self.arrive(0, &frame(RawHeader::BINARY, &said));
        self.begin();
        self.world.engine.on_time(self.now, &mut self.world.handler);
        self.keeps_to(ALL + QUANTUM, "a turn");
        let answered = WIRES.with_borrow_mut(|wires| mem::take(&mut wires[0].from));
        let answers = frames(&answered).into_iter().filter(|(_, payload)| *payload == said).count();
        assert_eq!(answers, 1, "turn {}: the quiet one waits", self.serial);
        let held = self.world.held();
        assert!(held <= self.max_held + ABOVE, "{held} bytes are held after a turn");
    }

    fn finish(&mut self) {
        for _ in 0..20_000 {
            self.turn();
            let waits = self.world.engine.next_deadline().is_some_and(|at| at <= self.now);
            // The bytes that were not read from a peer that reads nothing wait for it.
            let unread = WIRES.with_borrow(|wires| {
                let of = |wire: &Wire| !wire.to.is_empty() && !wire.is_gone && !wire.is_full;
                wires.iter().any(of)
            });
            if !waits && (!unread || self.world.handler.setup.little) {
                return;
            }
        }
        panic!("the loop goes on for ever");
    }
}

/// Choices made by the input, byte by byte, with zeros after its end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let (front, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        front.to_vec()
    }
}

/// Makes frames until the limit is reached.
fn say(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut said = Vec::new();
    for _ in 0..1 + choices.byte() % 4 {
        let kind = choices.byte();
        let len = usize::from(choices.byte());
        let (piece, inflates) = match kind % 10 {
            0 => (frame(RawHeader::TEXT, &vec![b'x'; len]), 0),
            1 => (frame(RawHeader::BINARY, &vec![7; 300 * len]), 0),
            2 => (frame(RawHeader::PING, &vec![7; len % 126]), 0),
            3 => (frame(RawHeader::PONG, &vec![7; len % 126]), 0),
            4 => {
                let part = RawHeader { fin: false, ..RawHeader::CONTINUATION };
                let mut message = frame(RawHeader { fin: false, ..RawHeader::TEXT }, b"");
                (0..len).for_each(|_| message.extend(frame(part, b"x")));
                message.extend(frame(RawHeader::CONTINUATION, b""));
                (message, 0)
            }
            5 | 6 => {
                let long = [100, 4096, 65_536, LONGEST][len % 4];
                (frame(COMPRESSED_BINARY, &compressed(long)), long)
            }
            7 => {
                let payload = choices.bytes(len);
                // DEFLATE makes at most 1,032 bytes of one.
                (frame(COMPRESSED_BINARY, &payload), 1032 * payload.len())
            }
            8 => {
                // An incomplete message.
                let payload = compressed(LONGEST);
                (frame(RawHeader { fin: false, ..COMPRESSED_BINARY }, &payload), LONGEST)
            }
            _ => (choices.bytes(len), 0),
        };
        let times = usize::from(choices.byte()) << (kind >> 4);
        let room = (SAID / piece.len().max(1)).min(INFLATED / usize::max(inflates, 1));
        said.extend(piece.repeat(times.clamp(1, room.max(1))));
    }
    said
}

const COMPRESSED_BINARY: RawHeader = RawHeader { rsv1: true, ..RawHeader::BINARY };

/// Makes a client's frame. The masking key changes nothing but is a key like any other.
fn frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.with_mask(MaskKey([0; 4])).with_length(payload.len() as u64).encode_into(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

/// Compresses this many zeros as a payload.
fn compressed(len: usize) -> Vec<u8> {
    let mut config = Config::default();
    config.deflate = Some(DeflateConfig::default());
    let mut sender =
        Connection::server(Arc::new(config), Instant::now()).with_deflate(DeflateParams::default());
    sender.outbound.send_with(Message::Binary(&vec![0; len]), Compression::On).expect("there is room");
    let sent = frames(sender.outbound.pending());
    sent.into_iter().map(|(_, payload)| payload).next().expect("one frame")
}
