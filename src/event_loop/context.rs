//! What a handler can do with connections.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::net::TcpStream;
use slab::Slab;

use super::agenda::{Agenda, Verdict};
use super::clients::Clients;
use super::clock::Clock;
use super::ended::ShutdownReport;
use super::id::{ConnId, Tokens};
use super::limits::Admission;
use super::peer::{Answer, Opening, Peer, Stage, Waiting};
use super::pool::{Borrowers, Loan, Pool};
use super::settings::{Overflow, Pressure, Settings};
use super::stats::Stats;
use super::timers::{TimerId, Timers};
use super::topics::{SubscribeError, Topics};
use super::transport::Transport;
use super::waker::LoopWaker;
use super::wheel::Wheel;
use crate::close::CloseReason;
use crate::connection::{Config, Outbound, Outcome, SendError, SendQueue};
use crate::entropy::{Entropy, SystemEntropy};
use crate::extension::Compression;
use crate::extension::deflate::{self, DeflatePool};
use crate::frame::DataKind;
use crate::handshake::{
    AcceptError, Acceptance, ClientHandshake, ClientRequest, Refusal, Request, ServerHandshake,
};
use crate::message::{Message, Prepared};

/// What became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It goes out at the end of this turn, with everything else that the turn sends there.
    Now,
    /// The peer reads more slowly than we write; so many bytes wait.
    Queued(usize),
    /// Too much waits, and [`Overflow::DropData`] is the policy: it is dropped.
    Dropped,
    /// The connection is closing, closed or unknown, or too much waits and [`Overflow::Close`] is the policy.
    Closed,
    /// It must not be sent; nothing happened.
    Refused(SendError),
}

/// A piece of work for the thread of a loop; see [`Remote::run`](super::Remote::run).
pub type Task<D> = Box<dyn FnOnce(&mut Context<D>) + Send>;

/// The other loops of a group.
pub(super) trait Siblings: fmt::Debug + Send {
    /// Says how many did not take it.
    fn broadcast(&self, message: &Prepared) -> usize;
    /// Says how many did not take it.
    fn publish(&self, topic: &str, message: &Prepared) -> usize;
    fn stop(&self);
}

/// The siblings of a loop that is in no group.
#[derive(Debug)]
struct Alone;

impl Siblings for Alone {
    fn broadcast(&self, _: &Prepared) -> usize {
        0
    }

    fn publish(&self, _: &str, _: &Prepared) -> usize {
        0
    }

    fn stop(&self) {}
}

/// A shutdown that goes on.
#[derive(Debug)]
pub(super) struct Shutdown {
    /// In the time of the peers.
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
    /// Empty: memory for those whose deadline may have come.
    pub(super) due: Vec<(u32, u16)>,
    /// What is still to be done with whom.
    pub(super) agenda: Agenda,
    /// What connections borrow while they need it.
    pub(super) pool: Pool,
    /// The slot of the connection that is being read.
    pub(super) reading: Option<usize>,
    pub(super) stopping: bool,
    pub(super) accepting: bool,
    pub(super) shutdown: Option<Shutdown>,
    /// A shutdown is done.
    pub(super) was_shut_down: bool,
    pub(super) timers: Timers,
    pub(super) clients: Clients,
    pub(super) topics: Topics,
    /// What limits look at; of the whole group, where there is one.
    pub(super) admission: Arc<Admission>,
    /// Connections that take no place, as they are only told that there is none.
    pub(super) turned_away: usize,
    pub(super) stats: Stats,
    pub(super) waker: LoopWaker,
    /// The other loops of a group.
    pub(super) siblings: Box<dyn Siblings>,
    /// Signs what Pings of ours carry.
    secret: RandomState,
    generation: u32,
    entropy: SystemEntropy,
}

/// Why nothing new begins.
pub(super) fn shutting_down() -> io::Error {
    io::Error::other("the loop shuts down")
}

/// Why the answer to a request is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// No request of this connection waits for an answer: it has one, or was given up.
    NotWaiting,
    /// The answer does not fit the request, which goes on waiting.
    Unfit(AcceptError),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::NotWaiting => f.write_str("no request of this connection waits for an answer"),
            AnswerError::Unfit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AnswerError {}

