//! From sockets to the handler.

use std::io;
use std::mem;
use std::ops::Range;

use super::agenda::Agenda;
use super::context::Context;
use super::deliver::{take_direct, take_frames};
use super::ended::Cause;
use super::handler::Handler;
use super::id::ConnId;
use super::metering;
use super::peer::{Filled, Peer, Stage};
use super::pool::ReadLoan;
use super::room::{self, DIRECT_FROM};
use super::share::{self, Rest};
use super::turn::Turn;
use crate::connection::driver::{InboundExt as _, OutboundExt as _};
use crate::error::ProtocolError;

/// How many reads of one connection follow each other at once while a long message comes: what has arrived of it is
/// still in the cache when it goes on, and fewer messages are on their way at a time (benches/NOTES.md, "align").
const MAX_READS: u32 = 16;

/// How much for one connection goes out before the end of the turn.
const WRITE_FROM: usize = 16 * 1024;

impl<H: Handler> Turn<'_, H> {
    /// Continues reading where there was more than one read took.
    pub(super) fn read_on(&mut self) {
        let mut batch = self.cx.agenda.take_read();
        while let Some(slot) = self.cx.agenda.next(&mut batch) {
            if self.cx.work.is_over() {
                self.cx.agenda.read(slot); // it is served in the next turn
            } else if let Some(peer) = self.cx.peers.get(slot) {
                let is_open = peer.is_open();
                self.serve(slot, is_open);
            }
        }
    }

    /// Reads, unless there is nothing to read or the peer has to read first. Does all that follows from one readiness:
    /// what is left waits on the agenda for the next turn, so that the others are served.
    pub(super) fn read(&mut self, slot: usize) {
        let Some(peer) = self.cx.peers.get(slot) else { return };
        if peer.heavy {
            self.cx.agenda.read(slot);
        } else {
            let is_open = peer.is_open();
            self.serve(slot, is_open);
        }
    }

    #[inline]
    pub(super) fn serve(&mut self, slot: usize, is_open: bool) {
        let has_read = if is_open { self.serve_open(slot) } else { self.serve_other(slot) };
        if has_read {
            self.after_reading(slot);
        }
    }

    /// Reads from an open connection. Returns whether it did.
    #[inline]
    fn serve_open(&mut self, slot: usize) -> bool {
        let Context { peers, agenda, fanout, pool, work, reading, .. } = &mut *self.cx;
        let peer = &mut peers[slot];
        if !peer.listens() {
            if peer.readable {
                peer.transport.carry_on();
                write_on(peer, agenda, slot);
            }
            return false;
        }
        let has_rest = peer.has_rest();
        if !(peer.readable || has_rest) {
            return false;
        }
        peer.settle(fanout, pool);
        work.serve();
        *reading = Some(slot);
        let mut reads = 0;
        let mut goes_on = !has_rest || self.take_rest(slot);
        while goes_on && reads < MAX_READS {
            goes_on = self.read_open(slot);
            reads += 1;
        }
        self.cx.reading = None;
        true
    }

    /// Reads from a connection that is not open, or no longer. Returns whether it did.
    #[cold]
    fn serve_other(&mut self, slot: usize) -> bool {
        let peer = &self.cx.peers[slot];
        if !peer.readable {
            return false;
        }
        match peer.stage {
            Stage::Waiting(_) => {
                self.read_waiting(slot);
                return false;
            }
            Stage::Connecting(id) => {
                self.connecting(slot, id);
                return self.cx.stands(slot); // otherwise it is an attempt, which an event ends
            }
            #[cfg(feature = "http2")]
            Stage::Carrier(_) => self.read_carrier(slot),
            Stage::Announcing(_) => self.read_announcement(slot),
            Stage::Server(_) | Stage::Client(_) => {
                if let Some(frames) = self.read_handshake(slot) {
                    self.take_frames(self.id(slot), frames);
                }
            }
            Stage::Ending => self.read_ending(slot),
            Stage::Open | Stage::Dialing(_) | Stage::Dead => return false,
        }
        self.cx.work.spend(self.cx.peers[slot].transport.take_overhead() * share::OVERHEAD);
        true
    }

    /// Does what one readiness has left to be done.
    #[inline]
    fn after_reading(&mut self, slot: usize) {
        let Context { peers, agenda, work, .. } = &mut *self.cx;
        let peer = &mut peers[slot];
        if peer.heavy || work.is_spent() {
            peer.heavy = peer.is_open() && (work.is_spent() || peer.has_rest());
        }
        if (peer.readable || peer.has_rest()) && !matches!(peer.stage, Stage::Dead) {
            agenda.read(slot);
        }
        write_on(peer, agenda, slot);
        if !peer.readable && self.inbounds.get(slot).is_some_and(|inbound| inbound.has_buffer()) {
            self.fit_buffer(slot);
        }
        if !self.cx.agenda.is_to_be_written(slot) {
            self.count(slot); // otherwise it is counted once it is written
        }
    }

    /// Records the progress of an open message, which must advance.
    #[inline(never)]
    fn note_progress(&mut self, slot: usize) {
        let (peer, inbound) = (&mut self.cx.peers[slot], &mut self.inbounds[slot]);
        let was_open = peer.deadlines.in_message();
        peer.deadlines.progress(inbound.take_progress());
        if !was_open && peer.deadlines.in_message() {
            self.cx.watch_deadline(slot);
        }
    }

    /// Continues with what was read before. Returns whether to read more at once.
    #[cold]
    fn take_rest(&mut self, slot: usize) -> bool {
        let id = self.id(slot);
        let Rest { mut bytes, from } = mem::take(&mut self.cx.peers[slot].cold().rest);
        let len = bytes.len() - from;
        let mut loan = ReadLoan::new(&mut *self.cx, slot, &mut self.inbounds[slot], &mut bytes[from..]);
        loan.has_read(len);
        let taken = take_frames(&mut loan, self.handler, id, 0..len);
        let written = write_at_once(&mut loan, slot);
        loan.end();
        if let Ok(Some(left)) = taken {
            let from = bytes.len() - left;
            self.cx.peers[slot].cold().rest = Rest { bytes, from };
        }
        self.after_events(slot, taken.map(drop), written);
        self.goes_on(slot, true, 1)
    }

    /// Reads once. Returns whether to continue at once.
    fn read_open(&mut self, slot: usize) -> bool {
        let Context { peers, pool, clock, stats, work, .. } = &mut *self.cx;
        let (peer, inbound) = (&mut peers[slot], &mut self.inbounds[slot]);
        let is_long = room::is_long(inbound, peer.outbound.config());
        let (room, is_direct) = match is_long || peer.heavy || peer.metered {
            false => (&mut *self.scratch, false),
            true => room::choose(peer, inbound, self.scratch, pool),
        };
        let most = room.len();
        let filled = peer.fill(room);
        if let below @ 1.. = peer.transport.take_overhead() {
            work.spend(below * share::OVERHEAD);
        }
        let len = match filled {
            Filled::Bytes(len) => len,
            nothing => {
                if is_direct {
                    pool.take_assembly(inbound);
                }
                match nothing {
                    Filled::End => self.eof(slot),
                    Filled::Broken(error) => self.broken(slot, error),
                    Filled::Nothing | Filled::Bytes(_) => {}
                }
                return false;
            }
        };
        let id = ConnId { slot: slot as u32, generation: peer.generation };
        peer.deadlines.heard(clock.peer_time());
        stats.bytes_in += len as u64;
        work.spend(len / share::BYTES);
        if peer.metered {
            metering::count_bytes(self.handler, self.cx, id, len);
        }
        if is_direct {
            self.take_direct(slot, len);
        } else {
            self.take_frames(id, 0..len);
        }
        self.goes_on(slot, len < most, if is_direct { 1 } else { DIRECT_FROM })
    }

    /// Handles bytes `frames` of the receive buffer, the next ones of an open connection.
    pub(super) fn take_frames(&mut self, id: ConnId, frames: Range<usize>) {
        let slot = id.slot as usize;
        let mut loan = ReadLoan::new(&mut *self.cx, slot, &mut self.inbounds[slot], self.scratch);
        let end = frames.end;
        loan.has_read(end);
        let taken = take_frames(&mut loan, self.handler, id, frames)
            .map(|left| keep_rest(&mut loan, slot, end, left));
        let written = write_at_once(&mut loan, slot);
        loan.end();
        self.after_events(slot, taken, written);
    }

    /// Handles bytes of a long message that have been read to where they belong.
    #[inline(never)]
    fn take_direct(&mut self, slot: usize, len: usize) {
        let mut loan = ReadLoan::new(&mut *self.cx, slot, &mut self.inbounds[slot], self.scratch);
        let taken = take_direct(&mut loan, self.handler, slot, len);
        let written = write_at_once(&mut loan, slot);
        loan.end();
        self.after_events(slot, taken, written);
    }

    /// Handles what the events of one read have led to.
    #[inline(always)]
    fn after_events(&mut self, slot: usize, taken: Result<(), ProtocolError>, written: io::Result<bool>) {
        if let Err(error) = taken {
            self.over(slot, Cause::Protocol(error));
        }
        let peer = &self.cx.peers[slot];
        let in_message = peer.deadlines.in_message() || self.inbounds[slot].is_in_message();
        match written {
            Ok(false) if peer.outbound.queued() > 0 => self.cx.agenda.write(slot),
            Ok(_) if peer.is_settled() => {}
            Ok(true) => self.after_write(slot),
            Ok(false) => self.progress(slot),
            Err(_) => self.not_writable(slot),
        }
        if in_message {
            self.note_progress(slot);
        }
    }

    /// Returns whether there is more to be read at once: of a message that has a `room` of its own, or because a short
    /// read has taken all there was and the transport has yet to say so.
    #[inline]
    fn goes_on(&self, slot: usize, was_short: bool, room: usize) -> bool {
        let peer = &self.cx.peers[slot];
        peer.readable
            && (was_short || self.inbounds[slot].wants_room(room, peer.outbound.config()))
            && peer.is_open()
            && peer.listens()
            && !peer.has_rest()
            && !self.cx.work.is_spent()
            && !self.cx.agenda.is_decided(slot)
    }

    /// Reads and discards what comes after the end.
    fn read_ending(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        match peer.fill(self.scratch) {
            Filled::End => {
                peer.readable = false;
                peer.eof = true;
                if peer.outbound.queued() == 0 {
                    self.part(slot);
                }
            }
            Filled::Bytes(len) => {
                if let Some(inbound) = self.inbounds.get_mut(slot) {
                    inbound.ignore(len);
                }
            }
            Filled::Nothing => {}
            Filled::Broken(_) => self.kill(slot),
        }
    }
}

