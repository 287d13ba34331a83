//! Two event loops, clients and a server, on a simulated network under a virtual clock: delay, short reads and writes,
//! stalls, cuts and resets, readiness in any order and without reason. Every choice comes from the input (a fuzzer's
//! bytes, or numbers from a seed), so that a run is a function of it.
//!
//! Over HTTP/2 each wire carries one stream; what is done to it is the same.
//!
//! What must hold at each step: what is received was sent, in order, once; a connection is told open once and closed
//! once; what waits is bounded. What must hold in the end: where nothing broke and nobody gave up everything has
//! arrived; and once deadlines have passed nothing is left in either loop.

#![allow(dead_code, unreachable_pub, reason = "the test and the fuzz target use their parts")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mio::Poll;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{
    Cause, ConnId, Context, Decision, Ended, Engine, Failed, Handler, Overflow, Readiness, Sent, Settings,
    Stream, Transport,
};
use bowsprit::handshake::{Acceptance, Agreement, ClientRequest, Request};
use bowsprit::message::Message;

/// Where choices come from.
pub(crate) trait Choices {
    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize;
    /// Whether there is more to do.
    fn goes_on(&mut self) -> bool;
}

/// Those of a fuzzer.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Choices for Bytes<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let bytes = if bound > 256 { 2 } else { 1 };
        let (front, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        front.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) % bound
    }

    fn goes_on(&mut self) -> bool {
        !self.0.is_empty()
    }
}

/// Numbers that follow from a seed.
pub(crate) struct Seeded(pub(crate) fastrand::Rng);

impl Choices for Seeded {
    fn below(&mut self, bound: usize) -> usize {
        // Of 64 bits, so that machines of any width choose the same.
        self.0.u64(..bound as u64) as usize
    }

    fn goes_on(&mut self) -> bool {
        true
    }
}

/// What the WebSockets of a run go over.
#[derive(Clone, Copy)]
pub struct Carriage {
    /// What a client lays over its end of a wire.
    pub(crate) client: fn(End) -> Transport,
    pub(crate) settings: fn(&mut Settings),
    /// The server has a connection for the wire, and another for what that carries.
    pub(crate) carries: bool,
}

/// Nothing but the wire.
pub const BARE: Carriage = Carriage { client: Transport::other, settings: |_| {}, carries: false };

/// A run of which a seed makes the choices: all [`STEPS`] of them, with what must hold looked at after each.
pub fn simulate(seed: u64, carriage: Carriage) -> Tally {
    World::run(&mut Seeded(fastrand::Rng::with_seed(seed)), carriage)
}

/// A run of which a fuzzer makes the choices.
pub fn run(data: &[u8]) {
    run_over(data, BARE);
}

/// The same over something else than the wire alone.
pub(crate) fn run_over(data: &[u8], carriage: Carriage) {
    World::run(&mut Bytes(data), carriage);
}

/// What runs came to, so that it can be told that they come to something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Ends of connections that were told that theirs is open.
    pub opened: usize,
    /// Messages.
    pub delivered: usize,
    /// Ends with a closing handshake.
    pub clean: usize,
    /// Ends without.
    pub broken: usize,
    /// Ends of connections that never were open.
    pub failed: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.opened += other.opened;
        self.delivered += other.delivered;
        self.clean += other.clean;
        self.broken += other.broken;
        self.failed += other.failed;
    }
}

/// One direction of a wire.
#[derive(Debug, Default)]
struct Direction {
    /// Written and on its way.
    flying: VecDeque<u8>,
    /// There, and not read.
    arrived: VecDeque<u8>,
    fin_sent: bool,
    fin_arrived: bool,
    /// A write found it full: the writer is to be told once there is room.
    was_full: bool,
    /// Nothing arrives any more.
    cut: bool,
}

/// What fits on the way and in buffers.
pub(crate) const CAPACITY: usize = 8 * 1024;

#[derive(Debug, Default)]
struct Wire {
    /// To the server, to the client.
    directions: [Direction; 2],
    reset: bool,
    /// Both sides have been told of the reset.
    reset_told: bool,
    /// Whose end is closed in both directions.
    gone: [bool; 2],
    /// The most bytes that one call moves.
    most: usize,
}

/// An end of a wire. 0 is the client's.
pub(crate) struct End(Arc<Mutex<Wire>>, usize);

