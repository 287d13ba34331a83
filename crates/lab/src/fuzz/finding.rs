//! Behaviour that violates the RFCs.

use std::fmt::Display;

use bowsprit::error::Section;
use serde::{Deserialize, Serialize};

use crate::counted;

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// The peer is not there, or not there any more.
    Gone,
    /// A valid opening handshake is refused.
    HandshakeRefused,
    /// An invalid opening handshake is accepted.
    HandshakeAccepted,
    /// A head or a frame of the peer breaks a rule.
    PeerBrokeRule,
    /// Nothing comes in time.
    NoAnswer,
    /// A message comes back changed, twice, in another order, or not at all.
    WrongEcho,
    /// Something is answered that must not be.
    AnsweredForbidden,
    /// A Ping is not answered.
    NoPong,
    /// The peer does not fail the connection although it must.
    NotFailed,
    /// The connection is failed or closed with a wrong code.
    WrongCode,
    /// A connection ends although no rule was broken on it.
    EndedEarly,
    /// The TCP connection stays open after the closing handshake.
    TcpStaysOpen,
    /// Memory grows beyond the bound.
    Memory,
    /// An unrelated connection is answered late.
    NeighbourWaits,
}

/// Something the peer did that violates the RFCs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The kind.
    pub kind: Kind,
    /// What the RFC asks, in a few words.
    pub rule: String,
    /// The section that states the rule.
    pub section: String,
    /// What was seen.
    pub what: String,
}

impl Finding {
    /// Creates the finding that the peer is not there any more.
    pub(super) fn gone(why: &str) -> Self {
        Self {
            kind: Kind::Gone,
            rule: "a peer outlives what it is sent".to_owned(),
            section: Section::rfc6455("7.1.7").to_string(),
            what: why.to_owned(),
        }
    }

    /// Creates the finding that memory has grown from `from` to `now` bytes.
    pub(super) fn memory(from: u64, now: u64, runs: u64) -> Self {
        Self {
            kind: Kind::Memory,
            rule: "memory is bounded whatever is sent".to_owned(),
            section: Section::rfc6455("10.4").to_string(),
            what: format!(
                "{} KiB have become {} KiB after {}",
                from / 1024,
                now / 1024,
                counted(runs, "iteration")
            ),
        }
    }

    /// Creates the finding that a quiet connection waits for its answer.
    pub(super) fn neighbour(what: String) -> Self {
        Self {
            kind: Kind::NeighbourWaits,
            rule: "what one connection says keeps no other waiting".to_owned(),
            section: Section::rfc6455("10.4").to_string(),
            what,
        }
    }

    /// Returns what two findings of one fault have in common.
    pub fn key(&self) -> (Kind, String) {
        (self.kind, self.section.clone())
    }
}

/// Returns a finding as `Some`.
pub(super) fn finding(
    kind: Kind,
    rule: impl Into<String>,
    section: impl Display,
    what: impl Into<String>,
) -> Option<Finding> {
    Some(Finding { kind, rule: rule.into(), section: section.to_string(), what: what.into() })
}
