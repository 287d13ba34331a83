//! The counters of a link.

use std::time::Duration;

/// Counters of a link, since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Whether there is a link now.
    pub up: bool,
    /// Messages that were given to the engine. Those that were sent again count once.
    pub published: u64,
    /// Messages of other nodes.
    pub received: u64,
    /// Messages of our own that came back.
    pub echoes: u64,
    /// Messages of other nodes that came twice.
    pub repeated: u64,
    /// Messages of ours that were dropped.
    pub dropped: u64,
    /// How often something was found missing.
    pub gaps: u64,
    /// Messages that were found missing.
    pub lost: u64,
    /// Links after the first.
    pub reconnects: u64,
    /// Bytes that wait for the engine or for its answer.
    pub queued: usize,
    /// How long the oldest of them has waited.
    pub lag: Duration,
    /// Messages that were read again for connections that came back.
    pub replayed: u64,
    /// How often a connection came back too late for that.
    pub too_old: u64,
    /// Other nodes that are alive.
    pub nodes: usize,
    /// How many are present, in all topics and at all nodes.
    pub present: u64,
}
