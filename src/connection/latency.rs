//! How long the peer takes to answer a Ping (RFC 6455 §5.5.2, §5.5.3).
//!
//! In: the payload and the time of each Ping and Pong. Out: the time between them. Holds a bounded number of Pings.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use crate::time::Instant;

/// The Pings that wait for their answer, and what the answers have shown.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    sent: VecDeque<(Box<[u8]>, Instant)>,
    last: Option<Duration>,
    smoothed: Option<Duration>,
}

/// How many Pings are remembered. A peer that answers has no reason to have more open.
const MOST: usize = 16;

impl Latency {
    /// Creates the state before the first Ping.
    pub const fn new() -> Self {
        Self { sent: VecDeque::new(), last: None, smoothed: None }
    }

    /// Records that a Ping has been sent.
    pub fn pinged(&mut self, payload: &[u8], now: Instant) {
        if self.sent.len() == MOST {
            self.sent.pop_front();
        }
        self.sent.push_back((payload.into(), now));
    }

    /// Records that a Pong has come. Returns the time since its Ping, or `None` if it answers none of ours.
    pub fn ponged(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        let at = self.sent.iter().position(|(sent, _)| **sent == *payload)?;
        // §5.5.3: a Pong may answer only the latest of several Pings; the earlier ones will get no answer.
        let (_, since) = self.sent.drain(..=at).next_back()?;
        let time = now.saturating_duration_since(since);
        self.last = Some(time);
        // As in TCP (RFC 6298 §2): seven parts old, one part new.
        self.smoothed = Some(self.smoothed.map_or(time, |old| (old * 7 + time) / 8));
        Some(time)
    }

    /// Returns how long the last answer took.
    pub const fn last(&self) -> Option<Duration> {
        self.last
    }

    /// Returns how long recent answers took, smoothed.
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
