//! A loop whose program does whatever it can, in every callback, at random, and panics; over real sockets, with peers
//! that say and do whatever they like. What the loop promises about callbacks, timers and memory must hold all the same.
//!
//! BOWSPRIT_CHAOS: for how many seconds (1); BOWSPRIT_SEED: with which numbers (1). Sockets and threads take part, so
//! that a seed repeats the choices and not the run.

#![cfg(all(feature = "event-loop", feature = "deflate", unix))]

mod support;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::client::ClientConfig;
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::Config;
use bowsprit::event_loop::{
    ClientEvent, ClientId, ConnId, Context, Decision, Ended, EventLoop, Failed, Handler, Isolated, Overflow,
    Settings, ShutdownReport, Timer, TimerId, To,
};
use bowsprit::extension::deflate::DeflateConfig;
use bowsprit::frame::{DataKind, MaskKey, RawHeader};
use bowsprit::handshake::{
    Acceptance, Agreement, ClientRequest, Head, PlainRequest, Refusal, Request, RequestError,
};
use bowsprit::message::Message;
use support::Random;

/// The first thing that a chosen panic says.
const CHOSEN: &str = "chosen by chaos";
/// Clients and dialed connections at one time: each is a connection of the same loop twice.
const MOST_OWN: usize = 40;
const RAW_PEERS: usize = 24;
const STOP: u64 = u64::MAX;
/// A machine that is this slow has something else the matter.
const LONGEST: Duration = Duration::from_secs(60);
/// A timer that no action cancels: should one have paused what accepts, another goes on all the same.
const GO_ON: u64 = STOP - 1;
const TOPICS: [&str; 4] = ["a", "b", "sea", "a topic with a longer name"];

/// Where a connection is, as the callbacks have told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Something before it opened.
    Begun,
    Open,
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    callbacks: usize,
    opened: usize,
    closed: usize,
    failed: usize,
    messages: usize,
    panics: usize,
    timers: usize,
}

impl Tally {
    /// Whether enough has happened for the test to mean something.
    fn is_enough(&self) -> bool {
        let Self { callbacks, opened, failed, messages, panics, timers, .. } = *self;
        callbacks > 1000 && opened > 20 && failed > 5 && messages > 20 && panics > 2 && timers > 10
    }
}

struct Chaos {
    begun: Instant,
    random: Random,
    address: SocketAddr,
    told: HashMap<ConnId, Told>,
    clients: HashMap<ClientId, bool>,
    /// Timers that are set, and whether they repeat.
    timers: HashMap<TimerId, bool>,
    cancelled: HashSet<TimerId>,
    /// Requests that wait for an answer.
    waiting: Vec<ConnId>,
    known: Vec<ConnId>,
    tally: Tally,
    report: Option<ShutdownReport>,
}

thread_local! {
    /// Whether the panic under way was chosen.
    static CHOSEN_NOW: Cell<bool> = const { Cell::new(false) };
}

type Cx = Context<u32>;

impl Chaos {
    fn new(seed: u64, address: SocketAddr) -> Self {
        Self {
            begun: Instant::now(),
            random: Random::new(seed),
            address,
            told: HashMap::new(),
            clients: HashMap::new(),
            timers: HashMap::new(),
            cancelled: HashSet::new(),
            waiting: Vec::new(),
            known: Vec::new(),
            tally: Tally::default(),
            report: None,
        }
    }

    /// A callback names a connection that is not over.
    fn hears_of(&mut self, id: ConnId, opens: bool) {
        self.tally.callbacks += 1;
        let told = self.told.entry(id).or_insert(Told::Begun);
        assert_ne!(*told, Told::Over, "a callback for {id}, which is over");
        if opens {
            assert_eq!(*told, Told::Begun, "{id} opens twice");
            *told = Told::Open;
        }
        if self.known.len() < 4000 {
            self.known.push(id);
        }
    }

    fn ends(&mut self, id: ConnId, was_open: bool) {
        self.tally.callbacks += 1;
        let told = self.told.insert(id, Told::Over).unwrap_or(Told::Begun);
        assert_eq!(told, if was_open { Told::Open } else { Told::Begun }, "{id} ends in the wrong way");
    }

