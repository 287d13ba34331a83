//! What all connections hold together, and who has to go where it is too much.
//!
//! In: what a connection holds, whenever it has been read from or written to. Out: a sum that is exact at the end of a
//! turn, for this loop and, added up in one atomic number once a turn, for all loops of a group. Where it comes near to
//! [`Settings::max_held`], nothing more is read from those that hold most; where it passes it, they are ended, the
//! largest first, until an eighth is free. All others go on.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, OnceLock};

use super::ended::{Cause, Failed};
use super::handler::Handler;
use super::id::ConnId;
use super::peer::Stage;
#[cfg(doc)]
use super::settings::Settings;
use super::turn::Turn;
use crate::close::{CloseCode, CloseReason};
use crate::handshake::Refusal;

/// The bytes that are held for the connections of one loop.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Counted last, by slot.
    counts: Vec<usize>,
    /// Their sum.
    held: usize,
    /// What transports hold for themselves, TLS above all: always the same for one.
    transports: usize,
    shared: Shared,
    /// What the group knows of, and what it holds altogether.
    told: usize,
    total: usize,
    /// Those from which nothing is read.
    paused: Vec<ConnId>,
    /// What was held when somebody was paused last.
    looked_at: usize,
}

/// Messages that several connections send, and that one of them has not sent yet: each counts once.
#[derive(Debug, Default)]
struct Shared {
    frames: VecDeque<Arc<[u8]>>,
    /// Where they lie.
    known: HashSet<usize>,
    held: usize,
}

/// Shared messages that are looked at in a turn, whether anybody still has them.
const SWEPT: usize = 64;

/// What a loop holds more or less is told to the group in steps of this many bytes.
const STEP: usize = 64 * 1024;

impl Budget {
    /// What is held for the connection in `slot` now.
    fn set(&mut self, slot: usize, held: usize) {
        if self.counts.len() <= slot {
            self.counts.resize(slot + 1, 0);
        }
        self.held = self.held - self.counts[slot] + held;
        self.counts[slot] = held;
    }

    /// A connection has come whose transport holds so much.
    pub(super) const fn enter(&mut self, transport: usize) {
        self.transports += transport;
    }

    /// The connection in `slot` is gone.
    pub(super) fn leave(&mut self, slot: usize, transport: usize) {
        self.transports -= transport;
        if self.of(slot) > 0 {
            self.set(slot, 0);
        }
    }

    #[inline]
    fn of(&self, slot: usize) -> usize {
        self.counts.get(slot).copied().unwrap_or(0)
    }

    /// Bytes held for connections, shared ones included.
    pub(super) const fn held(&self) -> usize {
        self.held + self.shared.held + self.transports
    }
}

impl Shared {
    fn note(&mut self, frame: &Arc<[u8]>) {
        if self.known.insert(frame.as_ptr() as usize) {
            self.held += frame.len();
            self.frames.push_back(Arc::clone(frame));
        }
    }

    /// Lets go of those that nobody else has, among the next `most`.
    fn sweep(&mut self, most: usize) {
        for _ in 0..most.min(self.frames.len()) {
            let Some(frame) = self.frames.pop_front() else { return };
            if Arc::strong_count(&frame) > 1 {
                self.frames.push_back(frame);
            } else {
                self.known.remove(&(frame.as_ptr() as usize));
                self.held -= frame.len();
            }
        }
        if self.frames.is_empty() && self.frames.capacity() > SWEPT {
            *self = Self::default();
        }
    }
}

