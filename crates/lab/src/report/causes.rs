//! The cases that did not pass, grouped by cause.

use std::borrow::Cow;

use super::json::{CaseReport, RunReport};
use super::verdict::{Tone, tone};
use crate::judge::Behaviour;

/// Cases that did not pass for the same cause.
pub(super) struct Cause<'r> {
    /// The cause.
    pub(super) text: Cow<'r, str>,
    /// The cases, in the order of the catalogue.
    pub(super) cases: Vec<&'r CaseReport>,
}

impl Cause<'_> {
    /// Returns how many of its cases fail the run.
    pub(super) fn denied(&self) -> usize {
        self.cases.iter().filter(|case| case.denied).count()
    }

    /// Returns the verdict of its cases, if all have the same.
    pub(super) fn verdict(&self) -> Option<String> {
        let mut lines = self.cases.iter().map(|case| verdict_line(case));
        let first = lines.next()?;
        lines.all(|line| line == first).then_some(first)
    }

    /// Returns whether the peer was gone afterwards, which affects everything else.
    pub(super) fn worst(&self) -> bool {
        self.cases.iter().any(|case| matches!(case.behaviour, Behaviour::Crashed | Behaviour::Hung))
    }
}

/// Returns whether a case did not pass. Cases that were not played do not count.
pub(super) fn counts(case: &CaseReport) -> bool {
    (!case.passed || case.denied) && tone(case.behaviour) != Tone::Unplayed
}

/// Groups the cases that did not pass by cause: first those that ended the peer, then those that fail the run, then the
/// others, each with the most frequent cause first. Cases that were not played are left out.
pub(super) fn causes(run: &RunReport) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for case in run.cases.iter().filter(|case| counts(case)) {
        let text = match &*case.cause {
            "" => Cow::Owned(format!("{} ({})", case.rule, case.section)),
            cause => Cow::Borrowed(cause),
        };
        match causes.iter_mut().find(|cause| cause.text == text) {
            Some(cause) => cause.cases.push(case),
            None => causes.push(Cause { text, cases: vec![case] }),
        }
    }
    causes.sort_by_key(|cause| std::cmp::Reverse((cause.worst(), cause.denied(), cause.cases.len())));
    causes
}

/// Returns the themes of the cases in these runs, in order of first appearance.
pub(super) fn themes(runs: &[RunReport]) -> Vec<&str> {
    let mut themes: Vec<&str> = Vec::new();
    for case in runs.iter().flat_map(|run| &run.cases) {
        if !themes.contains(&case.theme.as_str()) {
            themes.push(&case.theme);
        }
    }
    themes
}

/// Returns the verdict for which a case did not pass, in a line.
pub(super) fn verdict_line(case: &CaseReport) -> String {
    match tone(case.behaviour) {
        _ if case.close_reason.is_empty() => format!("{}: {}", case.behaviour, case.reason),
        Tone::Bad => format!("{}: {}", case.behaviour, case.reason),
        _ => format!("{}, ending {}: {}", case.behaviour, case.close, case.close_reason),
    }
}
