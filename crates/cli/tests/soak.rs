//! A server under good clients, bad networks and hostile peers at once, on real sockets, for as long as requested. Then
//! nothing must be left: no connection, no descriptor, and no more memory than after the first round.
//!
//!     BOWSPRIT_SOAK=600 BOWSPRIT_SEED=7 cargo test --release --test soak -- --nocapture
//!
//! This takes ten minutes; by default it takes three seconds. The seed determines everything that is sent; the order of
//! arrival is up to the system.

#![cfg(target_os = "linux")] // /proc tells the descriptors
#![allow(unsafe_code, reason = "a global allocator is")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::blocking::{self, Client};
use bowsprit::client::ClientConfig;
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{Config, Outcome};
use bowsprit::event_loop::{ConnId, Context, EventLoop, Handler, Overflow, Settings};
use bowsprit::extension::deflate::DeflateConfig;
use bowsprit::frame::RawHeader;
use bowsprit::message::Message;
use bowsprit_lab::fuzz::{self, Dial, Oracles, Side};
use socket2::SockRef;
use support::peer::{PATIENCE, REQUEST};
use support::{Random, by, not_fin, raw_frame, sent_by};

/// The system's allocator, with a count of the bytes in use.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(bytes, layout) }
    }

    unsafe fn realloc(&self, bytes: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size as isize - layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(bytes, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The results, so that a soak in which nothing happens fails.
#[derive(Debug, Default)]
struct Tally {
    clean: AtomicU64,
    messages: AtomicU64,
    cut_off: AtomicU64,
    hostile: AtomicU64,
    scripts: AtomicU64,
}

struct Echo;

impl Handler for Echo {
    type Data = ();

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }
}

/// The loop in a thread of its own, and how many connections it has.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let mut connection = Config::default();
        connection.deflate = Some(DeflateConfig::default());
        connection.max_message = 1 << 20;
        connection.max_queued = 512 * 1024;
        // Enough for who still writes to hear why it is ended, on a busy machine.
        connection.close_timeout = Duration::from_secs(10);
        connection.idle_timeout = Some(Duration::from_secs(60));
        let mut settings = Settings::default();
        settings.connection = Arc::new(connection);
        settings.handshake_timeout = Duration::from_secs(20);
        settings.overflow = Overflow::Close;
        let mut server = EventLoop::<()>::with_settings(settings).unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let (connections, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (told, stopped) = (Arc::clone(&connections), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                server.turn(&mut Echo, Some(Duration::from_millis(20))).unwrap();
                told.store(server.engine().len(), Relaxed);
            }
        });
        Self { address, connections, stop, thread: Some(thread) }
    }

    /// Waits until all clients have gone. Returns how many bytes and descriptors are in use then.
    fn rest(&self, relay: &Relay) -> (isize, usize) {
        let deadline = Instant::now() + PATIENCE;
        while relay.open.load(Relaxed) > 0 {
            assert!(Instant::now() < deadline, "the relay does not come to rest");
            thread::sleep(Duration::from_millis(5));
        }
        // Two looks, as a turn may just be taking what came last.
        let mut empty = 0;
        while empty < 2 {
            assert!(Instant::now() < deadline, "{} connections are left", self.connections.load(Relaxed));
            thread::sleep(Duration::from_millis(60));
            empty = if self.connections.load(Relaxed) == 0 { empty + 1 } else { 0 };
        }
        (LIVE.load(Relaxed), std::fs::read_dir("/proc/self/fd").unwrap().count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let result = self.thread.take().unwrap().join();
        assert!(result.is_ok() || thread::panicking(), "the server");
    }
}