/// Bytes of a Ping that is measured: when it was sent, and a signature.
const TIMED_PING: usize = 16;

impl<D: Default> Context<D> {
    pub(super) fn new(settings: Settings, registry: Registry, tokens: Tokens, now: Instant) -> Self {
        Self {
            waker: LoopWaker::default(),
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
            shutdown: None,
            was_shut_down: false,
            timers: Timers::default(),
            clients: Clients::default(),
            topics: Topics::default(),
            turned_away: 0,
            stats: Stats::default(),
            siblings: Box::new(Alone),
            secret: RandomState::new(),
            generation: 0,
            entropy: SystemEntropy::new(),
        }
    }

    /// Sends a message.
    #[inline]
    pub fn send(&mut self, id: ConnId, message: Message<'_>) -> Sent {
        let sent = self.send_with(id, |outbound| outbound.send(message));
        self.count_message(sent)
    }

    /// Sends a message, with a choice about its compression.
    pub fn send_compressed(&mut self, id: ConnId, message: Message<'_>, choice: Compression) -> Sent {
        let sent = self.send_with(id, |outbound| outbound.send_with(message, choice));
        self.count_message(sent)
    }

    /// Sends a text message.
    pub fn send_text(&mut self, id: ConnId, text: &str) -> Sent {
        self.send(id, Message::Text(text))
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, id: ConnId, bytes: &[u8]) -> Sent {
        self.send(id, Message::Binary(bytes))
    }

    /// Sends a message that was encoded before.
    pub fn send_prepared(&mut self, id: ConnId, message: &Prepared) -> Sent {
        let sent = self.send_with(id, |outbound| outbound.send_prepared(message));
        self.count_message(sent)
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
        let sent = self.send_with(id, |outbound| outbound.end(part));
        self.count_message(sent)
    }

