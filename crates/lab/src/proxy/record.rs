//! What the verdict on a case rests on.

use std::time::Duration;

use super::case::{Case, Side};
use super::passage::Passage;
use super::trace::Trace;
use crate::case::Level;
use crate::report::Deny;

/// Where the output differs from what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The side that sent it.
    pub from: Side,
    /// The part that differs: `head`, `body`, `stream`.
    pub part: &'static str,
    /// The offset in that part of the first byte that differs.
    pub offset: u64,
    /// What was sent from that offset on, as far as it is kept.
    pub sent: Vec<u8>,
    /// What came out from that offset on, as far as it is kept.
    pub came: Vec<u8>,
}

/// Everything about a case that was played.
#[derive(Clone, Debug)]
pub struct Record {
    /// The case.
    pub case: &'static Case,
    /// The verdict.
    pub passage: Passage,
    /// Whether the case accepts the verdict.
    pub accepted: bool,
    /// The reason, in a sentence.
    pub reason: String,
    /// The first difference between what was sent and what came out.
    pub difference: Option<Difference>,
    /// Fields that the proxy added, each with the side it was added for.
    pub added: Vec<(Side, String)>,
    /// What was measured on the way, in words.
    pub measured: Vec<String>,
    /// What crossed the wires.
    pub trace: Trace,
    /// How long the case took.
    pub duration: Duration,
    /// Whether nothing reached the origin and no answer came either.
    pub(super) silent: bool,
    /// Whether the front forwards bytes before a head is complete.
    pub(super) relays: bool,
    /// Whether everything came out unchanged but late, as can also happen on a busy machine.
    pub(super) late: bool,
    /// Whether the front has said that it did not process the request, which may then be sent again (RFC 9113 §8.7).
    pub(super) unprocessed: bool,
    /// Whether no connection to the front came up.
    pub(super) unconnected: bool,
}

impl Record {
    /// Creates the record of a case that was not played, with the reason.
    pub fn not_played(case: &'static Case, why: &str) -> Self {
        Self::without_a_word(case, Passage::NotPlayed, format!("Not played: {why}."))
    }

    /// Creates the record of a case that is about HTTP/1.1 only, over HTTP/2.
    pub fn not_applicable(case: &'static Case) -> Self {
        let reason = format!("Not applicable over HTTP/2: {}.", case.only_http1);
        Self { accepted: true, ..Self::without_a_word(case, Passage::NotApplicable, reason) }
    }

    fn without_a_word(case: &'static Case, passage: Passage, reason: String) -> Self {
        Self {
            case,
            passage,
            accepted: false,
            reason,
            difference: None,
            added: Vec::new(),
            measured: Vec::new(),
            trace: Trace::default(),
            duration: Duration::ZERO,
            silent: false,
            relays: false,
            late: false,
            unprocessed: false,
            unconnected: false,
        }
    }

    /// Returns whether the case fails a run.
    pub fn denied(&self, deny: Deny) -> bool {
        match (self.passage, deny) {
            (Passage::NotPlayed, _) => false,
            // This holds whatever the level of the rule.
            (Passage::Gone, _) => true,
            (_, Deny::Must) => !self.accepted && self.case.level == Level::Must,
            (_, Deny::Should) => !self.accepted && self.case.level <= Level::Should,
        }
    }
}
