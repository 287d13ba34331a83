//! The base of the core's tests: two connections joined by bytes in memory under a clock that the test moves, cuts of
//! every kind, and frames that may contain anything.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

pub mod broken;
pub mod peer;
pub mod port;

use std::sync::Arc;
use std::time::Duration;

use bowsprit::Role;
use bowsprit::close::CloseReason;
use bowsprit::connection::{CloseStep, Config, Connection, Due, Event, Outcome};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::error::ProtocolError;
use bowsprit::frame::{DataKind, Header, MaskKey, Parsed, RawHeader};
use bowsprit::message::Message;
use bowsprit::time::{self, Instant};

pub const KEY: MaskKey = MaskKey([0x37, 0xfa, 0x21, 0x3d]); // of the examples in §5.7
pub const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// Numbers that follow from a seed: the same seed, the same test.
#[derive(Clone, Debug)]
pub struct Random(fastrand::Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// Returns a number below `bound`, which is not 0. It is the same on machines of any word size.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.u64(..bound as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill_with(|| self.next() as u8);
        Ok(())
    }
}

/// How bytes are cut into reads.
#[derive(Clone, Debug)]
pub enum Chop {
    Whole,
    /// Reads of this many bytes.
    Steps(usize),
    /// One cut, after this many bytes.
    At(usize),
    /// Reads of any length up to this one, from this seed.
    Random(u64, usize),
}

impl Chop {
    pub fn reads(self, bytes: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Chop::Whole => vec![bytes.to_vec()],
            Chop::Steps(step) => bytes.chunks(step).map(<[u8]>::to_vec).collect(),
            Chop::At(at) => {
                let (front, back) = bytes.split_at(at.min(bytes.len()));
                vec![front.to_vec(), back.to_vec()]
            }
            Chop::Random(seed, longest) => {
                let mut random = Random::new(seed);
                let mut reads = Vec::new();
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (read, after) = rest.split_at((1 + random.below(longest)).min(rest.len()));
                    reads.push(read.to_vec());
                    rest = after;
                }
                reads
            }
        }
    }

    /// Returns each way to cut `bytes` once.
    pub fn every(bytes: &[u8]) -> impl Iterator<Item = Chop> + use<> {
        (0..=bytes.len()).map(Chop::At)
    }
}

/// Returns a frame: `header` with the length of `payload`, masked if there is a key.
pub fn frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    raw_frame(header.with_length(payload.len() as u64), payload)
}

/// Returns a frame with the header as it is, whatever it claims.
pub fn raw_frame(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.encode_into(&mut bytes);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    if let Some(key) = header.mask {
        key.apply_naive(&mut bytes[start..]);
    }
    bytes
}

/// Returns the header as this side sends it: masked by a client (§5.1).
pub fn by(sender: Role, header: RawHeader) -> RawHeader {
    if sender.masks() { header.with_mask(KEY) } else { header }
}

/// Returns a frame that this side may send.
pub fn sent_by(sender: Role, header: RawHeader, payload: &[u8]) -> Vec<u8> {
    frame(by(sender, header), payload)
}

/// Returns the defaults, except for what `change` changes.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

pub fn not_fin(header: RawHeader) -> RawHeader {
    RawHeader { fin: false, ..header }
}

/// Returns the time when a test begins. No clock of the core moves by itself, with or without the standard library.
pub fn start() -> Instant {
    time::at(Duration::ZERO)
}

/// Returns the payload of a Close frame.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Reads frames back and unmasks them. Nothing may be left over.
pub fn frames(mut bytes: &[u8]) -> Vec<(RawHeader, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let Parsed::Done(header, used) = RawHeader::parse(bytes) else { panic!("half a header: {bytes:x?}") };
        let (payload, rest) = bytes[used..].split_at(header.length as usize);
        let mut payload = payload.to_vec();
        header.mask.unwrap_or_default().apply_naive(&mut payload);
        frames.push((header, payload));
        bytes = rest;
    }
    frames
}

