//! From sockets to the handler.

use std::io;
use std::mem;
use std::ops::Range;

use super::agenda::Agenda;
use super::context::Context;
use super::ended::Cause;
use super::handler::Handler;
use super::id::ConnId;
use super::metering;
use super::peer::{Peer, Stage};
use super::pool::ReadLoan;
use super::share::{self, MESSAGE, Rest};
use super::turn::Turn;
use crate::connection::driver::{InboundExt as _, OutboundExt as _};
use crate::connection::{Event, Inbound};
use crate::error::ProtocolError;

/// A message of which at least so much is still to come is read straight into its own buffer.
const DIRECT_FROM: usize = 64 * 1024;

/// Reads of one connection that follow each other at once while a long message comes: what has come of it is still in the
/// cache when it goes on, and fewer messages are on their way at a time (benches/NOTES.md, "align").
const MAX_READS: u32 = 16;

/// Where the last message was so long, the next one may be: only its header and little more is read first, so that most
/// of it can be read to where it belongs. A shorter one is mostly whole after one read, and needs no other place.
const HEADER_FIRST_FROM: usize = 128 * 1024;
const FIRST_READ: usize = 1024;

/// So much for one connection goes out before the end of the turn.
const WRITE_FROM: usize = 16 * 1024;

impl<H: Handler> Turn<'_, H> {
    /// Reads on where there was more than one read took.
    pub(super) fn read_on(&mut self) {
        let mut batch = self.cx.agenda.take_read();
        while let Some(slot) = self.cx.agenda.next(&mut batch) {
            if self.cx.work.is_over() {
                self.cx.agenda.read(slot); // its turn is the next one
            } else {
                self.serve(slot);
            }
        }
    }

    /// Reads, unless there is nothing to read or the peer has to read first. All that follows from one readiness is done
    /// here: what is left waits on the agenda for the next turn, so that others get theirs.
    pub(super) fn read(&mut self, slot: usize) {
        if self.cx.peers.get(slot).is_some_and(|peer| peer.heavy) {
            self.cx.agenda.read(slot);
        } else {
            self.serve(slot);
        }
    }

    fn serve(&mut self, slot: usize) {
        let Some(peer) = self.cx.peers.get_mut(slot) else { return };
        let has_rest = peer.has_rest() && peer.is_open();
        if peer.is_open() && !peer.listens() {
            if peer.readable {
                peer.transport.carry_on();
                write_on(peer, &mut self.cx.agenda, slot);
            }
            return;
        }
        if !(peer.readable || has_rest) {
            return;
        }
        match peer.stage {
            Stage::Open => {
                self.cx.reading = Some(slot);
                self.cx.settle(slot);
                self.cx.work.serve();
                if has_rest {
                    self.take_rest(slot);
                }
                let mut reads = 0;
                while reads < MAX_READS && self.may_read(slot) && self.read_open(slot) {
                    reads += 1;
                }
                self.cx.reading = None;
                let is_spent = self.cx.work.is_spent();
                let peer = &mut self.cx.peers[slot];
                peer.heavy = peer.is_open() && (is_spent || peer.has_rest());
            }
            Stage::Waiting(_) => return self.read_waiting(slot),
            Stage::Connecting(id) => {
                self.connecting(slot, id);
                if !self.cx.stands(slot) {
                    return; // an attempt, which an event ends
                }
            }
            #[cfg(feature = "http2")]
            Stage::Carrier(_) => self.read_carrier(slot),
            Stage::Announcing(_) => self.read_announcement(slot),
            Stage::Server(_) | Stage::Client(_) => {
                if let Some(frames) = self.read_handshake(slot) {
                    self.take_frames(slot, frames);
                }
            }
            Stage::Ending => self.read_ending(slot),
            Stage::Dialing(_) | Stage::Dead => return,
        }
        self.after_reading(slot);
    }

    /// What one readiness leaves to be done.
    #[inline]
    fn after_reading(&mut self, slot: usize) {
        let Context { peers, agenda, pool, .. } = &mut *self.cx;
        let peer = &mut peers[slot];
        if (peer.readable || peer.has_rest()) && !matches!(peer.stage, Stage::Dead) {
            agenda.read(slot);
        }
        // A buffer that is far too large for what has come of a message goes back, once no more is there to be read.
        if let Some(inbound) = self.inbounds.get_mut(slot)
            && inbound.has_buffer()
            && !peer.readable
            && let Some(buffer) = inbound.reclaim_oversized()
        {
            pool.take_buffer(buffer);
        }
        write_on(peer, agenda, slot);
        if !agenda.is_to_be_written(slot) {
            self.count(slot); // else it is counted once it is written
        }
    }

    /// A message that has begun must get on.
    #[inline]
    fn note_progress(&mut self, slot: usize) {
        let (peer, inbound) = (&mut self.cx.peers[slot], &mut self.inbounds[slot]);
        let was_open = peer.deadlines.in_message();
        peer.deadlines.progress(inbound.take_progress());
        if !was_open && peer.deadlines.in_message() {
            self.cx.watch_deadline(slot);
        }
    }

    /// Whether there is something to read, and nothing that was read before is left.
    #[inline]
    fn may_read(&self, slot: usize) -> bool {
        let peer = &self.cx.peers[slot];
        peer.readable && peer.is_open() && !self.cx.work.is_spent() && !peer.has_rest()
    }

    /// Goes on with what was read before.
    #[cold]
    fn take_rest(&mut self, slot: usize) {
        let Rest { mut bytes, from } = mem::take(&mut self.cx.peers[slot].cold().rest);
        let len = bytes.len() - from;
        let mut loan = ReadLoan::new(&mut *self.cx, slot, &mut self.inbounds[slot], &mut bytes[from..]);
        loan.has_read(len);
        let taken = take_frames(&mut loan, self.handler, slot, 0..len);
        let written = write_at_once(&mut loan, slot);
        drop(loan);
        if let Ok(left) = taken
            && left > 0
        {
            let from = bytes.len() - left;
            self.cx.peers[slot].cold().rest = Rest { bytes, from };
        }
        self.after_events(slot, taken.map(drop), written);
    }

    /// Reads once; says whether more of a long message is there.
    fn read_open(&mut self, slot: usize) -> bool {
        let inbound = &mut self.inbounds[slot];
        let mut loan = ReadLoan::new(&mut *self.cx, slot, inbound, self.scratch);
        let (cx, inbound, scratch) = loan.parts();
        let peer = &mut cx.peers[slot];
        // No more than stays in the cache until it is unmasked.
        let cached = if peer.heavy { scratch.len().min(share::READ) } else { scratch.len() };
        let first = inbound.may_want_room(HEADER_FIRST_FROM, peer.outbound.config());
        let direct = inbound.room(DIRECT_FROM, peer.outbound.config());
        let is_direct = direct.is_some();
        let room = direct.unwrap_or(scratch);

        // The last piece takes a little more with it rather than leave it for a read of its own.
        let len = if first {
            FIRST_READ
        } else if room.len() < cached + cached / 2 {
            room.len()
        } else {
            cached
        };
        let len = if peer.metered { peer.most_at_once(len) } else { len };
        let len = match peer.fill(&mut room[..len]) {
            Ok(Some(len)) if len > 0 => len,
            Ok(None) => return false,
            Ok(Some(_)) => {
                drop(loan);
                self.eof(slot);
                return false;
            }
            Err(error) => {
                drop(loan);
                self.broken(slot, error);
                return false;
            }
        };
        peer.deadlines.heard(cx.clock.peer_time());
        cx.stats.bytes_in += len as u64;
        cx.work.spend(len / share::BYTES);
        if peer.metered {
            let id = cx.id(slot);
            metering::count_bytes(self.handler, cx, id, len);
        }
        let taken = if is_direct {
            take_direct(&mut loan, self.handler, slot, len)
        } else {
            loan.has_read(len);
            take_frames(&mut loan, self.handler, slot, 0..len)
                .map(|left| keep_rest(&mut loan, slot, len, left))
        };
        let written = write_at_once(&mut loan, slot);
        drop(loan);
        self.after_events(slot, taken, written);
        self.goes_on(slot, is_direct)
    }

    /// Bytes `frames` of the receive buffer are the next ones of an open connection.
    pub(super) fn take_frames(&mut self, slot: usize, frames: Range<usize>) {
        let mut loan = ReadLoan::new(&mut *self.cx, slot, &mut self.inbounds[slot], self.scratch);
        let end = frames.end;
        loan.has_read(end);
        loan.parts().0.work.serve();
        let taken = take_frames(&mut loan, self.handler, slot, frames)
            .map(|left| keep_rest(&mut loan, slot, end, left));
        let written = write_at_once(&mut loan, slot);
        drop(loan);
        self.after_events(slot, taken, written);
    }

    /// What the events of one read have led to.
    #[inline]
    fn after_events(&mut self, slot: usize, taken: Result<(), ProtocolError>, written: io::Result<bool>) {
        self.note_progress(slot);
        if let Err(error) = taken {
            self.over(slot, Cause::Protocol(error));
        }
        let peer = &self.cx.peers[slot];
        match written {
            Ok(false) if peer.outbound.queued() > 0 => self.cx.agenda.write(slot),
            Ok(_) if peer.is_settled() => {}
            Ok(true) => self.after_write(slot),
            Ok(false) => self.progress(slot),
            Err(_) => self.not_writable(slot),
        }
    }

    /// Whether more of a message that has a room of its own is there to be read, and wanted.
    #[inline]
    fn goes_on(&mut self, slot: usize, was_direct: bool) -> bool {
        let (peer, inbound) = (&self.cx.peers[slot], &mut self.inbounds[slot]);
        let wanted = peer.readable && peer.is_open() && peer.listens() && !self.cx.agenda.is_decided(slot);
        let least = if was_direct { 1 } else { DIRECT_FROM };
        wanted && inbound.room(least, peer.outbound.config()).is_some()
    }

    /// What still comes after the end is not looked at.
    fn read_ending(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        match peer.fill(self.scratch) {
            Ok(Some(0)) => {
                peer.readable = false;
                peer.eof = true;
                if peer.outbound.queued() == 0 {
                    self.kill(slot);
                }
            }
            Ok(Some(len)) => {
                if let Some(inbound) = self.inbounds.get_mut(slot) {
                    inbound.ignore(len);
                }
            }
            Ok(None) => {}
            Err(_) => self.kill(slot),
        }
    }
}

