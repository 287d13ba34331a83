//! The queue for the engine: whole commands, oldest first, until the engine has answered them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Publish commands, bounded in bytes and in time.
#[derive(Debug)]
pub(super) struct Queue {
    commands: VecDeque<Command>,
    /// How many at the front were given out and are unanswered, and how many bytes they have.
    given: usize,
    given_bytes: usize,
    bytes: usize,
    /// The most bytes. A single command always fits.
    most: usize,
}

#[derive(Debug)]
struct Command {
    bytes: Vec<u8>,
    /// The length of the message in it, including its envelope.
    message: usize,
    since: Instant,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { commands: VecDeque::new(), given: 0, given_bytes: 0, bytes: 0, most }
    }

    /// Adds a command. Returns how many others were dropped for it. A single message fits in any case.
    pub(super) fn push(&mut self, bytes: Vec<u8>, message: usize, now: Instant) -> usize {
        self.bytes += bytes.len();
        self.commands.push_back(Command { bytes, message, since: now });
        let mut dropped = 0;
        // What the engine may have already is no longer ours to drop.
        while self.bytes > self.most && self.commands.len() > self.given + 1 {
            self.remove_oldest();
            dropped += 1;
        }
        dropped
    }

    /// Drops what has waited too long to be useful. Returns how many.
    pub(super) fn expire(&mut self, age: Duration, now: Instant) -> usize {
        let mut dropped = 0;
        while self.oldest().is_some_and(|since| now.saturating_duration_since(since) >= age) {
            self.remove_oldest();
            dropped += 1;
        }
        dropped
    }

    /// Returns since when the oldest command waits that was not given out.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.commands.get(self.given).map(|command| command.since)
    }

    /// Returns since when the oldest unanswered command waits, given out or not.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        self.commands.front().map(|command| command.since)
    }

    fn remove_oldest(&mut self) {
        if let Some(command) = self.commands.remove(self.given) {
            self.bytes -= command.bytes.len();
        }
    }

    /// Gives out about `most` bytes of commands, and at least one unless as much is unanswered as may be held: what an
    /// engine accepts and does not answer cannot be dropped. `longest` is the longest message that the engine accepts.
    /// Returns how many were given out, and how many were too long and dropped.
    pub(super) fn give(&mut self, out: &mut Vec<u8>, most: usize, longest: usize) -> (usize, usize) {
        let (mut count, mut too_long) = (0, 0);
        while let Some(command) = self.commands.get(self.given) {
            if command.message > longest {
                self.remove_oldest();
                too_long += 1;
                continue;
            }
            let len = command.bytes.len();
            if count > 0 && out.len() + len > most || self.given > 0 && self.given_bytes + len > self.most {
                break;
            }
            out.extend_from_slice(&command.bytes);
            self.given += 1;
            self.given_bytes += len;
            count += 1;
        }
        (count, too_long)
    }

    /// Records that the engine has answered the first `count` commands that were given out.
    pub(super) fn answered(&mut self, count: usize) {
        for _ in 0..count.min(self.given) {
            if let Some(command) = self.commands.pop_front() {
                self.bytes -= command.bytes.len();
                self.given_bytes -= command.bytes.len();
            }
            self.given -= 1;
        }
    }

    /// Handles the loss of the connection: unanswered commands are given out again. Only the receivers know whether the
    /// engine had them, by their numbers.
    pub(super) fn take_back(&mut self) {
        (self.given, self.given_bytes) = (0, 0);
    }

    /// Returns how many bytes are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether something waits to be given out.
    pub(super) fn is_waiting(&self) -> bool {
        self.commands.len() > self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue, text: &str, now: Instant) -> usize {
        queue.push(text.as_bytes().to_vec(), text.len(), now)
    }

    fn give(queue: &mut Queue, most: usize, longest: usize) -> (String, (usize, usize)) {
        let mut out = Vec::new();
        let counts = queue.give(&mut out, most, longest);
        (String::from_utf8(out).unwrap(), counts)
    }

    #[test]
    fn what_is_not_answered_is_given_out_again() {
        let (mut queue, now) = (Queue::new(10), Instant::now());
        for text in ["a", "b", "c"] {
            assert_eq!(push(&mut queue, text, now), 0);
        }
        assert_eq!(give(&mut queue, 2, 10), ("ab".into(), (2, 0)));
        queue.answered(1);
        assert_eq!(queue.unanswered_since(), Some(now));
        assert_eq!(give(&mut queue, 2, 10), ("c".into(), (1, 0)));
        queue.take_back();
        assert_eq!(give(&mut queue, 9, 10), ("bc".into(), (2, 0)));
        queue.answered(5);
        assert_eq!((queue.bytes(), queue.is_waiting(), queue.unanswered_since()), (0, false, None));
    }

    #[test]
    fn the_oldest_goes_first_and_one_of_any_size_stays() {
        let (mut queue, now) = (Queue::new(4), Instant::now());
        assert_eq!(push(&mut queue, "far too long", now), 0);
        assert_eq!(push(&mut queue, "ab", now), 1);
        assert_eq!(push(&mut queue, "cd", now), 0);
        assert_eq!(give(&mut queue, 1, 9), ("ab".into(), (1, 0)), "at least one");
        // The engine may have "ab" already.
        assert_eq!(push(&mut queue, "efg", now), 1);
        queue.take_back();
        assert_eq!(give(&mut queue, 9, 9).0, "ab", "both together are more than may be held");
        queue.answered(1);
        assert_eq!(give(&mut queue, 9, 9).0, "efg");
    }

    #[test]
    fn an_engine_that_answers_nothing_makes_nothing_grow() {
        let (mut queue, now) = (Queue::new(100), Instant::now());
        for round in 0..1000 {
            push(&mut queue, "twenty bytes in each", now);
            give(&mut queue, 50, 50);
            assert!(queue.bytes() <= 120, "{} in round {round}", queue.bytes());
        }
        queue.answered(5);
        assert_eq!(give(&mut queue, 50, 50).1, (1, 0));
    }

    #[test]
    fn what_is_too_old_or_too_long_is_dropped() {
        let (mut queue, now) = (Queue::new(99), Instant::now());
        let later = now + Duration::from_secs(1);
        push(&mut queue, "old", now);
        push(&mut queue, "new", later);
        push(&mut queue, "longer", later);
        assert_eq!(queue.expire(Duration::from_secs(1), later), 1);
        assert_eq!(give(&mut queue, 99, 3), ("new".into(), (1, 1)));
        assert_eq!(queue.expire(Duration::ZERO, later), 0, "given out");
    }
}
