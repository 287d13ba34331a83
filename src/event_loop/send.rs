//! From queues to sockets.

use std::mem;

use super::context::Context;
use super::ended::Failed;
use super::handler::Handler;
use super::peer::Stage;
use super::share::{WRITE, WRITES};
use super::turn::Turn;
use crate::connection::driver::OutboundExt as _;

/// Callbacks of a write may send again. What they send after this many rounds goes out in the next turn.
const ROUNDS: usize = 4;

impl<H: Handler> Turn<'_, H> {
    /// Acts on decisions and writes what was sent.
    pub(super) fn write_all(&mut self) {
        let mut writes = WRITES;
        for _ in 0..ROUNDS {
            #[cfg(feature = "http2")]
            self.serve_carriers();
            if !self.cx.agenda.has_output() && (writes == 0 || !self.cx.agenda.has_in_order()) {
                return;
            }
            self.act_on_decisions();
            let mut batch = self.cx.agenda.take_write();
            while let Some(slot) = self.cx.agenda.next(&mut batch) {
                self.flush(slot);
                self.count(slot);
            }
            while writes > 0
                && let Some(slot) = self.cx.agenda.next_in_order()
            {
                let before = self.cx.stats.bytes_out;
                let had_something = usize::from(self.flush(slot));
                let more = (self.cx.stats.bytes_out - before) / WRITE;
                writes = writes.saturating_sub(had_something + more as usize);
                self.count_sent(slot);
            }
        }
    }

    /// Handles writability: the socket takes bytes again, or a dialed connection is made.
    pub(super) fn writable(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if let Stage::Connecting(id) = peer.stage
            && !self.cx.stands(slot)
        {
            return self.connecting(slot, id);
        }
        let peer = &mut self.cx.peers[slot];
        if let Stage::Dialing(_) = peer.stage {
            match peer.transport.is_connected() {
                Ok(false) => return,
                Ok(true) => {
                    let Stage::Dialing(opening) = mem::replace(&mut peer.stage, Stage::Dead) else { return };
                    peer.outbound.queue().push(opening.handshake.request());
                    peer.stage = Stage::Client(opening);
                }
                Err(error) => return self.fail(slot, &Failed::Io(error)),
            }
        }
        if let Err(error) = peer.transport.flush_held() {
            return self.broken(slot, error);
        }
        #[cfg(feature = "http2")]
        if let Stage::Carrier(_) = peer.stage {
            return self.flush_carrier(slot);
        }
        let peer = &mut self.cx.peers[slot];
        if peer.outbound.queued() > 0 {
            // Room in the socket means that the peer reads: it is alive, though we may not be listening to it now.
            peer.deadlines.heard(self.cx.clock.peer_time());
            self.flush(slot);
            self.count(slot);
        }
    }

    /// Writes what is to be sent, and handles the consequences. Returns whether there was something to write.
    pub(super) fn flush(&mut self, slot: usize) -> bool {
        let Context { peers, pool, stats, fanout, .. } = &mut *self.cx;
        let peer = &mut peers[slot];
        let published = fanout.take(&mut peer.stretch);
        let is_queued = peer.outbound.queued() > 0;
        let written = match peer.stage {
            Stage::Dead => return false,
            #[cfg(feature = "http2")]
            Stage::Carrier(_) => {
                self.flush_carrier(slot);
                return is_queued;
            }
            _ if !published.is_empty() => peer.flush_published(fanout, published, pool, &mut stats.bytes_out),
            _ => peer.flush(&[], &mut stats.bytes_out),
        };
        let had_something = is_queued || !published.is_empty();
        pool.take_sent(&mut peer.outbound);
        match written {
            Ok(()) if peer.is_settled() => {}
            Ok(()) => self.after_write(slot),
            Err(_) => self.not_writable(slot),
        }
        had_something
    }

    /// Handles the consequences of a write: connections that wait for a slow reader may go on, and an end may be
    /// nearer.
    #[inline]
    pub(super) fn after_write(&mut self, slot: usize) {
        if self.cx.peers[slot].congested {
            self.drain(slot);
        }
        self.progress(slot);
    }

    /// Handles a failed write. The peer may have said why before it went: what it has sent is read first, and reading
    /// finds the error.
    #[cold]
    pub(super) fn not_writable(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        peer.outbound.queue().clear();
        // What is sent from here on fails in the same way, and is dropped: if it stayed, no more might be read.
        peer.writable = true;
        peer.read_closed = true;
        peer.readable = true;
        self.cx.agenda.read(slot);
        self.after_write(slot);
    }

    /// Reports that a slow reader has read enough to those who wait for it, if it has.
    #[cold]
    fn drain(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let pressure = peer.pressure(&self.cx.settings);
        if peer.outbound.queued() > pressure.low_watermark {
            return;
        }
        if peer.is_open() && self.cx.encode_kept(slot, pressure.high_watermark) {
            return; // more is to come
        }
        let peer = &mut self.cx.peers[slot];
        if peer.outbound.queued() > pressure.low_watermark {
            return;
        }
        peer.congested = false;
        let is_open = peer.is_open();
        self.read_later(slot);
        self.cx.release_producers(slot);
        if is_open {
            let id = self.id(slot);
            self.handler.on_drained(self.cx, id);
        }
    }
}
