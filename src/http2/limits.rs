//! Limits on what a peer may make us hold and do.

use core::time::Duration;

use super::error::{Flood, Http2Error};
use crate::time::Instant;

/// What one connection may hold. The work that it may cause besides is bounded by rates that no honest peer comes near;
/// see [`Flood`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many streams the peer may have open at once. Default: 100, the least that RFC 9113 §6.5.2 recommends.
    pub max_streams: u32,
    /// How many bytes a stream holds for a program that does not read it: its window. Default: 128 KiB. Less than
    /// 65,535 counts as that, as a peer may send that much before it has our SETTINGS.
    pub window: u32,
    /// The size of a field section, both as it arrives and as RFC 9113 §6.5.2 counts fields. Default: 16 KiB.
    pub max_field_section: u32,
    /// How many bytes may wait to be written before no more DATA is accepted. Default: 64 KiB.
    pub max_queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_streams: 100, window: 128 * 1024, max_field_section: 16 * 1024, max_queued: 64 * 1024 }
    }
}

/// The most frames of one field section. In one piece it is one, and nobody needs to cut it into more than this.
pub(super) const MAX_FRAMES_OF_SECTION: usize = 256;

/// How much may be queued beyond [`Limits::max_queued`], as answers that the peer asks for.
pub(super) const MAX_ANSWERS: usize = 64 * 1024;

/// A number at once, and a number per second after that.
#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: u32,
    per_second: u32,
}

/// How much of something has come recently.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    spent: u32,
    since: Option<Instant>,
}

impl Bucket {
    const fn new(burst: u32, per_second: u32) -> Self {
        Self { rate: Rate { burst, per_second }, spent: 0, since: None }
    }

    /// Counts one more. Returns whether it is too many.
    fn overflows(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let passed = now.checked_duration_since(since).unwrap_or_default();
        if passed >= Duration::from_secs(1) {
            let seconds = u32::try_from(passed.as_secs()).unwrap_or(u32::MAX);
            self.spent = self.spent.saturating_sub(seconds.saturating_mul(self.rate.per_second));
            self.since = since.checked_add(Duration::from_secs(seconds.into())).or(Some(now));
        }
        self.spent += 1;
        self.spent > self.rate.burst
    }
}

/// The rates of all kinds of excess.
#[derive(Debug)]
pub(super) struct Floods {
    pings: Bucket,
    settings: Bucket,
    resets: Bucket,
    empty: Bucket,
    priorities: Bucket,
    /// A peer that reads may open a window for each frame that it gets.
    windows: Bucket,
}

impl Floods {
    pub(super) const fn new() -> Self {
        Self {
            pings: Bucket::new(500, 50),
            settings: Bucket::new(100, 10),
            resets: Bucket::new(400, 40),
            empty: Bucket::new(10_000, 1_000),
            priorities: Bucket::new(1_000, 100),
            windows: Bucket::new(20_000, 10_000),
        }
    }

    /// Counts one more of this kind.
    pub(super) fn count(&mut self, flood: Flood, now: Instant) -> Result<(), Http2Error> {
        let bucket = match flood {
            Flood::Ping => &mut self.pings,
            Flood::Settings => &mut self.settings,
            Flood::Reset => &mut self.resets,
            Flood::EmptyData => &mut self.empty,
            Flood::WindowUpdate => &mut self.windows,
            Flood::Priority | Flood::Continuation | Flood::FieldSection | Flood::Unread => {
                &mut self.priorities
            }
        };
        if bucket.overflows(now) { Err(Http2Error::Flood(flood)) } else { Ok(()) }
    }

    /// Records that DATA has been sent, for which windows will be opened again.
    pub(super) const fn sent_data(&mut self) {
        self.windows.spent = self.windows.spent.saturating_sub(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    #[test]
    fn a_bucket_fills_and_drains() {
        let at = |millis| time::at(Duration::from_millis(millis));
        let mut bucket = Bucket::new(3, 2);
        for _ in 0..3 {
            assert!(!bucket.overflows(at(0)));
        }
        assert!(bucket.overflows(at(900)));
        assert!(!bucket.overflows(at(1_000)), "two of four are forgotten");
        assert!(bucket.overflows(at(1_999)), "no part of a second counts");
        assert!(!bucket.overflows(at(2_000_000_000)));
    }
}
