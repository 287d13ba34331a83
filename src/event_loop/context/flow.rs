//! Pausing connections: nothing is read from them for a while.

use super::Context;
use crate::event_loop::id::ConnId;
use crate::event_loop::peer::Peer;
use crate::event_loop::settings::Pressure;

impl<D: Default> Context<D> {
    /// Reads nothing more from a connection, so that its peer has to wait, until [`resume`](Self::resume). The silence
    /// of a paused connection does not count against it. What was read before is still delivered.
    pub fn pause(&mut self, id: ConnId) {
        if self.peer(id).is_some() {
            let peer = &mut self.peers[id.slot as usize];
            peer.cold().paused = true;
            peer.held = true;
        }
    }

    /// Continues reading from a connection.
    pub fn resume(&mut self, id: ConnId) {
        if self.peer(id).is_some()
            && let Some(cold) = &mut self.peers[id.slot as usize].cold
        {
            cold.paused = false;
            self.release(id.slot as usize);
        }
    }

    /// Pauses `producer` until no more than the low watermark waits for `reader`, as
    /// [`Overflow::Block`](crate::event_loop::Overflow::Block) does automatically. Does nothing if no more than that
    /// waits already, or if the reader is over. However the reader ends, the producer is read from again.
    pub fn pause_until_drained(&mut self, producer: ConnId, reader: ConnId) {
        let is_open = self.peer(reader).is_some_and(Peer::is_open);
        if producer == reader || !is_open || self.peer(producer).is_none() {
            return;
        }
        self.settle(reader.slot as usize);
        let low = self.peers[reader.slot as usize].pressure(&self.settings).low_watermark;
        let peer = &mut self.peers[reader.slot as usize];
        if peer.outbound.queued() <= low {
            return;
        }
        peer.congested = true; // so that it is noticed when it has drained
        let producers = &mut peer.cold().producers;
        if producers.contains(&producer) {
            return;
        }
        producers.push(producer);
        let peer = &mut self.peers[producer.slot as usize];
        peer.cold().waits += 1;
        peer.held = true;
    }

    /// Overrides, for one connection, how [`Settings`](crate::event_loop::Settings) treat a peer that does not read.
    pub fn set_pressure(&mut self, id: ConnId, pressure: Pressure) {
        if self.peer(id).is_some() {
            self.peers[id.slot as usize].cold().pressure = Some(pressure);
        }
    }

    /// Continues reading from the connections that wait for `reader`.
    pub(in crate::event_loop) fn release_producers(&mut self, reader: usize) {
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

    pub(in crate::event_loop) fn release(&mut self, slot: usize) {
        let peer = &mut self.peers[slot];
        let may_read = peer.cold.as_ref().is_none_or(|cold| !cold.paused && !cold.slowed && cold.waits == 0);
        if peer.held && may_read {
            peer.held = false;
            self.agenda.read(slot);
        }
    }
}
