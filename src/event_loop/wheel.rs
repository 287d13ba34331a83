//! Deadlines of many connections at a cost of four bytes each.
//!
//! A wheel of slots, each a coarse step of time, holds the numbers of the connections to look at then. A connection has
//! at most one entry that counts; when it comes up, the connection says whether its deadline has passed or when to look
//! again. So moving a deadline (every message does) touches nothing here, there is no heap entry for a connection, and
//! a tick looks only at what may be due.

use std::time::{Duration, Instant};

/// The wheel.
#[derive(Debug)]
pub(super) struct Wheel {
    start: Instant,
    /// The step up to which entries have been taken.
    now: u64,
    slots: Vec<Vec<u32>>,
    /// A bit for each slot that is not empty, so that every turn can ask for the next one.
    taken: [u64; WORDS],
    entries: usize,
    /// Empty slots whose memory others can use, so that no slot keeps room for the most that it ever held.
    spare: Vec<Vec<u32>>,
}

/// The coarseness of all deadlines.
pub(super) const STEP: Duration = Duration::from_millis(50);

/// Steps around the wheel; a deadline further off is looked at once a round.
const SLOTS: u64 = 1024;

/// How many empty slots keep their memory.
const SPARE: usize = 4;

const WORDS: usize = SLOTS as usize / 64;

impl Wheel {
    pub(super) fn new(start: Instant) -> Self {
        let slots = vec![Vec::new(); SLOTS as usize];
        Self { start, now: 0, slots, taken: [0; WORDS], entries: 0, spare: Vec::new() }
    }

    /// Adds connection `number`, to be looked at `at`, unless `entered` (its entry that counts, 0 if there is none)
    /// comes up earlier. Returns the entry that counts now: its place in the wheel, counted from 1, where it lies for
    /// less than a round.
    pub(super) fn enter(&mut self, number: u32, at: Instant, entered: u16) -> u16 {
        let step = self.step_after(at).clamp(self.now + 1, self.now + SLOTS - 1);
        // Steps from now to the entry that counts; 0 if there is none, as it has come up.
        let ahead = (u64::from(entered) + SLOTS - 1).wrapping_sub(self.now) % SLOTS;
        if entered != 0 && (1..=step - self.now).contains(&ahead) {
            return entered;
        }
        let slot = (step % SLOTS) as usize;
        let entries = &mut self.slots[slot];
        if entries.capacity() == 0 {
            *entries = self.spare.pop().unwrap_or_default();
        }
        entries.push(number);
        self.taken[slot / 64] |= 1 << (slot % 64);
        self.entries += 1;
        place(step)
    }

    /// Returns the last 32 bits of the step in which `now` lies.
    pub(super) fn step_of(&self, now: Instant) -> u32 {
        (now.saturating_duration_since(self.start).as_millis() / STEP.as_millis()) as u32
    }

    /// Returns when a step of the last three years began.
    pub(super) fn time_of(&self, step: u32) -> Instant {
        let ago = (self.now as u32).wrapping_sub(step).cast_signed();
        let millis = STEP.as_millis() as u64;
        self.start + Duration::from_millis(self.now.saturating_add_signed(-i64::from(ago)) * millis)
    }

    /// Returns when the next entry comes up.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.entries == 0 {
            return None;
        }
        // From the word of the next slot once around, back to the part of that word that lies before it.
        let first = ((self.now + 1) % SLOTS) as usize;
        let later = u64::MAX << (first % 64);
        let slot = (0..=WORDS).find_map(|at| {
            let word = (first / 64 + at) % WORDS;
            let part = match at {
                0 => later,
                WORDS => !later,
                _ => u64::MAX,
            };
            let bits = self.taken[word] & part;
            (bits != 0).then(|| word as u64 * 64 + u64::from(bits.trailing_zeros()))
        })?;
        let ahead = (slot + SLOTS - self.now % SLOTS) % SLOTS;
        Some(self.start + STEP * u32::try_from(self.now + ahead).unwrap_or(u32::MAX))
    }

    /// Moves the entries that have come up by `now` to `due`, each with its place.
    pub(super) fn expire(&mut self, now: Instant, due: &mut Vec<(u32, u16)>) {
        let target = (now.saturating_duration_since(self.start).as_millis() / STEP.as_millis()) as u64;
        if self.entries == 0 {
            self.now = self.now.max(target);
            return;
        }
        while self.now < target {
            self.now += 1;
            let step = self.now;
            let number = (step % SLOTS) as usize;
            self.taken[number / 64] &= !(1 << (number % 64));
            let mut slot = std::mem::take(&mut self.slots[number]);
            self.entries -= slot.len();
            due.extend(slot.drain(..).map(|number| (number, place(step))));
            if slot.capacity() > 0 && self.spare.len() < SPARE {
                self.spare.push(slot);
            }
        }
    }

    /// Returns the first step that begins at or after `at`.
    fn step_after(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_millis();
        u64::try_from(since.div_ceil(STEP.as_millis())).unwrap_or(u64::MAX)
    }
}