/// An [`Event`] that borrows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Frame(Header),
    Chunk { kind: DataKind, payload: Vec<u8>, frame_ends: bool, message_ends: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(ProtocolError),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(Message::Text(text)) => Seen::Text(text.to_owned()),
            Event::Message(Message::Binary(bytes)) => Seen::Binary(bytes.to_owned()),
            Event::Frame(header) => Seen::Frame(header),
            Event::Chunk(chunk) => Seen::Chunk {
                kind: chunk.kind,
                payload: chunk.payload.to_owned(),
                frame_ends: chunk.frame_ends,
                message_ends: chunk.message_ends,
            },
            Event::Ping(payload) => Seen::Ping(payload.to_owned()),
            Event::Pong(payload) => Seen::Pong(payload.to_owned()),
            Event::Close(close) => Seen::Close(close.map(|close| (close.code.0, close.reason.to_owned()))),
        }
    }
}

impl Seen {
    pub fn text(text: &str) -> Self {
        Seen::Text(text.to_owned())
    }
}

/// One connection, what it saw, and everything that it ever wrote.
#[derive(Debug)]
pub struct Side {
    pub conn: Connection,
    pub seen: Vec<Seen>,
    pub wrote: Vec<u8>,
    /// Whether every message is sent back.
    pub echoes: bool,
    /// Why the connection was given up.
    pub given_up: Option<Due>,
}

impl Side {
    pub fn new(role: Role, config: &Arc<Config>, now: Instant) -> Self {
        let config = Arc::clone(config);
        let conn = match role {
            Role::Client => Connection::client(config, Box::new(Random::new(1)), now),
            Role::Server => Connection::server(config, now),
        };
        Self { conn, seen: Vec::new(), wrote: Vec::new(), echoes: false, given_up: None }
    }

    pub fn role(&self) -> Role {
        self.conn.outbound.role()
    }

    /// Takes one read, all of it, whatever it is.
    pub fn read(&mut self, bytes: &[u8], now: Instant) {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        loop {
            match self.conn.next(&mut input, now) {
                Ok(None) => break,
                Ok(Some(event)) => self.seen.push(event.into()),
                Err(error) => self.seen.push(Seen::Failed(error)),
            }
            if self.echoes {
                match self.seen.last() {
                    Some(Seen::Text(text)) => self.conn.outbound.send_text(text).unwrap(),
                    Some(Seen::Binary(bytes)) => self.conn.outbound.send_binary(bytes).unwrap(),
                    _ => {}
                }
            }
        }
        assert!(input.is_empty(), "all input is taken");
    }

    /// Returns everything that waits to be written.
    pub fn write(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        loop {
            let pending = self.conn.outbound.pending();
            if pending.is_empty() {
                break;
            }
            written.extend_from_slice(pending);
            let len = pending.len();
            self.conn.outbound.advance(len);
        }
        assert_eq!(self.conn.outbound.queued(), 0, "an empty front means that nothing waits");
        self.wrote.extend_from_slice(&written);
        written
    }

    /// Returns what the connection saw since the last call.
    pub fn saw(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}

/// A client and a server, each the other's peer.
#[derive(Debug)]
pub struct Pair {
    pub client: Side,
    pub server: Side,
    pub now: Instant,
    pub chop: Chop,
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(Config::default(), Config::default())
    }
}

impl Pair {
    pub fn new(client: Config, server: Config) -> Self {
        let now = start();
        Self {
            client: Side::new(Role::Client, &Arc::new(client), now),
            server: Side::new(Role::Server, &Arc::new(server), now),
            now,
            chop: Chop::Whole,
        }
    }

    /// Returns the side in this role, then its peer.
    pub fn sides(&mut self, role: Role) -> (&mut Side, &mut Side) {
        match role {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        }
    }

    /// Carries bytes until neither side has any.
    pub fn settle(&mut self) {
        while self.carry(Role::Client) | self.carry(Role::Server) {}
    }

