//! Deadlines of a link: announcements, pings and their answers, the next try.

use std::time::{Duration, Instant};

use super::super::envelope::Kind;
use super::event::{Action, LinkEvent};
use super::receive::REUNION;
use super::{Link, MAX_DELAY, State};
use crate::entropy;

/// How long connecting to an engine, and its first answer, may take, each.
const PATIENCE: Duration = Duration::from_secs(5);
/// The numbers of a node that has been silent for this long are forgotten.
const SILENT: Duration = Duration::from_secs(600);
/// Drops within this time are reported together.
const TOLD: Duration = Duration::from_secs(1);
/// A node that was silent for this many announcements is gone.
const LEASE: u32 = 3;
/// There are at least this many tries, and twice as many on average, within the time that a message may wait.
const OFTEN: u32 = 20;
const TICK: Duration = Duration::from_millis(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);

impl Link {
    /// Returns when [`handle_timeout`](Self::handle_timeout) has to be called, unless something happens before.
    pub fn next_timeout(&self) -> Instant {
        let first = match &self.state {
            State::Away { until } => *until,
            State::Restoring { since, subscribed: true, .. } => *since + REUNION,
            State::Dialing { since } | State::Greeting { since } | State::Restoring { since, .. } => {
                *since + PATIENCE
            }
            State::Up => match self.pinged {
                Some(pinged) => pinged.checked_add(self.settings.pong_timeout),
                None => self.heard.checked_add(self.settings.ping_interval),
            }
            .map_or(self.announce_at, |due| due.min(self.announce_at)),
        };
        let old = self.queue.oldest().filter(|_| self.expires());
        // A time too far off to be represented never comes.
        let old = old.and_then(|since| since.checked_add(self.settings.max_age));
        let old = old.map(|at| at.max(self.spared_until));
        let untold = self.dropped_since.map(|since| since + TOLD);
        [old, untold, self.channels.next(), self.tell_all_at].into_iter().flatten().fold(first, Instant::min)
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.expires() && self.spared_until <= now {
            let expired = self.queue.expire(self.settings.max_age, now) as u64;
            self.drop_messages(expired, now);
        }
        while let Some((name, id)) = self.channels.given_up(now) {
            self.receiving.forget_channel(id);
            if let Some(history) = &mut self.history {
                history.remove(&name);
            }
            if matches!(self.state, State::Restoring { .. } | State::Up) {
                self.speaker.unsubscribe(&mut self.out, &name);
            }
        }
        match self.state {
            State::Away { until } if until <= now => {
                self.state = State::Dialing { since: now };
                self.actions.push_back(Action::Dial);
            }
            State::Dialing { since } if since + PATIENCE <= now => {
                self.fall("it cannot be reached", Duration::ZERO, now);
            }
            State::Greeting { since } if since + PATIENCE <= now => {
                self.fall("it does not answer our greeting", Duration::ZERO, now);
            }
            State::Restoring { subscribed: true, .. } => self.try_up(now),
            State::Restoring { since, .. } if since + PATIENCE <= now => {
                self.fall("it does not confirm our subscriptions", Duration::ZERO, now);
            }
            State::Up => self.keep_up(now),
            _ => {}
        }
        if self.dropped_since.is_some_and(|since| since + TOLD <= now) {
            self.dropped_since = None;
            let messages = std::mem::take(&mut self.dropped);
            self.events.push_back(LinkEvent::Dropped { messages });
        }
    }

    /// Returns whether messages become too old: not those that become history, and not while only other nodes are
    /// missing and the engine is there.
    const fn expires(&self) -> bool {
        self.history.is_none() && !matches!(self.state, State::Restoring { .. })
    }

    /// Sends a ping if nothing was heard for a while, and announces numbers.
    fn keep_up(&mut self, now: Instant) {
        match self.pinged {
            Some(pinged) if now.saturating_duration_since(pinged) >= self.settings.pong_timeout => {
                return self.fall("it has not answered a ping", Duration::ZERO, now);
            }
            None if now.saturating_duration_since(self.heard) >= self.settings.ping_interval => {
                self.speaker.ping(&mut self.out);
                self.pinged = Some(now);
            }
            _ => {}
        }
        if self.tell_all_at.is_some_and(|at| at <= now) {
            self.tell_all_present();
        }
        if self.announce_at <= now {
            let interval = self.settings.announce_interval.clamp(TICK, LONGEST_INTERVAL);
            self.presence.expire(LEASE * interval, now);
            self.control(Kind::Present, &[0]);
            self.announce_at = now + interval;
            self.receiving.forget_silent(SILENT, now);
            // After what was given out already, which is all that has a number and may have arrived. What still waits
            // in the queue has not been sent, so it may not be announced. A history is read to its end in any case.
            if !self.queue.is_waiting() && self.history.is_none() {
                for piece in self.sending.announce(self.announcement(), now) {
                    self.control(Kind::Numbers, &piece);
                }
            }
        }
    }

    /// Announces all that are present here.
    pub(super) fn tell_all_present(&mut self) {
        self.tell_all_at = None;
        let longest = self.announcement();
        self.presence.untold(longest);
        for piece in self.presence.all(longest) {
            self.control(Kind::Present, &piece);
        }
    }

    /// Ends the link; the next try comes after `least`, or later.
    pub(super) fn fall(&mut self, why: &str, least: Duration, now: Instant) {
        if !matches!(self.state, State::Dialing { .. }) {
            self.actions.push_back(Action::Drop);
        }
        if matches!(self.state, State::Up) {
            self.down_since = now;
        }
        let delay = self.delay(now).max(least);
        self.state = State::Away { until: now + delay };
        self.input = Vec::new();
        self.passing = 0;
        self.out.clear();
        self.written = 0;
        self.pinged = None;
        self.queue.take_back();
        if let Some(history) = &mut self.history {
            history.fall();
        }
        self.events.push_back(LinkEvent::Down { why: why.to_owned(), retry: delay });
    }

    /// Returns the delay of the next try: none for the first, as every millisecond costs messages; then random and
    /// longer and longer, but short while messages from the time of the loss still wait.
    fn delay(&mut self, now: Instant) -> Duration {
        self.tries += 1;
        if self.tries == 1 {
            return Duration::ZERO;
        }
        let mut most = Duration::from_millis(50).saturating_mul(1 << self.tries.min(10)).min(MAX_DELAY);
        if now.saturating_duration_since(self.down_since) < self.settings.max_age {
            most = most.min((self.settings.max_age / OFTEN).max(TICK));
        }
        entropy::between(TICK, most, &mut self.entropy)
    }
}
