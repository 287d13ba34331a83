//! The deadlines by which a connection must have heard from its peer.
//!
//! In: the time, as an argument, and what happened at that time. Out: the next point in time at which something is due,
//! and what that is. There is no clock here.

use core::time::Duration;

use super::config::Config;
use super::inbound::MessageProgress;
use crate::time::Instant;

/// The deadlines of one connection. They are small, as every idle connection has them.
#[derive(Clone, Debug)]
pub struct Deadlines {
    /// When something was heard last; while we wait for the close, when that wait began.
    since: Instant,
    waiting: Waiting,
    /// For how many microseconds before `since` the open message had not advanced; [`NO_MESSAGE`] if none is open.
    stalled: u64,
}

const NO_MESSAGE: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    /// Waits for the answer to the Ping that went out this many milliseconds after something was heard last.
    Pong(u32),
    Close,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Due {
    /// A Ping, as nothing was heard for [`Config::ping_interval`].
    Ping,
    /// The end: nothing was heard for [`Config::pong_timeout`] after the Ping.
    Dead,
    /// The end: nothing was heard for [`Config::idle_timeout`].
    Idle,
    /// The end: no bytes of a message in progress have arrived for [`Config::message_timeout`].
    Stalled,
    /// The end: the closing handshake took longer than [`Config::close_timeout`].
    CloseTimeout,
}

impl Deadlines {
    /// Creates the deadlines of a connection that opens now.
    pub const fn new(now: Instant) -> Self {
        Self { since: now, waiting: Waiting::Nothing, stalled: NO_MESSAGE }
    }

    /// Records that bytes have arrived.
    #[inline]
    pub fn heard(&mut self, now: Instant) {
        if self.waiting != Waiting::Close {
            if self.stalled != NO_MESSAGE {
                self.add(now);
            }
            self.since = now;
            self.waiting = Waiting::Nothing;
        }
    }

    /// Records whether the open message advanced by the bytes that were heard last, once they have been taken.
    #[inline]
    pub const fn progress(&mut self, progress: MessageProgress) {
        match progress {
            MessageProgress::Between => self.stalled = NO_MESSAGE,
            MessageProgress::Moved => self.stalled = 0,
            MessageProgress::Stalled => {}
        }
    }

    /// Returns whether a message is open, according to [`progress`](Self::progress).
    #[inline]
    pub const fn in_message(&self) -> bool {
        self.stalled != NO_MESSAGE
    }

    /// Records that the peer was not listened to, so that its silence so far does not count.
    pub fn paused(&mut self, now: Instant) {
        self.heard(now);
        if self.in_message() {
            self.stalled = 0;
        }
    }

    #[cold]
    fn add(&mut self, now: Instant) {
        let silence = now.saturating_duration_since(self.since).as_nanos().div_ceil(1000);
        let stalled = self.stalled.saturating_add(u64::try_from(silence).unwrap_or(u64::MAX));
        self.stalled = stalled.min(NO_MESSAGE - 1);
    }

    /// Records that the closing handshake has begun. Only the first call counts: nothing extends the close deadline.
    pub fn closing(&mut self, now: Instant) {
        if self.waiting != Waiting::Close {
            self.since = now;
            self.waiting = Waiting::Close;
        }
    }

    /// Returns when something is due next.
    pub fn next(&self, config: &Config) -> Option<Instant> {
        let (at, _) = self.first(config)?;
        Some(at)
    }

    /// Returns what is due by now, if anything is. A Ping that is due counts as sent.
    pub fn expire(&mut self, now: Instant, config: &Config) -> Option<Due> {
        let (_, due) = self.first(config).filter(|(at, _)| *at <= now)?;
        if due == Due::Ping {
            let silence = now.saturating_duration_since(self.since).as_millis();
            self.waiting = Waiting::Pong(u32::try_from(silence).unwrap_or(u32::MAX));
        }
        Some(due)
    }

