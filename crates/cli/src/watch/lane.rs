//! The bytes to pass on in one direction.
//!
//! A lane takes bytes only while it holds none, so it never holds more than one read: a side that does not read slows
//! down the other side, as it would without us. With faults it holds the bytes on the way, which are bounded, too.

use std::time::Duration;

use super::faults::{Fate, Shaper};

/// The state of one direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: Vec<u8>,
    at: usize,
    /// The faults of this direction, if there are any.
    shaper: Option<Box<Shaper>>,
    /// Whether the sender has ended the direction.
    pub(super) is_finished: bool,
    /// Whether the end was passed on to the receiver.
    pub(super) is_passed_on: bool,
    /// Whether the receiver takes no more.
    pub(super) is_broken: bool,
}

impl Lane {
    pub(super) fn new(shaper: Option<Shaper>) -> Self {
        Self { shaper: shaper.map(Box::new), ..Self::default() }
    }

    /// Returns whether bytes wait.
    pub(super) fn is_blocked(&self) -> bool {
        self.at < self.waiting.len() || self.shaper.as_ref().is_some_and(|shaper| !shaper.is_empty())
    }

    /// Returns whether more should be read for it.
    pub(super) fn wants_more(&self) -> bool {
        let has_room = match &self.shaper {
            None => !self.is_blocked(),
            Some(shaper) => shaper.has_room(),
        };
        has_room && !self.is_finished && !self.is_broken
    }

    /// Returns whether new bytes may be passed on at once.
    pub(super) const fn is_direct(&self) -> bool {
        self.shaper.is_none()
    }

    /// Returns the bytes to write now.
    pub(super) fn ready(&self, now: Duration) -> Option<&[u8]> {
        match &self.shaper {
            None => Some(&self.waiting[self.at..]).filter(|waiting| !waiting.is_empty()),
            Some(shaper) => shaper.ready(now),
        }
    }

    /// Returns when there is something to write, if that depends only on time.
    pub(super) fn due(&self) -> Option<Duration> {
        self.shaper.as_ref().and_then(|shaper| shaper.due())
    }

    /// Returns what should happen to the connection now.
    pub(super) fn fate(&self) -> Option<Fate> {
        self.shaper.as_ref().and_then(|shaper| shaper.fate())
    }

    /// Records that this many bytes were passed on.
    pub(super) fn passed(&mut self, now: Duration, bytes: usize) {
        if let Some(shaper) = &mut self.shaper {
            return shaper.wrote(now, bytes);
        }
        self.at += bytes;
        if self.at == self.waiting.len() {
            // An idle connection holds no memory for this.
            (self.waiting, self.at) = (Vec::new(), 0);
        }
    }

    pub(super) fn keep(&mut self, now: Duration, bytes: &[u8]) {
        match &mut self.shaper {
            None => self.waiting.extend_from_slice(bytes),
            Some(shaper) => shaper.push(now, bytes),
        }
    }

    /// Drops the waiting bytes, because the receiver takes no more.
    pub(super) fn give_up(&mut self) {
        self.is_broken = true;
        (self.waiting, self.at) = (Vec::new(), 0);
        if let Some(shaper) = &mut self.shaper {
            shaper.give_up();
        }
    }

    /// Returns whether nothing is left to do.
    pub(super) const fn is_over(&self) -> bool {
        self.is_passed_on || self.is_broken
    }
}