impl Drop for End {
    fn drop(&mut self) {
        let mut wire = self.0.lock().expect("one thread");
        wire.directions[self.1].fin_sent = true;
        wire.gone[self.1] = true;
        // What nobody will read any more comes back as a reset.
        if !wire.directions[1 - self.1].arrived.is_empty() {
            wire.reset = true;
        }
    }
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.lock().expect("one thread");
        let (most, reset) = (wire.most, wire.reset);
        let direction = &mut wire.directions[1 - self.1];
        let len = buf.len().min(most).min(direction.arrived.len());
        // What came before a reset is read first, as on Linux.
        if reset && len == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if len == 0 {
            return if direction.fin_arrived { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        for (to, from) in buf.iter_mut().zip(direction.arrived.drain(..len)) {
            *to = from;
        }
        Ok(len)
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.lock().expect("one thread");
        if wire.reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let most = wire.most;
        let direction = &mut wire.directions[self.1];
        assert!(!direction.fin_sent, "nothing is written after the end");
        let room = CAPACITY.saturating_sub(direction.flying.len() + direction.arrived.len());
        let len = buf.len().min(most).min(room);
        if len < buf.len() {
            direction.was_full = true;
        }
        if len == 0 && !buf.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        direction.flying.extend(&buf[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for End {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.lock().expect("one thread").directions[self.1].fin_sent = true;
        Ok(())
    }
}

/// What a side of a connection has seen and said.
#[derive(Debug, Default)]
struct Told {
    opened: bool,
    /// Why it is over.
    ended: Option<String>,
    /// It ended by the closing handshake.
    clean: bool,
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct App {
    told: BTreeMap<ConnId, Told>,
    echoes: bool,
    /// Closes from inside a callback, now and then.
    closes_at: Option<usize>,
    /// Which connection has asked for the wire of which number.
    asked: Vec<(usize, ConnId)>,
}

impl App {
    fn say(&mut self, cx: &mut Context<()>, id: ConnId, message: Vec<u8>) {
        if let Sent::Now | Sent::Queued(_) = cx.send_binary(id, &message) {
            self.told.entry(id).or_default().sent.push(message);
        }
    }
}

impl Handler for App {
    type Data = ();

    fn on_request(&mut self, _: &mut Context<()>, id: ConnId, request: &Request) -> Decision {
        let number = request.resource().trim_start_matches('/').parse().expect("a client names its wire");
        self.asked.push((number, id));
        Decision::Accept(Acceptance::default())
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
        let count = told.received.len();
        if self.echoes {
            self.say(cx, id, message.as_bytes().to_vec());
        }
        if self.closes_at == Some(count) {
            cx.close(id, None);
        }
    }

    fn on_close(&mut self, cx: &mut Context<()>, id: ConnId, ended: &Ended) {
        let told = self.told.entry(id).or_default();
        assert!(told.opened && told.ended.is_none(), "close comes once, and last");
        assert!(!matches!(ended.cause, Cause::Protocol(_)), "our own peer breaks no rule: {ended:?}");
        told.ended = Some(format!("{:?}", ended.cause));
        told.clean = matches!(ended.cause, Cause::Closed);
        assert!(matches!(cx.send_text(id, "late"), Sent::Closed), "and nothing can be said any more");
    }

    fn on_failed(&mut self, _: &mut Context<()>, id: ConnId, failed: &Failed) {
        let told = self.told.entry(id).or_default();
        assert!(!told.opened && told.ended.is_none(), "failed instead of opened");
        told.ended = Some(format!("{failed:?}"));
    }
}

struct Link {
    wire: Arc<Mutex<Wire>>,
    /// The client's and the server's.
    ids: [ConnId; 2],
    /// Who is told when the wire is ready.
    wired: [ConnId; 2],
    /// Something was done to it, after which not everything has to arrive.
    disturbed: bool,
}

struct World<'a> {
    choices: &'a mut dyn Choices,
    engines: [Engine<()>; 2],
    apps: [App; 2],
    links: Vec<Link>,
    now: Instant,
    serial: u32,
    max_held: [usize; 2],
    /// Readiness that has not been told yet.
    edges: Vec<(usize, usize, Readiness)>,
    carriage: Carriage,
}

/// Connections of a run, and steps.
const LINKS: usize = 4;
const STEPS: usize = 400;
const LOW: usize = 2_000;
pub(crate) const QUEUED: usize = 20_000;
pub(crate) const LONGEST: usize = 6000;
/// What a turn may leave above the budget: buffers that are lent anew, and the words with which connections end.
const ABOVE: usize = 8 * 1024;
/// What a connection of HTTP/2 keeps for itself: a buffer to write from and what it knows of its streams.
const OF_CARRIER: usize = 4 * 1024;

/// The settings of a loop in which not much is needed for a bound to be met.
pub(crate) fn settings(choices: &mut dyn Choices) -> Settings {
    let mut config = Config::default();
    config.max_queued = QUEUED;
    config.ping_interval = [None, Some(Duration::from_secs(10))][choices.below(2)];
    config.pong_timeout = Duration::from_secs(5);
    config.idle_timeout = [None, Some(Duration::from_secs(30))][choices.below(2)];
    config.close_timeout = Duration::from_secs(3);
    let mut settings = Settings::default();
    settings.connection = Arc::new(config);
    settings.handshake_timeout = Duration::from_secs(8);
    settings.high_watermark = 10_000;
    settings.low_watermark = LOW;
    settings.receive_buffer = 2048;
    settings.overflow = [Overflow::Close, Overflow::DropData][choices.below(2)];
    settings
}

/// A message that no other one is like.
pub(crate) fn numbered(serial: u32, len: usize) -> Vec<u8> {
    let mut message = serial.to_be_bytes().repeat(len / 4 + 1);
    message.truncate(len.max(4));
    message
}

impl<'a> World<'a> {
    fn run(choices: &'a mut dyn Choices, carriage: Carriage) -> Tally {
        let poll = Poll::new().expect("a selector, which nothing is registered with");
        let now = Instant::now();
        let settings = settings(choices);
        // The server's alone: two that read nothing more, as each holds too much for the other, would wait for a deadline.
        let mut of_server = settings.clone();
        (carriage.settings)(&mut of_server);
        of_server.max_held = [settings.max_held, 3 * QUEUED][choices.below(2)];
        let max_held = [settings.max_held, of_server.max_held].map(|most| most.min(usize::MAX / 2));
        let engine = |settings: Settings| {
            let mut engine =
                Engine::new_at(settings, poll.registry(), 0..10_000, now).expect("enough tokens");
            engine.set_time(now);
            engine
        };
        let closes_at = [None, Some(3)][choices.below(2)];
        let mut world = Self {
            engines: [engine(settings), engine(of_server)],
            apps: [App::default(), App { echoes: choices.below(2) == 0, closes_at, ..App::default() }],
            links: Vec::new(),
            now,
            serial: 0,
            max_held,
            edges: Vec::new(),
            carriage,
            choices,
        };
        for _ in 0..1 + world.choices.below(LINKS) {
            world.connect();
        }
        // Handshakes are short: left to chance, few would ever be through.
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
        world.settle();
        world.check_delivery();
        world.end();
        world.tally()
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for told in self.apps.iter().flat_map(|app| app.told.values()) {
            tally.opened += usize::from(told.opened);
            tally.delivered += told.received.len();
            tally.clean += usize::from(told.clean);
            tally.broken += usize::from(told.opened && told.ended.is_some() && !told.clean);
            tally.failed += usize::from(!told.opened && told.ended.is_some());
        }
        tally
    }

    fn connect(&mut self) {
        let most = [1, 7, 100, 5000][self.choices.below(4)];
        let wire = Arc::new(Mutex::new(Wire { most, ..Wire::default() }));
        let end = |side| End(Arc::clone(&wire), side);
        let at = self.links.len();
        let request = ClientRequest::new("localhost", &format!("/{at}")).expect("right");
        let client = (self.carriage.client)(end(0));
        let client = self.engines[0].context().dial(client, request).expect("registering never fails here");
        let server = self.engines[1].adopt(Transport::other(end(1))).expect("registering never fails here");
        let ids = [client, server];
        self.links.push(Link { wire, ids, wired: ids, disturbed: false });
        self.edges.push((at, 0, Readiness::WRITABLE));
        self.edges.push((at, 1, Readiness::WRITABLE));
    }

    fn step(&mut self) {
        let link = self.choices.below(self.links.len());
        let side = self.choices.below(2);
        match self.choices.below(64) {
            0..20 => {
                let most = [1, 50, 2000, CAPACITY][self.choices.below(4)];
                self.arrive(link, side, most);
            }
            20..38 => {
                if !self.edges.is_empty() {
                    let at = self.choices.below(self.edges.len());
                    let (link, side, readiness) = self.edges.swap_remove(at);
                    self.tell(link, side, readiness);
                }
            }
            38..46 => self.turn(side),
            46..58 => {
                self.serial += 1;
                let len = [0, 10, 300, LONGEST][self.choices.below(4)];
                let message = numbered(self.serial, len);
                let id = self.links[link].ids[side];
                self.apps[side].say(self.engines[side].context(), id, message);
            }
            58 => {
                let id = self.links[link].ids[side];
                self.engines[side].context().ping(id, b"?");
            }
            59 => {
                let millis = [1, 1, 10, 100, 100, 2000, 2000, 11_000][self.choices.below(8)];
                self.now += Duration::from_millis(millis);
                self.turn(side);
            }
            // Readiness without a reason.
            60..63 => {
                let bits = self.choices.below(8);
                let readiness = Readiness {
                    readable: bits & 1 != 0,
                    writable: bits & 2 != 0,
                    read_closed: bits == 7,
                    error: false,
                };
                // That the peer has ended its direction is never said without a reason.
                self.tell(link, side, Readiness { read_closed: false, ..readiness });
            }
            _ => self.disturb(link, side),
        }
    }

    fn disturb(&mut self, link: usize, side: usize) {
        let id = self.links[link].ids[side];
        match self.choices.below(5) {
            0 => {
                let reason = CloseReason { code: CloseCode::NORMAL, reason: "enough" };
                self.engines[side].context().close(id, Some(reason));
            }
            1 => {
                self.links[link].disturbed = true;
                self.engines[side].context().abort(id);
            }
            2 => {
                self.links[link].disturbed = true;
                self.wire(link).reset = true;
                for side in [0, 1] {
                    let readiness =
                        Readiness { readable: true, writable: true, read_closed: true, error: true };
                    self.edges.push((link, side, readiness));
                }
            }
            3 => {
                self.links[link].disturbed = true;
                self.wire(link).directions[side].cut = true;
            }
            _ => {
                let most = [1, 10, 3000][self.choices.below(3)];
                self.wire(link).most = most;
            }
        }
    }

    fn wire(&self, link: usize) -> std::sync::MutexGuard<'_, Wire> {
        self.links[link].wire.lock().expect("one thread")
    }

    /// Bytes that `from` has written arrive; whether anything did.
    fn arrive(&mut self, link: usize, from: usize, most: usize) -> bool {
        let mut wire = self.wire(link);
        let direction = &mut wire.directions[from];
        let most = if direction.cut { 0 } else { most };
        let len = direction.flying.len().min(most);
        let bytes: Vec<u8> = direction.flying.drain(..len).collect();
        direction.arrived.extend(bytes);
        let ends =
            !direction.cut && direction.fin_sent && direction.flying.is_empty() && !direction.fin_arrived;
        direction.fin_arrived |= ends;
        wire.reset |= len > 0 && wire.gone[1 - from];
        let resets = wire.reset && !wire.reset_told;
        wire.reset_told |= resets;
        drop(wire);
        if resets {
            let readiness = Readiness { readable: true, writable: true, read_closed: true, error: true };
            self.edges.extend([(link, 0, readiness), (link, 1, readiness)]);
            return true;
        }
        if len > 0 || ends {
            let readiness = Readiness { readable: true, read_closed: ends, ..Readiness::default() };
            self.edges.push((link, 1 - from, readiness));
        }
        len > 0 || ends
    }

    fn tell(&mut self, link: usize, side: usize, readiness: Readiness) {
        let id = self.links[link].wired[side];
        if let Some(token) = self.engines[side].token_of(id) {
            self.engines[side].ready(token, readiness, &mut self.apps[side]);
        }
        for (link, id) in std::mem::take(&mut self.apps[1].asked) {
            self.links[link].ids[1] = id;
        }
        self.room(link, side);
    }

    fn turn(&mut self, side: usize) {
        self.engines[side].set_time(self.now);
        self.engines[side].on_time(self.now, &mut self.apps[side]);
        let held = self.engines[side].context().stats().held;
        let above = if self.carriage.carries { ABOVE + LINKS * OF_CARRIER } else { ABOVE };
        assert!(held <= (self.max_held[side] + above) as u64, "{held} bytes are held after a turn");
        for link in 0..self.links.len() {
            self.room(link, side);
        }
    }

    /// Who found a direction full is told once `side` has read from it.
    fn room(&mut self, link: usize, side: usize) {
        for from in [side, 1 - side] {
            let mut wire = self.wire(link);
            let direction = &mut wire.directions[from];
            if direction.was_full && direction.flying.len() + direction.arrived.len() < CAPACITY {
                direction.was_full = false;
                drop(wire);
                self.edges.push((link, from, Readiness::WRITABLE));
            }
        }
    }

    fn check(&mut self) {
        for link in 0..self.links.len() {
            let ids = self.links[link].ids;
            for (from, to) in [(0, 1), (1, 0)] {
                let nothing = Told::default();
                let sent = self.apps[from].told.get(&ids[from]).unwrap_or(&nothing);
                let received = self.apps[to].told.get(&ids[to]).unwrap_or(&nothing);
                assert!(
                    sent.sent.starts_with(&received.received),
                    "what is received was sent, in order: {} of {}",
                    received.received.len(),
                    sent.sent.len()
                );
                let queued = self.engines[from].context().queued(ids[from]);
                assert!(queued <= QUEUED + LONGEST + 64 * 1024, "{queued} bytes wait");
            }
        }
        for side in [0, 1] {
            let of_each = if side == 1 && self.carriage.carries { 2 } else { 1 };
            assert!(self.engines[side].len() <= of_each * self.links.len());
        }
    }

    /// Everything on its way arrives, at once.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 100_000, "the loops go on for ever");
            let mut moved = false;
            while let Some((link, side, readiness)) = self.edges.pop() {
                self.tell(link, side, readiness);
                moved = true;
            }
            for side in [0, 1] {
                self.turn(side);
                moved |= self.engines[side].next_deadline().is_some_and(|at| at <= self.now);
            }
            for link in 0..self.links.len() {
                moved |= self.arrive(link, 0, CAPACITY) | self.arrive(link, 1, CAPACITY);
            }
            if !moved && self.edges.is_empty() {
                return;
            }
        }
    }

    /// Where nobody broke anything and nobody gave up, everything has arrived.
    fn check_delivery(&mut self) {
        for link in &self.links {
            let told = [0, 1].map(|side| self.apps[side].told.get(&link.ids[side]));
            let [Some(client), Some(server)] = told else { continue };
            let fine = |told: &Told| told.opened && (told.ended.is_none() || told.clean);
            if link.disturbed || !fine(client) || !fine(server) {
                continue;
            }
            for (from, to) in [(client, server), (server, client)] {
                // What is said before a Close arrives; what crosses the other side's Close may be too late for it.
                if from.ended.is_none() && to.ended.is_none() {
                    assert_eq!(from.sent.len(), to.received.len(), "everything has arrived");
                }
            }
        }
    }

    /// Nothing hangs: closed or not, cut or not, in the end both loops are empty.
    fn end(&mut self) {
        for link in 0..self.links.len() {
            let id = self.links[link].ids[0];
            self.engines[0].context().close(id, None);
        }
        for _ in 0..2000 {
            self.settle();
            if self.engines.iter().all(Engine::is_empty) {
                break;
            }
            let due = self.engines.iter().filter_map(Engine::next_deadline).min();
            let Some(at) = due else { break };
            self.now = self.now.max(at);
        }
        // A peer that was cut off is not told, and without a deadline of its own it waits for ever, as it should.
        let waits = self.links.iter().any(|link| link.disturbed);
        for side in [0, 1] {
            let left = self.engines[side].len();
            assert!(left == 0 || (side == 1 && waits), "{left} connections are left on side {side}");
        }
        self.check();
        for side in [0, 1] {
            let ended = self.apps[side].told.values().filter(|told| told.ended.is_some()).count();
            assert!(ended + self.engines[side].len() >= self.apps[side].told.len(), "each is told its end");
        }
    }
}
