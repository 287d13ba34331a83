//! The other loops of a group, as a loop sees them.

use std::fmt;

use super::audience::To;
#[cfg(feature = "backplane")]
use super::follows::Brought;
use super::id::ConnId;
#[cfg(feature = "backplane")]
use crate::backplane::{Mark, Position};
use crate::message::Prepared;

/// A connection of a loop of the group. Each loop has its own ids of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sibling {
    /// The number of the loop.
    pub(super) place: usize,
    pub(super) id: ConnId,
}

/// The other loops of a group.
pub(super) trait Siblings: fmt::Debug + Send {
    #[cfg(feature = "backplane")]
    fn is_any(&self) -> bool;
    /// Sends to the subscribers of a topic, or to all connections, with an optional key, without one of them. Returns
    /// how many loops did not take it.
    fn publish(&self, to: To<'_>, except: Option<Sibling>, message: &Prepared) -> usize;
    /// Sends to a topic or all at other nodes, with an optional key, by way of the first loop of the group, which has
    /// the link to them. Returns how many did not take it.
    #[cfg(feature = "backplane")]
    fn send_to_nodes(&self, to: To<'_>, message: &Prepared, mark: Option<Mark>) -> usize;
    /// Has that loop listen to a topic for one more loop, or for one fewer.
    #[cfg(feature = "backplane")]
    fn want_topic(&self, topic: &str, wanted: bool);
    /// Has that loop look at who is present.
    #[cfg(feature = "backplane")]
    fn look_at_presence(&self);
    /// Has that loop begin a step of a replay.
    #[cfg(feature = "backplane")]
    fn replay(&self, topic: &str, since: Option<Position>, ticket: u64);
    /// Passes what followers have asked for to the loop in this place, however much waits for it.
    #[cfg(feature = "backplane")]
    fn bring(&self, place: usize, brought: Brought);
    /// Sends a message as [`publish`](Self::publish) does, with a position in the history of its topic.
    #[cfg(feature = "backplane")]
    fn publish_at(
        &self,
        topic: &str,
        key: Option<&str>,
        except: Option<Sibling>,
        at: Position,
        message: &Prepared,
    ) -> usize;
    fn stop(&self);
}

/// The siblings of a loop that is in no group: there are none.
#[derive(Debug)]
pub(super) struct Alone;

impl Siblings for Alone {
    #[cfg(feature = "backplane")]
    fn is_any(&self) -> bool {
        false
    }

    fn publish(&self, _: To<'_>, _: Option<Sibling>, _: &Prepared) -> usize {
        0
    }

    #[cfg(feature = "backplane")]
    fn send_to_nodes(&self, _: To<'_>, _: &Prepared, _: Option<Mark>) -> usize {
        0
    }

    #[cfg(feature = "backplane")]
    fn want_topic(&self, _: &str, _: bool) {}

    #[cfg(feature = "backplane")]
    fn look_at_presence(&self) {}

    #[cfg(feature = "backplane")]
    fn replay(&self, _: &str, _: Option<Position>, _: u64) {}

    #[cfg(feature = "backplane")]
    fn bring(&self, _: usize, _: Brought) {}

    #[cfg(feature = "backplane")]
    fn publish_at(&self, _: &str, _: Option<&str>, _: Option<Sibling>, _: Position, _: &Prepared) -> usize {
        0
    }

    fn stop(&self) {}
}
