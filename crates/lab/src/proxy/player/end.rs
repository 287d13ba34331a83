//! How a case ends: its verdict from what was found.

use std::time::Duration;

use super::super::case::Side;
use super::super::check::Finding;
use super::super::flow::Kind;
use super::super::passage::Passage;
use super::super::record::{Difference, Record};
use super::{Player, at};
use crate::escape::visible;

/// Bytes of a difference that a report keeps.
const EXCERPT: usize = 48;

impl Player {
    /// The case is over: this became of it.
    pub(super) fn fail(&mut self, passage: Passage, what: impl Into<String>) {
        self.find(passage, what);
        self.over = true;
    }

    /// This became of it; the script goes on.
    pub(super) fn find(&mut self, passage: Passage, what: impl Into<String>) {
        self.findings.push(Finding { passage, what: what.into(), is_right: false });
    }

    /// The connection to the front did not come up.
    pub(crate) fn unconnected(&mut self, error: &str) {
        (self.silent, self.unconnected) = (true, true);
        self.fail(Passage::Refused, format!("the front took no connection: {error}"));
    }

    /// What a side sent came out otherwise: which way, and where.
    pub(super) fn fail_by_difference(&mut self, from: Side) {
        let flow = &self.flows[at(from)];
        let offset = flow.came();
        let (passage, what) = match flow.kind() {
            Kind::Inserted(Some(bytes)) => (
                Passage::Unsafe,
                format!("{bytes} bytes that the {from} never sent stand in its stream at offset {offset}"),
            ),
            Kind::Inserted(None) => (
                Passage::Unsafe,
                format!("bytes that the {from} never sent came behind its own, at offset {offset}"),
            ),
            Kind::Missing(bytes) => (
                Passage::Lost,
                format!("{bytes} bytes of the {from} are missing at offset {offset} of its stream"),
            ),
            Kind::Changed => {
                (Passage::Altered, format!("the stream of the {from} is another from offset {offset} on"))
            }
        };
        self.tell_difference(from);
        self.fail(passage, what);
    }

    /// Keeps where a stream parts from what was sent.
    pub(super) fn tell_difference(&mut self, from: Side) {
        let flow = &self.flows[at(from)];
        let (sent, came) = flow.difference();
        self.difference = Some(Difference {
            from,
            part: "stream",
            offset: flow.came(),
            sent: sent[..sent.len().min(EXCERPT)].to_vec(),
            came: came[..came.len().min(EXCERPT)].to_vec(),
        });
    }

    /// Keeps where a head or a body parts from what was sent.
    pub(super) fn keep_difference(&mut self, from: Side, part: &'static str, sent: &[u8], came: &[u8]) {
        let offset = sent.iter().zip(came).take_while(|(sent, came)| sent == came).count();
        if offset == sent.len() && offset == came.len() || self.difference.is_some() {
            return;
        }
        let excerpt = |bytes: &[u8]| bytes[offset..bytes.len().min(offset + EXCERPT)].to_vec();
        let (sent, came) = (excerpt(sent), excerpt(came));
        self.difference = Some(Difference { from, part, offset: offset as u64, sent, came });
    }

    /// The record; only a case that is over has one that stands.
    pub(crate) fn finish(self, duration: Duration) -> Record {
        let accepts = |finding: &&Finding| finding.is_right || self.case.accepts.contains(&finding.passage);
        // What fails the case is told before what does not, the worst first.
        let worst = self.findings.iter().max_by_key(|finding| (!accepts(finding), finding.passage));
        let late = self.late && self.findings.iter().all(|finding| finding.passage == Passage::Altered);
        let (passage, reason) = match worst {
            Some(finding) => (finding.passage, sentence(&finding.what)),
            None => (Passage::Transparent, "All came out as it was sent.".to_owned()),
        };
        Record {
            case: self.case,
            passage,
            accepted: worst.is_none_or(|finding| accepts(&finding)),
            reason,
            difference: self.difference.filter(|_| passage != Passage::Transparent),
            added: self.added,
            measured: self.measured,
            trace: self.trace,
            duration,
            silent: self.silent,
            relays: self.relays,
            late,
            unprocessed: self.unprocessed,
            unconnected: self.unconnected,
        }
    }
}

/// Begins with a capital letter, and ends in a full stop.
fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// An answer in words: its first line.
pub(super) fn answer(first: &[u8]) -> String {
    format!("\"{}\"", visible(&first[..first.len().min(80)]))
}
