//! How many messages may still be sent.

use super::fleet::Left;
use super::plan::Length;

/// The quota of all connections together.
#[derive(Debug)]
pub(super) struct Quota {
    /// How many may still be sent; `None` means as many as the time allows.
    unsent: Option<u64>,
    /// How many were sent and are neither answered nor lost.
    awaited: u64,
    stopped: bool,
}

impl Quota {
    pub(super) const fn of(length: Length) -> Self {
        let unsent = match length {
            Length::Time(_) => None,
            Length::Count(count) => Some(count),
        };
        Self { unsent, awaited: 0, stopped: false }
    }

    /// Returns whether the run is one of a number of messages.
    pub(super) const fn is_counted(&self) -> bool {
        self.unsent.is_some()
    }

    /// Returns whether nothing more will be sent.
    #[inline]
    pub(super) const fn is_spent(&self) -> bool {
        self.stopped || matches!(self.unsent, Some(0))
    }

    /// Takes one message to send; returns `false` if none is left.
    #[inline]
    pub(super) fn take(&mut self) -> bool {
        if self.is_spent() {
            return false;
        }
        if let Some(unsent) = &mut self.unsent {
            *unsent -= 1;
        }
        self.awaited += 1;
        true
    }

    /// Records that this many were answered or will never be.
    #[inline]
    pub(super) const fn over(&mut self, messages: usize) {
        self.awaited = self.awaited.saturating_sub(messages as u64);
    }

    pub(super) const fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) const fn left(&self) -> Left {
        match (self.awaited, self.is_spent()) {
            (0, true) => Left::Nothing,
            (0, false) => Left::Sending,
            _ => Left::Answers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_number_is_sent_and_no_more() {
        let mut quota = Quota::of(Length::Count(2));
        assert_eq!((quota.left(), quota.is_spent()), (Left::Sending, false));
        assert!(quota.take() && quota.take() && !quota.take());
        assert_eq!((quota.left(), quota.is_spent()), (Left::Answers, true));
        quota.over(1);
        assert_eq!(quota.left(), Left::Answers);
        quota.over(1);
        assert_eq!(quota.left(), Left::Nothing);
    }

    #[test]
    fn without_a_number_only_the_end_of_the_run_stops_it() {
        let mut quota = Quota::of(Length::Time(Duration::ZERO));
        assert!(!quota.is_counted() && (0..1000).all(|_| quota.take()));
        quota.stop();
        assert!(!quota.take());
    }
}
