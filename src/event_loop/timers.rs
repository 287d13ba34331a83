//! Timers of the program.
//!
//! They are few and exact, unlike the deadlines of connections, which are many and coarse and live in the wheel: a heap
//! of points in time, and a table of those that still count.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use slab::Slab;

use super::id::ConnId;

/// Identifies a timer for as long as it runs, and nothing after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId {
    slot: u32,
    number: u64,
}

/// A timer that has fired; see [`Handler::on_timer`](super::Handler::on_timer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Its id.
    pub id: TimerId,
    /// The program's tag.
    pub tag: u64,
    /// The connection that it belongs to, which is open.
    pub connection: Option<ConnId>,
}

/// A repeating timer fires at most this often.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    entries: Slab<Entry>,
    numbers: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    every: Option<Duration>,
    tag: u64,
    connection: Option<ConnId>,
}

impl Timers {
    pub(super) fn set(
        &mut self,
        at: Option<Instant>,
        every: Option<Duration>,
        tag: u64,
        connection: Option<ConnId>,
    ) -> TimerId {
        self.numbers += 1;
        let number = self.numbers;
        let every = every.map(|every| every.max(SHORTEST));
        // A process cannot hold 2^32 timers of this size.
        let slot = self.entries.insert(Entry { number, every, tag, connection }) as u32;
        // A time too far off to be represented never comes.
        if let Some(at) = at {
            self.heap.push(Reverse((at, number, slot)));
        }
        TimerId { slot, number }
    }

    /// Cancels a timer. Returns whether it was still to fire.
    pub(super) fn cancel(&mut self, id: TimerId) -> bool {
        let counts = self.entries.get(id.slot as usize).is_some_and(|entry| entry.number == id.number);
        if counts {
            self.entries.remove(id.slot as usize);
            self.compact();
        }
        counts
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Returns the number of the timer that was set last.
    pub(super) const fn last(&self) -> u64 {
        self.numbers
    }

    /// Takes the next timer that is due by `now`, of those up to number `last`: one that a callback sets has to wait
    /// for the next turn. They are taken one at a time, as the callback of one may cancel another. A repeating timer is
    /// set anew, and does not make up for missed times.
    pub(super) fn take_due(&mut self, now: Instant, last: u64) -> Option<Timer> {
        while let Some(&Reverse((at, number, slot))) = self.heap.peek() {
            if at > now || number > last {
                return None;
            }
            self.heap.pop();
            let Some(entry) = self.entries.get(slot as usize).filter(|entry| entry.number == number) else {
                continue; // cancelled
            };
            let timer = Timer { id: TimerId { slot, number }, tag: entry.tag, connection: entry.connection };
            match entry.every {
                None => drop(self.entries.remove(slot as usize)),
                Some(every) => {
                    let next = at.checked_add(every).filter(|next| *next > now);
                    if let Some(next) = next.or_else(|| now.checked_add(every)) {
                        self.heap.push(Reverse((next, number, slot)));
                    }
                }
            }
            return Some(timer);
        }
        None
    }

    /// Bounds the heap: its entries that no longer count are at most as many as those that do, and some.
    fn compact(&mut self) {
        if self.heap.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            self.heap.retain(|Reverse((_, number, slot))| {
                entries.get(*slot as usize).is_some_and(|entry| entry.number == *number)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn due(timers: &mut Timers, now: Instant) -> Vec<u64> {
        let last = timers.last();
        std::iter::from_fn(|| timers.take_due(now, last)).map(|timer| timer.tag).collect()
    }

    #[test]
    fn timers_come_in_order_and_once() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.set(Some(start + 2 * SECOND), None, 2, None);
        timers.set(Some(start + SECOND), None, 1, None);
        timers.set(None, None, 3, None);
        assert_eq!(timers.next(), Some(start + SECOND));
        assert!(due(&mut timers, start).is_empty());
        assert_eq!(due(&mut timers, start + 2 * SECOND), [1, 2]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_repeating_timer_does_not_make_up_for_what_it_missed() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let id = timers.set(Some(start + SECOND), Some(SECOND), 1, None);
        assert_eq!(due(&mut timers, start + SECOND), [1]);
        assert_eq!(timers.next(), Some(start + 2 * SECOND), "no drift");
        assert_eq!(due(&mut timers, start + 10 * SECOND), [1]);
        assert_eq!(timers.next(), Some(start + 11 * SECOND));
        assert!(timers.cancel(id));
        assert!(!timers.cancel(id));
        assert!(due(&mut timers, start + 20 * SECOND).is_empty());
    }

    /// The callback of the first cancels the second, and sets one that is due at once.
    #[test]
    fn what_is_cancelled_does_not_come_and_what_is_new_waits() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.set(Some(start), None, 1, None);
        let second = timers.set(Some(start), None, 2, None);
        timers.set(Some(start), None, 3, None);
        let last = timers.last();
        assert_eq!(timers.take_due(start, last).map(|timer| timer.tag), Some(1));
        assert!(timers.cancel(second));
        timers.set(Some(start), None, 4, None);
        assert_eq!(timers.take_due(start, last).map(|timer| timer.tag), Some(3));
        assert_eq!(timers.take_due(start, last), None);
        assert_eq!(due(&mut timers, start), [4]);
    }

    #[test]
    fn cancelled_timers_hold_no_memory() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for _ in 0..10_000 {
            let id = timers.set(Some(start + SECOND), None, 0, None);
            assert!(timers.cancel(id));
        }
        assert!(timers.heap.len() <= 65, "{}", timers.heap.len());
    }

    #[test]
    fn a_slot_that_is_used_again_is_another_timer() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let old = timers.set(Some(start), None, 1, None);
        timers.cancel(old);
        let new = timers.set(Some(start), None, 2, None);
        assert_eq!(old.slot, new.slot);
        assert!(!timers.cancel(old));
        assert_eq!(due(&mut timers, start), [2]);
    }
}
