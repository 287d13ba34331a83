//! Three servers behind one HAProxy and one nginx, joined by an engine, while servers and engine are killed in turn.
//! The messages of each client are checked: none twice, none out of order, and none missing unless a server has
//! reported it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::client::{ClientConfig, ReconnectPolicy};
use bowsprit::event_loop::{ClientEvent, ClientId, ConnId, Context, Ended, EventLoop, Handler, Timer};
use bowsprit::handshake::Agreement;
use bowsprit::message::Message;

use super::engine::{KINDS, Kind, Server as Engine};
use super::proxies::Proxy;
use super::support::command::{BOWSPRIT, Server, serve_by};
use super::support::peer::Peer;
use super::support::port::reserved;

/// Much has to be done on a busy machine before this is over.
const LONG: Duration = Duration::from_secs(180);

/// What all clients have received.
#[derive(Debug, Default)]
struct Log {
    open: usize,
    /// How many connections opened in total.
    opened: u64,
    received: u64,
    /// How many messages came again, or after a later one of the same sender.
    misplaced: u64,
    /// For each client, how many are missing between two that came over one connection.
    missing: Vec<u64>,
    /// How often the marks of each round have come.
    marks: HashMap<u32, usize>,
    publishing: bool,
    /// The round of marks that is being sent.
    round: Option<u32>,
    over: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<Log>, Condvar)>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.0.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    #[track_caller]
    fn wait(&self, what: &str, is: impl Fn(&Log) -> bool) {
        let (begun, until) = (Instant::now(), Instant::now() + LONG);
        let mut log = self.lock();
        while !is(&log) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not in time: {what}; {log:?}");
            log = self.0.1.wait_timeout(log, left).unwrap().0;
        }
        println!(
            "{what}, after {:.1} s: {} open, {} received",
            begun.elapsed().as_secs_f64(),
            log.open,
            log.received
        );
    }

    /// Waits until each client has received this many further messages on average.
    #[track_caller]
    fn wait_for_traffic(&self, what: &str, each: usize) {
        let enough = {
            let log = self.lock();
            log.received + (each * log.missing.len()) as u64
        };
        self.wait(what, |log| log.received >= enough);
    }
}

/// Clients that reconnect whenever they are cut off; the first ones talk.
struct Crowd {
    shared: Shared,
    clients: Vec<ClientId>,
    numbers: HashMap<ClientId, usize>,
    speakers: usize,
    /// For each client: how often it has connected, and what it sends next.
    said: Vec<(u32, u32)>,
    /// For each client: the connection and the number of the last message of each speaker.
    heard: Vec<HashMap<u32, (u32, u32)>>,
}

const SPEAK: u64 = 1;
const MARK: u64 = 2;

impl Crowd {
    fn who(&self, cx: &Context<()>, id: ConnId) -> usize {
        self.numbers[&cx.client_of(id).expect("all are clients")]
    }

    fn say(&mut self, cx: &mut Context<()>, text: impl Fn(usize, &mut (u32, u32)) -> String) {
        for speaker in 0..self.speakers {
            if let Some(id) = cx.connection_of(self.clients[speaker]).filter(|id| cx.is_open(*id)) {
                let text = text(speaker, &mut self.said[speaker]);
                cx.send(id, &*text);
            }
        }
    }
}

