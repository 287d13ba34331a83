//! Messages to a slow reader that wait unencoded: the oldest may be dropped, and the newest of each key survives.

use super::{Context, Sent};
use crate::connection::Outbound;
use crate::event_loop::backlog::{Kept, SHARED_FROM};
use crate::event_loop::id::ConnId;
use crate::event_loop::settings::Overflow;
use crate::message::Prepared;

impl<D: Default> Context<D> {
    /// Sends a message that supersedes earlier ones with the same `key`, such as a price. If more than
    /// [`Settings::high_watermark`](crate::event_loop::Settings::high_watermark) waits for a slow reader, the message
    /// replaces the waiting one with that key, if there is one. So the newest of each key arrives, and no more messages
    /// wait than there are keys.
    ///
    /// Replaced messages are counted ([`take_dropped`](Self::take_dropped)). Keys belong to one connection.
    pub fn send_latest(&mut self, id: ConnId, key: &str, message: impl Into<Prepared>) -> Sent {
        self.send_keyed(id, Some(key), &message.into())
    }

    /// Returns how many messages to this connection were dropped, or replaced by newer ones, since the last call. A
    /// program may tell its client in [`on_drained`](crate::event_loop::Handler::on_drained).
    pub fn take_dropped(&mut self, id: ConnId) -> u64 {
        if self.peer(id).is_none() {
            return 0;
        }
        self.peers[id.slot as usize].cold.as_mut().map_or(0, |cold| std::mem::take(&mut cold.dropped))
    }

    pub(in crate::event_loop) fn send_keyed(
        &mut self,
        id: ConnId,
        key: Option<&str>,
        message: &Prepared,
    ) -> Sent {
        let Some(key) = key else { return self.send_prepared(id, message) };
        if self.peer(id).is_some_and(|peer| peer.congested && peer.is_open() && !peer.outbound.sent_close()) {
            return self.keep(id, Kept { message: message.clone(), choice: None }, Some(key));
        }
        self.send_prepared(id, message)
    }

    /// Returns whether a message to this connection has to wait unencoded.
    #[cold]
    pub(super) fn keeps(&self, id: ConnId) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        let has_backlog = peer.cold.as_ref().is_some_and(|cold| cold.backlog.is_some());
        peer.is_open()
            && !peer.outbound.sent_close()
            && !self.agenda.is_decided(id.slot as usize)
            && (has_backlog || peer.pressure(&self.settings).overflow == Overflow::DropOldest)
    }

    /// Keeps a message waiting.
    pub(super) fn keep(&mut self, id: ConnId, kept: Kept, key: Option<&str>) -> Sent {
        let slot = id.slot as usize;
        if self.agenda.is_decided(slot) {
            return Sent::Closed;
        }
        let drops_oldest = self.peers[slot].pressure(&self.settings).overflow == Overflow::DropOldest;
        let peer = &mut self.peers[slot];
        let (queued, most) = (peer.outbound.queued(), peer.outbound.config().max_queued);
        let backlog = peer.cold().backlog.get_or_insert_default();
        let replaces = key.is_some_and(|key| backlog.has(key));
        let mut dropped = 0;
        while !replaces && queued + backlog.bytes() >= most {
            if !drops_oldest || backlog.pop().is_none() {
                self.drop_kept(slot, dropped);
                return self.full(slot);
            }
            dropped += 1;
        }
        if kept.message.frame().len() >= SHARED_FROM {
            self.budget.shared.note(kept.message.frame());
        }
        let replaced = backlog.push(kept, key).is_some();
        let waits = queued + backlog.bytes();
        self.drop_kept(slot, dropped);
        if replaced {
            self.stats.conflated += 1;
            self.peers[slot].cold().dropped += 1;
            self.budget.shared.sweep(2);
        }
        self.stats.messages_out += 1;
        self.agenda.write_in_order(slot); // it is counted there
        self.congested(id);
        Sent::Queued(waits)
    }

    /// Counts dropped messages.
    fn drop_kept(&mut self, slot: usize, dropped: u64) {
        if dropped > 0 {
            self.stats.dropped += dropped;
            self.peers[slot].cold().dropped += dropped;
            // Perhaps nobody else has it any more.
            self.budget.shared.sweep(2 * dropped as usize);
        }
    }

    /// Encodes waiting messages until more than `most` bytes are encoded. Returns whether any message still waits.
    pub(in crate::event_loop) fn encode_kept(&mut self, slot: usize, most: usize) -> bool {
        let Some(mut backlog) = self.peers[slot].cold.as_mut().and_then(|cold| cold.backlog.take()) else {
            return false;
        };
        let mut lost = 0;
        let room = |outbound: &Outbound| {
            let queued = outbound.queued();
            queued <= most && queued < outbound.config().max_queued && !outbound.is_in_message()
        };
        while room(&self.peers[slot].outbound) {
            let Some(Kept { message, choice }) = backlog.pop() else { break };
            let (sent, _) = self.pool.send(&mut self.peers[slot].outbound, true, |outbound| match choice {
                None => outbound.send_prepared(&message),
                Some(choice) => outbound.send_with(message.as_message(), choice),
            });
            match sent {
                Ok(()) => {}
                Err(_) => lost += 1,
            }
        }
        self.agenda.write_in_order(slot);
        self.drop_kept(slot, lost);
        let waits = !backlog.is_empty();
        if waits {
            self.peers[slot].cold().backlog = Some(backlog);
        }
        waits
    }

    /// Encodes all waiting messages, as what follows must not overtake them. Messages without room are dropped.
    pub(in crate::event_loop) fn encode_all_kept(&mut self, slot: usize) {
        if self.encode_kept(slot, usize::MAX)
            && let Some(mut backlog) = self.peers[slot].cold().backlog.take()
        {
            let lost = std::iter::from_fn(|| backlog.pop()).count();
            self.drop_kept(slot, lost as u64);
        }
    }
}
