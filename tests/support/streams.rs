//! One event loop that serves many WebSockets over one connection of HTTP/2, and a client of frames that talks, stalls,
//! resets, ends and says nonsense on its streams, on a wire in memory under a virtual clock. Every choice comes from the
//! input, as in `simulation.rs`, where each connection has a wire of its own.
//!
//! What must hold at each step: what comes back on a stream was sent on it, in order, once; what is held is bounded; what
//! the loop says is taken by our own client, unless that has spoken nonsense itself. What must hold in the end: a stream
//! that nobody disturbed is open and has all its messages back, whatever went on beside it; and once the client is gone
//! nothing is left.

#![allow(dead_code, unreachable_pub, reason = "the test and the fuzz targets use their parts")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mio::Poll;

use bowsprit::event_loop::{
    Cause, ConnId, Context, Decision, Ended, Engine, Failed, Handler, Readiness, Sent, Stream, Transport,
};
use bowsprit::frame::{MaskKey, Parsed, RawHeader};
use bowsprit::handshake::{Acceptance, Agreement, PlainRequest, Refusal, Request};
use bowsprit::http2::{Chosen, Connection, ErrorCode, Event, Fields, Http2Stream, Limits, StreamId};
use bowsprit::message::Message;

use super::event_loop::{self, Bytes, CAPACITY, Carriage, Choices, LONGEST, QUEUED, Seeded, numbered};

/// HTTP/2, a stream on each connection.
pub const ONE_EACH: Carriage = Carriage {
    client: |end| Transport::other(Http2Stream::new(end, Chosen::Known, false)),
    settings: |settings| settings.http2 = true,
    carries: true,
};

/// Two whole loops with a stream on each connection, of which a fuzzer makes the choices.
pub fn one_each(data: &[u8]) {
    event_loop::run_over(data, ONE_EACH);
}

/// A run of which a fuzzer makes the choices.
pub fn run(data: &[u8]) {
    World::run(&mut Bytes(data));
}

/// A run of which a seed makes the choices.
pub fn simulate(seed: u64) -> Tally {
    World::run(&mut Seeded(fastrand::Rng::with_seed(seed)))
}

/// What runs came to, so that it can be told that they come to something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub streams: usize,
    /// Messages that came back.
    pub echoed: usize,
    pub pages: usize,
    pub refused: usize,
    /// WebSockets that ended before the run did, in whatever way.
    pub ended: usize,
    /// Those that nobody disturbed.
    pub undisturbed: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.streams += other.streams;
        self.echoed += other.echoed;
        self.pages += other.pages;
        self.refused += other.refused;
        self.ended += other.ended;
        self.undisturbed += other.undisturbed;
    }
}

/// The server's end of the wire, and what lies on it.
#[derive(Debug, Default)]
struct Wire {
    /// There for the server to read.
    arrived: VecDeque<u8>,
    /// Written by the server, and not yet with the client.
    said: VecDeque<u8>,
    /// A write found no room.
    was_full: bool,
    /// The most bytes that one call moves.
    most: usize,
    /// The client has gone.
    left: bool,
    /// The server has ended its direction.
    ended: bool,
}

