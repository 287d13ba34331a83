//! What permessage-deflate costs: bytes for each idle connection, shared bytes, time and ratio, under each setting.
//!
//! `cargo bench --bench deflate_memory` prints the tables in the documentation of `bowsprit::extension::deflate`.
//! Memory is counted at the allocator, not guessed.

#![allow(unsafe_code, reason = "a global allocator is")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::time::Instant;

use bowsprit::connection::driver::{InboundExt as _, OutboundExt as _};
use bowsprit::connection::{Config, Connection, Event};
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::extension::deflate::{
    DeflateConfig, DeflateOffer, DeflatePool, ReceiveContext, SendContext, WindowBits,
};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
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
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS: usize = 50;

fn main() {
    println!(
        "Bytes that an idle connection holds for compression, beside {} without it, and bytes that all",
        { size_of::<Connection>() }
    );
    println!(
        "connections of a thread share, after {CONNECTIONS} connections have exchanged messages of 64 KiB:\n"
    );
    println!("| kept for sending | kept for receiving | window | memory level | each connection | shared |");
    println!("|---|---|---:|---:|---:|---:|");
    for (send, receive, window, memory_level) in [
        (SendContext::Fresh, ReceiveContext::Fresh, 15, 8),
        (SendContext::Fresh, ReceiveContext::Fresh, 12, 8),
        (SendContext::Fresh, ReceiveContext::Fresh, 12, 5),
        (SendContext::Fresh, ReceiveContext::Fresh, 9, 1),
        (SendContext::Fresh, ReceiveContext::Window, 15, 8),
        (SendContext::Fresh, ReceiveContext::Window, 12, 8),
        (SendContext::Window, ReceiveContext::Window, 15, 8),
        (SendContext::Window, ReceiveContext::Window, 12, 8),
        (SendContext::Window, ReceiveContext::Window, 10, 8),
        (SendContext::Window, ReceiveContext::Window, 9, 8),
        (SendContext::Compressor, ReceiveContext::Window, 15, 8),
        (SendContext::Compressor, ReceiveContext::Window, 12, 8),
        (SendContext::Compressor, ReceiveContext::Window, 12, 5),
        (SendContext::Compressor, ReceiveContext::Window, 9, 1),
    ] {
        let mut deflate = DeflateConfig::default();
        deflate.send_context = send;
        deflate.receive_context = receive;
        deflate.send_window = WindowBits::new(window).unwrap_or_default();
        deflate.receive_window = Some(deflate.send_window);
        deflate.memory_level = memory_level;
        let (each, shared) = memory(deflate);
        println!("| {send:?} | {receive:?} | {window} | {memory_level} | {each} | {shared} |");
    }

    println!("\nMicroseconds to compress and to inflate a message of JSON, and its ratio:\n");
    println!("| level | kept | window | 300 bytes | 4 KiB | 64 KiB |");
    println!("|---:|---|---:|---|---|---|");
    let contexts = [
        (SendContext::Fresh, 15),
        (SendContext::Window, 12),
        (SendContext::Window, 15),
        (SendContext::Compressor, 15),
    ];
    for level in [1, 2, 4, 6, 9] {
        for (context, window) in contexts {
            let mut deflate = DeflateConfig::default();
            deflate.level = level;
            deflate.threshold = 0;
            deflate.send_context = context;
            deflate.receive_context = match context {
                SendContext::Fresh => ReceiveContext::Fresh,
                _ => ReceiveContext::Window,
            };
            deflate.send_window = WindowBits::new(window).unwrap_or_default();
            deflate.receive_window = Some(deflate.send_window);
            let cells = [300, 4096, 65_536].map(|len| {
                let (compress, inflate, ratio) = speed(deflate, len);
                format!("{compress:.1} / {inflate:.1}, {ratio:.2}")
            });
            println!("| {level} | {context:?} | {window} | {} |", cells.join(" | "));
        }
    }
}