    /// Some connection, which may be over.
    fn any(&mut self, but: Option<ConnId>) -> Option<ConnId> {
        match (but, self.random.below(3)) {
            (Some(id), 0 | 1) => Some(id),
            _ if self.known.is_empty() => None,
            _ => Some(self.known[self.random.below(self.known.len())]),
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let most = *self.random.pick(&[1, 100, 126, 3000, 3000, 70_000, 300_000]);
        let len = self.random.below(most);
        vec![b'a' + self.random.below(26) as u8; len]
    }

    fn act(&mut self, cx: &mut Cx, id: Option<ConnId>) {
        if self.report.is_some() {
            return; // what is begun now belongs to no shutdown
        }
        for _ in 0..self.random.below(4) {
            self.one_act(cx, id);
        }
        if self.random.one_in(400) {
            self.tally.panics += 1;
            CHOSEN_NOW.set(true);
            panic!("{CHOSEN}");
        }
    }

    /// What is called for a connection that is over, or not open yet, must do nothing.
    fn one_act(&mut self, cx: &mut Cx, at: Option<ConnId>) {
        let Some(id) = self.any(at) else { return };
        let payload = self.payload();
        let text = String::from_utf8(payload.clone()).unwrap();
        let topic = *self.random.pick(&TOPICS);
        match self.random.below(44) {
            0..=5 => drop(cx.send(id, &text)),
            6 => drop(cx.send(id, &payload[..])),
            7 => drop(cx.publish(To::all(), &text)),
            8 => drop(cx.publish(To::topic(topic).except(id), &text)),
            9..=11 => drop(cx.subscribe(id, topic)),
            12 => drop(cx.unsubscribe(id, topic)),
            13 => drop(cx.ping(id, &payload[..payload.len().min(200)])),
            14 => drop(cx.ping_timed(id)),
            15 => drop(cx.pong(id, b"unasked")),
            16 => drop(cx.close(id, None)),
            17 => drop(cx.close(id, Some(CloseReason { code: CloseCode::POLICY, reason: "chaos" }))),
            18 => cx.abort(id),
            19 if self.random.one_in(4) => cx.fail(id),
            20 => cx.pause(id),
            21..=23 => cx.resume(id),
            24 => {
                if let Some(reader) = self.any(None) {
                    cx.pause_until_drained(id, reader);
                }
            }
            25 => drop(cx.start_message(id, DataKind::Text, text.as_bytes())),
            26 => drop(cx.continue_message(id, text.as_bytes())),
            27 => drop(cx.finish_message(id, text.as_bytes())),
            28 => self.set_timer(cx, id),
            29 => self.cancel_timer(cx),
            30 => cx.set_max_lifetime(id, Some(Duration::from_millis(self.random.below(500) as u64))),
            31 => cx.set_config(id, config(self.random.one_in(2))),
            32 if self.own(cx) < MOST_OWN => {
                let request = ClientRequest::new("chaos.example", "/").unwrap();
                if let Ok(id) = cx.connect(self.address, request) {
                    assert!(self.told.insert(id, Told::Begun).is_none(), "{id} is used again");
                }
            }
            33 if self.own(cx) < MOST_OWN => {
                let config = ClientConfig::new(&format!("ws://{}/", self.address)).unwrap();
                if let Ok(client) = cx.open(config) {
                    assert!(self.clients.insert(client, false).is_none(), "{client:?} is used again");
                }
            }
            34 | 35 => {
                let clients: Vec<_> = cx.clients().collect();
                if !clients.is_empty() {
                    let client = *self.random.pick(&clients);
                    match self.random.below(4) {
                        0 => cx.close_client(client, None),
                        1 => cx.abort_client(client),
                        _ => drop(cx.send_to(client, Message::Text(&text))),
                    }
                }
            }
            36 => cx.pause_accepting(),
            37..=39 => cx.resume_accepting(),
            40 => {
                if let Some(data) = cx.data(id) {
                    *data += 1;
                }
            }
            41 => {
                if let Some(id) = self.waiting.pop() {
                    let _ = match self.random.one_in(3) {
                        true => cx.refuse(id, Refusal::new(403).unwrap()),
                        false => cx.accept(id, &Acceptance::default()),
                    };
                }
            }
            42 if self.random.one_in(50) => thread::sleep(Duration::from_millis(20)),
            43 => {
                let stats = cx.stats();
                assert!(stats.open <= stats.connections, "{stats:?}");
            }
            _ => {}
        }
    }

    fn own(&self, cx: &Cx) -> usize {
        // Both ends of those that were dialed are connections of this loop.
        cx.clients().count() + cx.connections().count() / 2
    }

    fn set_timer(&mut self, cx: &mut Cx, id: ConnId) {
        if self.timers.len() > 200 {
            return;
        }
        let after = Duration::from_millis(self.random.below(80) as u64);
        let (timer, repeats) = match self.random.below(3) {
            0 => (cx.set_timer(after, 1), false),
            1 => (cx.set_timer_every(after, 2), true),
            _ => (cx.set_timer_for(id, after, 3), false),
        };
        self.timers.insert(timer, repeats);
    }

    fn cancel_timer(&mut self, cx: &mut Cx) {
        let Some(&timer) = self.timers.keys().next() else { return };
        let was_set = cx.cancel_timer(timer);
        // One for a connection may have gone with it.
        let repeats = self.timers.remove(&timer).unwrap();
        assert!(was_set || !repeats, "a repeating timer is gone");
        if was_set {
            self.cancelled.insert(timer);
        }
    }
}

impl Handler for Chaos {
    type Data = u32;