/// A bad network: bytes are delayed and cut into pieces, and many connections end early.
struct Relay {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Relay {
    fn start(to: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (open, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (opened, stopped) = (Arc::clone(&open), Arc::clone(&stop));
        thread::spawn(move || {
            let mut random = Random::new(seed);
            for near in listener.incoming() {
                if stopped.load(Relaxed) {
                    return;
                }
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(to)) else { continue };
                for stream in [&near, &far] {
                    let _ = stream.set_nodelay(true);
                    let _ = stream.set_read_timeout(Some(PATIENCE / 2));
                    let _ = stream.set_write_timeout(Some(PATIENCE / 2));
                }
                // Neither, or one of both directions is cut; the other follows.
                let cut = [None, Some(random.below(200_000)), Some(random.below(2000))][random.below(3)];
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let random = Random::new(random.next());
                    let open = Arc::clone(&opened);
                    open.fetch_add(1, Relaxed);
                    thread::spawn(move || {
                        let _ = carry(from, to, random, cut);
                        open.fetch_sub(1, Relaxed);
                    });
                }
            }
        });
        Self { address, open, stop }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// One direction, until it ends or has carried as much as it may.
fn carry(mut from: TcpStream, mut to: TcpStream, mut random: Random, cut: Option<usize>) -> io::Result<()> {
    let mut buf = [0; 4096];
    let mut left = cut.unwrap_or(usize::MAX);
    loop {
        let most = [1, 13, 700, 4096, 4096][random.below(5)].min(left);
        if most == 0 {
            // The reset that a network sends, or an end half-way through a frame.
            if random.below(2) == 0 {
                SockRef::from(&from).set_linger(Some(Duration::ZERO))?;
                SockRef::from(&to).set_linger(Some(Duration::ZERO))?;
            }
            from.shutdown(Shutdown::Both)?;
            return to.shutdown(Shutdown::Both);
        }
        let len = match from.read(&mut buf[..most]) {
            Ok(0) => return to.shutdown(Shutdown::Write),
            Ok(len) => len,
            Err(error) => {
                let _ = to.shutdown(Shutdown::Both);
                return Err(error);
            }
        };
        if random.below(64) == 0 {
            thread::sleep(Duration::from_millis(random.below(8) as u64)); // a delay, not a wait for anything
        }
        to.write_all(&buf[..len])?;
        left -= len;
    }
}

/// Echoes random messages, up to four in flight. An error is the network's fault; anything else is ours.
fn talk(address: SocketAddr, random: &mut Random, tally: &Tally) -> Result<Outcome, blocking::Error> {
    let mut config = Config::default();
    config.deflate = [None, Some(DeflateConfig::default())][random.below(2)];
    let client = ClientConfig::new(&format!("ws://{address}/")).unwrap().connection(config);
    let mut client = blocking::connect_with(&client)?;
    client.set_timeout(Some(PATIENCE));
    let mut waiting = std::collections::VecDeque::new();
    for _ in 0..1 + random.below(12) {
        let len = [random.below(10), random.below(300), random.below(70_000)][random.below(3)];
        let message = random.bytes(len);
        client.send(&message[..])?;
        waiting.push_back(message);
        while waiting.len() > 3 {
            comes_back(&mut client, &mut waiting, tally)?;
        }
    }
    while !waiting.is_empty() {
        comes_back(&mut client, &mut waiting, tally)?;
    }
    client.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "done" }))
}

fn comes_back<S: blocking::Socket>(
    client: &mut Client<S>,
    waiting: &mut std::collections::VecDeque<Vec<u8>>,
    tally: &Tally,
) -> Result<(), blocking::Error> {
    let expected = waiting.pop_front().unwrap();
    match client.read()? {
        Some(message) => assert!(message == Message::Binary(&expected), "another message than was sent"),
        None => panic!("the server closes what nobody asked it to close: {:?}", client.outcome()),
    }
    tally.messages.fetch_add(1, Relaxed);
    Ok(())
}

/// Sends something that no client sends, and ends in a way that no client does. The answer is judged elsewhere.
fn attack(address: SocketAddr, random: &mut Random) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(Duration::from_millis(200)))?;
    let client = Role::Client;
    if random.below(5) == 0 {
        let cut = random.below(REQUEST.len());
        stream.write_all(&REQUEST.as_bytes()[..cut])?;
    } else {
        stream.write_all(REQUEST.as_bytes())?;
        let said = match random.below(7) {
            0 => {
                let len = random.below(300);
                random.bytes(len)
            }
            1 => raw_frame(by(client, RawHeader::BINARY.with_length(1 << 40)), b"never"),
            2 => sent_by(client, not_fin(RawHeader::BINARY), &vec![7; random.below(100_000)]),
            3 => sent_by(client, RawHeader::PING, &[7; 125]).repeat(1 + random.below(2000)),
            4 => sent_by(client, not_fin(RawHeader::CONTINUATION), b"").repeat(1 + random.below(2000)),
            // Echoes that nobody reads.
            5 => sent_by(client, RawHeader::BINARY, &[7; 30_000]).repeat(1 + random.below(60)),
            _ => sent_by(client, RawHeader::CLOSE, b"\x03\xe8"),
        };
        stream.write_all(&said)?;
    }
    match random.below(4) {
        0 => SockRef::from(&stream).set_linger(Some(Duration::ZERO))?,
        1 => stream.shutdown(Shutdown::Write)?,
        // It looks on for a while.
        2 => {
            stream.set_read_timeout(Some(Duration::from_millis(100)))?;
            while stream.read(&mut [0; 4096])? > 0 {}
        }
        _ => {}
    }
    Ok(())
}

