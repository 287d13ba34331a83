//! Sending to one connection, and ending one.

use std::fmt;
use std::hash::BuildHasher;
use std::time::Duration;

use super::Context;
use crate::close::CloseReason;
use crate::connection::driver::{OutboundExt as _, SendQueue};
use crate::connection::{Outbound, SendError};
use crate::event_loop::agenda::{Agenda, Verdict};
use crate::event_loop::backlog::Kept;
use crate::event_loop::id::ConnId;
use crate::event_loop::peer::Peer;
use crate::event_loop::settings::Overflow;
use crate::event_loop::share;
use crate::extension::Compression;
use crate::frame::DataKind;
use crate::message::{Message, Prepared};
use crate::role::Role;

/// The result of sending something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// It goes out at the end of this turn, with everything else that the turn sends there.
    Now,
    /// The peer reads more slowly than we write; this many bytes wait.
    Queued(usize),
    /// Too much waits, and [`Overflow::DropData`] is the policy: it was dropped.
    Dropped,
    /// The connection is closing, closed or unknown, or too much waits and [`Overflow::Close`] is the policy.
    Closed,
    /// It must not be sent, and nothing happened.
    Refused(SendError),
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sent::Now => f.write_str("it goes out"),
            Sent::Queued(bytes) => write!(f, "queued, as the peer reads slowly; bytes that wait: {bytes}"),
            Sent::Dropped => f.write_str("it is dropped, as too much waits"),
            Sent::Closed => f.write_str("the connection is closed"),
            Sent::Refused(error) => error.fmt(f),
        }
    }
}

/// From this length on it matters where the memory for a message comes from.
const LONG: usize = 64 * 1024;

/// The length of a measured Ping's payload: when it was sent, and a signature.
const TIMED_PING: usize = 16;

