//! A loop whose connections are in memory. The test decides what arrives, what the peer takes and when a turn runs.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::time::Instant;

use bowsprit::event_loop::{ConnId, Engine, Handler, Readiness, Settings, Stream, Transport};
use bowsprit::handshake::ClientRequest;
use mio::{Poll, Token};

thread_local! {
    pub static WIRES: RefCell<Vec<Wire>> = const { RefCell::new(Vec::new()) };
}

/// The bytes to a connection of the loop, and from it.
#[derive(Default)]
pub struct Wire {
    pub to: Vec<u8>,
    pub from: Vec<u8>,
    /// The peer reads nothing.
    pub is_full: bool,
    /// The peer reads no more than this many bytes.
    pub room: Option<usize>,
    pub is_gone: bool,
    /// Writes fail; what has arrived can still be read.
    pub is_broken: bool,
    /// The peer has ended its direction.
    pub has_ended: bool,
    /// Each read returns one byte, and counts this many bytes as taken by a layer for itself.
    pub overhead: Option<usize>,
    pub reads: usize,
    pub writes: usize,
}

struct Fake(usize);

impl Read for Fake {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        WIRES.with_borrow_mut(|wires| {
            wires[self.0].reads += 1;
            let most = if wires[self.0].overhead.is_some() { 1 } else { buf.len() };
            let to = &mut wires[self.0].to;
            let len = most.min(to.len());
            buf[..len].copy_from_slice(&to[..len]);
            to.drain(..len);
            let waits = len == 0 && !wires[self.0].has_ended;
            if waits { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(len) }
        })
    }
}

impl Write for Fake {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        WIRES.with_borrow_mut(|wires| wires[self.0].writes += 1);
        WIRES.with_borrow_mut(|wires| match &mut wires[self.0] {
            Wire { is_broken: true, .. } => Err(io::ErrorKind::BrokenPipe.into()),
            Wire { is_full: true, .. } | Wire { room: Some(0), .. } => Err(io::ErrorKind::WouldBlock.into()),
            wire => {
                let len = wire.room.map_or(buf.len(), |room| room.min(buf.len()));
                wire.room = wire.room.map(|room| room - len);
                wire.from.extend_from_slice(&buf[..len]);
                Ok(len)
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Fake {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn has_overhead(&self) -> bool {
        true
    }

    fn take_overhead(&mut self) -> usize {
        WIRES.with_borrow(|wires| wires[self.0].overhead.unwrap_or_default())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        WIRES.with_borrow_mut(|wires| wires[self.0].is_gone = true);
    }
}

pub struct World<H> {
    pub engine: Engine<()>,
    pub handler: H,
    pub conns: Vec<(ConnId, Token)>,
    _poll: Poll,
}

impl<H: Handler<Data = ()>> World<H> {
    pub fn new(handler: H, connections: usize, change: impl FnOnce(&mut Settings)) -> Self {
        WIRES.with_borrow_mut(Vec::clear);
        let poll = Poll::new().unwrap();
        let now = Instant::now();
        let mut settings = Settings::default();
        change(&mut settings);
        let mut engine = Engine::new_at(settings, poll.registry(), 0..10_000, now).unwrap();
        engine.set_time(now);
        let mut world = Self { engine, handler, conns: Vec::new(), _poll: poll };
        for number in 0..connections {
            WIRES.with_borrow_mut(|wires| wires.push(Wire::default()));
            let id = world.engine.adopt(Transport::other(Fake(number))).unwrap();
            world.conns.push((id, world.engine.token_of(id).unwrap()));
            world.arrive(
                number,
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; \
                  server_no_context_takeover\r\n\r\n",
            );
        }
        world.turn();
        WIRES.with_borrow_mut(|wires| wires.iter_mut().for_each(|wire| wire.from = Vec::new()));
        world
    }

    /// Adds a connection of a server, on which nothing has arrived.
    pub fn adopt(&mut self) -> usize {
        let number = self.conns.len();
        WIRES.with_borrow_mut(|wires| wires.push(Wire::default()));
        let id = self.engine.adopt(Transport::other(Fake(number))).unwrap();
        self.conns.push((id, self.engine.token_of(id).unwrap()));
        number
    }

    /// A client of the loop whose server, another connection of it, answers the handshake and is told nothing more.
    pub fn dial(&mut self, request: ClientRequest) -> usize {
        let number = self.conns.len();
        WIRES.with_borrow_mut(|wires| wires.push(Wire::default()));
        let transport = Transport::other(Fake(number));
        let id = self.engine.context().dial(transport, request).unwrap();
        self.conns.push((id, self.engine.token_of(id).unwrap()));
        self.engine.ready(self.conns[number].1, Readiness::WRITABLE, &mut self.handler);
        self.turn();
        let server = self.adopt();
        for (from, to) in [(number, server), (server, number)] {
            let bytes = WIRES.with_borrow_mut(|wires| std::mem::take(&mut wires[from].from));
            self.arrive(to, &bytes);
            self.turn();
        }
        number
    }

    pub fn arrive(&mut self, number: usize, bytes: &[u8]) {
        WIRES.with_borrow_mut(|wires| wires[number].to.extend_from_slice(bytes));
        self.engine.ready(self.conns[number].1, Readiness::READABLE, &mut self.handler);
        WIRES.with_borrow_mut(|wires| {
            if wires[number].to.is_empty() {
                wires[number].to = Vec::new();
            }
        });
    }

    /// All the turns that are wanted.
    pub fn turn(&mut self) {
        let now = self.engine.context().now();
        for _ in 0..1000 {
            self.engine.on_time(now, &mut self.handler);
            if self.engine.next_deadline().is_none_or(|at| at > now) {
                return;
            }
        }
    }

    pub fn held(&mut self) -> usize {
        self.engine.context().stats().held as usize
    }

    pub fn fill(&mut self, is_full: bool) {
        WIRES.with_borrow_mut(|wires| wires.iter_mut().for_each(|wire| wire.is_full = is_full));
    }
}
