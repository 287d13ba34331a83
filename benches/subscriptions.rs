//! What subscriptions cost in memory, counted at the allocator.
//!
//! `cargo bench --bench subscriptions -- 10000` sets the number of connections that subscribe.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bowsprit::event_loop::{ConnId, Context, Engine, Handler, Readiness, Settings, Stream, Transport};
use bowsprit::message::Message;
use mio::Poll;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is")]
// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Sends what a client sends, once, and reads what the server sends.
struct Client {
    request: &'static [u8],
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

impl io::Read for Client {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.request.read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl io::Write for Client {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Client {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Silent;

impl Handler for Silent {
    type Data = ();

    fn on_message(&mut self, _: &mut Context<()>, _: ConnId, _: Message<'_>) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let connections: usize = argument(0).map_or(Ok(10_000), |text| text.parse())?;
    println!("bytes for each subscription of {connections} connections\n");
    println!("| topics of each | its own topic | all the same topics | publish to all, ns each |");
    println!("|---:|---:|---:|---:|");
    for each in [1, 2, 4, 16, 64] {
        let (own, _) =
            measure(connections, each, |connection, number| format!("topic {connection} {number}"))?;
        let (same, took) = measure(connections, each, |_, number| format!("topic {number}"))?;
        println!("| {each} | {own} | {same} | {took} |");
    }
    Ok(())
}

fn measure(
    connections: usize,
    each: usize,
    name: impl Fn(usize, usize) -> String,
) -> io::Result<(usize, u128)> {
    let poll = Poll::new()?;
    let mut engine: Engine<()> = Engine::new(Settings::default(), poll.registry(), 0..1 << 20)?;
    let mut ids = Vec::new();
    for _ in 0..connections {
        let id = engine.adopt(Transport::other(Client { request: REQUEST }))?;
        let token = engine.token_of(id).ok_or(io::ErrorKind::NotFound)?;
        engine.ready(token, Readiness::READABLE, &mut Silent);
        ids.push(id);
    }
    engine.on_time(Instant::now(), &mut Silent);

    let before = HELD.load(Ordering::Relaxed);
    for (connection, id) in ids.iter().enumerate() {
        for number in 0..each {
            let subscribed = engine.context().subscribe(*id, &name(connection, number));
            assert_eq!(subscribed, Ok(true));
        }
    }
    let held = HELD.load(Ordering::Relaxed) - before;

    // The first round makes the queues, which are kept for the next one.
    engine.context().publish(&name(0, 0), Message::Text("sixteen bytes !"));
    engine.on_time(Instant::now(), &mut Silent);
    let start = Instant::now();
    let reached = engine.context().publish(&name(0, 0), Message::Text("sixteen bytes !")).here;
    let took = start.elapsed().as_nanos() / reached.max(1) as u128;
    Ok((held / (connections * each), took))
}

/// Returns an argument of the user; `cargo bench` adds one of its own.
fn argument(at: usize) -> Option<String> {
    std::env::args().skip(1).filter(|arg| arg != "--bench").nth(at)
}
