//! Points in time, as the core takes them as arguments.
//!
//! With feature `std`, an [`Instant`] is the standard library's. Without it, an instant is the time since an epoch that
//! the program chooses, such as the start of its device, and [`at`] makes one from whatever clock the program has. Both
//! types have the same operations except `now` and `elapsed`, which need a clock.
//!
//! ```
//! use bowsprit::time;
//! use core::time::Duration;
//!
//! let ticks = 123_456; // microseconds, from a timer of the device
//! let now = time::at(Duration::from_micros(ticks));
//! assert_eq!(time::at(Duration::from_secs(1)) - now, Duration::from_micros(876_544));
//! ```

use core::time::Duration;

#[cfg(feature = "std")]
pub use std::time::Instant;

#[cfg(not(feature = "std"))]
pub use epoch::Instant;

/// Returns the instant that is `since_epoch` after the epoch.
///
/// With feature `std` the epoch is the moment of the first call in the process, so all instants made here belong
/// together. Do not mix them with those of `Instant::now()`.
///
/// # Panics
///
/// With feature `std`, if the operating system cannot represent the result.
pub fn at(since_epoch: Duration) -> Instant {
    #[cfg(feature = "std")]
    {
        static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *EPOCH.get_or_init(Instant::now) + since_epoch
    }
    #[cfg(not(feature = "std"))]
    Instant::at(since_epoch)
}

#[cfg(any(test, not(feature = "std")))]
#[cfg_attr(
    feature = "std",
    allow(unreachable_pub, reason = "tests compare it with that of the standard library")
)]
mod epoch {
    use core::ops::{Add, AddAssign, Sub, SubAssign};
    use core::time::Duration;

    /// A point in time, counted from an epoch that the program chooses. [`at`](super::at) makes one.
    ///
    /// With feature `std` this is `std::time::Instant`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Instant(Duration);

    impl Instant {
        pub(super) const fn at(since_epoch: Duration) -> Self {
            Self(since_epoch)
        }

        /// Returns the instant `duration` later, or `None` if it cannot be represented.
        pub const fn checked_add(self, duration: Duration) -> Option<Self> {
            match self.0.checked_add(duration) {
                Some(at) => Some(Self(at)),
                None => None,
            }
        }

        /// Returns the instant `duration` earlier, or `None` if it lies before the epoch.
        pub const fn checked_sub(self, duration: Duration) -> Option<Self> {
            match self.0.checked_sub(duration) {
                Some(at) => Some(Self(at)),
                None => None,
            }
        }

        /// Returns the time since `earlier`, or `None` if `earlier` is later.
        pub const fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
            self.0.checked_sub(earlier.0)
        }

        /// Returns the time since `earlier`, or zero if `earlier` is later.
        pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
            self.0.saturating_sub(earlier.0)
        }

        /// Equals [`saturating_duration_since`](Self::saturating_duration_since), as in the standard library.
        pub const fn duration_since(self, earlier: Self) -> Duration {
            self.saturating_duration_since(earlier)
        }
    }

    /// # Panics
    ///
    /// If the sum cannot be represented.
    impl Add<Duration> for Instant {
        type Output = Self;

        fn add(self, duration: Duration) -> Self {
            Self(self.0 + duration)
        }
    }

    impl AddAssign<Duration> for Instant {
        fn add_assign(&mut self, duration: Duration) {
            *self = *self + duration;
        }
    }

    /// # Panics
    ///
    /// If the result lies before the epoch.
    impl Sub<Duration> for Instant {
        type Output = Self;

        fn sub(self, duration: Duration) -> Self {
            Self(self.0 - duration)
        }
    }

    impl SubAssign<Duration> for Instant {
        fn sub_assign(&mut self, duration: Duration) {
            *self = *self - duration;
        }
    }

    /// Returns the time between the two, or zero if `other` is later.
    impl Sub for Instant {
        type Output = Duration;

        fn sub(self, earlier: Self) -> Duration {
            self.duration_since(earlier)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Both kinds of instant give the same answers to everything that the core asks.
    macro_rules! answers {
        ($at:expr) => {{
            let (start, mut later) = ($at(SECOND), $at(2 * SECOND));
            later += SECOND;
            later -= SECOND / 2;
            (
                later - start,
                start - later,
                later.duration_since(start),
                start.saturating_duration_since(later),
                (later.checked_duration_since(start), start.checked_duration_since(later)),
                later.checked_sub(SECOND).unwrap() - start,
                (start + SECOND).checked_add(SECOND).unwrap() - SECOND - start,
                start.checked_add(Duration::MAX) == None,
                start < later && start.max(later) == later,
            )
        }};
    }

    #[test]
    fn both_kinds_of_instants_agree() {
        let own = answers!(epoch::Instant::at);
        assert_eq!(own, answers!(at));
        let begun = std::time::Instant::now();
        assert_eq!(own, answers!(|since| begun + since));
    }
}