/// Goes on writing where what was read has opened a window of the transport.
#[inline]
fn write_on<D>(peer: &mut Peer<D>, agenda: &mut Agenda, slot: usize) {
    if peer.transport.takes_more() {
        peer.writable = true;
        if peer.outbound.queued() > 0 {
            agenda.write(slot);
        }
    }
}

/// Bytes of a long message have been read to where they belong.
fn take_direct<H: Handler>(
    loan: &mut ReadLoan<'_, Context<H::Data>>,
    handler: &mut H,
    slot: usize,
    len: usize,
) -> Result<(), ProtocolError> {
    loan.has_read_direct();
    let (cx, inbound, _) = loan.parts();
    let peer = &mut cx.peers[slot];
    let id = ConnId { slot: slot as u32, generation: peer.generation };
    if let Some(event) = inbound.filled(len, &mut peer.outbound)? {
        deliver(handler, cx, id, event, true);
        take_over(inbound, cx, slot);
    }
    Ok(())
}

/// Keeps the last `left` of `len` bytes of the receive buffer until the connection is served again.
#[inline(always)]
fn keep_rest<D: Default>(loan: &mut ReadLoan<'_, Context<D>>, slot: usize, len: usize, left: usize) {
    if left > 0 {
        keep(loan, slot, len - left..len);
    }
}

