//! What waits to be passed on in one direction.
//!
//! A lane takes bytes only while it holds none, so it never has more than one read: a side that does not read slows down
//! the other one, as it would without us. With faults it holds what is on the way, which is bounded, too.

use std::time::Duration;

use super::faults::{Fate, Shaper};

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: Vec<u8>,
    at: usize,
    /// What is done to it, if anything is.
    shaper: Option<Box<Shaper>>,
    /// The sender has ended it.
    pub(super) is_finished: bool,
    /// The receiver was told so.
    pub(super) is_passed_on: bool,
    /// The receiver takes no more.
    pub(super) is_broken: bool,
}

impl Lane {
    pub(super) fn new(shaper: Option<Shaper>) -> Self {
        Self { shaper: shaper.map(Box::new), ..Self::default() }
    }

    /// Whether bytes wait.
    pub(super) fn is_blocked(&self) -> bool {
        self.at < self.waiting.len() || self.shaper.as_ref().is_some_and(|shaper| !shaper.is_empty())
    }

    /// Whether it wants to be read for.
    pub(super) fn wants_more(&self) -> bool {
        let has_room = match &self.shaper {
            None => !self.is_blocked(),
            Some(shaper) => shaper.has_room(),
        };
        has_room && !self.is_finished && !self.is_broken
    }

    /// Whether what comes may be passed on at once.
    pub(super) const fn is_direct(&self) -> bool {
        self.shaper.is_none()
    }

    /// What is to be written now.
    pub(super) fn ready(&self, now: Duration) -> Option<&[u8]> {
        match &self.shaper {
            None => Some(&self.waiting[self.at..]).filter(|waiting| !waiting.is_empty()),
            Some(shaper) => shaper.ready(now),
        }
    }

    /// When there is something to write, if time alone is waited for.
    pub(super) fn due(&self) -> Option<Duration> {
        self.shaper.as_ref().and_then(|shaper| shaper.due())
    }

    /// What is to happen to the connection now.
    pub(super) fn fate(&self) -> Option<Fate> {
        self.shaper.as_ref().and_then(|shaper| shaper.fate())
    }

    /// So many bytes are passed on.
    pub(super) fn passed(&mut self, now: Duration, bytes: usize) {
        if let Some(shaper) = &mut self.shaper {
            return shaper.wrote(now, bytes);
        }
        self.at += bytes;
        if self.at == self.waiting.len() {
            // A connection with nothing to do holds no memory for it.
            (self.waiting, self.at) = (Vec::new(), 0);
        }
    }

    pub(super) fn keep(&mut self, now: Duration, bytes: &[u8]) {
        match &mut self.shaper {
            None => self.waiting.extend_from_slice(bytes),
            Some(shaper) => shaper.push(now, bytes),
        }
    }

    /// Nobody takes what waits.
    pub(super) fn give_up(&mut self) {
        self.is_broken = true;
        (self.waiting, self.at) = (Vec::new(), 0);
        if let Some(shaper) = &mut self.shaper {
            shaper.give_up();
        }
    }

    /// Whether nothing is left to be done.
    pub(super) const fn is_over(&self) -> bool {
        self.is_passed_on || self.is_broken
    }
}
