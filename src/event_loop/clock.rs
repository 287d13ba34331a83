//! What time it is, and how much of it counts against peers.
//!
//! Two times. The program's is the clock's: its timers follow it. The peers' is the time in which we could have heard
//! them: their deadlines are set and come by it. They differ once a turn was late, as the process was stopped, the
//! machine slept or a callback took long. What a late turn means is decided here and nowhere else:
//!
//! * a turn is late that comes more than [`LATE`] after it was asked for, and so is a wait that begins so long after the
//!   last one ended: of that time no more than [`LATE`] counts;
//! * what was ready when a deadline came is taken before the deadline counts, however many turns that takes: an event
//!   queue may bring fewer events at a time than there are peers to hear.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Clock {
    now: Instant,
    /// How far the time has come that counts against peers.
    peers: Instant,
    in_turn: bool,
    /// The clock of the system is never looked at: time is what the engine is told.
    is_given: bool,
    /// Events that this turn has brought.
    events: usize,
    /// This turn came later than it was asked for.
    is_late: bool,
    hearing: Option<Hearing>,
}

/// Deadlines have come, and what was ready by then is still to be taken.
#[derive(Debug)]
struct Hearing {
    /// In the time of the peers.
    deadlines: Instant,
    /// After so many more events all of it has been taken: sources wait in a queue for their turn.
    events: usize,
}

/// So much later than it was asked for may a turn come before it is late. It counts in any case, so that deadlines come
/// to a loop that is always late, too.
pub(super) const LATE: Duration = Duration::from_secs(1);

impl Clock {
    pub(super) const fn new(now: Instant) -> Self {
        Self { now, peers: now, in_turn: false, is_given: false, events: 0, is_late: false, hearing: None }
    }

    /// The time of this turn, which is the program's.
    #[inline]
    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// The time of this turn by which deadlines of peers are set and come.
    #[inline]
    pub(super) const fn peer_time(&self) -> Instant {
        self.peers
    }

    /// When it will be `at` in the time of the peers, if no turn is late.
    pub(super) fn program_time(&self, at: Instant) -> Instant {
        let missed = self.now.saturating_duration_since(self.peers);
        at.checked_add(missed).unwrap_or(at)
    }

    /// Whether a turn has begun.
    #[inline]
    pub(super) const fn is_in_turn(&self) -> bool {
        self.in_turn
    }

    /// Looks at the clock where a turn begins: one look serves all of it. `first` is the first deadline.
    #[inline]
    pub(super) fn begin_turn(&mut self, first: impl FnOnce() -> Option<Instant>) {
        self.look(first);
        self.in_turn = true;
    }

    /// Looks at the clock, unless a turn has.
    #[inline]
    pub(super) fn look(&mut self, first: impl FnOnce() -> Option<Instant>) {
        if !self.in_turn && !self.is_given {
            self.advance(Instant::now(), first);
        }
    }

    /// A turn begins at `now`, and no other clock is looked at from here on.
    pub(super) fn give(&mut self, now: Instant, first: impl FnOnce() -> Option<Instant>) {
        self.is_given = true;
        self.set(now, first);
    }

    /// It is `now`, in a turn that has begun or begins here.
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

    /// For how long after the last turn the next one was not asked for. `first` is the first deadline.
    #[cold]
    fn asked(&self, first: Option<Instant>) -> Duration {
        match first {
            _ if self.hearing.is_some() => Duration::ZERO,
            Some(at) => at.saturating_duration_since(self.peers),
            None => Duration::MAX, // there is no deadline, so the time is nobody's loss
        }
    }

    /// A wait begins at `now`: what has passed since the turn began was ours.
    pub(super) fn begin_wait(&mut self, now: Instant) {
        if !self.is_given {
            let elapsed = now.saturating_duration_since(self.now);
            self.now += elapsed;
            self.peers += elapsed.min(LATE);
        }
    }

    /// An event has been taken.
    #[inline]
    pub(super) const fn count_event(&mut self) {
        self.events += 1;
    }

    /// Whether the next turn is wanted at once, as there is still something to be heard.
    pub(super) const fn is_hearing(&self) -> bool {
        self.hearing.is_some()
    }

    /// At the end of the events of a turn: up to when deadlines count, in the time of the peers. `None` while what was
    /// ready before is not all taken. `first` is the first deadline, `sources` how many things may be ready.
    #[inline]
    pub(super) fn due_by(&mut self, first: Option<Instant>, sources: usize) -> Option<Instant> {
        let events = std::mem::take(&mut self.events);
        // Where nothing more was there to be taken, all has been. A late turn may have begun before it was there.
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

    /// What happens in a turn, and what comes of it: up to when deadlines count, in seconds from the start.
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
        // Where events never end, so many of them are enough.
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
