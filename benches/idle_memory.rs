//! What idle connections cost: memory for each, turns of the loop, Pings for all of them.
//!
//! `cargo bench --bench idle_memory -- 1000000`
//!
//! The loop is the real one. Its streams and its time are simulated, so the limit of descriptors does not apply and an
//! hour passes in seconds. For real sockets use `bowsprit serve` and `bowsprit bench --idle`.

#![allow(unsafe_code, reason = "a global allocator is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::connection::Config;
use bowsprit::event_loop::{ConnId, Context, Ended, Engine, Handler, Readiness, Settings, Stream, Transport};
use bowsprit::frame::{MaskKey, RawHeader};
use bowsprit::message::Message;
use mio::{Poll, Token};

const PING_INTERVAL: Duration = Duration::from_secs(30);

/// A server that echoes and keeps a number for each connection.
#[derive(Default)]
struct Echo {
    open: usize,
}

impl Handler for Echo {
    type Data = u64;

    fn on_open(&mut self, _: &mut Context<u64>, _: ConnId, _: &bowsprit::handshake::Agreement) {
        self.open += 1;
    }

    fn on_message(&mut self, cx: &mut Context<u64>, id: ConnId, message: Message<'_>) {
        cx.send(id, message);
    }

    fn on_close(&mut self, _: &mut Context<u64>, _: ConnId, _: &Ended) {
        self.open -= 1;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = argument(0).map_or(Ok(100_000), |text| text.parse())?;
    let config = {
        let mut config = Config::default();
        config.ping_interval = Some(PING_INTERVAL);
        config
    };
    let settings = {
        let mut settings = Settings::default();
        settings.connection = Arc::new(config);
        settings
    };
    let poll = Poll::new()?;
    let mut now = Instant::now();
    let mut engine = Engine::<u64>::new_at(settings, poll.registry(), 0..usize::MAX, now)?;
    let mut echo = Echo::default();
    let mut tokens = Vec::with_capacity(count as usize);

    let (before, start) = (LIVE.get(), Instant::now());
    for number in 0..count {
        let id = engine.adopt(Transport::other(Simulated(number)))?;
        let token = engine.token_of(id).ok_or("a connection that is there has a token")?;
        tokens.push(token);
        arrive(&mut engine, &mut echo, token, REQUEST.as_bytes());
        if number % 1000 == 999 {
            // A thousand connections a turn, a turn every 10 ms.
            now += Duration::from_millis(10);
            engine.on_time(now, &mut echo);
        }
    }
    engine.on_time(now, &mut echo);
    assert_eq!(echo.open, count as usize, "all are open");
    let opened = start.elapsed();
    let bytes = LIVE.get() - before;
    println!("connections          {count}");
    println!("opened in            {:.2} µs each, handshake included", micros(opened) / f64::from(count));
    println!("memory               {:.0} bytes each", bytes as f64 / f64::from(count));
    WRITTEN.take();

    const TURNS: u32 = 10_000;
    let start = Instant::now();
    for _ in 0..TURNS {
        now += Duration::from_micros(1);
        engine.on_time(now, &mut echo);
    }
    println!("turn, nothing due    {:.0} ns", micros(start.elapsed()) * 1000.0 / f64::from(TURNS));

    let frame = masked(RawHeader::BINARY, b"sixteen bytes!!!");
    let start = Instant::now();
    const MESSAGES: u32 = 100_000;
    for number in 0..MESSAGES {
        // A stride that touches connections all over the table.
        let token = tokens[(u64::from(number) * 7919 % u64::from(count)) as usize];
        arrive(&mut engine, &mut echo, token, &frame);
        if number % 64 == 63 {
            engine.on_time(now, &mut echo);
        }
    }
    engine.on_time(now, &mut echo);
    println!("echo among them      {:.0} ns", micros(start.elapsed()) * 1000.0 / f64::from(MESSAGES));
    WRITTEN.take();

    // Two rounds of Pings: every connection gets one and answers it.
    let pong = masked(RawHeader::PONG, b"");
    let (mut pings, mut ticks, mut longest) = (0_u64, 0_u32, Duration::ZERO);
    let start = Instant::now();
    let until = now + 2 * PING_INTERVAL + Duration::from_secs(1);
    while now < until {
        now = engine.next_deadline().map_or(until, |due| due.max(now + Duration::from_millis(1)));
        let turn = Instant::now();
        engine.on_time(now, &mut echo);
        longest = longest.max(turn.elapsed());
        ticks += 1;
        for number in WRITTEN.take() {
            pings += 1;
            arrive(&mut engine, &mut echo, tokens[number as usize], &pong);
        }
    }
    let each = micros(start.elapsed()) * 1000.0 / pings.max(1) as f64;
    println!("Pings                {pings} in {ticks} turns, {each:.0} ns each with their Pongs");
    println!("longest turn         {:.2} ms", micros(longest) / 1000.0);
    assert_eq!(echo.open, count as usize, "all are alive");
    let bytes = LIVE.get() - before;
    println!("memory after it      {:.0} bytes each", bytes as f64 / f64::from(count));

    let close = masked(RawHeader::CLOSE, &1000_u16.to_be_bytes());
    let start = Instant::now();
    for &token in &tokens {
        arrive(&mut engine, &mut echo, token, &close);
    }
    engine.on_time(now, &mut echo);
    ENDED.set(true);
    for &token in &tokens {
        engine.ready(token, Readiness::READABLE, &mut echo);
    }
    engine.on_time(now, &mut echo);
    engine.on_time(now, &mut echo);
    println!("closed in            {:.2} µs each", micros(start.elapsed()) / f64::from(count));
    assert_eq!((echo.open, engine.len()), (0, 0), "none is left");
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn masked(header: RawHeader, payload: &[u8]) -> Vec<u8> {
    let key = MaskKey([0x37, 0xfa, 0x21, 0x3d]);
    let mut frame = Vec::new();
    header.with_length(payload.len() as u64).with_mask(key).encode_into(&mut frame);
    let start = frame.len();
    frame.extend_from_slice(payload);
    key.apply(&mut frame[start..]);
    frame
}

// --- streams without sockets -----------------------------------------------------------------------------------------

thread_local! {
    /// The bytes that the next read finds.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Whether reads find the end of the stream.
    static ENDED: Cell<bool> = const { Cell::new(false) };
    /// Which streams were written to.
    static WRITTEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Hands `bytes` to the connection with this token.
fn arrive(engine: &mut Engine<u64>, echo: &mut Echo, token: Token, bytes: &[u8]) {
    INPUT.with_borrow_mut(|input| input.extend_from_slice(bytes));
    engine.ready(token, Readiness::READABLE, echo);
    INPUT.with_borrow(|input| assert!(input.is_empty(), "all is read"));
}

/// A stream that is only a number.
struct Simulated(u32);

impl Read for Simulated {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        INPUT.with_borrow_mut(|input| match input.len() {
            0 if ENDED.get() => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            len => {
                buf[..len].copy_from_slice(input);
                input.clear();
                Ok(len)
            }
        })
    }
}

impl Write for Simulated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.push(self.0));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Simulated {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// --- memory, counted -------------------------------------------------------------------------------------------------

thread_local! {
    /// How many bytes are allocated.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(more: usize, less: usize) {
    LIVE.set(LIVE.get().wrapping_add(more).wrapping_sub(less));
}

// SAFETY: every call is passed on unchanged to the system's allocator, and counting allocates nothing: the thread's
// count is initialised at compile time and has no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, bytes: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(bytes, layout) }
    }

    unsafe fn realloc(&self, bytes: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(bytes, layout, size) }
    }
}

/// Returns an argument of the user; `cargo bench` adds one of its own.
fn argument(at: usize) -> Option<String> {
    std::env::args().skip(1).filter(|arg| arg != "--bench").nth(at)
}
