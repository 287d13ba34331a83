//! The cases to play, in the order that ends a run soonest.

use std::collections::VecDeque;

use super::blame;
use super::job::{Job, waiting, weight};

/// Lines of jobs, each in the order of the plan except `first`, in which the longest waiting job comes first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Jobs to play before all others, of any kind.
    first: VecDeque<Job>,
    /// Jobs that wait on purpose, beside everything else.
    idle: VecDeque<Job>,
    /// Jobs that may end a server and are therefore played one by one: a long line that begins at once.
    sharp: VecDeque<Job>,
    /// Jobs with much to send and to read.
    heavy: VecDeque<Job>,
    /// All others, which fill the remaining room.
    light: VecDeque<Job>,
}

/// The room that is left for another job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// How many more connections may be made.
    pub(super) connections: usize,
    /// How much weight may be added; if nothing is being played, anything fits.
    pub(super) weight: usize,
    /// Whether a case is being played that may end the server, and the server has not yet shown that it survived.
    pub(super) sharp: bool,
}

/// Returns whether a job may end a server in a moment, so that the case that did it has to be known.
pub(super) fn is_sharp(job: &Job) -> bool {
    blame::provokes(job.case) && waiting(job.case) == 0
}

/// Returns whether a job spends most of its time waiting, which leaves the server to the others.
pub(super) fn is_idle(job: &Job) -> bool {
    waiting(job.case) > 0
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.lines().into_iter().all(VecDeque::is_empty)
    }

    /// Returns the next job for which there is room.
    pub(super) fn next(&mut self, room: Room) -> Option<Job> {
        if room.connections == 0 {
            return None;
        }
        let Self { first, idle, sharp, heavy, light } = self;
        if let Some(job) = first.pop_front().or_else(|| idle.pop_front()) {
            return Some(job);
        }
        let lines = [Some(sharp).filter(|_| !room.sharp), Some(heavy), Some(light)];
        let fits =
            |line: &&mut VecDeque<Job>| line.front().is_some_and(|job| weight(job.case) <= room.weight);
        lines.into_iter().flatten().find(fits)?.pop_front()
    }

    /// Puts jobs in front of all others.
    pub(super) fn put_first(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.first.extend(jobs);
    }

    fn lines(&self) -> [&VecDeque<Job>; 5] {
        [&self.first, &self.idle, &self.sharp, &self.heavy, &self.light]
    }
}

impl FromIterator<Job> for Queue {
    fn from_iter<I: IntoIterator<Item = Job>>(jobs: I) -> Self {
        let mut queue = Self::default();
        for job in jobs {
            let line = match () {
                () if is_idle(&job) => &mut queue.idle,
                () if is_sharp(&job) => &mut queue.sharp,
                () if weight(job.case) > 1 => &mut queue.heavy,
                () => &mut queue.light,
            };
            line.push_back(job);
        }
        queue.idle.make_contiguous().sort_by_key(|job| std::cmp::Reverse(waiting(job.case)));
        queue
    }
}

impl IntoIterator for Queue {
    type Item = Job;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<VecDeque<Job>, 5>>;

    fn into_iter(self) -> Self::IntoIter {
        [self.first, self.idle, self.sharp, self.heavy, self.light].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    fn queue(ids: &[&str]) -> Queue {
        ids.iter().map(|id| Job { case: cases::find(id).unwrap(), before: None }).collect()
    }

    fn order(queue: &mut Queue, room: Room) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.next(room)).map(|job| job.case.id).collect()
    }

    const EMPTY: Room = Room { connections: 9, weight: usize::MAX, sharp: false };

    #[test]
    fn who_waits_goes_first_and_who_may_do_harm_goes_alone() {
        let ids = ["1.1.1", "12.1.1", "3.1", "5.19", "4.1.1", "6.4.1"];
        assert_eq!(order(&mut queue(&ids), EMPTY), ["6.4.1", "5.19", "3.1", "4.1.1", "12.1.1", "1.1.1"]);
        let mut held = queue(&ids);
        assert_eq!(order(&mut held, Room { sharp: true, weight: 3, ..EMPTY }), ["6.4.1", "5.19", "1.1.1"]);
        assert_eq!(order(&mut held, Room { connections: 0, ..EMPTY }), [""; 0]);
        assert!(!held.is_empty());
        assert_eq!(held.into_iter().map(|job| job.case.id).collect::<Vec<_>>(), ["3.1", "4.1.1", "12.1.1"]);
    }
}
