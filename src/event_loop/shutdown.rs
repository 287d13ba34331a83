//! Ending a loop so that its peers know.

use std::time::Instant;

use super::id::ConnId;

/// How a shutdown went; see [`Context::shutdown`](super::Context::shutdown).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Open connections whose closing handshake was done in time.
    pub closed: usize,
    /// Open connections that were cut: the time was up, or the peer went away without a word.
    pub cut: Vec<ConnId>,
}

/// A shutdown that goes on.
#[derive(Debug)]
pub(super) struct Shutdown {
    pub(super) until: Option<Instant>,
    pub(super) begun: bool,
    pub(super) report: ShutdownReport,
}