/// An iteration of the wire fuzzer, which knows what a server has to do.
fn play(peer: &fuzz::Peer, address: SocketAddr, random: &mut Random) {
    let script = fuzz::script(Side::Server, random.next(), 0);
    let oracles = Oracles {
        side: Side::Server,
        host: address.to_string(),
        target: "/".to_owned(),
        fields: Vec::new(),
        timeout: PATIENCE,
        echo: true,
        neighbour: None,
    };
    let played = peer.play(&script, &oracles).unwrap();
    assert_eq!(played.finding, None, "{}", script.show());
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn after_the_storm_nothing_is_left() {
    const ROUNDS: usize = 8;
    const JOBS: u64 = 6;
    let length = Duration::from_secs(number("BOWSPRIT_SOAK", 3));
    let mut seeds = Random::new(number("BOWSPRIT_SEED", 1));
    let server = Server::start();
    let relay = Relay::start(server.address, seeds.next());
    let peer = fuzz::Peer::from(Dial::Connect(server.address));
    let tally = Tally::default();
    let mut rests = Vec::new();
    for round in 0..ROUNDS {
        let until = Instant::now() + length / ROUNDS as u32;
        thread::scope(|scope| {
            for _ in 0..JOBS {
                let mut random = Random::new(seeds.next());
                let (server, relay, peer, tally) = (&server, &relay, &peer, &tally);
                scope.spawn(move || {
                    // Some of each, however slow the machine is.
                    let mut turn = 0;
                    while turn < 4 || Instant::now() < until {
                        match turn % 4 {
                            0 => {
                                let outcome = talk(server.address, &mut random, tally);
                                assert!(outcome.expect("nothing is between us").is_clean());
                                tally.clean.fetch_add(1, Relaxed);
                            }
                            1 => {
                                let ended = talk(relay.address, &mut random, tally);
                                let is_cut_off = !ended.is_ok_and(|outcome| outcome.is_clean());
                                tally.cut_off.fetch_add(u64::from(is_cut_off), Relaxed);
                            }
                            2 => {
                                let _ = attack(server.address, &mut random);
                                tally.hostile.fetch_add(1, Relaxed);
                            }
                            _ => {
                                play(peer, server.address, &mut random);
                                tally.scripts.fetch_add(1, Relaxed);
                            }
                        }
                        turn += 1;
                    }
                });
            }
        });
        rests.push(server.rest(&relay));
        println!(
            "round {round}: {:?} bytes and descriptors in use, {} KiB resident",
            rests.last(),
            resident()
        );
    }
    println!("{tally:?}");
    let seen = [&tally.clean, &tally.messages, &tally.cut_off, &tally.hostile, &tally.scripts];
    assert!(seen.iter().all(|count| count.load(Relaxed) >= 10), "{tally:?}");
    // Spare buffers are kept, now more, now fewer: what leaks is there in each of the later rounds.
    let (early, late) = rests.split_at(ROUNDS / 2);
    let (most, least) = (early.iter().max().unwrap().0, late.iter().min().unwrap().0);
    assert!(least <= most + 256 * 1024, "memory grows: {rests:?}");
    assert!(
        late.iter().all(|(_, descriptors)| *descriptors <= early[0].1),
        "descriptors are left: {rests:?}"
    );
}

fn resident() -> u64 {
    bowsprit_lab::fuzz::campaign::resident(std::process::id()).unwrap() / 1024
}
