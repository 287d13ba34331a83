//! A race between several addresses of one server, each with a small head start (RFC 8305 §5).
//!
//! In: addresses in the order that the resolver prefers, the time, and the result of each attempt. Out: which attempt
//! to start when. There is no socket here: the driver of the race keeps the first connection and closes the others.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an attempt runs before the next one starts concurrently (RFC 8305 §5: 250 ms).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// One race.
///
/// ```
/// use bowsprit::client::{ATTEMPT_DELAY, Race};
/// use std::time::Instant;
///
/// let addresses = ["[2001:db8::1]:80", "[2001:db8::2]:80", "192.0.2.1:80"].map(|text| text.parse().unwrap());
/// let now = Instant::now();
/// let mut race = Race::new(addresses, ATTEMPT_DELAY);
/// assert_eq!(race.start(now), Some(addresses[0]));
/// assert_eq!(race.start(now), None); // the first has its head start
/// assert_eq!(race.next_start(), Some(now + ATTEMPT_DELAY));
/// assert_eq!(race.start(now + ATTEMPT_DELAY), Some(addresses[2])); // the other family
/// race.failed(); // either of them
/// assert_eq!(race.start(now + ATTEMPT_DELAY), Some(addresses[1])); // no reason to wait
/// ```
#[derive(Clone, Debug)]
pub struct Race {
    waiting: VecDeque<SocketAddr>,
    running: usize,
    delay: Duration,
    /// When the next attempt may start; `None` is at once.
    next: Option<Instant>,
}

impl Race {
    /// Creates a race between these addresses, families interleaved, beginning with the family of the first one (RFC
    /// 8305 §4).
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>, delay: Duration) -> Self {
        let mut waiting: VecDeque<SocketAddr> = VecDeque::new();
        let mut other = VecDeque::new();
        for address in addresses {
            if waiting.contains(&address) || other.contains(&address) {
                continue;
            }
            match waiting.front() {
                Some(first) if first.is_ipv4() != address.is_ipv4() => other.push_back(address),
                _ => waiting.push_back(address),
            }
        }
        for (at, address) in other.into_iter().enumerate() {
            let at = (2 * at + 1).min(waiting.len());
            waiting.insert(at, address);
        }
        Self { waiting, running: 0, delay, next: None }
    }

    /// Returns the attempt to start at `now`, if one is due. Call it until it returns `None`.
    pub fn start(&mut self, now: Instant) -> Option<SocketAddr> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.running += 1;
        self.next = now.checked_add(self.delay);
        Some(address)
    }

    /// Records that an attempt has failed: the next one need not wait for its turn.
    pub fn failed(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.next = None;
    }

    /// Returns when to call [`start`](Self::start) again, or `None` if nothing waits. A time in the past, or the time
    /// of the last start, is at once.
    pub fn next_start(&self) -> Option<Instant> {
        if self.waiting.is_empty() { None } else { self.next }
    }

    /// Returns whether no attempt is running and none is left.
    pub fn is_lost(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        let address = |c| match c {
            'a'..='m' => SocketAddr::from(([192, 0, 2, c as u8], 80)),
            _ => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, c as u16], 80)),
        };
        text.chars().map(address).collect()
    }

    #[test]
    fn families_take_turns() {
        for (given, order) in [
            ("", ""),
            ("a", "a"),
            ("abc", "abc"),
            ("vwxabc", "vawbxc"),
            ("abvwx", "avbwx"),
            ("vabc", "vabc"),
            ("aabab", "ab"),
            ("vwxya", "vawxy"),
        ] {
            let race = Race::new(addresses(given), ATTEMPT_DELAY);
            assert_eq!(Vec::from(race.waiting), addresses(order), "{given}");
        }
    }

    #[test]
    fn each_has_its_head_start_and_a_failure_ends_it() {
        let (now, later) = (Instant::now(), Instant::now() + ATTEMPT_DELAY);
        let mut race = Race::new(addresses("ab"), ATTEMPT_DELAY);
        assert!(!race.is_lost());
        assert!(race.start(now).is_some() && race.start(now).is_none());
        assert!(race.start(later).is_some() && race.start(later).is_none());
        assert_eq!(race.next_start(), None);
        race.failed();
        assert!(!race.is_lost());
        race.failed();
        assert!(race.is_lost());
    }
}
