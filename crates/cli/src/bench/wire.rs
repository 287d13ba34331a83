//! What messages weigh on their way.

use std::ops::AddAssign;

/// What has travelled in one direction, TLS aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wire {
    pub(super) messages: u64,
    /// With the headers of frames.
    pub(super) bytes: u64,
}

impl AddAssign for Wire {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}
