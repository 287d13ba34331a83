//! The followers of each topic, and how far each has come; see [`follow`](super::follow).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::id::ConnId;
use crate::backplane::{Position, Step};
use crate::message::{Message, Prepared};

/// What a follower of a topic receives; see [`Context::replay`](super::Context::replay).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replayed<'a> {
    /// A message, old or new.
    Message {
        /// Its position, from which to continue later.
        at: Position,
        /// The message.
        message: Message<'a>,
    },
    /// The position of a message that was sent without this connection ([`To::except`](super::To::except)).
    Own {
        /// The position from which to continue later.
        at: Position,
    },
    /// The history is complete. What follows is new.
    Complete {
        /// The position from which to continue later.
        at: Position,
    },
    /// Messages between the requested position and this one no longer exist. What follows is new.
    TooOld {
        /// The position from which to continue later.
        at: Position,
    },
}

/// Why a connection cannot follow a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is no backplane that keeps histories.
    NoHistory,
    /// The connection is not open.
    Closed,
    /// It already follows [`Settings::max_subscriptions`](super::Settings::max_subscriptions) topics.
    TooMany,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHistory => "no history is kept: the backplane is none with ?streams",
            Self::Closed => "the connection is not open",
            Self::TooMany => "the connection follows as many topics as it may",
        })
    }
}

impl std::error::Error for ReplayError {}

/// What the link brings for followers in a loop.
#[derive(Debug)]
pub(super) enum Brought {
    /// With its key, for connections that do not follow.
    Live {
        topic: Arc<str>,
        key: Option<Arc<str>>,
        except: Option<ConnId>,
        at: Position,
        message: Prepared,
    },
    Past {
        ticket: u32,
        at: Position,
        message: Prepared,
    },
    Step {
        ticket: u32,
        step: Step,
    },
}

#[derive(Debug, Default)]
pub(super) struct Follows {
    pub(super) topics: HashMap<Arc<str>, HashMap<ConnId, Follower>>,
    pub(super) of: HashMap<ConnId, Vec<Arc<str>>>,
    pub(super) tickets: HashMap<u32, (ConnId, Arc<str>)>,
    next: u32,
    pub(super) brought: VecDeque<Brought>,
    /// Followers whose next step waits until they have read.
    pub(super) slow: VecDeque<(ConnId, Arc<str>)>,
}

#[derive(Debug)]
pub(super) struct Follower {
    pub(super) at: Option<Position>,
    pub(super) is_live: bool,
    /// Of the step that was requested last; what comes for another one is late.
    pub(super) ticket: u32,
}

/// How soon slow followers are checked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Follows {
    pub(super) fn bring(&mut self, brought: Brought) {
        let is_for_somebody = match &brought {
            Brought::Live { topic, .. } => self.topics.contains_key(topic),
            Brought::Past { ticket, .. } | Brought::Step { ticket, .. } => self.tickets.contains_key(ticket),
        };
        if is_for_somebody {
            self.brought.push_back(brought);
        }
    }

    pub(super) fn is_any(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    pub(super) fn has_work(&self) -> bool {
        !self.brought.is_empty()
    }

    /// Returns how soon slow followers have to be checked.
    pub(super) fn next(&self) -> Option<Duration> {
        (!self.slow.is_empty()).then_some(LOOK_AGAIN)
    }

    pub(super) fn follower(&mut self, id: ConnId, topic: &str) -> Option<&mut Follower> {
        self.topics.get_mut(topic)?.get_mut(&id)
    }

    /// Returns a ticket for the next step of a follower, and the position from which it continues.
    pub(super) fn ticket(&mut self, id: ConnId, topic: &Arc<str>) -> Option<(u32, Option<Position>)> {
        let follower = self.topics.get_mut(topic)?.get_mut(&id)?;
        self.tickets.remove(&follower.ticket);
        self.next = self.next.wrapping_add(1).max(1); // 0 is never used
        while self.tickets.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1).max(1);
        }
        follower.ticket = self.next;
        self.tickets.insert(self.next, (id, Arc::clone(topic)));
        Some((self.next, follower.at))
    }
}
