//! What a handler can do with connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Registry, Token};
use slab::Slab;

use super::peer::{Opening, Peer, Stage, Verdict};
use super::settings::{Overflow, Settings};
use super::transport::Transport;
use super::wheel::Wheel;
use crate::close::CloseReason;
use crate::connection::{Outbound, SendError, SendQueue};
use crate::entropy::{Entropy, SystemEntropy};
use crate::frame::DataKind;
use crate::handshake::{ClientHandshake, ClientRequest};
use crate::message::{Message, Prepared};

/// Names a connection for as long as it lives, and nothing after that: slots are used again, names are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// What became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It goes out at the end of this turn, with everything else that the turn sends there.
    Now,
    /// The peer reads more slowly than we write; so many octets wait.
    Queued(usize),
    /// Too much waits, and [`Overflow::DropData`] is the policy: it is dropped.
    Dropped,
    /// The connection is closing, closed or unknown, or too much waits and [`Overflow::Close`] is the policy.
    Closed,
    /// It must not be sent; nothing happened.
    Refused(SendError),
}

/// The connections of a loop, as a handler sees them.
#[derive(Debug)]
pub struct Context<D> {
    pub(super) settings: Settings,
    pub(super) peers: Slab<Peer<D>>,
    pub(super) registry: Registry,
    pub(super) first_token: usize,
    pub(super) now: Instant,
    pub(super) wheel: Wheel,
    /// Those with something to write.
    pub(super) dirty: Vec<u32>,
    /// Those on which a verdict has been given.
    pub(super) judged: Vec<u32>,
    pub(super) stopping: bool,
    #[expect(clippy::vec_box, reason = "they move into connections that hold one pointer")]
    queues: Vec<Box<SendQueue>>,
    generation: u32,
    entropy: SystemEntropy,
}

/// Empty queues that are kept for the next connection that has something to send.
const SPARE_QUEUES: usize = 4096;

impl<D: Default> Context<D> {
    pub(super) fn new(settings: Settings, registry: Registry, first_token: usize, now: Instant) -> Self {
        Self {
            settings,
            peers: Slab::new(),
            registry,
            first_token,
            now,
            wheel: Wheel::new(now),
            dirty: Vec::new(),
            judged: Vec::new(),
            stopping: false,
            queues: Vec::new(),
            generation: 0,
            entropy: SystemEntropy::new(),
        }
    }

    /// Sends a message.
    #[inline]
    pub fn send(&mut self, id: ConnId, message: Message<'_>) -> Sent {
        self.send_with(id, |outbound| outbound.send(message))
    }

    /// Sends a text message.
    pub fn send_text(&mut self, id: ConnId, text: &str) -> Sent {
        self.send(id, Message::Text(text))
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, id: ConnId, octets: &[u8]) -> Sent {
        self.send(id, Message::Binary(octets))
    }

    /// Sends a message that was encoded before.
    pub fn send_prepared(&mut self, id: ConnId, message: &Prepared) -> Sent {
        self.send_with(id, |outbound| outbound.send_prepared(message))
    }