    fn on_request(&mut self, cx: &mut Cx, id: ConnId, _: &Request) -> Decision {
        self.hears_of(id, false);
        self.act(cx, Some(id));
        match self.random.below(12) {
            0 => Decision::Refuse(Refusal::new(404).unwrap()),
            1 | 2 => {
                self.waiting.push(id);
                Decision::Later
            }
            _ => Decision::Accept(Acceptance::default()),
        }
    }

    fn on_bad_request(&mut self, cx: &mut Cx, id: ConnId, _: &Head, _: RequestError) {
        self.hears_of(id, false);
        self.act(cx, Some(id));
    }

    fn on_plain(&mut self, cx: &mut Cx, id: ConnId, _: &PlainRequest) -> Refusal {
        self.hears_of(id, false);
        self.act(cx, Some(id));
        Refusal::upgrade_required()
    }

    fn on_open(&mut self, cx: &mut Cx, id: ConnId, _: &Agreement) {
        self.hears_of(id, true);
        self.tally.opened += 1;
        assert!(cx.is_open(id), "{id} is open when it is told");
        self.act(cx, Some(id));
    }

    fn on_message(&mut self, cx: &mut Cx, id: ConnId, message: Message<'_>) {
        self.hears_of(id, false);
        self.tally.messages += 1;
        if self.random.one_in(2) {
            cx.send(id, message);
        }
        self.act(cx, Some(id));
    }

    fn on_ping(&mut self, cx: &mut Cx, id: ConnId, _: &[u8]) {
        self.hears_of(id, false);
        self.act(cx, Some(id));
    }

    fn on_pong(&mut self, cx: &mut Cx, id: ConnId, _: &[u8]) {
        self.hears_of(id, false);
        self.act(cx, Some(id));
    }

    fn on_drained(&mut self, cx: &mut Cx, id: ConnId) {
        self.hears_of(id, false);
        self.act(cx, Some(id));
    }

    fn on_close(&mut self, cx: &mut Cx, id: ConnId, _: &Ended) {
        self.ends(id, true);
        self.tally.closed += 1;
        self.act(cx, None);
    }

    fn on_failed(&mut self, cx: &mut Cx, id: ConnId, _: &Failed) {
        self.ends(id, false);
        self.tally.failed += 1;
        self.act(cx, None);
    }

    fn on_client(&mut self, cx: &mut Cx, client: ClientId, event: &ClientEvent<'_>) {
        self.tally.callbacks += 1;
        let ended = self.clients.entry(client).or_insert(false);
        assert!(!*ended, "an event for {client:?}, which is over");
        *ended = matches!(event, ClientEvent::End { .. });
        self.act(cx, None);
    }

    fn on_timer(&mut self, cx: &mut Cx, timer: Timer) {
        self.tally.callbacks += 1;
        self.tally.timers += 1;
        if timer.tag == STOP {
            if self.tally.is_enough() || self.begun.elapsed() > LONGEST {
                return cx.shutdown(Duration::from_secs(2));
            }
            cx.set_timer(Duration::from_millis(100), STOP); // a busy machine has not come far
            return;
        }
        if timer.tag == GO_ON {
            return self.act(cx, None);
        }
        assert!(!self.cancelled.contains(&timer.id), "a cancelled timer comes");
        match self.timers.get(&timer.id) {
            Some(false) => drop(self.timers.remove(&timer.id)),
            Some(true) => {}
            None => panic!("a timer that nobody has set"),
        }
        if let Some(id) = timer.connection {
            assert_eq!(self.told.get(&id), Some(&Told::Open), "a timer of {id}, which is not open");
        }
        self.act(cx, timer.connection);
    }

