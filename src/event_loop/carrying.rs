//! The part of an engine that handles HTTP/2 connections, which carry others.

use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

#[cfg(feature = "tls")]
use super::alpn::Alpn;
use super::carrier::{CarriedStream, Carrier};
use super::context::Context;
use super::handler::{Handler, LoopError};
use super::id::ConnId;
use super::limits::UNCOUNTED;
use super::peer::{Filled, Stage};
use super::transport::{self, Transport};
use super::turn::Turn;
use crate::http2::{Event, Fields, StreamId};

/// How many reads of one carrier follow each other at once.
const READS: usize = 4;

/// How a client begins that speaks HTTP/2 with prior knowledge (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl<D> Context<D> {
    /// Returns whether streams have left work to be done.
    pub(super) fn has_carried_work(&self) -> bool {
        !self.carried.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<H: Handler> Turn<'_, H> {
    /// Returns whether a client, whose first bytes are in the receive buffer, speaks HTTP/2.
    pub(super) fn speaks_http2(&self, slot: usize, first: &Range<usize>) -> bool {
        let peer = &self.cx.peers[slot];
        let Stage::Server(opening) = &peer.stage else { return false };
        let handshake = &opening.handshake;
        if peer.transport.is_http2() {
            return false;
        }
        #[cfg(feature = "tls")]
        if peer.transport.tls().is_some() {
            return handshake.is_empty() && Alpn::of(&peer.transport) == Alpn::Http2;
        }
        // Three bytes distinguish it from every existing method (PROPFIND); fewer may have come before.
        let (before, first) = (handshake.received(), &self.scratch[first.clone()]);
        let Some(rest) = PREFACE.strip_prefix(before) else { return false };
        self.cx.settings.http2
            && before.len() < 3
            && before.len() + first.len() > 2
            && rest.starts_with(&first[..first.len().min(rest.len())])
    }

    /// Turns a connection into a carrier; `part` of the receive buffer belongs to it.
    pub(super) fn carry(&mut self, slot: usize, part: Range<usize>) {
        let id = self.id(slot);
        let until = self.cx.handshake_until();
        let carrier = Carrier::new(id, &self.cx.carried, until);
        if let Stage::Server(opening) = &self.cx.peers[slot].stage {
            let before = opening.handshake.received();
            let _ = carrier.link.front().connection.receive(before, self.cx.clock.peer_time());
        }
        self.cx.peers[slot].stage = Stage::Carrier(Box::new(carrier));
        self.cx.watch_deadline(slot);
        self.take_carried(slot, part);
    }

    /// Reads for a carrier.
    pub(super) fn read_carrier(&mut self, slot: usize) {
        for _ in 0..READS {
            let peer = &mut self.cx.peers[slot];
            if !peer.readable || !matches!(peer.stage, Stage::Carrier(_)) {
                return;
            }
            match peer.fill(self.scratch) {
                Filled::Bytes(len) => {
                    self.cx.stats.bytes_in += len as u64;
                    self.take_carried(slot, 0..len);
                }
                Filled::Nothing => return,
                Filled::End => return self.part(slot),
                Filled::Broken(_) => return self.kill(slot),
            }
        }
    }

    /// Takes the part of the receive buffer that has come for a carrier.
    fn take_carried(&mut self, slot: usize, part: Range<usize>) {
        let now = self.cx.clock.peer_time();
        let Some(carrier) = self.carrier(slot) else { return };
        let link = Arc::clone(&carrier.link);
        // A broken rule has its GOAWAY queued; the rest follows once that is written.
        let _ = link.front().connection.receive(&self.scratch[part], now);
        self.take_carrier_events(slot);
        self.cx.agenda.write(slot);
    }

    fn carrier(&mut self, slot: usize) -> Option<&mut Carrier> {
        match &mut self.cx.peers.get_mut(slot)?.stage {
            Stage::Carrier(carrier) => Some(carrier),
            _ => None,
        }
    }

    fn take_carrier_events(&mut self, slot: usize) {
        loop {
            let Some(carrier) = self.carrier(slot) else { return };
            let Some(event) = carrier.link.front().connection.next() else { return };
            match event {
                Event::Request(id, fields) => self.stream_begins(slot, id, &fields),
                Event::Readable(id) => self.stream_ready(slot, id, false),
                Event::Reset(id, _) => self.stream_ready(slot, id, true),
                Event::Writable(id) => {
                    if let Some(conn) = self.carried(slot, id) {
                        self.cx.peers[conn.slot as usize].writable = true;
                        self.cx.agenda.write(conn.slot as usize);
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the connection on a stream, if there is one.
    fn carried(&mut self, slot: usize, id: StreamId) -> Option<ConnId> {
        let conn = *self.carrier(slot)?.streams.get(&id)?;
        self.cx.peer(conn).map(|_| conn)
    }

    fn stream_ready(&mut self, slot: usize, id: StreamId, is_over: bool) {
        if let Some(conn) = self.carried(slot, id) {
            self.wake_carried(conn, is_over);
        }
    }

    fn wake_carried(&mut self, conn: ConnId, is_over: bool) {
        if self.cx.peer(conn).is_some() {
            let peer = &mut self.cx.peers[conn.slot as usize];
            peer.readable = true;
            peer.read_closed |= is_over;
            self.cx.agenda.read(conn.slot as usize);
            // The peer has to read first, and no window will open: a write finds that out.
            if is_over {
                peer.writable = true;
                self.cx.agenda.write(conn.slot as usize);
            }
        }
    }

    /// Handles a request: it becomes a connection of its own, if there is room for one.
    fn stream_begins(&mut self, slot: usize, id: StreamId, fields: &Fields) {
        let transport = &self.cx.peers[slot].transport;
        let addresses = [transport.peer_addr(), transport.local_addr()];
        let Some(carrier) = self.carrier(slot) else { return };
        let link = Arc::clone(&carrier.link);
        let refuse = |status: &str| {
            link.front().connection.respond(id, &Fields::new().with(":status", status), true);
            link.front().connection.close(id);
        };
        let stream = match CarriedStream::new(&link, id, fields, addresses) {
            Ok(stream) => stream,
            Err(status) => return refuse(&status.to_string()),
        };
        if !self.cx.reserve() {
            self.cx.stats.failed.no_room += 1;
            return refuse("503");
        }
        let mut number = UNCOUNTED;
        let client = self.cx.client_addr(self.id(slot));
        if let (Some(most), Some(client)) = (self.cx.settings.max_per_address, client)
            && self.cx.peers[slot].address != UNCOUNTED
        {
            match self.cx.admission.enter_from(client, most) {
                Some(entered) => number = entered,
                None => {
                    self.cx.admission.leave();
                    self.cx.stats.failed.address += 1;
                    return refuse("429");
                }
            }
        }
        let adopted = self.cx.adopt_from(Transport::other(stream), number);
        self.cx.admission.leave(); // it counts by itself now, or not at all
        match adopted {
            Ok(conn) => {
                self.announced_as(conn.slot as usize, slot);
                if let Some(carrier) = self.carrier(slot) {
                    carrier.streams.insert(id, conn);
                    carrier.until = None;
                }
                self.wake_carried(conn, false);
            }
            Err(error) => {
                self.cx.admission.leave_from(number);
                self.handler.on_error(self.cx, &LoopError::Adopt(error));
            }
        }
    }

    /// Does the work that streams have left.
    pub(super) fn serve_carriers(&mut self) {
        let (carriers, orphans) = {
            let mut work = self.cx.carried.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut work.carriers), std::mem::take(&mut work.orphans))
        };
        for conn in orphans {
            self.wake_carried(conn, true);
        }
        for id in carriers {
            if self.cx.peer(id).is_some() {
                self.flush_carrier(id.slot as usize);
            }
        }
    }

    /// Writes what a carrier has to send, and ends it once it has nothing left to carry.
    pub(super) fn flush_carrier(&mut self, slot: usize) {
        let until = self.cx.handshake_until();
        let Some(carrier) = self.carrier(slot) else { return };
        let link = Arc::clone(&carrier.link);
        let dropped = link.front().take_dropped();
        if !dropped.is_empty() {
            for id in dropped {
                carrier.streams.remove(&id);
            }
            if carrier.streams.is_empty() {
                carrier.until = until;
                self.cx.watch_deadline(slot);
            }
        }
        if self.write_carrier(slot, &link).is_err() {
            return self.kill(slot);
        }
        self.take_carrier_events(slot);
        let front = link.front();
        let is_done = front.connection.failure().is_some()
            || front.connection.is_going_away() && front.connection.streams() == 0;
        let is_written = front.connection.pending().is_empty();
        drop(front);
        if is_done && is_written && self.carrier(slot).is_some() {
            self.cx.peers[slot].stage = Stage::Ending;
            self.cx.peers[slot].deadlines.closing(self.cx.clock.peer_time());
            self.cx.watch_deadline(slot);
            self.progress(slot);
        }
        self.count(slot);
    }

    fn write_carrier(&mut self, slot: usize, link: &super::carrier::CarrierLink) -> io::Result<()> {
        let peer = &mut self.cx.peers[slot];
        let mut front = link.front();
        while peer.writable && !front.connection.pending().is_empty() {
            let offered = front.connection.pending().len();
            match peer.transport.write(front.connection.pending()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.cx.stats.bytes_out += written as u64;
                    peer.writable = written == offered || !peer.transport.short_write_fills();
                    front.connection.advance(written);
                }
                Err(error) if transport::is(&error, io::ErrorKind::WouldBlock) => peer.writable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends a carrier gracefully: it takes no further streams, and ends with the last of those that it has.
    pub(super) fn end_carrier(&mut self, slot: usize) {
        if let Some(carrier) = self.carrier(slot) {
            carrier.link.front().connection.go_away();
            self.cx.agenda.write(slot);
        }
    }
}
