//! The other loops of a group, as a loop sees them.

use std::fmt;

use crate::message::Prepared;

/// The other loops of a group.
pub(super) trait Siblings: fmt::Debug + Send {
    /// To the subscribers of a topic, or to all connections. Says how many loops did not take it.
    fn publish(&self, topic: Option<&str>, message: &Prepared) -> usize;
    /// To other nodes, by way of the loop that has the link to them: the first of the group. Says how many did not take
    /// it.
    #[cfg(feature = "backplane")]
    fn send_to_nodes(&self, topic: Option<&str>, message: &Prepared) -> usize;
    /// Has that loop listen to a topic for one more loop, or for one fewer.
    #[cfg(feature = "backplane")]
    fn want_topic(&self, topic: &str, wanted: bool);
    fn stop(&self);
}

/// The siblings of a loop that is in no group.
#[derive(Debug)]
pub(super) struct Alone;

impl Siblings for Alone {
    fn publish(&self, _: Option<&str>, _: &Prepared) -> usize {
        0
    }

    #[cfg(feature = "backplane")]
    fn send_to_nodes(&self, _: Option<&str>, _: &Prepared) -> usize {
        0
    }

    #[cfg(feature = "backplane")]
    fn want_topic(&self, _: &str, _: bool) {}

    fn stop(&self) {}
}