    /// Sends a Ping.
    pub fn ping(&mut self, id: ConnId, payload: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.ping(payload))
    }

    /// Sends a Ping that [`round_trip`](Self::round_trip) knows again.
    pub fn ping_timed(&mut self, id: ConnId) -> Sent {
        let payload = self.timed_ping(id);
        self.ping(id, &payload)
    }

    /// How long ago the Ping was sent that a Pong with this payload answers, where it was one of the loop's own or of
    /// [`ping_timed`](Self::ping_timed).
    ///
    /// Nothing is kept for it: the payload says when it was sent, and is signed, so that a peer cannot claim to be
    /// faster than it is.
    pub fn round_trip(&self, id: ConnId, payload: &[u8]) -> Option<Duration> {
        let payload: &[u8; TIMED_PING] = payload.try_into().ok()?;
        let (sent, _) = payload.split_first_chunk()?;
        let sent = u64::from_be_bytes(*sent);
        let since = u64::try_from(self.now().saturating_duration_since(self.start).as_nanos()).ok()?;
        (self.signed(id, sent) == *payload).then(|| Duration::from_nanos(since.saturating_sub(sent)))
    }

    /// The payload of a Ping that is sent now.
    pub(super) fn timed_ping(&self, id: ConnId) -> [u8; TIMED_PING] {
        let since = self.now().saturating_duration_since(self.start).as_nanos();
        self.signed(id, u64::try_from(since).unwrap_or(u64::MAX))
    }

    fn signed(&self, id: ConnId, sent: u64) -> [u8; TIMED_PING] {
        let mut payload = [0; TIMED_PING];
        payload[..8].copy_from_slice(&sent.to_be_bytes());
        payload[8..].copy_from_slice(&self.secret.hash_one((id, sent)).to_be_bytes());
        payload
    }

    /// Sends a Pong.
    pub fn pong(&mut self, id: ConnId, payload: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.pong(payload))
    }

    /// Begins the closing handshake; what was sent before still goes out. [`on_close`](super::Handler::on_close)
    /// tells when it is done.
    pub fn close(&mut self, id: ConnId, reason: Option<CloseReason<'_>>) -> Sent {
        let sent = self.send_with(id, |outbound| outbound.close(reason));
        if sent.is_queued()
            && let Some(cold) = &mut self.peers[id.slot as usize].cold
        {
            cold.closed_here = true;
        }
        sent
    }

    /// Ends the connection at once, without a closing handshake; what was sent and has not gone out is lost.
    pub fn abort(&mut self, id: ConnId) {
        if self.peer(id).is_some() {
            self.agenda.decide(id.slot as usize, Verdict::Abort);
        }
    }

    /// Fails an open connection with code 1011: the program met a condition that it did not expect. Nothing more is
    /// read from it. A connection that is not open yet is given up.
    pub fn fail(&mut self, id: ConnId) {
        if self.peer(id).is_some() {
            self.agenda.decide(id.slot as usize, Verdict::Fail);
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

    /// Sends a message that was encoded before to every open connection; says to how many.
    pub fn broadcast_prepared(&mut self, message: &Prepared) -> usize {
        self.send_to_all(message, |_| true)
    }

    /// Sends `message` to every open connection that `to` picks, encoded once; says to how many.
    pub fn broadcast_to(&mut self, message: Message<'_>, to: impl FnMut(ConnId) -> bool) -> usize {
        self.send_to_all(&Prepared::new(message), to)
    }

    fn send_to_all(&mut self, message: &Prepared, mut to: impl FnMut(ConnId) -> bool) -> usize {
        let mut receivers = 0;
        for slot in 0..self.peers.capacity() {
            let Some(peer) = self.peers.get(slot) else { continue };
            // Slots are numbered by `u32`: a process has fewer descriptors.
            let id = ConnId { slot: slot as u32, generation: peer.generation };
            if peer.is_open() && to(id) {
                receivers += usize::from(self.send_prepared(id, message).is_queued());
            }
        }
        receivers
    }

    /// Sends a message to every open connection of every loop of the group ([`Loops`](super::Loops)).
    pub fn broadcast_everywhere(&mut self, message: Message<'_>) -> Everywhere {
        let prepared = Prepared::new(message);
        let behind = self.siblings.broadcast(&prepared);
        self.stats.behind += behind as u64;
        Everywhere { here: self.broadcast_prepared(&prepared), behind }
    }

    /// Sends a message to every open connection of every loop of the group but one, which is of this loop.
    pub fn broadcast_everywhere_others(&mut self, message: Message<'_>, but: ConnId) -> Everywhere {
        let prepared = Prepared::new(message);
        let behind = self.siblings.broadcast(&prepared);
        self.stats.behind += behind as u64;
        Everywhere { here: self.send_to_all(&prepared, |id| id != but), behind }
    }

    /// Subscribes a connection to a topic; says whether it had not been.
    ///
    /// A topic exists while somebody subscribes to it. A connection leaves its topics when it closes.
    ///
    /// # Errors
    ///
    /// Where the connection is not open, or has too many subscriptions.
    pub fn subscribe(&mut self, id: ConnId, topic: &str) -> Result<bool, SubscribeError> {
        if !self.is_open(id) {
            return Err(SubscribeError::Closed);
        }
        let links = &mut self.peers[id.slot as usize].cold().topics;
        if let Some(topic) = self.topics.find(topic)
            && links.iter().any(|link| link.to == topic)
        {
            return Ok(false);
        }
        if links.len() >= self.settings.max_subscriptions {
            return Err(SubscribeError::TooMany);
        }
        let topic = self.topics.find_or_make(topic);
        self.topics.enter(topic, id.slot, links);
        Ok(true)
    }

    /// Ends a subscription; says whether there was one.
    pub fn unsubscribe(&mut self, id: ConnId, topic: &str) -> bool {
        if self.peer(id).is_none() {
            return false;
        }
        let Some(topic) = self.topics.find(topic) else { return false };
        let Some(cold) = &mut self.peers[id.slot as usize].cold else { return false };
        let Some(index) = cold.topics.iter().position(|link| link.to == topic) else { return false };
        let mut links = std::mem::take(&mut cold.topics);
        self.leave(&mut links, index);
        self.peers[id.slot as usize].cold().topics = links;
        true
    }

    /// Sends a message to the subscribers of a topic, encoded once; says to how many.
    pub fn publish(&mut self, topic: &str, message: Message<'_>) -> usize {
        self.publish_to(topic, message, None)
    }

    /// Sends a message to the subscribers of a topic but one; says to how many.
    pub fn publish_others(&mut self, topic: &str, message: Message<'_>, but: ConnId) -> usize {
        let but = self.peer(but).map(|_| but.slot);
        self.publish_to(topic, message, but)
    }

    /// Sends a message that was encoded before to the subscribers of a topic; says to how many.
    pub fn publish_prepared(&mut self, topic: &str, message: &Prepared) -> usize {
        self.topics.find(topic).map_or(0, |topic| self.send_to_topic(topic, message, None))
    }

    /// Sends a message to the subscribers of a topic in every loop of the group ([`Loops`](super::Loops)).
    pub fn publish_everywhere(&mut self, topic: &str, message: Message<'_>) -> Everywhere {
        let prepared = Prepared::new(message);
        let behind = self.siblings.publish(topic, &prepared);
        self.stats.behind += behind as u64;
        Everywhere { here: self.publish_prepared(topic, &prepared), behind }
    }

    /// Sends a message to the subscribers of a topic in every loop of the group but one, which is of this loop.
    pub fn publish_everywhere_others(
        &mut self,
        topic: &str,
        message: Message<'_>,
        but: ConnId,
    ) -> Everywhere {
        let prepared = Prepared::new(message);
        let behind = self.siblings.publish(topic, &prepared);
        self.stats.behind += behind as u64;
        let but = self.peer(but).map(|_| but.slot);
        let here = self.topics.find(topic).map_or(0, |topic| self.send_to_topic(topic, &prepared, but));
        Everywhere { here, behind }
    }

    fn publish_to(&mut self, topic: &str, message: Message<'_>, but: Option<u32>) -> usize {
        match self.topics.find(topic) {
            None => 0,
            Some(topic) => self.send_to_topic(topic, &Prepared::new(message), but),
        }
    }

    fn send_to_topic(&mut self, topic: u32, message: &Prepared, but: Option<u32>) -> usize {
        let subscribers = self.topics.lend(topic);
        let mut receivers = 0;
        for link in &subscribers {
            if Some(link.to) != but {
                let id = self.id(link.to as usize);
                receivers += usize::from(self.send_prepared(id, message).is_queued());
            }
        }
        self.topics.give_back(topic, subscribers);
        receivers
    }

    /// How many have subscribed to a topic.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.topics.find(topic).map_or(0, |topic| self.topics.subscribers(topic).len())
    }

    /// Who has subscribed to a topic.
    pub fn subscribers_of(&self, topic: &str) -> impl Iterator<Item = ConnId> + '_ {
        let links = self.topics.find(topic).map_or(&[][..], |topic| self.topics.subscribers(topic));
        links.iter().map(|link| self.id(link.to as usize))
    }

    /// The topics that a connection has subscribed to.
    pub fn topics_of(&self, id: ConnId) -> impl Iterator<Item = &str> + '_ {
        let links = self.peer(id).and_then(|peer| peer.cold.as_ref()).map_or(&[][..], |cold| &cold.topics);
        links.iter().map(|link| &**self.topics.name(link.to))
    }

    /// All topics, each with the number of its subscribers.
    pub fn topics(&self) -> impl Iterator<Item = (&str, usize)> + '_ {
        self.topics.names()
    }

    /// Accepts a request that was left for [later](super::Decision::Later). What is sent from now on follows the
    /// acceptance; [`on_open`](super::Handler::on_open) comes when the callback has returned.
    ///
    /// # Errors
    ///
    /// Where the request does not wait any more, or the answer does not fit it.
    pub fn accept(&mut self, id: ConnId, acceptance: &Acceptance) -> Result<(), AnswerError> {
        let acceptance = self.request(id).map(|request| self.complete(acceptance.clone(), request));
        let acceptance = acceptance.ok_or(AnswerError::NotWaiting)?;
        let waiting = self.waiting(id)?;
        let (response, agreement) = waiting.request.accept(&acceptance).map_err(AnswerError::Unfit)?;
        waiting.answer = Some(Answer::Accept(agreement));
        self.queue_of(id.slot as usize).push(&response);
        self.agenda.decide(id.slot as usize, Verdict::Answer);
        Ok(())
    }

    /// Refuses a request that was left for [later](super::Decision::Later).
    ///
    /// # Errors
    ///
    /// Where the request does not wait any more.
    pub fn refuse(&mut self, id: ConnId, refusal: Refusal) -> Result<(), AnswerError> {
        self.waiting(id)?.answer = Some(Answer::Refuse(refusal));
        self.agenda.decide(id.slot as usize, Verdict::Answer);
        Ok(())
    }

    /// The request of a connection that waits for its answer.
    pub fn request(&self, id: ConnId) -> Option<&Request> {
        match &self.peer(id)?.stage {
            Stage::Waiting(waiting) => Some(&waiting.request),
            _ => None,
        }
    }

    /// What is accepted, with the answer to an offer of permessage-deflate unless the handler has given one.
    pub(super) fn complete(&self, mut acceptance: Acceptance, request: &Request) -> Acceptance {
        let answer = deflate::answer(self.settings.connection.deflate, request.extensions());
        if let Some(answer) = answer
            && !acceptance.extensions.iter().any(|extension| extension.name() == answer.name())
        {
            acceptance.extensions.push(answer);
        }
        acceptance
    }

    fn waiting(&mut self, id: ConnId) -> Result<&mut Waiting, AnswerError> {
        if self.peer(id).is_some() && self.agenda.is_decided(id.slot as usize) {
            return Err(AnswerError::NotWaiting);
        }
        let peer = self.peers.get_mut(id.slot as usize).filter(|peer| peer.generation == id.generation);
        match peer {
            Some(Peer { stage: Stage::Waiting(waiting), .. }) if waiting.answer.is_none() => Ok(waiting),
            _ => Err(AnswerError::NotWaiting),
        }
    }

    /// Sets a timer that comes once, `after` from now; `tag` is for the program to know it by.
    pub fn set_timer(&mut self, after: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(after), None, tag, None)
    }

    /// Sets a timer that comes again and again, at most once in a millisecond. It does not drift; where the loop was
    /// too late for some, they come as one.
    pub fn set_timer_every(&mut self, every: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(every), Some(every), tag, None)
    }

    /// Sets a timer that belongs to a connection: it does not come once that is no longer open.
    pub fn set_timer_for(&mut self, id: ConnId, after: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(after), None, tag, Some(id))
    }

    /// Cancels a timer; says whether it was still to come.
    pub fn cancel_timer(&mut self, id: TimerId) -> bool {
        self.timers.cancel(id)
    }

    /// Reads nothing more from a connection, so that its peer has to wait, until [`resume`](Self::resume). Silence of
    /// a connection that is paused is not held against it. What was read before still comes.
    pub fn pause(&mut self, id: ConnId) {
        if self.peer(id).is_some() {
            let peer = &mut self.peers[id.slot as usize];
            peer.cold().paused = true;
            peer.held = true;
        }
    }

    /// Reads on.
    pub fn resume(&mut self, id: ConnId) {
        if self.peer(id).is_some()
            && let Some(cold) = &mut self.peers[id.slot as usize].cold
        {
            cold.paused = false;
            self.release(id.slot as usize);
        }
    }

    /// Has `producer` wait until `reader` has read so much that no more than its low watermark waits for it: what
    /// [`Overflow::Block`] does by itself. Nothing happens where so little waits already, or the reader is over;
    /// however it ends, the producer is read from again.
    pub fn pause_until_drained(&mut self, producer: ConnId, reader: ConnId) {
        let is_open = self.peer(reader).is_some_and(Peer::is_open);
        if producer == reader || !is_open || self.peer(producer).is_none() {
            return;
        }
        let low = self.peers[reader.slot as usize].pressure(&self.settings).low_watermark;
        let peer = &mut self.peers[reader.slot as usize];
        if peer.outbound.queued() <= low {
            return;
        }
        peer.congested = true; // so that its being drained is noticed
        let producers = &mut peer.cold().producers;
        if producers.contains(&producer) {
            return;
        }
        producers.push(producer);
        let peer = &mut self.peers[producer.slot as usize];
        peer.cold().waits += 1;
        peer.held = true;
    }

    /// Lets those read on that wait for `reader`.
    pub(super) fn release_producers(&mut self, reader: usize) {
        let Some(cold) = &mut self.peers[reader].cold else { return };
        for id in std::mem::take(&mut cold.producers) {
            let slot = id.slot as usize;
            let peer = self.peers.get_mut(slot).filter(|peer| peer.generation == id.generation);
            if let Some(cold) = peer.and_then(|peer| peer.cold.as_mut()) {
                cold.waits = cold.waits.saturating_sub(1);
                self.release(slot);
            }
        }
    }

    fn release(&mut self, slot: usize) {
        let peer = &mut self.peers[slot];
        let may_read = peer.cold.as_ref().is_none_or(|cold| !cold.paused && cold.waits == 0);
        if peer.held && may_read {
            peer.held = false;
            self.agenda.read(slot);
        }
    }

    /// Has a connection follow other settings than those of the loop, from now on: timeouts, limits, the way in which
    /// messages are delivered.
    pub fn set_config(&mut self, id: ConnId, config: Arc<Config>) {
        if self.peer(id).is_some() {
            self.peers[id.slot as usize].outbound.set_config(config);
            self.watch_deadline(id.slot as usize);
        }
    }

    /// Has a connection treat a peer that does not read in another way than [`Settings`] say.
    pub fn set_pressure(&mut self, id: ConnId, pressure: Pressure) {
        if self.peer(id).is_some() {
            self.peers[id.slot as usize].cold().pressure = Some(pressure);
        }
    }

    /// Has a connection live for another time than [`Settings::max_lifetime`], from its opening on; `None` for ever.
    pub fn set_max_lifetime(&mut self, id: ConnId, most: Option<Duration>) {
        if self.peer(id).is_some() {
            self.peers[id.slot as usize].cold().max_lifetime = Some(most);
            self.watch_deadline(id.slot as usize);
        }
    }

    /// Accepts no connections until [`resume_accepting`](Self::resume_accepting). They wait in the system's backlog.
    pub fn pause_accepting(&mut self) {
        self.accepting = false;
    }

    /// Accepts connections again.
    pub fn resume_accepting(&mut self) {
        self.accepting = true;
    }

    /// Ends the loop so that its peers know: no connection is accepted any more, handshakes are refused, every open
    /// connection gets what was sent to it before and a Close frame with code 1001, no client tries any more and no new
    /// one can be opened. Once all are gone, and after
    /// `grace` in any case, [`on_shutdown`](super::Handler::on_shutdown) reports, and the loop returns from
    /// [`run`](super::EventLoop::run). A second call can only shorten the grace.
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

    /// Whether a shutdown goes on.
    pub const fn is_shutting_down(&self) -> bool {
        self.shutdown.is_some()
    }

    /// The counters of the loop, with what there is now; to tell that takes a look at every connection.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.connections = self.peers.len() as u64;
        stats.topics = self.topics.len() as u64;
        for (_, peer) in &self.peers {
            stats.open += u64::from(peer.is_open());
            stats.queued += peer.outbound.queued() as u64;
        }
        stats
    }

    /// What a connection reads from and writes to: the way to its addresses and, under TLS, to its certificates.
    pub fn transport(&self, id: ConnId) -> Option<&Transport> {
        self.peer(id).map(|peer| &peer.transport)
    }

    /// The address of the peer, where the transport is TCP.
    pub fn peer_address(&self, id: ConnId) -> Option<SocketAddr> {
        self.transport(id)?.peer_address()
    }

    /// Our own address in this connection, where the transport is TCP.
    pub fn local_address(&self, id: ConnId) -> Option<SocketAddr> {
        self.transport(id)?.local_address()
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

    /// Bytes that wait for a peer.
    pub fn queued(&self, id: ConnId) -> usize {
        self.peer(id).map_or(0, |peer| peer.outbound.queued())
    }

    /// Whether the connection is open and not closing.
    pub fn is_open(&self, id: ConnId) -> bool {
        self.peer(id).is_some_and(|peer| peer.is_open() && !peer.outbound.sent_close())
    }

    /// The time of this turn.
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// See [`Clock::begin_turn`].
    #[inline]
    pub(super) fn begin_turn(&mut self) {
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

    /// When the first deadline of a peer comes, in the time of the peers.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        first_deadline(&self.wheel, &self.clients, self.shutdown.as_ref())()
    }

    /// The settings of the loop.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What connections share for permessage-deflate: what was compressed, and the memory for it.
    pub const fn deflate(&self) -> &DeflatePool {
        &self.pool.deflate
    }

    /// Opens a connection to the server at `address`. [`on_open`](super::Handler::on_open) or
    /// [`on_failed`](super::Handler::on_failed) tells what became of it.
    ///
    /// # Errors
    ///
    /// Where no socket could be made, and while the loop [shuts down](Self::shutdown).
    pub fn connect(&mut self, address: SocketAddr, request: ClientRequest) -> io::Result<ConnId> {
        let transport = Transport::Tcp(TcpStream::connect(address)?);
        transport.prepare(self.settings.nodelay, self.settings.tcp_keepalive);
        self.dial(transport, request)
    }

    /// Opens a WebSocket over a transport that is connected or about to be. Permessage-deflate is offered where
    /// [`Config::deflate`](crate::connection::Config::deflate) says so.
    ///
    /// # Errors
    ///
    /// Where the transport could not be registered, and while the loop [shuts down](Self::shutdown).
    pub fn dial(&mut self, transport: Transport, mut request: ClientRequest) -> io::Result<ConnId> {
        if let Some(offer) = deflate::offer(self.settings.connection.deflate, request.extensions()) {
            request = request.extension(offer);
        }
        let handshake = ClientHandshake::new(request, self.entropy.nonce());
        let stage = Stage::Dialing(Box::new(Opening { handshake, since: self.clock.peer_time() }));
        let masks = Box::new(SystemEntropy::new());
        let outbound = Outbound::client(self.settings.connection.clone(), masks);
        let id = self.insert(transport, outbound, stage)?;
        self.stats.dialed += 1;
        Ok(id)
    }

    /// Opens a WebSocket as its server over a transport that exists, from an address that has this number.
    pub(super) fn adopt_from(&mut self, transport: Transport, address: u32) -> io::Result<ConnId> {
        let Settings { head, leniency, .. } = self.settings;
        let handshake = ServerHandshake::new(head).with_leniency(leniency);
        let stage = Stage::Server(Box::new(Opening { handshake, since: self.clock.peer_time() }));
        let outbound = Outbound::server(self.settings.connection.clone());
        let id = self.insert(transport, outbound, stage)?;
        self.peers[id.slot as usize].address = address;
        self.stats.accepted += 1;
        Ok(id)
    }

    /// The bytes of our request on a connection that is not open yet.
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

    /// Lets this loop and all others of its group return from their `run`.
    pub fn stop_everywhere(&mut self) {
        self.stopping = true;
        self.siblings.stop();
    }

    /// Takes a place for one more connection, if there is one.
    pub(super) fn reserve(&self) -> bool {
        self.peers.len() < self.tokens.slots() && self.admission.reserve(self.settings.max_connections)
    }

    /// Counts an open connection that is over.
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

    /// An open connection is over: it leaves its topics, and whoever waits for it goes on.
    pub(super) fn leave_all(&mut self, slot: usize) {
        let Some(cold) = &mut self.peers[slot].cold else { return };
        let mut links = std::mem::take(&mut cold.topics);
        while let Some(last) = links.len().checked_sub(1) {
            self.leave(&mut links, last);
        }
        self.release_producers(slot);
    }

    fn leave(&mut self, links: &mut Vec<super::topics::Link>, index: usize) {
        let peers = &mut self.peers;
        self.topics.remove(links, index, |slot| {
            peers.get_mut(slot as usize)?.cold.as_mut().map(|cold| &mut cold.topics)
        });
    }

    #[inline]
    fn count_message(&mut self, sent: Sent) -> Sent {
        if sent.is_queued() {
            self.stats.messages_out += 1;
        }
        sent
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

    /// Sees to it that the wheel comes by when something is due.
    pub(super) fn watch_deadline(&mut self, slot: usize) {
        let peer = &mut self.peers[slot];
        if let Some(mut at) = peer.deadline(&self.settings, &self.wheel) {
            // What arrives can only put a deadline off, with one exception: after a Pong the next Ping is due before
            // the Pong was. Nothing tells the wheel, so it comes by in time for that.
            if let Some(next_ping) =
                peer.outbound.config().ping_interval.and_then(|wait| self.clock.peer_time().checked_add(wait))
                && peer.is_open()
            {
                at = at.min(next_ping);
            }
            peer.wheel = self.wheel.enter(slot as u32, at, peer.wheel);
        }
    }

    /// The queue of a connection, for what is no frame.
    pub(super) fn queue_of(&mut self, slot: usize) -> &mut SendQueue {
        let outbound = &mut self.peers[slot].outbound;
        self.pool.lend_queue(outbound);
        outbound.queue()
    }

    /// The connection in this slot, which there is.
    #[inline]
    pub(super) fn id(&self, slot: usize) -> ConnId {
        ConnId { slot: slot as u32, generation: self.peers[slot].generation }
    }

    #[inline]
    pub(super) fn peer(&self, id: ConnId) -> Option<&Peer<D>> {
        self.peers.get(id.slot as usize).filter(|peer| peer.generation == id.generation)
    }

    #[inline]
    fn send_with(&mut self, id: ConnId, send: impl FnOnce(&mut Outbound) -> Result<(), SendError>) -> Sent {
        let slot = id.slot as usize;
        match self.peer(id) {
            Some(peer) if peer.is_open() && !self.agenda.is_decided(slot) => {}
            _ => return Sent::Closed,
        }
        let mut loan = Loan::to_send(self, slot);
        let result = send(loan.outbound());
        drop(loan);
        match result {
            Ok(()) => {
                let peer = &mut self.peers[slot];
                let queued = peer.outbound.queued();
                let sent = if peer.writable { Sent::Now } else { Sent::Queued(queued) };
                let is_congested = queued > peer.pressure(&self.settings).high_watermark;
                peer.congested |= is_congested;
                self.agenda.write(slot);
                if is_congested {
                    self.congested(id);
                }
                sent
            }
            Err(SendError::Closing) => Sent::Closed,
            Err(SendError::QueueFull) => self.full(slot),
            Err(error) => Sent::Refused(error),
        }
    }

    /// More than the high watermark waits.
    #[cold]
    fn congested(&mut self, reader: ConnId) {
        let overflow = self.peers[reader.slot as usize].pressure(&self.settings).overflow;
        if let (Overflow::Block, Some(producer)) = (overflow, self.reading) {
            self.pause_until_drained(self.id(producer), reader);
        }
    }

    #[cold]
    fn full(&mut self, slot: usize) -> Sent {
        match self.peers[slot].pressure(&self.settings).overflow {
            Overflow::DropData => {
                self.stats.dropped += 1;
                Sent::Dropped
            }
            Overflow::Close | Overflow::Block => {
                self.agenda.decide(slot, Verdict::Overflow);
                Sent::Closed
            }
        }
    }
}

impl<D> Borrowers for Context<D> {
    #[inline]
    fn pool_and(&mut self, slot: usize) -> (&mut Pool, &mut Outbound) {
        (&mut self.pool, &mut self.peers[slot].outbound)
    }
}

/// When the first deadline of a peer comes, in the time of the peers, for those who have to know it.
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

impl Sent {
    /// Whether it goes out, now or later.
    #[inline]
    pub const fn is_queued(self) -> bool {
        matches!(self, Sent::Now | Sent::Queued(_))
    }
}

/// Where something went that was sent to a group of loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Everywhere {
    /// Connections of this loop that it was sent to.
    pub here: usize,
    /// Loops that are behind, or gone, and did not take it.
    pub behind: usize,
}
