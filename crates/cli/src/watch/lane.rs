//! What waits to be passed on in one direction.
//!
//! A lane takes bytes only while it holds none, so it never has more than one read: a side that does not read slows down
//! the other one, as it would without us.

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: Vec<u8>,
    at: usize,
    /// The sender has ended it.
    pub(super) is_finished: bool,
    /// The receiver was told so.
    pub(super) is_passed_on: bool,
    /// The receiver takes no more.
    pub(super) is_broken: bool,
}

impl Lane {
    /// Whether bytes wait.
    pub(super) const fn is_blocked(&self) -> bool {
        self.at < self.waiting.len()
    }

    /// Whether it wants to be read for.
    pub(super) const fn wants_more(&self) -> bool {
        !self.is_finished && !self.is_broken && !self.is_blocked()
    }

    pub(super) fn waiting(&self) -> &[u8] {
        &self.waiting[self.at..]
    }

    /// So many of them are passed on.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.at += bytes;
        if self.at == self.waiting.len() {
            // A connection with nothing to do holds no memory for it.
            (self.waiting, self.at) = (Vec::new(), 0);
        }
    }

    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Nobody takes what waits.
    pub(super) fn give_up(&mut self) {
        self.is_broken = true;
        (self.waiting, self.at) = (Vec::new(), 0);
    }

    /// Whether nothing is left to be done.
    pub(super) const fn is_over(&self) -> bool {
        self.is_passed_on || self.is_broken
    }
}
