//! What a peer is checked against.

use std::time::Duration;

use super::Side;

/// What is required of a peer beyond the RFCs.
#[derive(Clone, Debug)]
pub struct Oracles {
    /// The side that the peer takes.
    pub side: Side,
    /// Host and port, as in the Host field.
    pub host: String,
    /// The request target.
    pub target: String,
    /// Lines that each request has in addition to those of the script.
    pub fields: Vec<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Whether the peer sends every message back.
    pub echo: bool,
    /// How long a quiet connection to a server may wait for an answer while others are played; `None` means that this
    /// is not checked.
    pub neighbour: Option<Duration>,
}
