//! What a peer is held against.

use std::time::Duration;

use super::Side;

/// What is asked of a peer beside the RFCs.
#[derive(Clone, Debug)]
pub struct Oracles {
    /// Who the peer is.
    pub side: Side,
    /// Host and port, as the Host field has them.
    pub host: String,
    /// The request target.
    pub target: String,
    /// Lines that each request has beside those of the script.
    pub fields: Vec<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The peer sends every message back.
    pub echo: bool,
    /// How long a quiet connection may wait for an answer while others are played; of a server only. `None`: nobody looks.
    pub neighbour: Option<Duration>,
}
