//! What a handler can do with connections.

mod answer;
mod client;
mod dial;
mod flow;
mod keep;
mod publish;
mod send;
mod timing;

#[cfg(feature = "backplane")]
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;
use slab::Slab;

use super::agenda::Agenda;
#[cfg(feature = "backplane")]
use super::backplane::Backplane;
use super::budget::Budget;
use super::clients::Clients;
use super::clock::Clock;
use super::ended::ShutdownReport;
use super::fanout::Fanout;
#[cfg(feature = "backplane")]
use super::follows::Follows;
use super::id::{ConnId, Tokens};
use super::limits::Admission;
use super::oversized::Oversized;
use super::peer::{Peer, Stage};
use super::pool::{Borrowers, Pool};
use super::rate::Slowed;
use super::settings::Settings;
use super::share::Work;
use super::siblings::{Alone, Siblings};
use super::stats::Stats;
use super::timers::Timers;
use super::topics::Topics;
use super::transport::Transport;
use super::waker::LoopWaker;
use super::wheel::Wheel;
#[cfg(feature = "backplane")]
use crate::backplane::Presence;
use crate::connection::{Config, Outbound, Outcome};
use crate::entropy::SystemEntropy;
use crate::extension::deflate::DeflatePool;

pub use answer::AnswerError;
pub use publish::Reach;
pub use send::Sent;

/// A task for the thread of a loop; see [`Remote::run`](super::Remote::run).
pub type Task<D> = Box<dyn FnOnce(&mut Context<D>) + Send>;

/// The topics in which a connection is present, each with the name that it uses there.
#[cfg(feature = "backplane")]
type Names = Vec<(Box<str>, Box<str>)>;

/// A shutdown in progress.
#[derive(Debug)]
pub(super) struct Shutdown {
    /// In the peers' time.
    pub(super) until: Option<Instant>,
    pub(super) begun: bool,
    pub(super) report: ShutdownReport,
}

/// The connections of a loop, as a handler sees them.
#[derive(Debug)]
pub struct Context<D> {
    pub(super) settings: Settings,
    pub(super) peers: Slab<Peer<D>>,
    pub(super) registry: Registry,
    pub(super) tokens: Tokens,
    pub(super) clock: Clock,
    /// When the loop began.
    start: Instant,
    pub(super) wheel: Wheel,
    /// Empty; kept as memory for the connections whose deadline may have come.
    pub(super) due: Vec<(u32, u16)>,
    /// The work that is left.
    pub(super) agenda: Agenda,
    /// What connections borrow while they need it.
    pub(super) pool: Pool,
    /// The slot of the connection that is being read.
    pub(super) reading: Option<usize>,
    pub(super) stopping: bool,
    pub(super) accepting: bool,
    pub(super) closes_listeners: bool,
    pub(super) shutdown: Option<Shutdown>,
    /// Whether a shutdown has been completed.
    pub(super) was_shut_down: bool,
    pub(super) timers: Timers,
    pub(super) clients: Clients,
    pub(super) topics: Topics,
    /// What the limits count; shared by the whole group, if there is one.
    pub(super) admission: Arc<Admission>,
    /// Connections that take no place, as they are only told that there is none.
    pub(super) turned_away: usize,
    pub(super) stats: Stats,
    pub(super) budget: Budget,
    pub(super) work: Work,
    pub(super) fanout: Fanout,
    pub(super) oversized: Oversized,
    pub(super) slowed: Slowed,
    pub(super) waker: LoopWaker,
    /// The work that HTTP/2 streams have left.
    #[cfg(feature = "http2")]
    pub(super) carried: std::sync::Arc<std::sync::Mutex<super::carrier::Work>>,
    /// The number of this loop in its group.
    #[cfg(feature = "backplane")]
    pub(super) place: usize,
    /// The other loops of a group.
    pub(super) siblings: Box<dyn Siblings>,
    /// The link to other processes, if this loop has it.
    #[cfg(feature = "backplane")]
    pub(super) backplane: Option<Box<Backplane>>,
    /// Whether another loop of the group has the link.
    #[cfg(feature = "backplane")]
    pub(super) has_gateway: bool,
    /// Whether messages for everywhere go through the engine and only then to connections here.
    #[cfg(feature = "backplane")]
    pub(super) ordered: bool,
    /// Whether the engine keeps histories.
    #[cfg(feature = "backplane")]
    pub(super) has_history: bool,
    /// Who is present at all nodes, and as whom our connections are.
    #[cfg(feature = "backplane")]
    pub(super) presence: Option<Presence>,
    #[cfg(feature = "backplane")]
    pub(super) present: HashMap<ConnId, Names>,
    /// The connections that follow topics through their histories.
    #[cfg(feature = "backplane")]
    pub(super) follows: Follows,
    /// Signs the payloads of our Pings.
    secret: RandomState,
    generation: u32,
    entropy: SystemEntropy,
}