#[cold]
fn keep<D: Default>(loan: &mut ReadLoan<'_, Context<D>>, slot: usize, rest: Range<usize>) {
    let (cx, _, scratch) = loan.parts();
    let peer = &mut cx.peers[slot];
    peer.heavy = true;
    peer.cold().rest = Rest { bytes: scratch[rest].to_vec(), from: 0 };
    cx.agenda.read(slot);
}

/// Takes the frames in a part of the receive buffer and hands what they say to the program, until the connection has used
/// up its quantum; says how many bytes are left then.
#[inline]
fn take_frames<H: Handler>(
    loan: &mut ReadLoan<'_, Context<H::Data>>,
    handler: &mut H,
    slot: usize,
    frames: Range<usize>,
) -> Result<usize, ProtocolError> {
    let (cx, inbound, scratch) = loan.parts();
    let id = cx.id(slot);
    let whole = scratch.as_ptr_range();
    let mut input = &mut scratch[frames];
    loop {
        let peer = &mut cx.peers[slot];
        if !peer.is_open() || cx.agenda.is_decided(slot) {
            return Ok(0);
        }
        if cx.work.is_spent() {
            return Ok(input.len());
        }
        if let Some(message) = inbound.whole_message(&mut input, &mut peer.outbound)? {
            let metered = peer.metered;
            cx.work.spend(MESSAGE);
            if metered {
                metering::deliver(handler, cx, id, message);
            } else {
                cx.stats.messages_in += 1;
                handler.on_message(cx, id, message);
            }
            if input.is_empty() {
                return Ok(0);
            }
            continue;
        }
        let before = cx.work.left();
        let mut work = before;
        let event = inbound.next_part(&mut input, &mut peer.outbound, &mut work)?;
        cx.work.spend(before - work + MESSAGE);
        match event {
            Some(Event::Message(message)) => {
                // A message that is not in the receive buffer was put together in one of its own.
                let assembled = !message.is_empty() && !whole.contains(&message.as_bytes().as_ptr());
                deliver(handler, cx, id, Event::Message(message), assembled);
                if assembled {
                    take_over(inbound, cx, slot);
                }
            }
            Some(event) => deliver(handler, cx, id, event, false),
            None => return Ok(input.len()),
        }
    }
}

