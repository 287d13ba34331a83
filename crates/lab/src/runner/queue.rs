//! The cases that are to be played, in the order in which a run is over soonest.

use std::collections::VecDeque;

use super::blame;
use super::job::{Job, waiting, weight};

/// Lines of jobs, each in the order of the plan but for the first, where who waits longest is first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// They are to be played before all others, whatever they are.
    first: VecDeque<Job>,
    /// They wait on purpose, beside everything else.
    idle: VecDeque<Job>,
    /// They may end a server, and so are played one after the other: a long line that begins at once.
    sharp: VecDeque<Job>,
    /// Much to send and to read.
    heavy: VecDeque<Job>,
    /// All others fill what room there is.
    light: VecDeque<Job>,
}

/// What a job would come beside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// More connections that may be made.
    pub(super) connections: usize,
    /// Weight that may be added; where nothing is played, anything goes.
    pub(super) weight: usize,
    /// A case is played that may end the server, and the server has not shown yet that it did not.
    pub(super) sharp: bool,
}

/// Whether it may end a server in a moment, so that it is to be known which case did.
pub(super) fn is_sharp(job: &Job) -> bool {
    blame::provokes(job.case) && waiting(job.case) == 0
}

/// Whether most of its time is spent on waiting, which leaves the server to the others.
pub(super) fn is_idle(job: &Job) -> bool {
    waiting(job.case) > 0
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.lines().into_iter().all(VecDeque::is_empty)
    }

    /// The next job that there is room for.
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