impl<D: Default> Context<D> {
    /// Sends a message.
    #[inline]
    pub fn send<'a>(&mut self, id: ConnId, message: impl Into<Message<'a>>) -> Sent {
        let message = message.into();
        match self.send_plain(id, message) {
            Some(sent) => sent,
            None => self.send_compressed(id, message, Compression::Auto),
        }
    }

    /// Sends a message, with a choice about its compression.
    pub fn send_compressed<'a>(
        &mut self,
        id: ConnId,
        message: impl Into<Message<'a>>,
        choice: Compression,
    ) -> Sent {
        let message = message.into();
        if self.is_behind(id) && self.keeps(id) {
            return self.keep(id, Kept { message: message.into(), choice: Some(choice) }, None);
        }
        if message.len() >= LONG {
            return self.send_long(id, message, choice);
        }
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
        if self.is_behind(id) && self.keeps(id) {
            return self.keep(id, Kept { message: message.clone(), choice: None }, None);
        }
        let sent = self.send_lent(
            id,
            |outbound| outbound.ready(message).is_none(),
            |outbound| outbound.send_prepared(message),
        );
        self.count_message(sent)
    }

    /// Sends the first part of a message as a frame of its own; see [`Outbound::start_message`].
    pub fn start_message(&mut self, id: ConnId, kind: DataKind, part: &[u8]) -> Sent {
        self.let_pass(id);
        self.send_with(id, |outbound| outbound.start_message(kind, part))
    }

    /// Sends a further part of a message; see [`Outbound::continue_message`].
    pub fn continue_message(&mut self, id: ConnId, part: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.continue_message(part))
    }

    /// Sends the last part of a message; see [`Outbound::finish_message`].
    pub fn finish_message(&mut self, id: ConnId, part: &[u8]) -> Sent {
        let sent = self.send_with(id, |outbound| outbound.finish_message(part));
        self.count_message(sent)
    }

    /// Sends a Ping.
    pub fn ping(&mut self, id: ConnId, payload: &[u8]) -> Sent {
        self.send_with(id, |outbound| outbound.ping(payload))
    }

    /// Sends a Ping whose answer [`round_trip`](Self::round_trip) can measure.
    pub fn ping_timed(&mut self, id: ConnId) -> Sent {
        let payload = self.timed_ping(id);
        self.ping(id, &payload)
    }

    /// Returns how long ago the Ping was sent that a Pong with this payload answers, if that was one of the loop's own
    /// or of [`ping_timed`](Self::ping_timed).
    ///
    /// Nothing is kept for it: the payload contains the time and is signed, so that a peer cannot claim to be faster
    /// than it is.
    pub fn round_trip(&self, id: ConnId, payload: &[u8]) -> Option<Duration> {
        let payload: &[u8; TIMED_PING] = payload.try_into().ok()?;
        let (sent, _) = payload.split_first_chunk()?;
        let sent = u64::from_be_bytes(*sent);
        let since = u64::try_from(self.now().saturating_duration_since(self.start).as_nanos()).ok()?;
        (self.signed(id, sent) == *payload).then(|| Duration::from_nanos(since.saturating_sub(sent)))
    }

    /// Returns the payload of a Ping that is sent now.
    pub(in crate::event_loop) fn timed_ping(&self, id: ConnId) -> [u8; TIMED_PING] {
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

    /// Begins the closing handshake; what was sent before still goes out.
    /// [`on_close`](crate::event_loop::Handler::on_close) is called when it is done.
    pub fn close(&mut self, id: ConnId, reason: Option<CloseReason<'_>>) -> Sent {
        self.let_pass(id);
        let sent = self.send_with(id, |outbound| outbound.close(reason));
        if sent.is_queued()
            && let Some(cold) = &mut self.peers[id.slot as usize].cold
        {
            cold.closed_here = true;
            // We wait for its answer.
            self.speed_up(id);
        }
        sent
    }

    /// Ends the connection at once, without a closing handshake. What was sent and has not gone out is lost.
    pub fn abort(&mut self, id: ConnId) {
        if self.peer(id).is_some() {
            self.agenda.decide(id.slot as usize, Verdict::Abort);
        }
    }

    /// Fails an open connection with code 1011: the program met an unexpected condition. Nothing more is read from it.
    /// A connection that is not open yet is given up.
    pub fn fail(&mut self, id: ConnId) {
        if self.peer(id).is_some() {
            self.agenda.decide(id.slot as usize, Verdict::Fail);
        }
    }

    /// Returns whether the peer reads so slowly that messages to it may have to wait unencoded.
    #[inline]
    fn is_behind(&self, id: ConnId) -> bool {
        self.peers.get(id.slot as usize).is_some_and(|peer| peer.congested)
    }

    /// Encodes what waits, as nothing that follows may overtake it.
    fn let_pass(&mut self, id: ConnId) {
        if self.is_behind(id) && self.keeps(id) {
            self.encode_all_kept(id.slot as usize);
        }
    }

    /// Sends a long message. A client masks it in a buffer that other messages had before, as getting new memory would
    /// take longer than masking.
    #[inline(never)]
    fn send_long(&mut self, id: ConnId, message: Message<'_>, choice: Compression) -> Sent {
        let masks = self.peer(id).is_some_and(|peer| peer.is_open() && peer.outbound.role() == Role::Client);
        let had_queue = masks && self.peers[id.slot as usize].outbound.has_queue();
        if masks {
            self.pool.lend_for_masking(&mut self.peers[id.slot as usize].outbound, message.len());
        }
        let sent = self.send_with(id, |outbound| outbound.send_with(message, choice));
        if masks && let Some(peer) = self.peers.get_mut(id.slot as usize) {
            self.pool.take_masked(&mut peer.outbound, had_queue);
        }
        self.count_message(sent)
    }

    #[inline]
    fn count_message(&mut self, sent: Sent) -> Sent {
        if sent.is_queued() {
            self.stats.messages_out += 1;
        }
        sent
    }

    #[inline]
    fn send_with(&mut self, id: ConnId, send: impl FnOnce(&mut Outbound) -> Result<(), SendError>) -> Sent {
        self.send_lent(id, Outbound::may_compress, send)
    }

    /// Sends a message unchanged and in one short frame behind what is queued, as nearly all are sent. Returns `None`,
    /// having done nothing, if that does not apply.
    #[inline]
    fn send_plain(&mut self, id: ConnId, message: Message<'_>) -> Option<Sent> {
        let slot = id.slot as usize;
        let Self { peers, agenda, work, settings, reading, stats, .. } = self;
        let peer = peers.get_mut(slot)?;
        if peer.generation != id.generation || !peer.takes_plain() || agenda.is_decided(slot) {
            return None;
        }
        if !peer.outbound.send_plain(message) {
            return None;
        }
        stats.messages_out += 1;
        work.spend(share::SEND + message.len() / share::BYTES);
        let sent = to_be_written(peer, slot, agenda, *reading);
        if peer.passes_watermark(settings) {
            self.congested(id);
        }
        Some(sent)
    }

    /// Sends by a connection, with a compressor if it `may_compress`.
    fn send_lent(
        &mut self,
        id: ConnId,
        may_compress: impl FnOnce(&Outbound) -> bool,
        send: impl FnOnce(&mut Outbound) -> Result<(), SendError>,
    ) -> Sent {
        let slot = id.slot as usize;
        let Self { peers, pool, agenda, work, settings, reading, fanout, .. } = self;
        let Some(peer) = peers.get_mut(slot) else { return Sent::Closed };
        if peer.generation != id.generation || !peer.is_open() || agenda.is_decided(slot) {
            return Sent::Closed;
        }
        peer.settle(fanout, pool);
        let queued_before = peer.outbound.queued();
        let may_compress = may_compress(&peer.outbound);
        let (result, compressed) = pool.send(&mut peer.outbound, may_compress, send);
        if let Err(error) = result {
            return self.not_sent(slot, error);
        }
        let copied = peer.outbound.queued().saturating_sub(queued_before) / share::BYTES;
        work.spend(share::SEND + copied + compressed * share::COMPRESSED);
        let sent = to_be_written(peer, slot, agenda, *reading);
        if peer.passes_watermark(settings) {
            self.congested(id);
        }
        sent
    }

    #[cold]
    fn not_sent(&mut self, slot: usize, error: SendError) -> Sent {
        match error {
            SendError::Closing => Sent::Closed,
            SendError::QueueFull => self.full(slot),
            error => Sent::Refused(error),
        }
    }

    /// Handles a queue above the high watermark.
    #[cold]
    pub(super) fn congested(&mut self, reader: ConnId) {
        self.peers[reader.slot as usize].congested = true;
        let overflow = self.peers[reader.slot as usize].pressure(&self.settings).overflow;
        if let (Overflow::Block, Some(producer)) = (overflow, self.reading) {
            self.pause_until_drained(self.id(producer), reader);
        }
    }

    pub(super) fn full(&mut self, slot: usize) -> Sent {
        match self.peers[slot].pressure(&self.settings).overflow {
            Overflow::DropData | Overflow::DropOldest => {
                self.stats.dropped += 1;
                self.peers[slot].cold().dropped += 1;
                Sent::Dropped
            }
            Overflow::Close | Overflow::Block => {
                self.agenda.decide(slot, Verdict::Overflow);
                Sent::Closed
            }
        }
    }

    /// Returns the queue of a connection, for bytes that are not frames.
    pub(in crate::event_loop) fn queue_of(&mut self, slot: usize) -> &mut SendQueue {
        let outbound = &mut self.peers[slot].outbound;
        self.pool.lend_queue(outbound);
        outbound.queue()
    }
}

/// Has what is queued for the connection in `slot` written at the end of the turn.
#[inline(always)]
fn to_be_written<D>(peer: &Peer<D>, slot: usize, agenda: &mut Agenda, reading: Option<usize>) -> Sent {
    if reading == Some(slot) {
        agenda.write(slot);
    } else {
        agenda.write_in_order(slot);
    }
    if peer.writable { Sent::Now } else { Sent::Queued(peer.outbound.queued()) }
}

impl Sent {
    /// Returns whether it goes out, now or later.
    #[inline]
    pub const fn is_queued(self) -> bool {
        matches!(self, Sent::Now | Sent::Queued(_))
    }
}