/// Hands an event to the program. A message that was `assembled` lies in a buffer of its own, which the queue may
/// borrow from.
fn deliver<H: Handler>(
    handler: &mut H,
    cx: &mut Context<H::Data>,
    id: ConnId,
    event: Event<'_>,
    assembled: bool,
) {
    match event {
        Event::Message(message) if cx.peers[id.slot as usize].metered => {
            metering::deliver(handler, cx, id, message)
        }
        Event::Message(message) => {
            if assembled {
                let outbound = &mut cx.peers[id.slot as usize].outbound;
                cx.pool.lend_queue(outbound);
                outbound.queue().borrow_message(message.as_bytes());
            }
            cx.stats.messages_in += 1;
            handler.on_message(cx, id, message);
        }
        Event::Frame(header) => {
            if cx.peers[id.slot as usize].metered {
                metering::count_frame(handler, cx, id, &header);
            }
            handler.on_frame(cx, id, &header);
        }
        Event::Chunk(chunk) => handler.on_chunk(cx, id, chunk),
        Event::Ping(payload) => handler.on_ping(cx, id, payload),
        Event::Pong(payload) => handler.on_pong(cx, id, payload),
        Event::Close(_) => {} // `on_close` tells, once the answer is on its way
    }
}

/// The queue may refer to the message that was delivered last: if it does it gets the buffer.
fn take_over<D: Default>(inbound: &mut Inbound, cx: &mut Context<D>, slot: usize) {
    let queue = cx.peers[slot].outbound.queue();
    if !queue.has_lent_message() {
        queue.end_message_loan();
    } else if let Some(buffer) = inbound.reclaim() {
        queue.settle_with(buffer);
    }
}

/// Writes what refers to the receive buffer while it may, and what has become much; says whether it did.
#[inline]
fn write_at_once<D: Default>(loan: &mut ReadLoan<'_, Context<D>>, slot: usize) -> io::Result<bool> {
    let (cx, _, scratch) = loan.parts();
    let peer = &mut cx.peers[slot];
    let queued = peer.outbound.queued();
    if queued == 0 || queued < WRITE_FROM && !peer.outbound.queue().has_lent() {
        return Ok(false);
    }
    peer.flush(scratch, &mut cx.stats.bytes_out)?;
    Ok(true)
}
