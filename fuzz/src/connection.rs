//! A connection in either role, on anything that a peer may send. Any cut gives the same events and the same answers;
//! what is held stays within the limits; what is sent is legal, and after a broken rule it ends with one Close frame.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use crate::support::{Cuts, Random, Seen, frames};
use bowsprit::connection::driver::InboundExt as _;
use bowsprit::connection::{Config, Connection, Delivery, Event};
use bowsprit::role::Role;

pub fn server(data: &[u8]) {
    run(Role::Server, data);
}

pub fn client(data: &[u8]) {
    run(Role::Client, data);
}

fn run(role: Role, mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let Some((&bits, stream)) = data.split_first() else { return };
    let setup = Setup::new(bits);
    let whole = take(role, &setup, &[stream]);
    let cut = take(role, &setup, &cuts.pieces(stream));
    assert!(cut == whole, "{setup:?} {cuts:?}\n{cut:?}\n{whole:?}");
    let room = take_with_room(role, &setup, &cuts.pieces(stream));
    assert!(room == whole, "{setup:?} {cuts:?} with room\n{room:?}\n{whole:?}");
    judge(role, &setup, &whole);
}

#[derive(Debug)]
struct Setup {
    config: Arc<Config>,
    echoes: bool,
}

impl Setup {
    fn new(bits: u8) -> Self {
        let mut config = Config::default();
        config.delivery =
            [Delivery::Messages, Delivery::Messages, Delivery::Frames, Delivery::Both][usize::from(bits & 3)];
        config.answer_pings = bits & 4 == 0;
        if bits & 8 != 0 {
            config.max_message = 300;
            config.max_frame = 200;
            config.max_fragments = 8;
            config.max_empty_fragments = 3;
            config.max_queued = 1000;
        }
        if bits & 16 != 0 {
            config.fragment_size = NonZeroUsize::new(20);
        }
        Self { config: Arc::new(config), echoes: bits & 32 == 0 }
    }
}

/// Everything that can be observed of how a stream was taken.
#[derive(Debug, PartialEq)]
struct Taken {
    seen: Vec<Seen>,
    wrote: Vec<u8>,
    is_between_messages: bool,
}

struct Driver<'a> {
    setup: &'a Setup,
    conn: Connection,
    seen: Vec<Seen>,
    arrived: usize,
}

impl<'a> Driver<'a> {
    fn new(role: Role, setup: &'a Setup) -> Self {
        Self { setup, conn: new(role, &setup.config), seen: Vec::new(), arrived: 0 }
    }

    fn read(&mut self, piece: &[u8]) {
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        let Connection { inbound, outbound, .. } = &mut self.conn;
        self.arrived += piece.len();
        loop {
            match inbound.next(&mut input, outbound) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if self.setup.echoes
                        && let Event::Message(message) = &event
                    {
                        // A full queue refuses; nothing else can go wrong.
                        let _ = outbound.send(*message);
                    }
                    Seen::of(&event).push(&mut self.seen);
                }
                Err(error) => Seen::Failed(error).push(&mut self.seen),
            }
        }
        assert!(input.is_empty(), "all input is taken");
        self.bounds();
    }

    /// Checks that what is held is bounded by what has arrived and by the limits.
    fn bounds(&self) {
        let config = &*self.setup.config;
        let held = self.conn.inbound.held();
        assert!(held <= self.arrived && held <= config.max_message, "{held} bytes held");
        // Everything held, as `docs/limits.md` states for uncompressed messages; the send queue has grown by doubling.
        let all = self.conn.held();
        let in_proportion = if self.arrived < 65_536 { 8 * self.arrived + 512 } else { 4 * self.arrived };
        let waits = self.conn.outbound.queued();
        assert!(all <= in_proportion + 2 * waits + 1024, "{all} bytes held of {} received", self.arrived);
        let most = config.max_queued.max(64 * 1024) + 2 * config.max_message + 64 * 1024;
        assert!(self.conn.outbound.queued() <= most, "{} bytes queued", self.conn.outbound.queued());
    }

    fn finish(mut self) -> Taken {
        let mut wrote = Vec::new();
        while !self.conn.outbound.pending().is_empty() {
            wrote.extend_from_slice(self.conn.outbound.pending());
            let len = self.conn.outbound.pending().len();
            self.conn.outbound.advance(len);
        }
        assert_eq!(self.conn.outbound.queued(), 0, "an empty front means that nothing waits");
        Taken { seen: self.seen, wrote, is_between_messages: self.conn.inbound.is_between_messages() }
    }
}