/// Returns a client and a server that have agreed.
fn pair(deflate: DeflateConfig) -> [Connection; 2] {
    let mut config = Config::default();
    config.deflate = Some(deflate);
    let config = Arc::new(config);
    // The client keeps what the server keeps, at the other end.
    let mut theirs = deflate;
    if (deflate.send_context, deflate.receive_context) == (SendContext::Fresh, ReceiveContext::Window) {
        theirs.send_context = SendContext::Window;
        theirs.receive_context = ReceiveContext::Fresh;
    }
    let agreed = deflate
        .choose(&[DeflateOffer::new(&theirs).to_extension()])
        .expect("a server meets every good offer");
    let mut client = Config::default();
    client.deflate = Some(theirs);
    let now = Instant::now();
    [
        Connection::client(Arc::new(client), Box::new(Zeros), now).with_deflate(agreed),
        Connection::server(config, now).with_deflate(agreed),
    ]
}

/// Sends a message. Returns how long that took on each side.
fn exchange(from: &mut Connection, to: &mut Connection, text: &str, pool: &mut DeflatePool) -> [f64; 2] {
    from.outbound.lend_compressor(pool);
    let start = Instant::now();
    from.outbound.send_text(text).expect("the connection is open");
    let compressed = start.elapsed().as_secs_f64();
    from.outbound.reclaim_compressor(pool);
    let mut wire = from.outbound.pending().to_vec();
    from.outbound.advance(wire.len());
    from.outbound.reclaim_queue();

    to.inbound.lend_inflater(pool);
    let mut input = &mut wire[..];
    let start = Instant::now();
    let event = to.inbound.next(&mut input, &mut to.outbound).expect("it is right");
    let inflated = start.elapsed().as_secs_f64();
    assert!(matches!(event, Some(Event::Message(message)) if message.len() == text.len()));
    to.inbound.reclaim_inflater(pool);
    [compressed, inflated]
}

/// Returns the bytes for each connection and for all.
fn memory(deflate: DeflateConfig) -> (isize, isize) {
    let mut pool = DeflatePool::new();
    let text = json(65_536, 1);
    let mut pairs: Vec<_> = (0..CONNECTIONS / 2).map(|_| pair(deflate)).collect();
    let before = LIVE.load(Relaxed);
    for [client, server] in &mut pairs {
        exchange(client, server, &text, &mut pool);
        exchange(server, client, &text, &mut pool);
        for side in [client, server] {
            side.inbound.reclaim();
        }
    }
    let all = LIVE.load(Relaxed) - before;
    let with_pool = LIVE.load(Relaxed);
    drop(pool);
    let shared = with_pool - LIVE.load(Relaxed);
    ((all - shared) / CONNECTIONS as isize, shared)
}

/// Returns the microseconds to compress and to inflate, and the ratio.
fn speed(deflate: DeflateConfig, len: usize) -> (f64, f64, f64) {
    let [mut client, mut server] = pair(deflate);
    let mut pool = DeflatePool::new();
    // More than any window holds, so that no message occurs twice in one.
    let messages: Vec<String> = (0..64.max(200_000 / len as u64)).map(|seed| json(len, seed)).collect();
    let mut took: [Vec<f64>; 2] = Default::default();
    for text in messages.iter().cycle().take(3 * messages.len()) {
        // The server sends, so its frames are not masked.
        let [compress, inflate] = exchange(&mut server, &mut client, text, &mut pool);
        took[0].push(compress);
        took[1].push(inflate);
    }
    // The median: the machine may have other work.
    let [compress, inflate] = took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        took[took.len() / 2] * 1e6
    });
    let kept = server.outbound.compressor().map(|compressor| compressor.traffic()).unwrap_or_default();
    let ratio = if kept.messages > 0 { kept.ratio() } else { pool.sent().ratio() };
    (compress, inflate, ratio)
}

/// Returns text like that of an exchange: keys repeat, values do not.
fn json(len: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::from("[");
    while text.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (side, symbol) =
            (["buy", "sell"][state as usize & 1], ["AAPL", "MSFT", "GOOG", "NVDA"][state as usize >> 8 & 3]);
        let _ = write!(
            text,
            "{{\"id\":{},\"symbol\":\"{symbol}\",\"side\":\"{side}\",\"price\":{}.{:02},\"size\":{},\"time\":\"2026-11-23T12:{:02}:{:02}.{:03}Z\"}},",
            state % 100_000_000,
            state >> 20 & 0x3ff,
            state >> 30 & 0x3f,
            state >> 36 & 0xfff,
            state % 60,
            state % 59,
            state % 1000,
        );
    }
    text.truncate(len);
    text
}

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0);
        Ok(())
    }
}
