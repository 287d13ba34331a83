//! Deadlines of many connections at the price of four octets each.
//!
//! A wheel of slots, each a coarse step of time, holds the numbers of the connections to look at then. A connection
//! has at most one entry that counts; when it comes up the connection says whether its deadline has passed or when
//! to look again. So what moves a deadline (every message does) touches nothing here, there is no heap entry for a
//! connection, and a tick looks only at what may be due.

use std::time::{Duration, Instant};

/// The wheel.
#[derive(Debug)]
pub(super) struct Wheel {
    start: Instant,
    /// The step up to which entries have been taken.
    now: u64,
    slots: Vec<Vec<u32>>,
    entries: usize,
}

/// The coarseness of all deadlines.
pub(super) const STEP: Duration = Duration::from_millis(50);

/// Steps around the wheel; a deadline further off is looked at once a round.
const SLOTS: u64 = 1024;

impl Wheel {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, now: 0, slots: vec![Vec::new(); SLOTS as usize], entries: 0 }
    }

    /// Enters connection `number` to be looked at `at`, unless `entered` (its entry that counts, 0 for none) comes
    /// up earlier. Gives the entry that counts now: its place in the wheel, counted from 1, where it lies for less than
    /// a round.
    pub(super) fn enter(&mut self, number: u32, at: Instant, entered: u16) -> u16 {
        let step = self.step_after(at).clamp(self.now + 1, self.now + SLOTS - 1);
        // Steps from now to the entry that counts; 0 for none, as that has come up.
        let ahead = (u64::from(entered) + SLOTS - 1).wrapping_sub(self.now) % SLOTS;
        if entered != 0 && (1..=step - self.now).contains(&ahead) {
            return entered;
        }
        self.slots[(step % SLOTS) as usize].push(number);
        self.entries += 1;
        place(step)
    }

    /// The step in which `now` lies, its last 32 bits.
    pub(super) fn step_of(&self, now: Instant) -> u32 {
        (now.saturating_duration_since(self.start).as_millis() / STEP.as_millis()) as u32
    }

    /// When a step of the last three years began.
    pub(super) fn time_of(&self, step: u32) -> Instant {
        let ago = (self.now as u32).wrapping_sub(step).cast_signed();
        let millis = STEP.as_millis() as u64;
        self.start + Duration::from_millis(self.now.saturating_add_signed(-i64::from(ago)) * millis)
    }

    /// When the next entry comes up.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.entries == 0 {
            return None;
        }
        let step =
            (self.now + 1..self.now + SLOTS).find(|step| !self.slots[(step % SLOTS) as usize].is_empty())?;
        Some(self.start + STEP * u32::try_from(step).unwrap_or(u32::MAX))
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
            let slot = &mut self.slots[(step % SLOTS) as usize];
            self.entries -= slot.len();
            due.extend(slot.drain(..).map(|number| (number, place(step))));
        }
    }

    /// The first step that begins at or after `at`.
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
    fn what_is_far_off_is_looked_at_once_a_round() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.enter(1, start + STEP * 5000, 0);
        assert_eq!(wheel.next(), Some(start + STEP * 1023));
        assert_eq!(due(&mut wheel, start + STEP * 1023), [1]);
    }
}