impl<H: Handler> Turn<'_, H> {
    /// Counts what a connection holds that has been read from or written to. Most hold nothing.
    #[inline]
    pub(super) fn count(&mut self, slot: usize) {
        let Some(peer) = self.cx.peers.get(slot) else { return };
        let holds = peer.holds() || self.inbounds.get(slot).is_some_and(|inbound| inbound.holds());
        if holds || self.cx.budget.of(slot) > 0 {
            self.count_memory(slot);
        }
    }

    #[inline(never)]
    fn count_memory(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let memory = peer.memory() + self.inbounds.get(slot).map_or(0, |inbound| inbound.memory());
        self.cx.budget.set(slot, memory);
        if peer.outbound.queued() > 0 {
            peer.outbound.queue().note_shared(|frame| self.cx.budget.shared.note(frame));
        }
    }

    /// Bytes kept for whoever needs them next.
    fn spare(&self) -> usize {
        self.scratch.len() + self.cx.pool.memory()
    }

    /// Sees to it that all connections of the group hold no more than they may.
    pub(super) fn keep_to_budget(&mut self) {
        self.cx.budget.shared.sweep(SWEPT);
        let own = self.cx.budget.held() + self.spare();
        let budget = &mut self.cx.budget;
        let most = self.cx.settings.max_held;
        if own.abs_diff(budget.told) >= STEP || budget.total > most / 8 * 5 {
            budget.total = self.cx.admission.hold(budget.told, own);
            budget.told = own;
        }
        let total = budget.total;
        if total > most / 4 * 3 {
            self.squeeze(total, own);
        } else if !budget.paused.is_empty() && total < most / 8 * 5 {
            self.release_paused();
        }
    }

    #[cold]
    fn squeeze(&mut self, total: usize, own: usize) {
        self.cx.pool.drain();
        let most = self.cx.settings.max_held;
        // What is too much is for each loop to free in proportion to what it holds.
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
                if !peer.squeezed {
                    peer.squeezed = true;
                    self.cx.budget.paused.push(id);
                }
            }
        }
    }

    /// Those for which something is held, those for which most is first.
    fn largest(&self) -> Vec<(usize, usize)> {
        let alive =
            self.cx.peers.iter().filter(|(_, peer)| !matches!(peer.stage, Stage::Ending | Stage::Dead));
        let mut largest: Vec<_> = alive
            .map(|(slot, peer)| (self.cx.budget.of(slot) + peer.outbound.shared_memory(), slot))
            .filter(|(held, _)| *held > 0)
            .collect();
        largest.sort_unstable_by(|left, right| right.cmp(left));
        largest
    }

    /// Ends a connection with code 1013. A Close frame cannot overtake what waits before it, so one whose peer does not
    /// read is ended at once.
    fn end_for_memory(&mut self, slot: usize) {
        self.cx.stats.over_budget += 1;
        let peer = &mut self.cx.peers[slot];
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
        if let Some(inbound) = self.inbounds.get_mut(slot) {
            inbound.discard();
        }
        if waits {
            self.kill(slot);
        } else {
            self.cx.agenda.write(slot);
        }
        self.count(slot);
    }

    #[cold]
    fn release_paused(&mut self) {
        self.cx.budget.looked_at = 0;
        for id in std::mem::take(&mut self.cx.budget.paused) {
            if self.cx.peer(id).is_some() {
                self.cx.peers[id.slot as usize].squeezed = false;
                self.cx.agenda.read(id.slot as usize);
            }
        }
    }
}

/// Half of the memory that the system says is there, or that the control group of the process may take; 1 GiB where
/// neither can be asked.
pub(super) fn half_of_memory() -> usize {
    static HALF: OnceLock<usize> = OnceLock::new();
    *HALF.get_or_init(|| {
        let read = |path| std::fs::read_to_string(path).ok();
        let machine = read("/proc/meminfo").and_then(|text| meminfo_total(&text));
        let group = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
        let bytes: u64 = [machine, group].into_iter().flatten().min().unwrap_or(2 << 30);
        usize::try_from(bytes / 2).unwrap_or(usize::MAX)
    })
}

fn meminfo_total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_the_machine() {
        let text = "MemTotal:       24683644 kB\nMemFree:         1000 kB\n";
        assert_eq!(meminfo_total(text), Some(24_683_644 * 1024));
        for text in ["", "MemTotal:", "MemTotal: x kB", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(meminfo_total(text), None);
        }
        assert!(half_of_memory() > 1 << 20);
    }

    #[test]
    fn a_sum_of_slots() {
        let mut budget = Budget::default();
        budget.set(3, 100);
        budget.set(0, 10);
        budget.set(3, 50);
        assert_eq!((budget.held(), budget.of(3), budget.of(1), budget.of(9)), (60, 50, 0, 0));
        budget.leave(3, 0);
        budget.leave(9, 0);
        assert_eq!(budget.held(), 10);
    }

    #[test]
    fn shared_messages_count_once_and_until_the_last_has_sent_them() {
        let mut shared = Shared::default();
        let frames: Vec<Arc<[u8]>> = (0..200).map(|_| vec![7; 1000].into()).collect();
        for _ in 0..3 {
            frames.iter().for_each(|frame| shared.note(frame));
        }
        assert_eq!(shared.held, 200_000);
        let kept = Arc::clone(&frames[70]);
        drop(frames);
        for _ in 0..4 {
            shared.sweep(SWEPT);
        }
        assert_eq!(shared.held, 1000);
        drop(kept);
        shared.sweep(usize::MAX);
        assert_eq!((shared.held, shared.known.len()), (0, 0));
    }
}