    fn on_shutdown(&mut self, _: &mut Cx, report: &ShutdownReport) {
        self.report = Some(report.clone());
    }
}

fn config(strict: bool) -> Arc<Config> {
    let mut config = Config::default();
    config.max_message = 1 << 20;
    config.max_queued = if strict { 64 << 10 } else { 1 << 20 };
    config.close_timeout = Duration::from_millis(300);
    config.ping_interval = Some(Duration::from_millis(200));
    config.pong_timeout = Duration::from_millis(400);
    config.deflate = Some(DeflateConfig::default());
    Arc::new(config)
}

/// A peer that knows the protocol and keeps to it as long as it likes.
fn raw_peer(address: SocketAddr, random: &mut Random, stop: &AtomicBool) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(20)))?;
    stream.set_write_timeout(Some(Duration::from_millis(50)))?;
    let extension = *random.pick(&["", "Sec-WebSocket-Extensions: permessage-deflate\r\n"]);
    let mut request = format!(
        "GET / HTTP/1.1\r\nHost: chaos.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extension}\r\n"
    )
    .into_bytes();
    if random.one_in(8) {
        let at = random.below(request.len());
        request[at] = random.next() as u8;
    }
    if random.one_in(8) {
        request.truncate(random.below(request.len()));
    }
    stream.write_all(&request)?;
    let mut buf = [0; 16 << 10];
    for _ in 0..random.below(60) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let len = random.below(*random.clone().pick(&[1, 20, 126, 5000]));
        let header = RawHeader {
            fin: !random.one_in(5),
            rsv1: random.one_in(40),
            ..RawHeader::of(*random.pick(&[0, 1, 1, 1, 2, 2, 2, 8, 9, 10, 3]))
        };
        let mut frame = Vec::new();
        header.with_length(len as u64).with_mask(MaskKey([0; 4])).encode_into(&mut frame);
        frame.resize(frame.len() + len, b'm');
        let cut = random.below(frame.len() + 1);
        stream.write_all(&frame[..cut])?;
        stream.write_all(&frame[cut..])?;
        // Who does not read is a slow reader.
        if random.one_in(2) && matches!(stream.read(&mut buf), Ok(0)) {
            break;
        }
    }
    match random.below(3) {
        0 => drop(stream.shutdown(Shutdown::Write)),
        // A reset.
        1 => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?,
        _ => {}
    }
    Ok(())
}

/// Prints no trace of what was chosen; all else is as before.
fn keep_quiet_about_chosen_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !CHOSEN_NOW.replace(false) {
            // An assertion that fails inside a callback is caught by Isolated: it has to be remembered.
            FAILED.store(true, Ordering::Relaxed);
            before(info);
        }
    }));
}

static FAILED: AtomicBool = AtomicBool::new(false);

#[test]
fn whatever_a_program_does_the_loop_keeps_its_promises() {
    let number = |name: &str| std::env::var(name).map_or(1, |value| value.parse().expect("a number"));
    let (seconds, seed) = (number("BOWSPRIT_CHAOS"), number("BOWSPRIT_SEED"));
    keep_quiet_about_chosen_panics();
    let mut settings = Settings::default();
    settings.connection = config(false);
    settings.overflow = Overflow::Block;
    settings.max_connections = 300;
    settings.handshake_timeout = Duration::from_millis(500);
    settings.max_held = 64 << 20;
    let mut server = EventLoop::with_settings(settings).unwrap();
    let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    server.context().set_timer(Duration::from_secs(seconds), STOP);
    server.context().set_timer_every(Duration::from_millis(5), GO_ON);
    let mut handler = Isolated(Chaos::new(seed, address));

    let stop = AtomicBool::new(false);
    let started = Instant::now();
    thread::scope(|scope| {
        for number in 0..RAW_PEERS {
            let (stop, mut random) = (&stop, Random::new(seed * 1000 + number as u64));
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // The other side may end it at any time.
                    let _ = raw_peer(address, &mut random, stop);
                }
            });
        }
        let ran = server.run(&mut handler);
        stop.store(true, Ordering::Relaxed);
        ran.unwrap();
    });
    // What was broadcast is let go of in time.
    let until = Instant::now() + Duration::from_secs(10);
    while server.context().stats().held > 0 && Instant::now() < until {
        server.turn(&mut handler, Some(Duration::from_millis(50))).unwrap();
    }
    let chaos = handler.0;
    println!("seed {seed}, {:?}: {:?}", started.elapsed(), chaos.tally);
    assert!(!FAILED.load(Ordering::Relaxed), "an assertion failed in a callback; see above");
    assert!(chaos.report.is_some(), "the shutdown is told");
    let left: Vec<_> = chaos.told.iter().filter(|(_, told)| **told == Told::Open).collect();
    assert!(left.is_empty(), "open and never told to be over: {left:?}");
    let stats = server.context().stats();
    assert_eq!((stats.connections, stats.open, stats.held), (0, 0, 0), "{stats:?}");
    assert!(chaos.tally.is_enough() && chaos.tally.closed == chaos.tally.opened, "{:?}", chaos.tally);
}
