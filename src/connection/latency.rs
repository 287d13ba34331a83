//! How long the peer takes to answer a Ping (RFC 6455 §5.5.2, §5.5.3).
//!
//! In: what each Ping and Pong said, and when. Out: the time between them. Holds a bounded number of Pings.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use crate::time::Instant;

/// The Pings that wait for their answer, and what the answers have told.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    sent: VecDeque<(Box<[u8]>, Instant)>,
    last: Option<Duration>,
    smoothed: Option<Duration>,
}

/// Pings that are remembered; a peer that answers has no reason to have more open.
const MOST: usize = 16;

impl Latency {
    /// Before the first Ping.
    pub const fn new() -> Self {
        Self { sent: VecDeque::new(), last: None, smoothed: None }
    }

    /// A Ping has been sent.
    pub fn pinged(&mut self, payload: &[u8], now: Instant) {
        if self.sent.len() == MOST {
            self.sent.pop_front();
        }
        self.sent.push_back((payload.into(), now));
    }

    /// A Pong has come: how long its Ping has been on the way; `None` where it answers none of ours.
    pub fn ponged(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        let at = self.sent.iter().position(|(sent, _)| **sent == *payload)?;
        // §5.5.3: a Pong may answer the latest of several Pings; the earlier ones get none any more.
        let (_, since) = self.sent.drain(..=at).next_back()?;
        let time = now.saturating_duration_since(since);
        self.last = Some(time);
        // As TCP does it (RFC 6298 §2): seven parts old, one part new.
        self.smoothed = Some(self.smoothed.map_or(time, |old| (old * 7 + time) / 8));
        Some(time)
    }

    /// What the last answer took.
    pub const fn last(&self) -> Option<Duration> {
        self.last
    }

    /// What answers take of late, smoothed.
    pub const fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    #[test]
    fn answers_are_matched_by_payload() {
        let start = time::at(Duration::ZERO);
        let at = |ms| start + Duration::from_millis(ms);
        let mut latency = Latency::new();
        assert_eq!(latency.ponged(b"", at(0)), None, "nobody asked");
        latency.pinged(b"a", at(0));
        latency.pinged(b"b", at(10));
        latency.pinged(b"c", at(20));
        assert_eq!(latency.ponged(b"x", at(30)), None);
        assert_eq!(latency.ponged(b"b", at(30)), Some(Duration::from_millis(20)));
        assert_eq!(latency.ponged(b"a", at(40)), None, "given up with the answer to a later one");
        assert_eq!(latency.ponged(b"c", at(120)), Some(Duration::from_millis(100)));
        assert_eq!(latency.last(), Some(Duration::from_millis(100)));
        assert_eq!(latency.smoothed(), Some(Duration::from_millis(30)));
        for number in 0..100u8 {
            latency.pinged(&[number], at(200));
        }
        assert_eq!(latency.sent.len(), MOST);
    }
}