/// Returns the error of operations that begin something new during a shutdown.
pub(super) fn shutting_down() -> io::Error {
    io::Error::other("the loop shuts down")
}

impl<D: Default> Context<D> {
    pub(super) fn new(settings: Settings, registry: Registry, tokens: Tokens, now: Instant) -> Self {
        Self {
            waker: LoopWaker::default(),
            #[cfg(feature = "http2")]
            carried: std::sync::Arc::default(),
            admission: Arc::new(Admission::new(settings.accept_rate, now)),
            settings,
            peers: Slab::new(),
            registry,
            tokens,
            clock: Clock::new(now),
            start: now,
            wheel: Wheel::new(now),
            due: Vec::new(),
            agenda: Agenda::default(),
            pool: Pool::new(),
            reading: None,
            stopping: false,
            accepting: true,
            closes_listeners: false,
            shutdown: None,
            was_shut_down: false,
            timers: Timers::default(),
            clients: Clients::default(),
            topics: Topics::default(),
            turned_away: 0,
            stats: Stats::default(),
            budget: Budget::default(),
            work: Work::default(),
            fanout: Fanout::default(),
            oversized: Oversized::default(),
            slowed: Slowed::default(),
            #[cfg(feature = "backplane")]
            place: 0,
            siblings: Box::new(Alone),
            #[cfg(feature = "backplane")]
            backplane: None,
            #[cfg(feature = "backplane")]
            has_gateway: false,
            #[cfg(feature = "backplane")]
            ordered: false,
            #[cfg(feature = "backplane")]
            has_history: false,
            #[cfg(feature = "backplane")]
            presence: None,
            #[cfg(feature = "backplane")]
            present: HashMap::new(),
            #[cfg(feature = "backplane")]
            follows: Follows::default(),
            secret: RandomState::new(),
            generation: 0,
            entropy: SystemEntropy::new(),
        }
    }

    /// Replaces the settings of a connection from now on: timeouts, limits, the way in which messages are delivered.
    pub fn set_config(&mut self, id: ConnId, config: Arc<Config>) {
        if self.peer(id).is_some() {
            self.peers[id.slot as usize].outbound.set_config(config);
            self.watch_deadline(id.slot as usize);
        }
    }

    /// Accepts no connections until [`resume_accepting`](Self::resume_accepting). They wait in the system's backlog.
    pub fn pause_accepting(&mut self) {
        self.accepting = false;
    }

    /// Closes the listeners at the end of this turn: another process that has the same sockets, or listens on the same
    /// address ([`reuse_port`](super::Settings::reuse_port)), accepts from now on. In the second case what waits here
    /// is accepted first, as closing would reset it.
    pub fn stop_listening(&mut self) {
        self.closes_listeners = true;
    }

    /// Accepts connections again.
    pub fn resume_accepting(&mut self) {
        self.accepting = true;
    }

    /// Ends the loop gracefully: accepts no more connections, refuses handshakes, sends every open connection what was
    /// sent to it before and a Close frame with code 1001, and ends all clients; no new one can be opened. Once all are
    /// gone, and after `grace` in any case, [`on_shutdown`](super::Handler::on_shutdown) reports, and the loop returns
    /// from [`run`](super::EventLoop::run). A second call can only shorten the grace.
    pub fn shutdown(&mut self, grace: Duration) {
        let until = self.clock.peer_time().checked_add(grace);
        match &mut self.shutdown {
            None => {
                self.shutdown = Some(Shutdown { until, begun: false, report: ShutdownReport::default() });
            }
            Some(shutdown) => {
                shutdown.until = [shutdown.until, until].into_iter().flatten().min();
            }
        }
    }

