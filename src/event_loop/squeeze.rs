//! Counts what connections hold, and acts if it is too much; see `budget`.

use super::budget::{LOOK_AFTER, STEP};
use super::ended::{Cause, Failed};
use super::handler::Handler;
use super::peer::{Squeezed, Stage};
use super::turn::Turn;
use crate::close::{CloseCode, CloseReason};
use crate::connection::driver::OutboundExt as _;
use crate::handshake::Refusal;

impl<H: Handler> Turn<'_, H> {
    /// Counts what a connection holds that has been read from or written to. Most hold nothing.
    #[inline]
    pub(super) fn count(&mut self, slot: usize) {
        let holds_input = self.inbounds.get(slot).is_some_and(|inbound| inbound.holds());
        self.count_with(slot, holds_input);
    }

    /// Counts what a connection holds that has only been written to.
    #[inline]
    pub(super) fn count_sent(&mut self, slot: usize) {
        self.count_with(slot, false);
    }

    #[inline]
    fn count_with(&mut self, slot: usize, holds_input: bool) {
        let Some(peer) = self.cx.peers.get(slot) else { return };
        let holds = holds_input || peer.holds() || peer.transport.buffered() > 0;
        let counted = self.cx.budget.of(slot);
        if holds || counted > 0 && counted != peer.outbound.always_held() {
            self.count_memory(slot);
        }
    }

    #[inline(never)]
    fn count_memory(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let own = peer.memory() + peer.transport.buffered();
        let memory = own + self.inbounds.get(slot).map_or(0, |inbound| inbound.memory());
        self.cx.budget.set(slot, memory);
        if peer.outbound.queued() > 0 {
            peer.outbound.queue().note_shared(|frame| self.cx.budget.shared.note(frame));
        }
    }

    /// Returns how many bytes are kept for the next connections that need them.
    fn spare(&self) -> usize {
        self.scratch.len() + self.cx.pool.memory() + self.cx.fanout.memory()
    }

    /// Makes sure that all connections of the group hold no more than they may.
    pub(super) fn keep_to_budget(&mut self) {
        let now = self.cx.now();
        self.cx.budget.shared.keep_swept(now);
        self.cx.pool.trim(now);
        let most = self.cx.settings.max_held;
        let (mut total, mut own) = self.add_up();
        if total > most / 4 * 3 {
            self.fit_buffers_beyond(0);
            self.cx.pool.drain(); // no connection is held back or ended for what is only kept in reserve
            (total, own) = self.add_up();
        }
        if total > most / 4 * 3 {
            self.squeeze(total, own);
            (total, _) = self.add_up();
        }
        if !self.cx.budget.paused.is_empty() {
            self.read_on_within(total);
        }
    }

    /// Returns what the group holds, and this loop's part of it.
    fn add_up(&mut self) -> (usize, usize) {
        let own = self.cx.budget.held() + self.spare();
        let budget = &mut self.cx.budget;
        let most = self.cx.settings.max_held;
        if own.abs_diff(budget.told) >= STEP.min(most / 16) || budget.total > most / 8 * 5 {
            budget.total = self.cx.admission.hold(budget.told, own);
            budget.told = own;
        }
        (budget.total, own)
    }

    /// Continues reading from paused connections, once there is room; what is only kept in reserve makes room, too.
    #[cold]
    fn read_on_within(&mut self, mut total: usize) {
        let enough = self.cx.settings.max_held / 8 * 5;
        if total >= enough {
            self.cx.pool.drain();
            (total, _) = self.add_up();
        }
        if total < enough {
            self.release_paused();
        }
        // What other loops free begins no turn here.
        self.cx.budget.look_at = match self.cx.budget.paused.is_empty() {
            true => None,
            false => self.cx.now().checked_add(LOOK_AFTER),
        };
    }

    #[cold]
    fn squeeze(&mut self, total: usize, own: usize) {
        let most = self.cx.settings.max_held;
        // Each loop frees a part of the excess in proportion to what it holds.
        let part = |bytes: usize| (bytes as u128 * own as u128 / (total.max(1) as u128)) as usize;
        if total > most {
            let mut free = part(total - most / 8 * 7);
            for (held, slot) in self.largest() {
                self.end_for_memory(slot);
                free = free.saturating_sub(held);
                if free == 0 {
                    break;
                }
            }
            self.cx.budget.shared.sweep(usize::MAX);
        } else if total > self.cx.budget.looked_at + most / 64 || self.cx.budget.paused.is_empty() {
            self.cx.budget.looked_at = total;
            let mut rest = own;
            for (held, slot) in self.largest() {
                if rest <= part(most / 2) {
                    break;
                }
                rest = rest.saturating_sub(held);
                let id = self.id(slot);
                let peer = &mut self.cx.peers[slot];
                // What waits for a connection that is ending does not grow by what its peer sends.
                if peer.squeezed == Squeezed::No && !matches!(peer.stage, Stage::Ending) {
                    // What a stream of HTTP/2 holds unread counts already: if it stayed there, the count would never go
                    // down.
                    peer.squeezed =
                        if peer.transport.hold_back(true) { Squeezed::HeldBack } else { Squeezed::Unread };
                    self.cx.budget.paused.push(id);
                }
            }
        }
    }

    /// Returns the connections for which something is held, the largest first.
    fn largest(&self) -> Vec<(usize, usize)> {
        let alive = self.cx.peers.iter().filter(|(_, peer)| !matches!(peer.stage, Stage::Dead));
        let mut largest: Vec<_> = alive
            .map(|(slot, peer)| (self.cx.budget.of(slot) + peer.outbound.shared_memory(), slot))
            .filter(|(held, _)| *held > 0)
            .collect();
        largest.sort_unstable_by(|left, right| right.cmp(left));
        largest
    }

    /// Ends a connection with code 1013. A Close frame cannot overtake what waits before it, so a connection whose peer
    /// does not read is ended at once, and so is one whose end the program knows already.
    fn end_for_memory(&mut self, slot: usize) {
        self.cx.stats.over_budget += 1;
        self.cx.settle(slot);
        let peer = &mut self.cx.peers[slot];
        #[cfg(feature = "http2")]
        if let Stage::Carrier(_) = peer.stage {
            self.kill(slot);
            return self.count(slot);
        }
        if matches!(peer.stage, Stage::Ending) {
            peer.outbound.queue().clear();
            self.kill(slot);
            return self.count(slot);
        }
        if !peer.is_open() {
            return self.refuse(slot, &Refusal::trusted(503).encode(), &Failed::Refused(503));
        }
        let waits = peer.outbound.queued() > 0;
        if waits {
            peer.outbound.queue().clear();
        } else {
            let reason = "too much is held for all connections, and most for this one";
            let _ = peer.outbound.close(Some(CloseReason { code: CloseCode::TRY_AGAIN_LATER, reason }));
        }
        self.over(slot, Cause::OverBudget);
        if waits {
            self.kill(slot);
        } else {
            self.cx.agenda.write(slot);
        }
        self.count(slot);
    }

    fn release_paused(&mut self) {
        self.cx.budget.looked_at = 0;
        for id in std::mem::take(&mut self.cx.budget.paused) {
            if self.cx.peer(id).is_some() {
                let peer = &mut self.cx.peers[id.slot as usize];
                if std::mem::replace(&mut peer.squeezed, Squeezed::No) == Squeezed::HeldBack {
                    peer.transport.hold_back(false);
                }
                self.cx.agenda.read(id.slot as usize);
            }
        }
    }
}