impl Handler for Crowd {
    type Data = ();

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, _: &Agreement) {
        let who = self.who(cx, id);
        let (times, next) = &mut self.said[who];
        (*times, *next) = (*times + 1, 0);
        self.heard[who].clear(); // what was said while it was away it cannot know
        self.shared.change(|log| {
            log.open += 1;
            log.opened += 1;
        });
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, _: &Ended) {
        self.shared.change(|log| log.open -= 1);
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        let who = self.who(cx, id);
        let Message::Text(text) = message else { panic!("nobody sends binary messages") };
        let mut words = text.split(' ');
        let kind = words.next().unwrap();
        let mut number = || words.next().unwrap().parse::<u32>().unwrap();
        let (speaker, times, at) = (number(), number(), number());
        self.shared.change(|log| {
            log.received += 1;
            if kind == "mark" {
                *log.marks.entry(at).or_default() += 1;
                return;
            }
            match self.heard[who].insert(speaker, (times, at)) {
                Some((before, last)) if before == times => {
                    if at <= last {
                        log.misplaced += 1;
                    }
                    log.missing[who] += u64::from(at.saturating_sub(last + 1));
                }
                Some((before, _)) if before > times => log.misplaced += 1,
                _ => {}
            }
        });
    }

    fn on_client(&mut self, _: &mut Context<()>, _: ClientId, event: &ClientEvent<'_>) {
        assert!(!matches!(event, ClientEvent::End { .. }), "it comes back: {event:?}");
    }

    fn on_timer(&mut self, cx: &mut Context<()>, timer: Timer) {
        let (publishing, round, over) = {
            let log = self.shared.lock();
            (log.publishing, log.round, log.over)
        };
        if over {
            return cx.stop();
        }
        if timer.tag == SPEAK && publishing {
            self.say(cx, |speaker, (times, next)| {
                *next += 1;
                format!("say {speaker} {times} {}", *next - 1)
            });
        }
        if let (MARK, Some(round)) = (timer.tag, round) {
            self.say(cx, |speaker, _| format!("mark {speaker} 0 {round}"));
            self.shared.change(|log| log.round = Some(round + 1));
        }
    }
}

/// A server that can be killed and restarted on the same address.
struct Node {
    args: Vec<String>,
    server: Server,
    metrics: SocketAddr,
}

impl Node {
    fn start(address: SocketAddr, engine: &Engine) -> Self {
        let (listen, url) = (address.to_string(), engine.url());
        let args = [
            "serve",
            "--listen",
            &listen,
            "--mode",
            "relay",
            "--backplane",
            &url,
            "--trust-proxy",
            "127.0.0.1",
            "--health",
            "/healthz",
            "--ping",
            "5s",
            "--drain-delay",
            "1500ms",
            "--drain-time",
            "2s",
            "--metrics",
            "127.0.0.1:0",
        ]
        .map(str::to_owned);
        Self::run(args.to_vec())
    }

    fn run(args: Vec<String>) -> Self {
        let server = serve_by(Command::new(BOWSPRIT).args(&args));
        let metrics = server.running.told("counters at http://");
        let metrics = metrics.strip_suffix("/metrics").unwrap().parse().unwrap();
        Self { args, server, metrics }
    }

    fn start_again(&mut self) {
        *self = Self::run(std::mem::take(&mut self.args));
    }