/// Continues writing if what was read has opened a window of the transport.
#[inline]
fn write_on<D>(peer: &mut Peer<D>, agenda: &mut Agenda, slot: usize) {
    if !peer.writable && peer.transport.takes_more() {
        peer.writable = true;
        if peer.outbound.queued() > 0 {
            agenda.write(slot);
        }
    }
}

/// Keeps the last `left` of `len` bytes of the receive buffer until the connection is served again.
#[inline(always)]
fn keep_rest<D: Default>(loan: &mut ReadLoan<'_, Context<D>>, slot: usize, len: usize, left: Option<usize>) {
    if let Some(left) = left {
        keep(loan, slot, len - left..len);
    }
}

#[cold]
fn keep<D: Default>(loan: &mut ReadLoan<'_, Context<D>>, slot: usize, rest: Range<usize>) {
    let (cx, _, scratch) = loan.parts();
    let peer = &mut cx.peers[slot];
    peer.heavy = true;
    peer.cold().rest = Rest::of(&scratch[rest]);
    cx.agenda.read(slot);
}

/// Writes what refers to the receive buffer while that is valid, and what has become much. Returns whether it did.
#[inline]
fn write_at_once<D: Default>(loan: &mut ReadLoan<'_, Context<D>>, slot: usize) -> io::Result<bool> {
    let (cx, _, scratch) = loan.parts();
    let peer = &mut cx.peers[slot];
    let queued = peer.outbound.queued();
    if queued == 0 || queued < WRITE_FROM && !peer.outbound.queue().has_lent() {
        return Ok(false);
    }
    write_much(peer, scratch, &mut cx.stats.bytes_out)
}

#[inline(never)]
fn write_much<D>(peer: &mut Peer<D>, scratch: &[u8], count: &mut u64) -> io::Result<bool> {
    peer.flush(scratch, count).map(|()| true)
}
