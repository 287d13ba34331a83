//! The other loops of a group, as a loop sees them.

use std::fmt;

use crate::message::Prepared;

/// The other loops of a group.
pub(super) trait Siblings: fmt::Debug + Send {
    /// Says how many did not take it.
    fn broadcast(&self, message: &Prepared) -> usize;
    /// Says how many did not take it.
    fn publish(&self, topic: &str, message: &Prepared) -> usize;
    fn stop(&self);
}

/// The siblings of a loop that is in no group.
#[derive(Debug)]
pub(super) struct Alone;

impl Siblings for Alone {
    fn broadcast(&self, _: &Prepared) -> usize {
        0
    }

    fn publish(&self, _: &str, _: &Prepared) -> usize {
        0
    }

    fn stop(&self) {}
}
