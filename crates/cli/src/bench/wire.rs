//! The size of messages on the wire.

use std::ops::AddAssign;

/// What has passed in one direction, TLS aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wire {
    pub(super) messages: u64,
    /// The number of bytes, frame headers included.
    pub(super) bytes: u64,
}

impl AddAssign for Wire {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}
