//! What the verdict on a case rests on.

use std::time::Duration;

use super::case::{Case, Side};
use super::passage::Passage;
use super::trace::Trace;
use crate::case::Level;
use crate::report::Deny;

/// Where what came out parts from what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Who sent it.
    pub from: Side,
    /// What it is part of: `head`, `body`, `stream`.
    pub part: &'static str,
    /// Bytes from the start of that part to the first that differs.
    pub offset: u64,
    /// What was sent from there on, as far as it is kept.
    pub sent: Vec<u8>,
    /// What came out from there on, as far as it is kept.
    pub came: Vec<u8>,
}

/// All about a case that was played.
#[derive(Clone, Debug)]
pub struct Record {
    /// The case.
    pub case: &'static Case,
    /// The verdict.
    pub passage: Passage,
    /// Whether the case accepts that.
    pub accepted: bool,
    /// Why, in a sentence.
    pub reason: String,
    /// The first difference between what was sent and what came out.
    pub difference: Option<Difference>,
    /// Fields that the proxy added, each with the side it was added for.
    pub added: Vec<(Side, String)>,
    /// What was measured on the way, in words.
    pub measured: Vec<String>,
    /// What crossed the wires.
    pub trace: Trace,
    /// How long it took.
    pub duration: Duration,
    /// Nothing of it reached the origin, and no answer came either.
    pub(super) silent: bool,
    /// The front passes on bytes before a head is whole.
    pub(super) relays: bool,
    /// It came out as it was sent, only late: a busy machine does that as well.
    pub(super) late: bool,
    /// The front has said that it did nothing with the request, which may be sent again (RFC 9113 §8.7).
    pub(super) unprocessed: bool,
    /// No connection to the front came up.
    pub(super) unconnected: bool,
}

impl Record {
    /// The record of a case that was not played, and why.
    pub fn not_played(case: &'static Case, why: &str) -> Self {
        Self::without_a_word(case, Passage::NotPlayed, format!("Not played: {why}."))
    }

    /// The record of a case that is about HTTP/1.1 alone, over HTTP/2.
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

    /// Whether it fails a run.
    pub fn denied(&self, deny: Deny) -> bool {
        match (self.passage, deny) {
            (Passage::NotPlayed, _) => false,
            // Whatever the level of its rule.
            (Passage::Gone, _) => true,
            (_, Deny::Must) => !self.accepted && self.case.level == Level::Must,
            (_, Deny::Should) => !self.accepted && self.case.level <= Level::Should,
        }
    }
}