struct End(Arc<Mutex<Wire>>);

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.lock().expect("one thread");
        let len = buf.len().min(wire.most).min(wire.arrived.len());
        if len == 0 {
            return if wire.left { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        for (to, from) in buf.iter_mut().zip(wire.arrived.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.lock().expect("one thread");
        assert!(!wire.ended, "nothing is written after the end");
        if wire.left {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = CAPACITY.saturating_sub(wire.said.len());
        let len = buf.len().min(wire.most).min(room);
        wire.was_full |= len < buf.len();
        if len == 0 && !buf.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.said.extend(&buf[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for End {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.lock().expect("one thread").ended = true;
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().expect("one thread").ended = true;
    }
}

/// What the program has seen and said on a stream.
#[derive(Debug, Default)]
struct Told {
    opened: bool,
    ended: Option<Ending>,
    /// The same in words.
    cause: String,
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The peer broke a rule of RFC 6455.
    Protocol,
    /// It said too little, read too little, or all of them held too much.
    Bounds,
    /// It was closed or given up, by whomever.
    Asked,
    /// The stream ended under it.
    Stream,
    Failed,
}

#[derive(Debug, Default)]
struct Echo {
    told: BTreeMap<ConnId, Told>,
    /// The connection of each stream, by the number in its path.
    asked: BTreeMap<usize, ConnId>,
}

impl Handler for Echo {
    type Data = ();

    fn on_request(&mut self, cx: &mut Context<()>, id: ConnId, request: &Request) -> Decision {
        assert!(cx.is_http2(id));
        let mut parts = request.resource().trim_start_matches('/').split('/');
        // What the client says by chance names nothing.
        let Some(Ok(number)) = parts.next().map(str::parse) else {
            return Decision::Refuse(Refusal::new(404).expect("a status of an error"));
        };
        self.asked.insert(number, id);
        match parts.next() {
            Some("private") => Decision::Refuse(Refusal::new(403).expect("a status of an error")),
            Some("later") => {
                cx.pause(id);
                Decision::Accept(Acceptance::default())
            }
            _ => Decision::Accept(Acceptance::default()),
        }
    }

    fn on_plain(&mut self, _: &mut Context<()>, _: ConnId, _: &PlainRequest) -> Refusal {
        Refusal::new(200).expect("a status").with_text(PAGE)
    }

    fn on_open(&mut self, _: &mut Context<()>, id: ConnId, _: &Agreement) {
        let told = self.told.entry(id).or_default();
        assert!(!told.opened && told.ended.is_none(), "open comes once, and first");
        told.opened = true;
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let told = self.told.entry(id).or_default();
        assert!(told.opened && told.ended.is_none(), "messages come between open and close");
        told.received.push(message.as_bytes().to_vec());
        if let Sent::Now | Sent::Queued(_) = cx.send_binary(id, message.as_bytes()) {
            told.sent.push(message.as_bytes().to_vec());
        }
    }

    fn on_close(&mut self, cx: &mut Context<()>, id: ConnId, ended: &Ended) {
        let told = self.told.entry(id).or_default();
        assert!(told.opened && told.ended.is_none(), "close comes once, and last");
        told.cause = format!("{:?}", ended.cause);
        told.ended = Some(match ended.cause {
            Cause::Protocol(_) => Ending::Protocol,
            Cause::Timeout(_) | Cause::Overflow | Cause::OverBudget => Ending::Bounds,
            Cause::Closed | Cause::Aborted | Cause::ShutDown => Ending::Asked,
            _ => Ending::Stream,
        });
        assert!(matches!(cx.send_text(id, "late"), Sent::Closed), "and nothing can be said any more");
    }

    fn on_failed(&mut self, _: &mut Context<()>, id: ConnId, failed: &Failed) {
        let told = self.told.entry(id).or_default();
        assert!(!told.opened && told.ended.is_none(), "failed instead of opened");
        told.cause = format!("{failed:?}");
        told.ended = Some(Ending::Failed);
    }
}

const PAGE: &str = "a page";
const PLAIN: [(&str, &str); 3] = [(":method", "GET"), (":scheme", "http"), (":authority", "a")];
const WEBSOCKET: [(&str, &str); 5] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":authority", "a"),
    ("sec-websocket-version", "13"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Echo,
    Page,
    Private,
}

/// The client's side of a stream.
#[derive(Debug)]
struct Side {
    id: StreamId,
    kind: Kind,
    status: Option<u16>,
    /// Waits for the window.
    waiting: VecDeque<u8>,
    /// Came, and is not a whole frame yet.
    unread: Vec<u8>,
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
    /// Nothing is read.
    held: bool,
    /// Nothing is said any more.
    mute: bool,
    closed: bool,
    over: bool,
    /// Its frames are not those of a WebSocket any more.
    nonsense: bool,
    /// Something was done, or happened, after which it may end and not all of it has to arrive.
    disturbed: bool,
}

impl Side {
    fn takes_bytes(&self) -> bool {
        self.kind == Kind::Echo && self.status == Some(200) && !self.mute && !self.over
    }

    fn say(&mut self, header: RawHeader, payload: &[u8]) {
        let key = MaskKey([1, 2, 3, 4]);
        let mut bytes = Vec::new();
        header.with_length(payload.len() as u64).with_mask(key).encode_into(&mut bytes);
        let from = bytes.len();
        bytes.extend(payload);
        key.apply_naive(&mut bytes[from..]);
        self.waiting.extend(bytes);
    }

    /// Takes what has come as frames of a server.
    fn take_frames(&mut self) {
        while let Parsed::Done(header, used) = RawHeader::parse(&self.unread) {
            let len = usize::try_from(header.length).expect("what is sent fits into memory");
            if self.unread.len() < used + len {
                return;
            }
            assert!(header.fin && header.mask.is_none() && !self.closed, "{header:?}");
            let payload = self.unread[used..used + len].to_vec();
            self.unread.drain(..used + len);
            match header.opcode {
                0x2 => self.received.push(payload),
                0x8 => self.closed = true,
                0x9 if !self.mute => self.say(RawHeader::PONG, &payload),
                0x9 | 0xa => {}
                opcode => panic!("nobody has said {opcode:x}"),
            }
        }
    }
}

struct World<'a> {
    choices: &'a mut dyn Choices,
    engine: Engine<()>,
    echo: Echo,
    /// The connection that carries the streams.
    carrier: ConnId,
    wire: Arc<Mutex<Wire>>,
    client: Connection,
    /// Said by the client, and on its way.
    flying: VecDeque<u8>,
    sides: Vec<Side>,
    now: Instant,
    serial: u32,
    max_held: usize,
    /// Something may be done that concerns all of them.
    rough: bool,
    /// The client has said what is no HTTP/2, so that anything may follow.
    wild: bool,
    failed: bool,
}

const STREAMS: usize = 8;
const STEPS: usize = 400;
/// What a turn may leave above the budget, as in `simulation.rs`; and what each stream counts for its request.
const ABOVE: usize = 12 * 1024;
const OF_STREAM: usize = 2 * 1024;

impl<'a> World<'a> {
    fn run(choices: &'a mut dyn Choices) -> Tally {
        let poll = Poll::new().expect("a selector, which nothing is registered with");
        let now = Instant::now();
        let mut settings = event_loop::settings(choices);
        settings.http2 = true;
        settings.max_held = [settings.max_held, 3 * QUEUED][choices.below(2)];
        let max_held = settings.max_held.min(usize::MAX / 2);
        let mut engine = Engine::new_at(settings, poll.registry(), 0..10_000, now).expect("enough tokens");
        engine.set_time(now);
        let most = [1, 7, 100, 5000][choices.below(4)];
        let wire = Arc::new(Mutex::new(Wire { most, ..Wire::default() }));
        let transport = Transport::other(End(Arc::clone(&wire)));
        let carrier = engine.adopt(transport).expect("registering never fails here");
        let mut world = Self {
            engine,
            echo: Echo::default(),
            carrier,
            wire,
            client: Connection::client(Limits::default()),
            flying: VecDeque::new(),
            sides: Vec::new(),
            now,
            serial: 0,
            max_held,
            rough: choices.below(4) == 0,
            wild: false,
            failed: false,
            choices,
        };
        world.tell(Readiness::WRITABLE);
        for _ in 0..1 + world.choices.below(STREAMS) {
            world.open();
        }
        // Left to chance, few would ever be open.
        if world.choices.below(4) > 0 {
            world.settle();
        }
        for _ in 0..STEPS {
            if !world.choices.goes_on() {
                break;
            }
            world.step();
            world.check();
        }
        world.release();
        world.settle();
        world.check();
        world.check_undisturbed();
        let tally = world.tally();
        world.end();
        tally
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally { streams: self.sides.len(), ..Tally::default() };
        for (number, side) in self.sides.iter().enumerate() {
            tally.echoed += side.received.len();
            tally.pages += usize::from(side.kind == Kind::Page && side.status == Some(200));
            tally.refused += usize::from(side.status == Some(403));
            tally.ended += usize::from(self.told(number).is_some_and(|told| told.ended.is_some()));
            tally.undisturbed += usize::from(side.kind == Kind::Echo && !side.disturbed);
        }
        tally
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().expect("one thread")
    }

    fn told(&self, number: usize) -> Option<&Told> {
        self.echo.told.get(self.echo.asked.get(&number)?)
    }

    fn open(&mut self) {
        let number = self.sides.len();
        let (kind, path) = match self.choices.below(6) {
            0..3 => (Kind::Echo, "echo"),
            3 => (Kind::Echo, "later"),
            4 => (Kind::Page, "page"),
            _ => (Kind::Private, "private"),
        };
        let fields = if kind == Kind::Page { &PLAIN[..] } else { &WEBSOCKET };
        let fields = fields
            .iter()
            .fold(Fields::new().with(":path", format!("/{number}/{path}")), |fields, (name, value)| {
                fields.with(name, value)
            });
        // A server that goes takes none.
        if let Ok(id) = self.client.open(&fields, kind == Kind::Page) {
            self.sides.push(Side {
                id,
                kind,
                status: None,
                waiting: VecDeque::new(),
                unread: Vec::new(),
                sent: Vec::new(),
                received: Vec::new(),
                held: false,
                mute: false,
                closed: false,
                over: false,
                nonsense: false,
                disturbed: false,
            });
        }
        self.say();
    }

    fn step(&mut self) {
        if self.sides.is_empty() {
            return self.open();
        }
        let at = self.choices.below(self.sides.len());
        let conn = self.echo.asked.get(&at).copied();
        match self.choices.below(64) {
            0..16 => {
                let most = [1, 50, 2000, CAPACITY][self.choices.below(4)];
                self.arrive(most);
            }
            16..32 => {
                let most = [1, 50, 2000, CAPACITY][self.choices.below(4)];
                self.come_back(most);
            }
            32..38 => self.turn(),
            38..50 => self.message(at),
            50..52 if self.sides.len() < STREAMS => self.open(),
            50..53 => {
                self.sides[at].held = !self.sides[at].held;
                self.read(at);
            }
            53 => {
                if let Some(conn) = conn {
                    self.engine.context().pause(conn);
                }
            }
            54 => {
                if let Some(conn) = conn {
                    self.engine.context().resume(conn);
                }
            }
            55 => {
                let millis = [1, 10, 100, 2000, 11_000][self.choices.below(5)];
                self.now += Duration::from_millis(millis);
                self.turn();
            }
            56..58 => {
                let bits = self.choices.below(4);
                self.tell(Readiness {
                    readable: bits & 1 != 0,
                    writable: bits & 2 != 0,
                    ..Readiness::default()
                });
            }
            58 => {
                let most = [1, 10, 3000][self.choices.below(3)];
                self.wire().most = most;
            }
            59 => self.disturb(at, conn),
            60 if self.rough => self.disturb_all(),
            _ => self.message(at),
        }
    }

    fn message(&mut self, at: usize) {
        self.serial += 1;
        let len = [4, 10, 300, LONGEST][self.choices.below(4)];
        let side = &mut self.sides[at];
        if side.takes_bytes() && !side.nonsense {
            let message = numbered(self.serial, len);
            side.say(RawHeader::BINARY, &message);
            side.sent.push(message);
        }
        self.say();
    }

    /// Ends one stream in one of the ways there are.
    fn disturb(&mut self, at: usize, conn: Option<ConnId>) {
        let choice = self.choices.below(6);
        let side = &mut self.sides[at];
        side.disturbed = true;
        match (choice, conn) {
            (0, _) if side.takes_bytes() => {
                side.say(RawHeader::CLOSE, &1000u16.to_be_bytes());
                side.mute = true;
            }
            (1, _) if side.takes_bytes() => {
                side.mute = true;
                if side.waiting.is_empty() {
                    self.client.finish(side.id);
                }
            }
            (2, _) => {
                side.over = true;
                self.client.reset(side.id, ErrorCode::CANCEL);
            }
            (3, _) if side.takes_bytes() => {
                side.nonsense = true;
                for _ in 0..self.choices.below(16) {
                    self.sides[at].waiting.push_back(self.choices.below(256) as u8);
                }
            }
            (4, Some(conn)) => drop(self.engine.context().close(conn, None)),
            (5, Some(conn)) => self.engine.context().abort(conn),
            _ => {}
        }
        self.say();
    }

    fn disturb_each(&mut self) {
        for side in &mut self.sides {
            side.disturbed = true;
        }
    }

    /// What concerns all of them.
    fn disturb_all(&mut self) {
        self.disturb_each();
        match self.choices.below(4) {
            0 => self.engine.context().shutdown(Duration::from_secs(5)),
            1 => self.client.go_away(),
            _ => {
                // A frame that nobody has asked for, between two that are whole.
                self.say();
                self.wild = true;
                let (kind, flags) = (self.choices.below(12) as u8, self.choices.below(256) as u8);
                let stream = self.choices.below(2 * STREAMS + 4) as u8;
                let len = [0, 4, 5, 6, 8, 20][self.choices.below(6)];
                self.flying.extend([0, 0, len, kind, flags, 0, 0, 0, stream]);
                for _ in 0..len {
                    self.flying.push_back(self.choices.below(256) as u8);
                }
            }
        }
        self.say();
    }

    /// The client says what it has to say.
    fn say(&mut self) {
        for side in &mut self.sides {
            if !side.waiting.is_empty() && side.status == Some(200) && !side.over {
                let taken = self.client.send(side.id, side.waiting.make_contiguous());
                side.waiting.drain(..taken);
            }
        }
        self.flying.extend(self.client.pending());
        self.client.advance(self.client.pending().len());
    }

    /// So many bytes come to the server; whether any did.
    fn arrive(&mut self, most: usize) -> bool {
        self.say();
        let mut wire = self.wire.lock().expect("one thread");
        if wire.ended {
            self.flying.clear(); // as nobody reads it any more
            return false;
        }
        let len = self.flying.len().min(most).min(CAPACITY.saturating_sub(wire.arrived.len()));
        wire.arrived.extend(self.flying.drain(..len));
        drop(wire);
        if len > 0 {
            self.tell(Readiness { readable: true, ..Readiness::default() });
        }
        len > 0
    }

    /// So many bytes come to the client; whether any did.
    fn come_back(&mut self, most: usize) -> bool {
        let mut wire = self.wire();
        let len = wire.said.len().min(most);
        let bytes: Vec<u8> = wire.said.drain(..len).collect();
        let has_room = std::mem::take(&mut wire.was_full);
        let is_over = wire.ended && wire.said.is_empty();
        drop(wire);
        if !self.failed
            && let Err(error) = self.client.receive(&bytes, self.now)
        {
            // Of whom hardly anything has come, nobody knows that it speaks HTTP/2.
            assert!(
                self.wild || !self.client.is_ready(),
                "what the loop says is taken by our own client: {error}"
            );
            self.disturb_each();
            self.failed = true;
        }
        while let Some(event) = self.client.next() {
            self.take(event);
        }
        for side in &mut self.sides {
            side.over |= is_over;
        }
        self.say();
        if has_room {
            self.tell(Readiness::WRITABLE);
        }
        len > 0
    }

    fn take(&mut self, event: Event) {
        let at = |sides: &[Side], id| sides.iter().position(|side| side.id == id);
        match event {
            Event::Response(id, fields) => {
                if let Some(at) = at(&self.sides, id) {
                    self.sides[at].status = fields.status();
                }
            }
            Event::Readable(id) => {
                if let Some(at) = at(&self.sides, id) {
                    self.read(at);
                }
            }
            Event::Reset(id, _) => {
                if let Some(at) = at(&self.sides, id) {
                    self.sides[at].over = true;
                }
            }
            Event::GoAway(_) => self.disturb_each(),
            _ => {}
        }
    }

    fn read(&mut self, at: usize) {
        let side = &mut self.sides[at];
        let mut buf = [0; 1000];
        while !side.held
            && let Some(len) = self.client.read(side.id, &mut buf)
        {
            if len == 0 {
                side.over = true;
                return self.client.finish(side.id);
            }
            side.unread.extend(&buf[..len]);
            match side.kind {
                Kind::Echo if side.status == Some(200) && !self.wild => side.take_frames(),
                _ => {}
            }
        }
    }

    fn tell(&mut self, readiness: Readiness) {
        if let Some(token) = self.engine.token_of(self.carrier) {
            self.engine.ready(token, readiness, &mut self.echo);
        }
    }

    fn turn(&mut self) {
        self.engine.set_time(self.now);
        self.engine.on_time(self.now, &mut self.echo);
        let held = self.engine.context().stats().held;
        let most = self.max_held + ABOVE + STREAMS * OF_STREAM;
        assert!(held <= most as u64, "{held} bytes are held after a turn");
        // A connection that holds too much for all its streams is ended with them.
        if self.engine.context().stats().over_budget > 0 && self.engine.token_of(self.carrier).is_none() {
            self.disturb_each();
        }
    }

    fn check(&mut self) {
        for (number, side) in self.sides.iter().enumerate() {
            let nothing = Told::default();
            let told = self.told(number).unwrap_or(&nothing);
            if self.wild || side.nonsense {
                continue;
            }
            assert!(side.sent.starts_with(&told.received), "what is received was sent, in order");
            assert!(told.sent.starts_with(&side.received), "what comes back was sent, in order");
            assert_ne!(told.ended, Some(Ending::Protocol), "who keeps to the rules is told of none");
            assert!(
                side.disturbed
                    || side.kind != Kind::Echo
                    || !matches!(told.ended, Some(Ending::Asked | Ending::Stream | Ending::Failed)),
                "nobody has ended stream {number}: {}",
                told.cause
            );
        }
        // A stream whose connection is gone may wait for its last bytes; and what was said by chance may open more.
        assert!(self.wild || self.engine.len() <= 1 + self.sides.len());
    }

    /// Whoever was held back goes on.
    fn release(&mut self) {
        for at in 0..self.sides.len() {
            self.sides[at].held = false;
            self.read(at);
        }
        self.resume();
        self.wire().most = 5000;
    }

    fn resume(&mut self) {
        for conn in self.echo.asked.values() {
            self.engine.context().resume(*conn);
        }
    }

    /// Everything on its way arrives, at once.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 100_000, "the loop goes on for ever");
            let mut moved = self.arrive(CAPACITY);
            self.turn();
            moved |= self.engine.next_deadline().is_some_and(|at| at <= self.now);
            moved |= self.come_back(CAPACITY);
            if !moved {
                return;
            }
        }
    }

    /// Where nobody disturbed a stream, it is as it should be.
    fn check_undisturbed(&self) {
        for (number, side) in self.sides.iter().enumerate().filter(|(_, side)| !side.disturbed) {
            let told = self.told(number);
            if self.wild || told.is_some_and(|told| told.ended == Some(Ending::Bounds)) {
                continue;
            }
            match side.kind {
                Kind::Page => {
                    assert_eq!(side.status, Some(200));
                    assert!(side.over && side.unread.starts_with(PAGE.as_bytes()));
                }
                Kind::Private => assert_eq!(side.status, Some(403)),
                Kind::Echo => {
                    let told = told.expect("it was asked for");
                    assert!(told.opened && told.ended.is_none() && !side.over, "{}", told.cause);
                    assert_eq!(side.sent.len(), told.received.len(), "everything has arrived");
                    assert_eq!(told.sent.len(), side.received.len(), "everything has come back");
                }
            }
        }
    }

    /// The client goes, with all its streams, and nothing is left of it.
    fn end(&mut self) {
        self.wire().left = true;
        self.tell(Readiness { readable: true, writable: true, read_closed: true, error: false });
        for _ in 0..2000 {
            self.resume(); // as who is not read notices no end
            self.turn();
            if self.engine.is_empty() {
                break;
            }
            let Some(at) = self.engine.next_deadline() else { break };
            self.now = self.now.max(at);
        }
        assert!(self.engine.is_empty(), "{} connections are left", self.engine.len());
        assert!(self.echo.told.values().all(|told| told.ended.is_some()), "each is told its end");
    }
}
