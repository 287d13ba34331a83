//! The current time, and how much of it counts against peers.
//!
//! There are two times. The program's time is the clock's, and its timers follow it. The peers' time is the time in
//! which we could have heard them, and their deadlines are set and expire by it. The two differ once a turn was late,
//! because the process was stopped, the machine slept or a callback took long. The rules for late turns are all here:
//!
//! * a turn is late if it comes more than [`LATE`] after it was asked for, and so is a wait that begins that long after
//!   the last one ended: no more than [`LATE`] of that time counts;
//! * what was ready when a deadline came is taken before the deadline counts, however many turns that takes: an event
//!   queue may return fewer events at a time than there are peers to hear.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Clock {
    now: Instant,
    /// The current time of the peers.
    peers: Instant,
    in_turn: bool,
    /// Whether the time is given by the program, so that the system's clock is never read.
    is_given: bool,
    /// How many events this turn has brought.
    events: usize,
    /// Whether this turn came later than it was asked for.
    is_late: bool,
    hearing: Option<Hearing>,
}

/// Deadlines have come, and what was ready by then still has to be taken.
#[derive(Debug)]
struct Hearing {
    /// The time of the peers when they came.
    deadlines: Instant,
    /// After this many more events all of it has been taken: sources are queued in turn.
    events: usize,
}

/// How much later than asked for a turn may come before it is late. This much counts in any case, so that deadlines
/// also come to a loop that is always late.
pub(super) const LATE: Duration = Duration::from_secs(1);

impl Clock {
    pub(super) const fn new(now: Instant) -> Self {
        Self { now, peers: now, in_turn: false, is_given: false, events: 0, is_late: false, hearing: None }
    }

    /// Returns the time of this turn, which is the program's.
    #[inline]
    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// Returns the peers' time of this turn, by which their deadlines are set and expire.
    #[inline]
    pub(super) const fn peer_time(&self) -> Instant {
        self.peers
    }

    /// Returns when it will be `at` in the peers' time, if no turn is late.
    pub(super) fn program_time(&self, at: Instant) -> Instant {
        let missed = self.now.saturating_duration_since(self.peers);
        at.checked_add(missed).unwrap_or(at)
    }

    /// Returns whether a turn has begun.
    #[inline]
    pub(super) const fn is_in_turn(&self) -> bool {
        self.in_turn
    }

    /// Reads the clock at the beginning of a turn, once for all of it. `first` is the first deadline.
    #[inline]
    pub(super) fn begin_turn(&mut self, first: impl FnOnce() -> Option<Instant>) {
        self.look(first);
        self.in_turn = true;
    }

    /// Reads the clock, unless a turn has begun.
    #[inline]
    pub(super) fn look(&mut self, first: impl FnOnce() -> Option<Instant>) {
        if !self.in_turn && !self.is_given {
            self.advance(Instant::now(), first);
        }
    }

    /// Begins a turn at `now`. From here on no other clock is read.
    pub(super) fn give(&mut self, now: Instant, first: impl FnOnce() -> Option<Instant>) {
        self.is_given = true;
        self.set(now, first);
    }

    /// Sets the time to `now`, in a turn that has begun or begins here.
    #[inline]
    pub(super) fn set(&mut self, now: Instant, first: impl FnOnce() -> Option<Instant>) {
        self.in_turn = true;
        self.advance(now, first);
    }

    pub(super) const fn end_turn(&mut self) {
        self.in_turn = false;
    }

    #[inline]
    fn advance(&mut self, now: Instant, first: impl FnOnce() -> Option<Instant>) {
        let elapsed = now.saturating_duration_since(self.now);
        self.now += elapsed;
        if elapsed > LATE && elapsed > self.asked(first()).saturating_add(LATE) {
            self.is_late = true;
            self.peers += LATE;
        } else {
            self.peers += elapsed;
        }
    }

    /// Returns for how long after the last turn the next one was not asked for. `first` is the first deadline.
    #[cold]
    fn asked(&self, first: Option<Instant>) -> Duration {
        match first {
            _ if self.hearing.is_some() => Duration::ZERO,
            Some(at) => at.saturating_duration_since(self.peers),
            None => Duration::MAX, // there is no deadline, so late or not makes no difference
        }
    }

    /// Begins a wait at `now`: what has passed since the turn began was our own time.
    pub(super) fn begin_wait(&mut self, now: Instant) {
        if !self.is_given {
            let elapsed = now.saturating_duration_since(self.now);
            self.now += elapsed;
            self.peers += elapsed.min(LATE);
        }
    }

    /// Counts an event that has been taken.
    #[inline]
    pub(super) const fn count_event(&mut self) {
        self.events += 1;
    }