fn new(role: Role, config: &Arc<Config>) -> Connection {
    // The time does not matter here, because no deadline is requested.
    let now = Instant::now();
    match role {
        Role::Client => Connection::client(Arc::clone(config), Box::new(Random::new(1)), now),
        Role::Server => Connection::server(Arc::clone(config), now),
    }
}

fn take(role: Role, setup: &Setup, pieces: &[&[u8]]) -> Taken {
    let mut driver = Driver::new(role, setup);
    pieces.iter().for_each(|piece| driver.read(piece));
    driver.finish()
}

/// Takes the pieces with a driver that reads past the input whenever it may.
fn take_with_room(role: Role, setup: &Setup, pieces: &[&[u8]]) -> Taken {
    let mut driver = Driver::new(role, setup);
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() {
            let Connection { inbound, outbound, .. } = &mut driver.conn;
            let Some(room) = inbound.room(1, outbound.config()) else {
                driver.read(piece);
                break;
            };
            let len = piece.len().min(room.len());
            room[..len].copy_from_slice(&piece[..len]);
            driver.arrived += len;
            piece = &piece[len..];
            match inbound.filled(len, outbound) {
                Ok(None) => {}
                Ok(Some(event)) => {
                    if setup.echoes
                        && let Event::Message(message) = &event
                    {
                        let _ = outbound.send(*message);
                    }
                    Seen::of(&event).push(&mut driver.seen);
                }
                Err(error) => Seen::Failed(error).push(&mut driver.seen),
            }
            driver.bounds();
        }
    }
    driver.finish()
}

/// Judges what was sent, as our own peer would.
fn judge(role: Role, setup: &Setup, taken: &Taken) {
    let failed = taken.seen.iter().position(|seen| matches!(seen, Seen::Failed(_)));
    let closed = taken.seen.iter().position(|seen| matches!(seen, Seen::Close(_)));
    for end in [failed, closed].into_iter().flatten() {
        assert_eq!(end, taken.seen.len() - 1, "nothing is seen after the end");
    }
    let sent = frames(&taken.wrote);
    let close = sent.iter().position(|(header, _)| header.opcode == 8);
    assert_eq!(close.is_some(), failed.is_some() || closed.is_some(), "a Close frame goes out at the end");
    if let Some(close) = close {
        assert_eq!(close, sent.len() - 1, "nothing follows it");
    }
    if let (Some(Seen::Failed(error)), Some((_, payload))) = (taken.seen.last(), sent.last()) {
        assert_eq!(payload[..2], error.close_code().0.to_be_bytes());
    }
    if let (Some(Seen::Close(received)), Some((_, payload))) = (taken.seen.last(), sent.last()) {
        let answered = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        assert_eq!(answered, received.as_ref().map(|(code, _)| *code), "§5.5.1: the same code goes back");
    }
    assert!(!taken.is_between_messages || failed.is_none());

    let peer = Setup { config: Arc::new(Config::default()), echoes: false };
    let back = take(role.peer(), &peer, &[&taken.wrote]);
    assert!(!back.seen.iter().any(|seen| matches!(seen, Seen::Failed(_))), "{:?} is sent", back.seen);
    let messages = |seen: &[Seen]| -> Vec<Seen> {
        seen.iter().filter(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_))).cloned().collect()
    };
    let (came, echoed) = (messages(&taken.seen), messages(&back.seen));
    if setup.echoes && setup.config.max_queued > 1 << 20 {
        assert_eq!(echoed, came, "nothing lost, doubled or reordered");
    } else {
        assert!(echoed.len() <= came.len());
    }
    let count = |seen: &[Seen], wanted: fn(&Seen) -> bool| seen.iter().filter(|seen| wanted(seen)).count();
    let (pings, pongs) = (
        count(&taken.seen, |seen| matches!(seen, Seen::Ping(_))),
        count(&back.seen, |seen| matches!(seen, Seen::Pong(_))),
    );
    if taken.wrote.len() < 64 * 1024 {
        assert_eq!(pongs, if setup.config.answer_pings { pings } else { 0 }, "§5.5.2: each Ping is answered");
    }
}
