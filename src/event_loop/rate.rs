//! How much a connection may send, and what happens when it sends more.
//!
//! A connection with a rate has a bucket for messages and one for bytes, both in the program's time. What a connection
//! that has to slow down has sent is left unread until its buckets hold something again, so that its peer notices by
//! itself; it does not count as silent meanwhile. A connection without a rate costs the check of one flag.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::bucket::{Allowance, Bucket};
use super::id::ConnId;

/// How fast a connection may send; see [`Settings::rate`](super::Settings::rate).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// Messages, of any length.
    pub messages: Option<Allowance>,
    /// Bytes as they are read: of all frames, with their headers, compressed as they come. With the policy
    /// [`Drop`](RatePolicy::Drop), only the bytes of messages. With any other policy, no more than the burst is read at
    /// once.
    pub bytes: Option<Allowance>,
    /// What happens beyond that.
    pub policy: RatePolicy,
}

/// What happens to a connection that sends more than its [`Rate`] allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RatePolicy {
    /// Nothing is read from it until it may send more: TCP slows its peer down, and nothing is lost. Control frames
    /// wait with the rest.
    #[default]
    SlowDown,
    /// Messages beyond the rate are not delivered, except those that are delivered in frames or pieces
    /// ([`Delivery`](crate::connection::Delivery)).
    Drop,
    /// The connection is closed with code 1008.
    Close,
}

/// What was done about a connection that sent more than its [`Rate`](super::Rate) allows; see
/// [`Handler::on_rate_exceeded`](super::Handler::on_rate_exceeded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateExceeded {
    /// Nothing is read from it for this long.
    Slowed(Duration),
    /// A message of this many bytes was dropped.
    Dropped(usize),
}

/// A rate, and what is left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    pub(super) rate: Rate,
    messages: Bucket,
    bytes: Bucket,
}

const NONE: Allowance = Allowance { per_second: u64::MAX, burst: u64::MAX };

impl Meter {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        let full = |allowance: Option<Allowance>| Bucket::full(allowance.unwrap_or(NONE), now);
        Self { rate, messages: full(rate.messages), bytes: full(rate.bytes) }
    }

    pub(super) fn fill(&mut self, now: Instant) {
        self.messages.fill(self.rate.messages.unwrap_or(NONE), now);
        self.bytes.fill(self.rate.bytes.unwrap_or(NONE), now);
    }

    /// Returns how long nothing is to be read, or `None` if something may be.
    pub(super) fn wait(&self) -> Option<Duration> {
        let messages = self.rate.messages.and_then(|allowance| self.messages.wait(allowance));
        let bytes = self.rate.bytes.and_then(|allowance| self.bytes.wait(allowance));
        messages.max(bytes)
    }

    pub(super) fn is_out_of_messages(&self) -> bool {
        self.rate.messages.is_some_and(|allowance| self.messages.wait(allowance).is_some())
    }

    pub(super) fn has(&self, messages: u64, bytes: u64) -> bool {
        self.rate.messages.is_none_or(|allowance| self.messages.has(allowance, messages))
            && self.rate.bytes.is_none_or(|allowance| self.bytes.has(allowance, bytes))
    }

    pub(super) fn spend(&mut self, messages: u64, bytes: u64) {
        if self.rate.messages.is_some() {
            self.messages.spend(messages);
        }
        if self.rate.bytes.is_some() {
            self.bytes.spend(bytes);
        }
    }

    /// Returns how many bytes may be read at once.
    pub(super) fn most_at_once(&self) -> usize {
        match self.rate {
            Rate { policy: RatePolicy::Drop, .. } | Rate { bytes: None, .. } => usize::MAX,
            Rate { bytes: Some(allowance), .. } => {
                usize::try_from(allowance.burst.max(1)).unwrap_or(usize::MAX)
            }
        }
    }
}

/// Connections that are not read from for a while.
#[derive(Debug, Default)]
pub(super) struct Slowed {
    pub(super) until: BinaryHeap<Reverse<(Instant, ConnId)>>,
}

impl Slowed {
    pub(super) fn next(&self) -> Option<Instant> {
        self.until.peek().map(|Reverse((at, _))| *at)
    }

    /// Has a connection wait. A time too far off to be represented never comes.
    pub(super) fn wait(&mut self, until: Option<Instant>, id: ConnId) {
        self.until.extend(until.map(|at| Reverse((at, id))));
    }
}
