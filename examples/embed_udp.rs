//! A program with a UDP socket and timers of its own embeds a WebSocket server.
//!
//! It gathers readings that come as UDP datagrams and passes each on to the WebSocket clients that watch its sensor
//! (`ws://…/NAME` watches NAME), keeps the last one for later clients, and prints every ten seconds how many came.
//! Everything is on one thread, in one `Poll`.
//!
//! ```text
//! cargo run --example embed_udp --features event-loop -- 127.0.0.1:9001 127.0.0.1:9002
//! bowsprit connect ws://127.0.0.1:9001/cellar
//! echo 'cellar 12.5' | nc -u -w0 127.0.0.1 9002
//! ```

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use bowsprit::event_loop::{ConnId, Context, Decision, Engine, Handler, Settings};
use bowsprit::handshake::{Acceptance, Agreement, Request};
use bowsprit::message::Message;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

/// The program, without its WebSocket part.
struct Gatherer {
    udp: UdpSocket,
    readings: Readings,
    report_at: Instant,
    count: u64,
}

/// The state that both parts share.
#[derive(Default)]
struct Readings {
    last: HashMap<String, String>,
}

const UDP: Token = Token(7);
const REPORT: Duration = Duration::from_secs(10);

impl Gatherer {
    /// Takes all waiting datagrams and passes them on.
    fn receive(&mut self, cx: &mut Context<String>) -> io::Result<()> {
        let mut datagram = [0; 512];
        loop {
            match self.udp.recv(&mut datagram) {
                Ok(len) => {
                    let Ok(text) = std::str::from_utf8(&datagram[..len]) else { continue };
                    let Some((sensor, value)) = text.trim().split_once(' ') else { continue };
                    self.count += 1;
                    cx.publish(sensor, Message::Text(value));
                    // A stranger can send datagrams, too, so what is kept is bounded.
                    if self.readings.last.len() < 1000 || self.readings.last.contains_key(sensor) {
                        self.readings.last.insert(sensor.to_owned(), value.to_owned());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// The program's own timer.
    fn on_time(&mut self, now: Instant) {
        if now >= self.report_at {
            self.report_at = now + REPORT;
            println!("{} readings in {} s", std::mem::take(&mut self.count), REPORT.as_secs());
        }
    }
}

/// The WebSocket part: the data of a connection is the sensor that it watches.
impl Handler for Readings {
    type Data = String;

    fn on_request(&mut self, cx: &mut Context<String>, id: ConnId, request: &Request) -> Decision {
        if let Some(sensor) = cx.data(id) {
            *sensor = request.resource().trim_start_matches('/').to_owned();
        }
        Decision::Accept(Acceptance::default())
    }

    fn on_open(&mut self, cx: &mut Context<String>, id: ConnId, _: &Agreement) {
        let Some(sensor) = cx.data(id).map(std::mem::take) else { return };
        if let Some(last) = self.last.get(&sensor) {
            cx.send_text(id, last);
        }
        if let Err(error) = cx.subscribe(id, &sensor) {
            eprintln!("{id} cannot watch {sensor}: {error}");
        }
    }

    fn on_message(&mut self, _: &mut Context<String>, _: ConnId, _: Message<'_>) {} // clients only listen
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut address = || args.next().unwrap_or_else(|| "127.0.0.1:0".into());
    let (http, udp) = (address(), address());

    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut udp = UdpSocket::bind(udp.parse()?)?;
    poll.registry().register(&mut udp, UDP, Interest::READABLE)?;
    let mut engine = Engine::new(Settings::default(), poll.registry(), 1000..100_000)?;
    println!("ws://{}/NAME, readings at udp {}", engine.listen(http.parse()?)?, udp.local_addr()?);

    let mut program =
        Gatherer { udp, readings: Readings::default(), report_at: Instant::now() + REPORT, count: 0 };
    loop {
        // The earlier of the two deadlines.
        let until = engine.next_deadline().map_or(program.report_at, |at| at.min(program.report_at));
        match poll.poll(&mut events, Some(until.saturating_duration_since(Instant::now()))) {
            // Nothing has been looked at, so a peer that seems silent may have sent something.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            match event.token() {
                UDP => program.receive(engine.context())?,
                _ => engine.handle(event, &mut program.readings),
            }
        }
        let now = Instant::now();
        program.on_time(now);
        engine.on_time(now, &mut program.readings);
    }
}
