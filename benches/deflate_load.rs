//! Load with compression on an echo server: messages a second, the server's CPU time for each, the ratio of what it
//! sends, and its memory for each connection.
//!
//! `cargo bench --bench deflate_load -- URL PID BYTES` sends messages of so many bytes to the
//! server with that process id; Linux only. `benches/deflate` runs it against several servers.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::connection::{Compression, Config};
use bowsprit::event_loop::{ConnId, Context, Ended, EventLoop, Failed, Handler, Settings};
use bowsprit::extension::deflate::{DeflateConfig, ReceiveContext, SendContext};
use bowsprit::handshake::{Agreement, ClientRequest, Url};
use bowsprit::message::Message;

const CONNECTIONS: usize = 50;
const IN_FLIGHT: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: deflate_load URL PID BYTES";
    let url = Url::parse(&argument(0).ok_or(usage)?)?;
    let pid: u32 = argument(1).ok_or(usage)?.parse()?;
    let address = (url.host(), url.port()).to_socket_addrs()?.next().ok_or("the host has no address")?;
    let size = argument(2).ok_or(usage)?.parse()?;
    println!("{}", Load::run(address, &url, pid, size)?);
    Ok(())
}

#[derive(Default)]
struct Load {
    ids: Vec<ConnId>,
    agreed: String,
    opened: usize,
    messages: Vec<String>,
    next: usize,
    echoed: usize,
    running: bool,
    failed: Option<String>,
}

impl Load {
    /// One row: connections, messages, and what they cost.
    fn run(address: SocketAddr, url: &Url, pid: u32, size: usize) -> Result<String, Box<dyn Error>> {
        let mut deflate = DeflateConfig::default();
        // What is sent costs us little, so that the server is what is measured; it may keep what it likes.
        deflate.level = 1;
        deflate.threshold = 0;
        deflate.send_context = SendContext::Window;
        deflate.receive_context = ReceiveContext::Window;
        let mut config = Config::default();
        config.deflate = Some(deflate);
        let mut settings = Settings::default();
        settings.connection = Arc::new(config);
        let mut turns = EventLoop::with_settings(settings)?;

        // More than any window holds, so that no message comes twice in one.
        let messages = (0..16.max(100_000 / size as u64)).map(|seed| json(size, seed)).collect();
        let mut load = Load { messages, ..Load::default() };
        let memory_before = resident(pid)?;
        for _ in 0..CONNECTIONS {
            let id = turns.context().connect(address, ClientRequest::to(url)?)?;
            load.ids.push(id);
        }
        load.turn_until(&mut turns, |load| load.opened == CONNECTIONS)?;

        load.running = true;
        for id in load.ids.clone() {
            for _ in 0..IN_FLIGHT {
                load.send(turns.context(), id);
            }
        }
        let warm = Instant::now() + Duration::from_millis(500);
        load.turn_until(&mut turns, |_| Instant::now() >= warm)?;
        let (cpu, start, echoed) = (cpu_seconds(pid)?, Instant::now(), load.echoed);
        let end = start + Duration::from_secs(3);
        load.turn_until(&mut turns, |_| Instant::now() >= end)?;
        let (cpu, seconds) = (cpu_seconds(pid)? - cpu, start.elapsed().as_secs_f64());
        let count = load.echoed - echoed;

        // What is still on its way comes back, then the connections idle.
        load.running = false;
        let quiet = Instant::now() + Duration::from_secs(2);
        load.turn_until(&mut turns, |_| Instant::now() >= quiet)?;
        let memory = resident(pid)?.saturating_sub(memory_before) / CONNECTIONS;
        let ratio = turns.context().deflate().received().ratio();
        Ok(format!(
            "| {size} | {:.0} | {:.1} | {ratio:.2} | {memory} | {} |",
            count as f64 / seconds,
            cpu * 1e6 / count.max(1) as f64,
            load.agreed,
        ))
    }

    fn turn_until(
        &mut self,
        turns: &mut EventLoop<()>,
        done: impl Fn(&Self) -> bool,
    ) -> Result<(), Box<dyn Error>> {
        while !done(self) {
            turns.turn(self, Some(Duration::from_millis(10)))?;
            if let Some(failed) = &self.failed {
                return Err(failed.clone().into());
            }
        }
        Ok(())
    }

    fn send(&mut self, cx: &mut Context<()>, id: ConnId) {
        self.next = (self.next + 1) % self.messages.len();
        cx.send_compressed(id, Message::Text(&self.messages[self.next]), Compression::On);
    }
}

impl Handler for Load {
    type Data = ();

    fn on_open(&mut self, _: &mut Context<()>, _: ConnId, agreement: &Agreement) {
        self.opened += 1;
        self.agreed = agreement.deflate().map_or("none".into(), |agreed| agreed.to_extension().to_string());
    }

    fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, _: Message<'_>) {
        self.echoed += 1;
        if self.running {
            self.send(cx, id);
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        self.failed = Some(format!("{ended:?}"));
    }

    fn on_failed(&mut self, _: &mut Context<()>, _: ConnId, failed: &Failed) {
        self.failed = Some(format!("{failed:?}"));
    }
}

/// Bytes of memory that the process has.
fn resident(pid: u32) -> Result<usize, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

/// User and system time of all threads of the process; a tick is 10 ms.
fn cpu_seconds(pid: u32) -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.get(11..13).ok_or("no times")?.iter().filter_map(|f| f.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

/// Text like that of an exchange: keys that repeat, values that do not.
fn json(len: usize, seed: u64) -> String {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::from("[");
    while text.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let side = ["buy", "sell"][state as usize & 1];
        let symbol = ["AAPL", "MSFT", "GOOG", "NVDA"][state as usize >> 8 & 3];
        let (id, price, cents, lots) =
            (state % 100_000_000, state >> 20 & 0x3ff, state >> 30 & 0x3f, state >> 36 & 0xfff);
        let _ = write!(
            text,
            "{{\"id\":{id},\"symbol\":\"{symbol}\",\"side\":\"{side}\",\"price\":{price}.{cents:02},\"size\":{lots}}},"
        );
    }
    text.truncate(len);
    text
}

/// Those of the user; `cargo bench` adds one of its own.
fn argument(at: usize) -> Option<String> {
    std::env::args().skip(1).filter(|arg| arg != "--bench").nth(at)
}
