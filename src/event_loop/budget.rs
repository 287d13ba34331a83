//! The memory budget of all connections together, and which connections have to go when it is exceeded.
//!
//! In: what a connection holds, whenever it has been read from or written to. Out: a sum that is exact at the end of a
//! turn, for this loop and, added up in one atomic number once a turn, for all loops of a group. If it comes near
//! [`Settings::max_held`](super::Settings::max_held), nothing more is read from the connections that hold most; if it
//! exceeds that, they are ended, the largest first, until an eighth is free. All others go on.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::id::ConnId;

/// The bytes that are held for the connections of one loop.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// The last count of each connection, by slot.
    counts: Vec<usize>,
    /// Their sum.
    held: usize,
    /// What transports themselves hold, TLS above all. It does not change for a transport.
    transports: usize,
    pub(super) shared: SharedMessages,
    /// What the group knows of this loop, and what the group holds in total.
    pub(super) told: usize,
    pub(super) total: usize,
    /// Connections that are not read from.
    pub(super) paused: Vec<ConnId>,
    /// When to check whether they may go on, even if nothing happens.
    pub(super) look_at: Option<Instant>,
    /// What was held when a connection was last paused.
    pub(super) looked_at: usize,
}

/// Messages that several connections share and at least one has not sent yet. Each counts once.
#[derive(Debug, Default)]
pub(super) struct SharedMessages {
    frames: VecDeque<Arc<[u8]>>,
    /// Their addresses.
    known: HashSet<usize>,
    held: usize,
    /// Whether a queue has been written from, or is gone, since all were checked: some may have no owner any more.
    is_stale: bool,
    /// When all are checked, whether or not anything happens.
    due: Option<Instant>,
}

/// How many shared messages are checked per turn for remaining owners.
const SWEPT: usize = 64;

/// How long after a queue has released something all shared messages are checked. This happens once in that time, as
/// many may be under way to a slow reader.
const SWEEP_AFTER: Duration = Duration::from_millis(100);

/// While connections are paused, how often to check whether other loops of the group have freed enough.
pub(super) const LOOK_AFTER: Duration = Duration::from_millis(50);

/// A loop reports changes of what it holds to the group in steps of this many bytes, or of a 16th of the budget.
pub(super) const STEP: usize = 64 * 1024;

impl Budget {
    /// Sets what is held for the connection in `slot`.
    pub(super) fn set(&mut self, slot: usize, held: usize) {
        if self.counts.len() <= slot {
            self.counts.resize(slot + 1, 0);
        }
        self.held = self.held - self.counts[slot] + held;
        self.counts[slot] = held;
        self.shared.is_stale = true;
    }

    /// Adds a connection whose transport holds this much.
    pub(super) const fn enter(&mut self, transport: usize) {
        self.transports += transport;
    }

    /// Removes the connection in `slot`.
    pub(super) fn leave(&mut self, slot: usize, transport: usize) {
        self.transports -= transport;
        self.shared.is_stale = true;
        if self.of(slot) > 0 {
            self.set(slot, 0);
        }
    }

    #[inline]
    pub(super) fn of(&self, slot: usize) -> usize {
        self.counts.get(slot).copied().unwrap_or(0)
    }

    /// Returns how many bytes are held for connections, including shared ones.
    pub(super) const fn held(&self) -> usize {
        self.held + self.shared.held + self.transports
    }
}

impl SharedMessages {
    pub(super) fn note(&mut self, frame: &Arc<[u8]>) {
        if self.known.insert(frame.as_ptr() as usize) {
            self.held += frame.len();
            self.frames.push_back(Arc::clone(frame));
        }
    }

    /// At the end of a turn: releases some messages without other owners, or all of them once it is time for that.
    pub(super) fn keep_swept(&mut self, now: Instant) {
        if self.frames.is_empty() {
            (self.is_stale, self.due) = (false, None);
        } else if self.due.is_some_and(|due| due <= now) {
            (self.is_stale, self.due) = (false, None);
            self.sweep(usize::MAX);
        } else {
            if self.is_stale && self.due.is_none() {
                self.due = now.checked_add(SWEEP_AFTER);
            }
            self.sweep(SWEPT);
        }
    }

    /// Returns when [`keep_swept`](Self::keep_swept) is needed even if nothing happens.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if self.frames.is_empty() { None } else { self.due.or(self.is_stale.then_some(now)) }
    }

    /// Releases those of the next `most` messages that have no other owner.
    pub(super) fn sweep(&mut self, most: usize) {
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

/// Returns half of the memory of the machine, or of what the control group of the process may use; 1 GiB if neither is
/// known.
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
        let mut shared = SharedMessages::default();
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