    fn first(&self, config: &Config) -> Option<(Instant, Due)> {
        // A time too far off to be represented is never due.
        let after = |since: Instant, wait: Duration, due| Some((since.checked_add(wait)?, due));
        let alive = match self.waiting {
            Waiting::Close => return after(self.since, config.close_timeout, Due::CloseTimeout),
            Waiting::Pong(silence) => {
                let pinged = self.since.checked_add(Duration::from_millis(silence.into()))?;
                after(pinged, config.pong_timeout, Due::Dead)
            }
            Waiting::Nothing => config.ping_interval.and_then(|wait| after(self.since, wait, Due::Ping)),
        };
        let idle = config.idle_timeout.and_then(|wait| after(self.since, wait, Due::Idle));
        let message = config.message_timeout.filter(|_| self.in_message()).and_then(|wait| {
            after(self.since, wait.saturating_sub(Duration::from_micros(self.stalled)), Due::Stalled)
        });
        [message, idle, alive].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time;

    const SECOND: Duration = Duration::from_secs(1);

    fn config() -> Config {
        Config {
            idle_timeout: Some(60 * SECOND),
            ping_interval: Some(10 * SECOND),
            pong_timeout: 5 * SECOND,
            close_timeout: 3 * SECOND,
            ..Config::default()
        }
    }

    #[test]
    fn a_silent_peer_is_pinged_and_then_dead() {
        let (start, config) = (time::at(Duration::ZERO), config());
        let mut deadlines = Deadlines::new(start);
        assert_eq!(deadlines.next(&config), Some(start + 10 * SECOND));
        assert_eq!(deadlines.expire(start + 9 * SECOND, &config), None);
        assert_eq!(deadlines.expire(start + 10 * SECOND, &config), Some(Due::Ping));
        assert_eq!(deadlines.expire(start + 11 * SECOND, &config), None, "one Ping, not one a turn");
        assert_eq!(deadlines.next(&config), Some(start + 15 * SECOND));
        assert_eq!(deadlines.expire(start + 15 * SECOND, &config), Some(Due::Dead));
    }

    #[test]
    fn anything_heard_counts_as_life() {
        let (start, config) = (time::at(Duration::ZERO), config());
        let mut deadlines = Deadlines::new(start);
        assert_eq!(deadlines.expire(start + 10 * SECOND, &config), Some(Due::Ping));
        deadlines.heard(start + 12 * SECOND);
        assert_eq!(deadlines.next(&config), Some(start + 22 * SECOND));
    }

    #[test]
    fn nothing_extends_the_close_deadline() {
        let (start, config) = (time::at(Duration::ZERO), config());
        let mut deadlines = Deadlines::new(start);
        deadlines.closing(start);
        deadlines.heard(start + 2 * SECOND);
        deadlines.closing(start + 2 * SECOND);
        assert_eq!(deadlines.next(&config), Some(start + 3 * SECOND));
        assert_eq!(deadlines.expire(start + 3 * SECOND, &config), Some(Due::CloseTimeout));
    }

    #[test]
    fn a_message_must_get_on_whatever_else_comes() {
        let start = time::at(Duration::ZERO);
        let config = Config { idle_timeout: None, ping_interval: None, ..config() };
        let timeout = config.message_timeout.unwrap();
        let mut deadlines = Deadlines::new(start);
        assert_eq!(deadlines.next(&config), None);
        let mut now = start;
        // The message advances, a byte at a time: there is no limit for the whole message.
        for _ in 0..100 {
            now += timeout - SECOND;
            assert_eq!(deadlines.expire(now, &config), None);
            deadlines.heard(now);
            deadlines.progress(MessageProgress::Moved);
        }
        // Then only Pings come.
        let stalled = now;
        while now + SECOND / 8 < stalled + timeout {
            now += SECOND / 8;
            assert_eq!(deadlines.expire(now, &config), None);
            deadlines.heard(now);
            deadlines.progress(MessageProgress::Stalled);
        }
        let due = deadlines.next(&config).unwrap();
        assert!(due <= stalled + timeout && due + SECOND / 1000 >= stalled + timeout);
        assert_eq!(deadlines.expire(due, &config), Some(Due::Stalled));
        // A peer that is not listened to has not stalled.
        deadlines.paused(due);
        assert_eq!(deadlines.next(&config), Some(due + timeout));
        deadlines.progress(MessageProgress::Between);
        assert_eq!(deadlines.next(&config), None);
    }

    #[test]
    fn idle_ends_where_pings_are_off_and_never_is_never() {
        let start = time::at(SECOND);
        let config = Config { ping_interval: None, ..config() };
        let mut deadlines = Deadlines::new(start);
        assert_eq!(deadlines.expire(start + 60 * SECOND, &config), Some(Due::Idle));
        let never = Config { idle_timeout: Some(Duration::MAX), ..config };
        assert_eq!(deadlines.next(&never), None);
    }
}