    /// Returns whether a shutdown is in progress.
    pub const fn is_shutting_down(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Returns the counters of the loop, with current totals, for which it looks at every connection.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.connections = self.peers.len() as u64;
        stats.topics = self.topics.len() as u64;
        stats.held = self.budget.held() as u64;
        #[cfg(feature = "backplane")]
        {
            stats.backplane = self.backplane_stats();
        }
        for (_, peer) in &self.peers {
            stats.open += u64::from(peer.is_open());
            stats.queued += peer.queued() as u64;
        }
        stats
    }

    /// Returns the transport of a connection, which knows its addresses and, under TLS, its certificates.
    pub fn transport(&self, id: ConnId) -> Option<&Transport> {
        self.peer(id).map(|peer| &peer.transport)
    }

    /// Returns whether the connection is a stream of HTTP/2 (RFC 8441).
    pub fn is_http2(&self, id: ConnId) -> bool {
        self.peer(id).is_some_and(|peer| peer.transport.is_http2())
    }

    /// Returns the address of the peer, if the transport is TCP.
    pub fn peer_addr(&self, id: ConnId) -> Option<SocketAddr> {
        self.transport(id)?.peer_addr()
    }

    /// Returns the address of the client: that of the peer, or, from its request on, of the client that a
    /// [trusted proxy](super::Settings::trusted_proxies) names.
    pub fn client_addr(&self, id: ConnId) -> Option<IpAddr> {
        let forwarded = self.peer(id)?.cold.as_ref().and_then(|cold| cold.forwarded_for);
        forwarded.or_else(|| self.peer_addr(id).map(|peer| peer.ip().to_canonical()))
    }

    /// Returns our own address in this connection, if the transport is TCP.
    pub fn local_addr(&self, id: ConnId) -> Option<SocketAddr> {
        self.transport(id)?.local_addr()
    }

