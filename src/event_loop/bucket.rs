//! Token buckets: a long-term rate, and a burst after a pause.

use std::time::{Duration, Instant};

/// A long-term rate, and a burst that is allowed after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How much is allowed per second.
    pub per_second: u64,
    /// How much is allowed at once. A burst of 0 counts as 1.
    pub burst: u64,
}

impl Allowance {
    /// Allows `amount` per second, and as much at once.
    pub const fn per_second(amount: u64) -> Self {
        Self { per_second: amount, burst: amount }
    }
}

/// What is left of an allowance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// In billionths of a token; negative if more has been taken than there was.
    tokens: i128,
    filled: Instant,
}

const TOKEN: i128 = 1_000_000_000;

impl Bucket {
    /// Creates a full bucket.
    pub(super) fn full(allowance: Allowance, now: Instant) -> Self {
        Self { tokens: most(allowance), filled: now }
    }

    /// Adds what has accrued since the last call.
    pub(super) fn fill(&mut self, allowance: Allowance, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_nanos().min(u64::MAX.into()) as i128;
        let gained = elapsed.saturating_mul(allowance.per_second.into());
        self.tokens = self.tokens.saturating_add(gained).min(most(allowance));
        self.filled = self.filled.max(now);
    }

    /// Returns whether the bucket holds this amount, or is full if it can never hold that much.
    pub(super) fn has(&self, allowance: Allowance, amount: u64) -> bool {
        self.tokens >= (i128::from(amount) * TOKEN).min(most(allowance))
    }

    /// Takes this amount, even if it is not there.
    pub(super) fn spend(&mut self, amount: u64) {
        self.tokens = self.tokens.saturating_sub(i128::from(amount) * TOKEN);
    }

    /// Puts back what was not needed.
    pub(super) fn give_back(&mut self, amount: u64) {
        self.tokens = self.tokens.saturating_add(i128::from(amount) * TOKEN);
    }

    /// Returns how long it takes, from the last [`fill`](Self::fill) on, until the bucket holds one token: `None` if it
    /// does, and [`Duration::MAX`] if it never will.
    pub(super) fn wait(&self, allowance: Allowance) -> Option<Duration> {
        let missing = TOKEN - self.tokens;
        if missing <= 0 {
            return None;
        }
        let nanos = missing
            .checked_div(allowance.per_second.into())
            .map(|whole| whole + i128::from(missing % i128::from(allowance.per_second) > 0));
        Some(nanos.and_then(|nanos| u64::try_from(nanos).ok()).map_or(Duration::MAX, Duration::from_nanos))
    }
}

fn most(allowance: Allowance) -> i128 {
    i128::from(allowance.burst.max(1)) * TOKEN
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_and_then_the_rate() {
        let (allowance, start) = (Allowance { per_second: 10, burst: 3 }, Instant::now());
        let mut bucket = Bucket::full(allowance, start);
        for _ in 0..3 {
            assert!(bucket.has(allowance, 1) && bucket.wait(allowance).is_none());
            bucket.spend(1);
        }
        assert!(!bucket.has(allowance, 1));
        assert_eq!(bucket.wait(allowance), Some(SECOND / 10));
        bucket.fill(allowance, start + SECOND / 20);
        assert_eq!(bucket.wait(allowance), Some(SECOND / 20));
        bucket.fill(allowance, start + SECOND / 10);
        assert!(bucket.has(allowance, 1));
        // A pause fills it, and no more than that.
        bucket.fill(allowance, start + 1000 * SECOND);
        assert!(bucket.has(allowance, 3));
        bucket.spend(3);
        assert!(!bucket.has(allowance, 1));
        // Time does not go back.
        bucket.fill(allowance, start);
        assert!(!bucket.has(allowance, 1));
    }

    #[test]
    fn a_debt_is_worked_off() {
        let (allowance, start) = (Allowance::per_second(1000), Instant::now());
        let mut bucket = Bucket::full(allowance, start);
        bucket.spend(5000);
        assert_eq!(bucket.wait(allowance), Some(4 * SECOND + SECOND / 1000));
        bucket.fill(allowance, start + 4 * SECOND);
        assert_eq!(bucket.wait(allowance), Some(SECOND / 1000));
    }

    #[test]
    fn what_is_larger_than_the_burst_takes_all_of_it() {
        let allowance = Allowance { per_second: 1, burst: 10 };
        let mut bucket = Bucket::full(allowance, Instant::now());
        assert!(bucket.has(allowance, 11));
        bucket.spend(1);
        assert!(!bucket.has(allowance, 11));
    }

    #[test]
    fn bounds() {
        let start = Instant::now();
        for per_second in [0, 1, u64::MAX] {
            for burst in [0, 1, u64::MAX] {
                let allowance = Allowance { per_second, burst };
                let mut bucket = Bucket::full(allowance, start);
                bucket.spend(u64::MAX);
                bucket.spend(u64::MAX);
                bucket.fill(allowance, start + 1000 * SECOND);
                let wait = bucket.wait(allowance);
                assert_eq!(wait == Some(Duration::MAX), per_second < 2, "{per_second} {burst}");
                bucket.give_back(u64::MAX);
                bucket.fill(allowance, start + 1000 * SECOND);
            }
        }
    }
}
