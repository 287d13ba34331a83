//! What does not fit what the RFCs ask.

use std::fmt::Display;

use bowsprit::error::Section;
use serde::{Deserialize, Serialize};

/// What does not fit, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// There is nobody, or nobody any more.
    Gone,
    /// A right opening handshake is refused.
    HandshakeRefused,
    /// A wrong opening handshake is accepted.
    HandshakeAccepted,
    /// A head or a frame of the peer breaks a rule.
    PeerBrokeRule,
    /// Nothing comes within the time.
    NoAnswer,
    /// A message comes back changed, twice, in another order, or not at all.
    WrongEcho,
    /// Something is answered that must not be.
    AnsweredForbidden,
    /// A Ping is not answered.
    NoPong,
    /// The connection is not failed where it must be.
    NotFailed,
    /// It is failed, or closed, with a code that does not fit.
    WrongCode,
    /// A connection ends on which no rule was broken.
    EndedEarly,
    /// After the closing handshake the TCP connection stays.
    TcpStaysOpen,
    /// Memory grows beyond the bound.
    Memory,
    /// Somebody else's connection is answered late.
    NeighbourWaits,
}

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// In one word.
    pub kind: Kind,
    /// What the RFC asks, in a few words.
    pub rule: String,
    /// Where it stands.
    pub section: String,
    /// What was seen.
    pub what: String,
}

impl Finding {
    /// There is nobody any more.
    pub(super) fn gone(why: &str) -> Self {
        Self {
            kind: Kind::Gone,
            rule: "a peer outlives what it is sent".to_owned(),
            section: Section::rfc6455("7.1.7").to_string(),
            what: why.to_owned(),
        }
    }

    /// Memory has grown from so many bytes to so many.
    pub(super) fn memory(from: u64, now: u64, runs: u64) -> Self {
        Self {
            kind: Kind::Memory,
            rule: "memory is bounded whatever is sent".to_owned(),
            section: Section::rfc6455("10.4").to_string(),
            what: format!("{} KiB have become {} KiB after {runs} iterations", from / 1024, now / 1024),
        }
    }

    /// A quiet connection waits for its answer.
    pub(super) fn neighbour(what: String) -> Self {
        Self {
            kind: Kind::NeighbourWaits,
            rule: "what one connection says keeps no other waiting".to_owned(),
            section: Section::rfc6455("10.4").to_string(),
            what,
        }
    }

    /// What two findings of one fault have in common.
    pub fn key(&self) -> (Kind, String) {
        (self.kind, self.section.clone())
    }
}

/// A finding that there is.
pub(super) fn finding(
    kind: Kind,
    rule: impl Into<String>,
    section: impl Display,
    what: impl Into<String>,
) -> Option<Finding> {
    Some(Finding { kind, rule: rule.into(), section: section.to_string(), what: what.into() })
}