    /// Returns the values of its counters.
    fn counter(&self, name: &str) -> u64 {
        let mut peer = Peer::connect(self.metrics);
        peer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        let text = String::from_utf8(peer.rest()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
    }

    /// Returns how many messages of others it has reported missing, and how many for others it has reported dropped.
    fn told(&self) -> (u64, u64) {
        (self.counter("bowsprit_backplane_lost_total"), self.counter("bowsprit_backplane_dropped_total"))
    }

    fn wait_for_link(&self) {
        let until = Instant::now() + LONG;
        while self.counter("bowsprit_backplane_up") == 0 {
            assert!(Instant::now() < until, "no link to the engine");
            thread::sleep(Duration::from_millis(20)); // what a counter says no event tells
        }
    }
}

/// Some clients, a tenth of which talk, so that all their messages together make `deliveries` a second.
fn run(kind: Kind, clients: usize, deliveries: usize) {
    let Some(mut engine) = Engine::start(kind, &[]) else { return };
    let addresses = [(); 3].map(|()| reserved());
    let mut nodes = addresses.map(|address| Node::start(address, &engine));
    let fronts = ["haproxy.cfg", "nginx.conf"].map(|file| Proxy::start(file, &addresses, |text| text));
    let [Some(haproxy), Some(nginx)] = fronts else { return };

    let speakers = clients / 10;
    let shared = Shared::default();
    shared.change(|log| log.missing = vec![0; clients]);
    let mut event_loop = EventLoop::new().unwrap();
    let mut crowd = Crowd {
        shared: shared.clone(),
        clients: Vec::new(),
        numbers: HashMap::new(),
        speakers,
        said: vec![(0, 0); clients],
        heard: vec![HashMap::new(); clients],
    };
    let mut policy = ReconnectPolicy::exponential().retry_fatal();
    policy.busy = (Duration::from_millis(100), Duration::from_secs(1)); // a proxy that has no server for a moment
    for number in 0..clients {
        let front = if number % 2 == 0 { &haproxy } else { &nginx };
        let config = ClientConfig::new(&format!("ws://{}/", front.address)).unwrap();
        let client = event_loop.context().open(config.reconnect(policy.clone())).unwrap();
        crowd.clients.push(client);
        crowd.numbers.insert(client, number);
    }
    let interval = Duration::from_secs_f64((speakers * clients) as f64 / deliveries as f64);
    event_loop.context().set_timer_every(interval, SPEAK);
    event_loop.context().set_timer_every(Duration::from_secs(1).max(interval), MARK);
    let crowd = thread::spawn(move || event_loop.run(&mut crowd));

    let all_open = |log: &Log| log.open == clients;
    shared.wait("all are connected", all_open);
    nodes.iter().for_each(Node::wait_for_link);
    shared.change(|log| log.publishing = true);
    shared.wait_for_traffic("all talk", 20);

    // A server is gone without a word, and comes back.
    let mut told = nodes.iter().map(Node::told).collect::<Vec<_>>();
    let opened = shared.lock().opened;
    nodes[0].server.running.signal("KILL");
    shared.wait("its clients are elsewhere", |log| log.opened > opened && all_open(log));
    shared.wait_for_traffic("all talk without it", 20);
    let of_the_dead = told[0];
    nodes[0].start_again();
    nodes[0].wait_for_link();
    shared.wait_for_traffic("it is back", 20);

    // The engine is gone for as long as a message takes that nobody misses.
    engine.kill();
    shared.wait_for_traffic("neighbours talk without the engine", 5);
    engine.start_again();
    nodes.iter().for_each(Node::wait_for_link);
    shared.wait_for_traffic("all talk again", 20);

    // A server ends as it should, and comes back.
    told = nodes.iter().map(Node::told).collect();
    let of_the_ended = told[1];
    nodes[1].server.running.signal("TERM");
    assert!(nodes[1].server.running.status().success());
    shared.wait("its clients are elsewhere, too", all_open);
    nodes[1].start_again();
    nodes[1].wait_for_link();
    shared.wait_for_traffic("all is well", 20);

    // In the end everybody hears everybody.
    shared.change(|log| log.publishing = false);
    shared.change(|log| log.round = Some(0));
    let all = speakers * (clients - 1);
    shared.wait("all hear all", |log| log.marks.values().any(|count| *count == all));
    told = nodes.iter().map(Node::told).collect();
    told.extend([of_the_dead, of_the_ended]);
    shared.change(|log| log.over = true);
    crowd.join().unwrap().unwrap();

    // What is missing at one client is what its server has told, or what others have told that they could not say.
    let log = shared.lock();
    let lost: u64 = told.iter().map(|(lost, _)| lost).sum();
    let dropped: u64 = told.iter().map(|(_, dropped)| dropped).sum();
    let missing = log.missing.iter().max().unwrap();
    println!(
        "{kind:?}, {clients} clients: {} connections, {} messages received, at most {missing} missing at one client; \
         told: {lost} lost, {dropped} dropped",
        log.opened, log.received
    );
    assert_eq!(log.misplaced, 0, "twice or out of order");
    assert!(*missing <= lost + dropped, "{missing} are missing and {lost} + {dropped} told");
}

#[test]
fn nothing_comes_twice_and_what_is_missing_is_told() {
    for kind in KINDS {
        run(kind, 200, 10_000);
    }
}

/// To be run by hand, in a release build: `cargo test --release -p bowsprit-cli --test balancer -- --ignored
/// --nocapture`.
#[test]
#[ignore = "takes minutes and thousands of descriptors"]
fn the_same_with_two_thousand() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    for kind in KINDS {
        run(kind, 2000, 40_000);
    }
}