    /// Carries what this side has to send. Returns whether it had anything.
    pub fn carry(&mut self, from: Role) -> bool {
        let (chop, now) = (self.chop.clone(), self.now);
        let (from, to) = self.sides(from);
        let bytes = from.write();
        for read in chop.reads(&bytes) {
            to.read(&read, now);
        }
        !bytes.is_empty()
    }

    /// Lets time pass. Everything is done when it is due, and bytes are carried at once.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let due = ROLES.into_iter().filter_map(|role| {
                let side = self.sides(role).0;
                if side.given_up.is_some() { None } else { side.conn.next_timeout() }
            });
            match due.min().filter(|at| *at <= end) {
                None => break,
                Some(at) => self.now = self.now.max(at),
            }
            for role in ROLES {
                let now = self.now;
                let side = self.sides(role).0;
                if side.given_up.is_none() {
                    side.given_up = side.conn.handle_timeout(now);
                }
            }
        }
        self.now = end;
    }

    pub fn outcomes(&self) -> [Outcome; 2] {
        [self.client.conn.outcome(), self.server.conn.outcome()]
    }
}

pub fn reason(code: u16, reason: &str) -> Option<CloseReason<'_>> {
    Some(CloseReason { code: bowsprit::close::CloseCode(code), reason })
}

/// §7.1.7, Fail the WebSocket Connection: a Close frame with this code is the last that is sent, whatever we or the
/// peer send after it.
#[track_caller]
pub fn assert_fails_with(side: &mut Side, code: u16, now: Instant) {
    let Some(&Seen::Failed(error)) = side.seen.last() else { panic!("no failure in {:?}", side.seen) };
    assert_eq!(error.close_code().0, code, "{error}");
    let sent = frames(&side.write());
    let (header, payload) = sent.last().expect("a Close frame goes out");
    assert_eq!(*header, RawHeader { mask: header.mask, ..RawHeader::CLOSE.with_length(header.length) });
    assert_eq!(header.mask.is_some(), side.role().masks(), "§5.1");
    assert_eq!(payload[..2], code.to_be_bytes(), "{error}");
    assert_eq!(&payload[2..], error.rule().as_bytes());
    assert_eq!(side.conn.close_step(), CloseStep::CloseTcp);
    assert_eq!(side.conn.outcome().error, Some(error));
    assert!(!side.conn.outcome().is_clean());

    let seen = side.seen.len();
    let peer = side.role().peer();
    for bytes in [
        sent_by(peer, RawHeader::TEXT, b"after"),
        sent_by(peer, RawHeader::PING, b"after"),
        sent_by(peer, RawHeader::CLOSE, &close_payload(1000, "")),
        b"\xff\xff\xff".to_vec(),
    ] {
        side.read(&bytes, now);
    }
    assert_eq!(side.seen.len(), seen, "input after a failure is ignored");
    assert!(side.conn.outbound.send_text("after").is_err());
    assert!(side.conn.outbound.ping(b"after").is_err());
    assert!(side.conn.outbound.close(None).is_err());
    assert_eq!(side.write(), b"", "nothing follows the Close frame");
}

/// §7.1.4: both sides have sent and received a Close frame; §7.1.1: the server ends the TCP connection, and the
/// client waits for that.
#[track_caller]
pub fn assert_closes_cleanly(pair: &mut Pair) {
    pair.settle();
    for side in [&pair.client, &pair.server] {
        let last = frames(&side.wrote).pop().expect("something was sent");
        assert_eq!(
            last.0.opcode,
            RawHeader::CLOSE.opcode,
            "{:?}: nothing follows a Close frame",
            side.role()
        );
        let closes = frames(&side.wrote).iter().filter(|(header, _)| header.opcode == 0x8).count();
        assert_eq!(closes, 1, "{:?}: one Close frame", side.role());
        assert!(side.conn.outcome().is_clean(), "{:?}", side.conn.outcome());
    }
    assert_eq!(pair.server.conn.close_step(), CloseStep::CloseTcp);
    assert_eq!(pair.client.conn.close_step(), CloseStep::AwaitEof);
}
