//! Converts the program's milliseconds to the library's instants.

use std::time::Duration;

use bowsprit::time::{self, Instant};

/// A time that never comes.
pub const BOW_NEVER: u64 = u64::MAX;

/// The program's clock. If it goes back, it stands still instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    latest: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { latest: start() }
    }

    /// Converts a number of milliseconds to an instant.
    pub(crate) fn at(&mut self, now: u64) -> Instant {
        // An instant cannot represent a number this large, so its time never comes.
        if let Some(at) = start().checked_add(Duration::from_millis(now)) {
            self.latest = self.latest.max(at);
        }
        self.latest
    }
}

/// Converts an instant to a number of milliseconds, rounded up: at that number, the instant has come.
pub(crate) fn number(at: Instant) -> u64 {
    let passed = at.saturating_duration_since(start()).as_nanos().div_ceil(1_000_000);
    u64::try_from(passed).unwrap_or(BOW_NEVER)
}

fn start() -> Instant {
    time::at(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut clock = Clock::new();
        for now in [0, 1, 1000, 1 << 40, u64::MAX - 1] {
            let at = clock.at(now);
            assert_eq!(number(at), now);
            assert_eq!(number(at + Duration::from_micros(1)), now + 1);
        }
    }

    #[test]
    fn time_never_goes_back_nor_over_the_end() {
        let mut clock = Clock::new();
        let late = clock.at(5000);
        assert_eq!(clock.at(10), late);
        assert!(clock.at(u64::MAX) >= late);
    }
}