    /// Returns the open connections.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.is_open())
            .map(|(slot, peer)| ConnId { slot: slot as u32, generation: peer.generation })
    }

    /// Returns the program's data of a connection, from the TCP connection on until the last callback.
    pub fn data(&mut self, id: ConnId) -> Option<&mut D> {
        let peer = self.peers.get_mut(id.slot as usize)?;
        (peer.generation == id.generation).then_some(&mut peer.data)
    }

    /// Returns how many bytes wait for a peer.
    pub fn queued(&self, id: ConnId) -> usize {
        self.peer(id).map_or(0, Peer::queued)
    }

    /// Returns whether the connection is open and not closing.
    pub fn is_open(&self, id: ConnId) -> bool {
        self.peer(id).is_some_and(|peer| peer.is_open() && !peer.outbound.sent_close())
    }

    /// Returns the time of this turn.
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// See [`Clock::begin_turn`].
    #[inline]
    pub(super) fn begin_turn(&mut self) {
        if self.clock.is_in_turn() {
            return;
        }
        let first = first_deadline(&self.wheel, &self.clients, self.shutdown.as_ref());
        self.clock.begin_turn(first);
    }

    /// See [`Clock::look`].
    pub(super) fn look_at_clock(&mut self) {
        let first = first_deadline(&self.wheel, &self.clients, self.shutdown.as_ref());
        self.clock.look(first);
    }

    /// See [`Clock::set`].
    #[inline]
    pub(super) fn set_time(&mut self, now: Instant) {
        let first = first_deadline(&self.wheel, &self.clients, self.shutdown.as_ref());
        self.clock.set(now, first);
    }

    /// See [`Clock::give`].
    pub(super) fn give_time(&mut self, now: Instant) {
        let first = first_deadline(&self.wheel, &self.clients, self.shutdown.as_ref());
        self.clock.give(now, first);
    }

    /// See [`Clock::due_by`].
    pub(super) fn due_by(&mut self, listeners: usize) -> Option<Instant> {
        let first = self.first_deadline();
        self.clock.due_by(first, self.peers.len() + listeners + 1)
    }

    /// Returns when the first deadline of a peer comes, in the peers' time.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        first_deadline(&self.wheel, &self.clients, self.shutdown.as_ref())()
    }

    /// Returns the settings of the loop.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns what connections share for permessage-deflate: what was compressed, and the memory for it.
    pub const fn deflate(&self) -> &DeflatePool {
        &self.pool.deflate
    }

    /// Makes the loop return from [`run`](super::EventLoop::run) at the end of this turn. Connections stay as they are.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Makes this loop and all others of its group return from their `run`.
    pub fn stop_everywhere(&mut self) {
        self.stopping = true;
        self.siblings.stop();
    }

    /// Takes a place for one more connection, if there is one.
    pub(super) fn reserve(&self) -> bool {
        self.peers.len() < self.tokens.slots() && self.admission.reserve(self.settings.max_connections)
    }

    /// Counts the end of an open connection.
    pub(super) fn count_end(&mut self, id: ConnId, outcome: &Outcome) {
        self.stats.closed += 1;
        self.stats.close_codes.count(outcome.code());
        if let Some(shutdown) = &mut self.shutdown {
            if outcome.is_clean() {
                shutdown.report.closed += 1;
            } else {
                shutdown.report.cut.push(id);
            }
        }
    }

    pub(super) fn insert(
        &mut self,
        mut transport: Transport,
        outbound: Outbound,
        stage: Stage,
    ) -> io::Result<ConnId> {
        if self.peers.len() >= self.tokens.slots() {
            return Err(io::Error::other("there are as many connections as the loop has tokens for"));
        }
        if self.shutdown.as_ref().is_some_and(|shutdown| shutdown.begun) {
            return Err(shutting_down());
        }
        self.generation = self.generation.wrapping_add(1);
        let entry = self.peers.vacant_entry();
        let slot = entry.key();
        let id = ConnId { slot: slot as u32, generation: self.generation };
        transport.register(&self.registry, self.tokens.connection(id))?;
        self.budget.enter(transport.memory());
        entry.insert(Peer::new(
            transport,
            outbound,
            stage,
            id.generation,
            self.clock.peer_time(),
            D::default(),
        ));
        self.admission.enter();
        self.agenda.enter(slot);
        self.watch_deadline(slot);
        Ok(id)
    }

    /// Makes sure that the wheel looks at the connection when something is due.
    pub(super) fn watch_deadline(&mut self, slot: usize) {
        let peer = &mut self.peers[slot];
        if let Some(mut at) = peer.deadline(&self.settings, &self.wheel) {
            // What arrives can only postpone a deadline, with one exception: after a Pong the next Ping is due before
            // the Pong was. Nothing reports that to the wheel, so it looks in time for that.
            if let Some(next_ping) =
                peer.outbound.config().ping_interval.and_then(|wait| self.clock.peer_time().checked_add(wait))
                && peer.is_open()
            {
                at = at.min(next_ping);
            }
            peer.wheel = self.wheel.enter(slot as u32, at, peer.wheel);
        }
    }

    /// Returns whether this is the standing connection of a client, and no longer an attempt.
    pub(super) fn stands(&self, slot: usize) -> bool {
        self.peers[slot].cold.as_ref().is_some_and(|cold| cold.client.is_some())
    }

    /// Returns the id of the connection in this slot, which must exist.
    #[inline]
    pub(super) fn id(&self, slot: usize) -> ConnId {
        ConnId { slot: slot as u32, generation: self.peers[slot].generation }
    }

    #[inline]
    pub(super) fn peer(&self, id: ConnId) -> Option<&Peer<D>> {
        self.peers.get(id.slot as usize).filter(|peer| peer.generation == id.generation)
    }
}

impl<D> Borrowers for Context<D> {
    #[inline]
    fn pool_and(&mut self, slot: usize) -> (&mut Pool, &mut Outbound) {
        (&mut self.pool, &mut self.peers[slot].outbound)
    }
}

/// Returns a closure for the first deadline of a peer, in the peers' time, for callers that need it.
#[inline]
fn first_deadline(
    wheel: &Wheel,
    clients: &Clients,
    shutdown: Option<&Shutdown>,
) -> impl FnOnce() -> Option<Instant> {
    move || {
        let shutdown = shutdown.and_then(|shutdown| shutdown.until);
        [wheel.next(), clients.timers.next(), shutdown].into_iter().flatten().min()
    }
}