    /// Returns whether the next turn is needed at once, as there is still something to be heard.
    pub(super) const fn is_hearing(&self) -> bool {
        self.hearing.is_some()
    }

    /// At the end of the events of a turn, returns the peers' time up to which deadlines count, or `None` while some of
    /// what was ready before has not been taken. `first` is the first deadline, `sources` how many things may be ready.
    #[inline]
    pub(super) fn due_by(&mut self, first: Option<Instant>, sources: usize) -> Option<Instant> {
        let events = std::mem::take(&mut self.events);
        // If there was nothing more to be taken, all has been. A late turn may have begun before it was there.
        let is_late = std::mem::take(&mut self.is_late);
        let is_quiet = events == 0 && !is_late;
        if let Some(hearing) = &mut self.hearing {
            hearing.events = hearing.events.saturating_sub(events);
            if !is_quiet && hearing.events > 0 {
                return None;
            }
            return self.hearing.take().map(|hearing| hearing.deadlines);
        }
        if is_quiet || first.is_none_or(|at| at > self.peers) {
            return Some(self.peers);
        }
        // A selector may have two events for each source, one for each direction.
        self.hearing = Some(Hearing { deadlines: self.peers, events: 2 * sources });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Runs a turn. Returns the time up to which deadlines count, in seconds from the start.
    fn turn(clock: &mut Clock, now: Instant, first: Instant, events: usize) -> Option<Instant> {
        clock.set(now, || Some(first));
        (0..events).for_each(|_| clock.count_event());
        let due = clock.due_by(Some(first), 10);
        clock.end_turn();
        due
    }

    #[test]
    fn turns_in_time_are_the_clock() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        for (second, events) in [(1, 0), (2, 5), (3, 0)] {
            let now = start + second * SECOND;
            assert_eq!(turn(&mut clock, now, start + 9 * SECOND, events), Some(now));
        }
        assert_eq!((clock.now(), clock.peer_time()), (start + 3 * SECOND, start + 3 * SECOND));
        let long = start + 9 * SECOND;
        assert_eq!(turn(&mut clock, long, long, 0), Some(long), "a long wait that was asked for");
    }

    #[test]
    fn what_is_ready_is_heard_before_a_deadline_counts() {
        let start = Instant::now();
        let (mut clock, due) = (Clock::new(start), start + SECOND);
        assert_eq!(turn(&mut clock, due, due, 4), None);
        assert!(clock.is_hearing());
        let later = due + SECOND / 2;
        assert_eq!(turn(&mut clock, later, due, 4), None);
        assert_eq!(turn(&mut clock, later, due, 0), Some(due), "of then, not of now");
        assert!(!clock.is_hearing());
        // If events never end, this many of them are enough.
        assert_eq!(turn(&mut clock, later, due, 4), None);
        let turns = (1..).find(|_| turn(&mut clock, later, due, 4).is_some());
        assert_eq!(turns, Some(5), "2 for each of 10 sources");
    }

    #[test]
    fn of_a_late_turn_little_counts() {
        let start = Instant::now();
        let (mut clock, due) = (Clock::new(start), start + 5 * SECOND);
        let now = start + 15 * SECOND;
        assert_eq!(turn(&mut clock, now, due, 3), Some(start + LATE));
        assert_eq!(clock.program_time(due), now + 4 * SECOND);
        assert_eq!(turn(&mut clock, now + 4 * SECOND, due, 0), Some(due));
        // Late again, when a deadline was near: what was ready then may not have been there to be taken yet.
        let (now, due) = (now + 60 * SECOND, due + SECOND / 2);
        assert_eq!(turn(&mut clock, now, due, 0), None);
        assert_eq!(turn(&mut clock, now + 60 * SECOND, due, 0), None, "nor while it hears");
        assert_eq!(turn(&mut clock, now + 60 * SECOND, due, 0), Some(start + 6 * SECOND));
    }

    #[test]
    fn what_a_callback_takes_is_not_a_wait() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.begin_wait(start + 8 * SECOND);
        assert_eq!((clock.now(), clock.peer_time()), (start + 8 * SECOND, start + LATE));
        clock.begin_wait(start + 8 * SECOND + LATE / 2);
        assert_eq!(clock.peer_time(), start + LATE + LATE / 2);
    }

    #[test]
    fn time_never_goes_back() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.give(start + SECOND, || None);
        clock.set(start, || None);
        clock.end_turn();
        clock.begin_turn(|| None);
        assert_eq!((clock.now(), clock.peer_time()), (start + SECOND, start + SECOND));
    }
}