const fn place(step: u64) -> u16 {
    (step % SLOTS) as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.expire(now, &mut due);
        due.into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn entries_come_up_in_time_and_once() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        assert_eq!(wheel.next(), None);
        wheel.enter(7, start + Duration::from_millis(120), 0);
        wheel.enter(8, start + Duration::from_millis(10), 0);
        assert_eq!(wheel.next(), Some(start + STEP));
        assert_eq!(due(&mut wheel, start + Duration::from_millis(49)), [0; 0]);
        assert_eq!(due(&mut wheel, start + Duration::from_millis(50)), [8]);
        assert_eq!(due(&mut wheel, start + Duration::from_millis(149)), [0; 0]);
        assert_eq!(due(&mut wheel, start + Duration::from_millis(150)), [7]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn an_earlier_entry_stands_for_a_later_one() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let first = wheel.enter(1, start + 2 * STEP, 0);
        assert_eq!(wheel.enter(1, start + 9 * STEP, first), first);
        assert_eq!(wheel.entries, 1);
        let earlier = wheel.enter(1, start + STEP, first);
        assert!(earlier < first);
    }

    #[test]
    fn steps_are_told_apart_for_years() {
        let start = Instant::now();
        let years = Duration::from_secs(9 * 365 * 86_400);
        let mut wheel = Wheel::new(start);
        assert!(due(&mut wheel, start + years).is_empty());
        let later = start + years + STEP;
        let entered = wheel.enter(1, start + years + 3 * STEP, 0);
        assert_eq!(wheel.enter(1, start + years + 9 * STEP, entered), entered);
        assert_ne!(wheel.enter(1, start + years + 2 * STEP, entered), entered);
        assert_eq!(wheel.time_of(wheel.step_of(later)), later);
        assert_eq!(due(&mut wheel, start + years + 4 * STEP), [1, 1]);
    }

    #[test]
    fn the_next_entry_is_found_from_anywhere() {
        let start = Instant::now();
        for now in [0, 1, 62, 63, 64, 1000, 1022, 1023, 1024, 5000] {
            for ahead in [1, 2, 63, 64, 65, 500, 1022, 1023] {
                let mut wheel = Wheel::new(start);
                due(&mut wheel, start + STEP * now);
                wheel.enter(7, start + STEP * (now + ahead), 0);
                assert_eq!(wheel.next(), Some(start + STEP * (now + ahead)), "at {now}, {ahead} ahead");
                assert_eq!(due(&mut wheel, start + STEP * (now + ahead)), [7]);
                assert_eq!(wheel.next(), None);
            }
        }
    }

    #[test]
    fn memory_follows_the_entries_around() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for step in 0..3 * SLOTS as u32 {
            for number in due(&mut wheel, start + STEP * step).into_iter().chain(0..10 * u32::from(step < 20))
            {
                wheel.enter(number, start + STEP * (step + 20), 0);
            }
        }
        assert_eq!(wheel.entries, 200);
        let held: usize = wheel.slots.iter().map(Vec::capacity).sum();
        assert!(held <= 1000, "{held} for 200");
    }

    #[test]
    fn what_is_far_off_is_looked_at_once_a_round() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.enter(1, start + STEP * 5000, 0);
        assert_eq!(wheel.next(), Some(start + STEP * 1023));
        assert_eq!(due(&mut wheel, start + STEP * 1023), [1]);
    }
}