    /// Sends the first part of a message as a frame of its own; see [`Outbound::begin`].
    pub fn begin(&mut self, id: ConnId, kind: DataKind, part: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.begin(kind, part))
    }

    /// Sends a further part; see [`Outbound::proceed`].
    pub fn proceed(&mut self, id: ConnId, part: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.proceed(part))
    }

    /// Sends the last part; see [`Outbound::end`].
    pub fn end(&mut self, id: ConnId, part: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.end(part))
    }

    /// Sends a Ping.
    pub fn ping(&mut self, id: ConnId, payload: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.ping(payload))
    }

    /// Sends a Pong.
    pub fn pong(&mut self, id: ConnId, payload: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.pong(payload))
    }

    /// Begins the closing handshake; what was sent before still goes out. [`on_close`](super::Handler::on_close)
    /// tells when it is done.
    pub fn close(&mut self, id: ConnId, reason: Option<CloseReason<'_>>) -> Sent {
        self.send_with(id, |outbound| outbound.close(reason))
    }

    /// Ends the connection at once, without a closing handshake; what was sent and has not gone out is lost.
    pub fn abort(&mut self, id: ConnId) {
        if self.peer(id).is_some() {
            self.judge(id.slot, Verdict::Abort);
        }
    }

    /// Sends `message` to every open connection, encoded once; says to how many.
    pub fn broadcast(&mut self, message: Message<'_>) -> usize {
        self.broadcast_to(message, |_| true)
    }

    /// Sends `message` to every open connection but one; says to how many.
    pub fn broadcast_others(&mut self, message: Message<'_>, but: ConnId) -> usize {
        self.broadcast_to(message, |id| id != but)
    }

    /// Sends `message` to every open connection that `to` picks, encoded once; says to how many.
    pub fn broadcast_to(&mut self, message: Message<'_>, mut to: impl FnMut(ConnId) -> bool) -> usize {
        let prepared = Prepared::new(message);
        let mut receivers = 0;
        for slot in 0..self.peers.capacity() {
            let Some(peer) = self.peers.get(slot) else { continue };
            // Slots are numbered by `u32`: a process has fewer descriptors.
            let id = ConnId { slot: slot as u32, generation: peer.generation };
            if peer.is_open() && to(id) {
                let sent = self.send_prepared(id, &prepared);
                receivers += usize::from(matches!(sent, Sent::Now | Sent::Queued(_)));
            }
        }
        receivers
    }

    /// The open connections.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.is_open())
            .map(|(slot, peer)| ConnId { slot: slot as u32, generation: peer.generation })
    }

    /// What the program keeps for a connection, from the TCP connection on until the last callback.
    pub fn data(&mut self, id: ConnId) -> Option<&mut D> {
        let peer = self.peers.get_mut(id.slot as usize)?;
        (peer.generation == id.generation).then_some(&mut peer.data)
    }

    /// Octets that wait for a peer.
    pub fn queued(&self, id: ConnId) -> usize {
        self.peer(id).map_or(0, |peer| peer.outbound.queued())
    }

    /// Whether the connection is open and not closing.
    pub fn is_open(&self, id: ConnId) -> bool {
        self.peer(id).is_some_and(|peer| peer.is_open() && !peer.outbound.sent_close())
    }

    /// The time of this turn.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The settings of the loop.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens a connection to the server at `address`. [`on_open`](super::Handler::on_open) or
    /// [`on_failed`](super::Handler::on_failed) tells what became of it.
    ///
    /// # Errors
    ///
    /// Where no socket could be made.
    pub fn connect(&mut self, address: SocketAddr, request: ClientRequest) -> io::Result<ConnId> {
        let stream = TcpStream::connect(address)?;
        if self.settings.nodelay {
            let _ = stream.set_nodelay(true);
        }
        self.dial(Transport::Tcp(stream), request)
    }

    /// Opens a WebSocket over a transport that is connected or about to be.
    ///
    /// # Errors
    ///
    /// Where the transport could not be registered.
    pub fn dial(&mut self, transport: Transport, request: ClientRequest) -> io::Result<ConnId> {
        let handshake = ClientHandshake::new(request, self.entropy.nonce());
        let stage = Stage::Dialing(Box::new(Opening { handshake, since: self.now }));
        let masks = Box::new(SystemEntropy::new());
        let outbound = Outbound::client(self.settings.connection.clone(), masks);
        self.insert(transport, outbound, stage)
    }

    /// The octets of our request on a connection that is not open yet.
    pub fn handshake_request(&self, id: ConnId) -> Option<&[u8]> {
        match &self.peer(id)?.stage {
            Stage::Dialing(opening) | Stage::Client(opening) => Some(opening.handshake.request()),
            _ => None,
        }
    }

    /// Lets the loop return from [`run`](super::EventLoop::run) at the end of this turn. Connections stay as they are.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    pub(super) fn insert(
        &mut self,
        mut transport: Transport,
        outbound: Outbound,
        stage: Stage,
    ) -> io::Result<ConnId> {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.peers.vacant_entry();
        let slot = entry.key();
        transport.register(&self.registry, Token(self.first_token + slot))?;
        let generation = self.generation;
        entry.insert(Peer::new(transport, outbound, stage, generation, self.now, D::default()));
        self.watch_deadline(slot);
        Ok(ConnId { slot: slot as u32, generation })
    }

    /// Sees to it that the wheel comes by when something is due.
    pub(super) fn watch_deadline(&mut self, slot: usize) {
        let peer = &mut self.peers[slot];
        if let Some(at) = peer.deadline(&self.settings) {
            peer.wheel = self.wheel.enter(slot as u32, at, peer.wheel);
        }
    }

    /// Gives a connection a queue to write to.
    #[inline]
    pub(super) fn lend_queue(&mut self, slot: usize) {
        let peer = &mut self.peers[slot];
        if !peer.outbound.has_queue()
            && let Some(queue) = self.queues.pop()
        {
            peer.outbound.lend_queue(queue);
        }
    }

    /// Takes the queue back if it is empty.
    #[inline]
    pub(super) fn reclaim_queue(&mut self, slot: usize) {
        if let Some(queue) = self.peers[slot].outbound.reclaim_queue()
            && self.queues.len() < SPARE_QUEUES
        {
            self.queues.push(queue);
        }
    }

    #[inline]
    pub(super) fn mark_dirty(&mut self, slot: u32) {
        let peer = &mut self.peers[slot as usize];
        if !peer.dirty {
            peer.dirty = true;
            self.dirty.push(slot);
        }
    }

    fn judge(&mut self, slot: u32, verdict: Verdict) {
        let peer = &mut self.peers[slot as usize];
        if peer.verdict.is_none() {
            peer.verdict = Some(verdict);
            self.judged.push(slot);
        }
    }

    #[inline]
    fn peer(&self, id: ConnId) -> Option<&Peer<D>> {
        self.peers.get(id.slot as usize).filter(|peer| peer.generation == id.generation)
    }

    #[inline]
    fn send_with(&mut self, id: ConnId, send: impl FnOnce(&mut Outbound) -> Result<(), SendError>) -> Sent {
        let slot = id.slot as usize;
        match self.peer(id) {
            Some(peer) if peer.is_open() && peer.verdict.is_none() => {}
            _ => return Sent::Closed,
        }
        self.lend_queue(slot);
        let peer = &mut self.peers[slot];
        match send(&mut peer.outbound) {
            Ok(()) => {
                let queued = peer.outbound.queued();
                let sent = if peer.writable { Sent::Now } else { Sent::Queued(queued) };
                if queued > self.settings.high_watermark {
                    peer.congested = true;
                }
                self.mark_dirty(id.slot);
                sent
            }
            Err(SendError::Closing) => Sent::Closed,
            Err(SendError::QueueFull) => match self.settings.overflow {
                Overflow::DropData => Sent::Dropped,
                Overflow::Close => {
                    self.judge(id.slot, Verdict::Overflow);
                    Sent::Closed
                }
            },
            Err(error) => Sent::Refused(error),
        }
    }
}
