//! The end of a case: its verdict from what was found.

use std::time::Duration;

use super::super::case::Side;
use super::super::check::Finding;
use super::super::flow::Kind;
use super::super::passage::Passage;
use super::super::record::{Difference, Record};
use super::{Player, at};
use crate::counted;
use crate::escape::visible;

/// How many bytes of a difference a report keeps.
const EXCERPT: usize = 48;

impl Player {
    /// Ends the case with this passage.
    pub(super) fn fail(&mut self, passage: Passage, what: impl Into<String>) {
        self.find(passage, what);
        self.over = true;
    }

    /// Records this passage; the script continues.
    pub(super) fn find(&mut self, passage: Passage, what: impl Into<String>) {
        self.findings.push(Finding { passage, what: what.into(), is_right: false });
    }

    /// Records that the connection to the front did not come up.
    pub(crate) fn unconnected(&mut self, error: &str) {
        (self.silent, self.unconnected) = (true, true);
        self.fail(Passage::Refused, format!("the front took no connection: {error}"));
    }

    /// Ends the case because the bytes of a side came out changed: how, and where.
    pub(super) fn fail_by_difference(&mut self, from: Side) {
        let flow = &self.flows[at(from)];
        let offset = flow.came();
        let (passage, what) = match flow.kind() {
            Kind::Inserted(Some(bytes)) => (
                Passage::Unsafe,
                format!(
                    "inserted into the stream of the {from}: {} that it never sent, at offset {offset}",
                    counted(bytes, "byte")
                ),
            ),
            Kind::Inserted(None) => (
                Passage::Unsafe,
                format!("bytes that the {from} never sent came behind its own, at offset {offset}"),
            ),
            Kind::Missing(bytes) => (
                Passage::Lost,
                format!(
                    "missing from the stream of the {from}: {} at offset {offset}",
                    counted(bytes, "byte")
                ),
            ),
            Kind::Changed => {
                (Passage::Altered, format!("the stream of the {from} is another from offset {offset} on"))
            }
        };
        self.tell_difference(from);
        self.fail(passage, what);
    }

    /// Records where a stream differs from what was sent.
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

    /// Records where a head or a body differs from what was sent.
    pub(super) fn keep_difference(&mut self, from: Side, part: &'static str, sent: &[u8], came: &[u8]) {
        let offset = sent.iter().zip(came).take_while(|(sent, came)| sent == came).count();
        if offset == sent.len() && offset == came.len() || self.difference.is_some() {
            return;
        }
        let excerpt = |bytes: &[u8]| bytes[offset..bytes.len().min(offset + EXCERPT)].to_vec();
        let (sent, came) = (excerpt(sent), excerpt(came));
        self.difference = Some(Difference { from, part, offset: offset as u64, sent, came });
    }

    /// Returns the record, which is final only for a case that is over.
    pub(crate) fn finish(self, duration: Duration) -> Record {
        let accepts = |finding: &&Finding| finding.is_right || self.case.accepts.contains(&finding.passage);
        // Findings that fail the case come before those that do not, the worst first.
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

/// Makes a sentence with a capital letter and a full stop.
fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Describes an answer by its first line.
pub(super) fn answer(first: &[u8]) -> String {
    format!("\"{}\"", visible(&first[..first.len().min(80)]))
}
