//! A run as text, JSON, Autobahn's `index.json`, JUnit XML, Markdown, HTML, SARIF and annotations.

pub mod annotations;
pub mod autobahn;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod text;
mod verdict;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::case::{Level, Subject};
use super::judge::Behaviour;
use super::place::Place;
use super::player::Record;
use super::runner::Aftermath;
use json::{CaseReport, RunReport};

pub use text::Style;
pub use verdict::{behaviours, closes};

/// Everything one peer did in one run.
#[derive(Debug)]
pub struct Run {
    /// What the peer is called.
    pub agent: String,
    /// Where it is, or where we listened for it.
    pub place: Place,
    /// Further flags of the command that plays one case alone, each with a blank in front.
    pub flags: String,
    /// Who was examined.
    pub subject: Subject,
    /// The seed.
    pub seed: u64,
    /// How long it took.
    pub duration: Duration,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// The outcomes, in the order of the catalogue.
    pub outcomes: Vec<Outcome>,
}

/// A record, and whether the peer still served others afterwards.
#[derive(Debug)]
pub struct Outcome {
    /// The record.
    pub record: Record,
    /// What a probe found, if there was one.
    pub aftermath: Option<Aftermath>,
}

/// From which level on a failure fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deny {
    /// Only rules that MUST be obeyed.
    Must,
    /// Those that SHOULD, and what is not strict.
    Should,
}

impl Run {
    /// Puts the outcomes in the order of the catalogue.
    pub fn sort(&mut self) {
        let order: BTreeMap<&str, usize> =
            super::cases::all().enumerate().map(|(i, case)| (case.id, i)).collect();
        self.outcomes.sort_by_key(|outcome| order.get(outcome.record.case.id).copied());
    }
}

impl Outcome {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.record.verdict.passed()
    }

    /// Whether it was played to its end.
    pub fn was_played(&self) -> bool {
        self.record.verdict.behaviour != Behaviour::NotPlayed
    }

    /// Whether it fails a run.
    pub fn denied(&self, deny: Deny) -> bool {
        let level = self.record.case.level;
        match self.record.verdict.behaviour {
            Behaviour::NotPlayed => return false,
            // Whatever the level of its rule.
            Behaviour::Crashed | Behaviour::Hung => return true,
            _ => {}
        }
        match deny {
            Deny::Must => level == Level::Must && !self.passed(),
            Deny::Should => {
                level <= Level::Should && !(self.passed() && self.record.verdict.strictly_passed())
            }
        }
    }
}

/// Cases that did not pass for one cause.
struct Cause<'r> {
    /// The cause.
    text: Cow<'r, str>,
    /// The cases, in the order of the catalogue.
    cases: Vec<&'r CaseReport>,
}

impl Cause<'_> {
    /// How many of its cases fail the run.
    fn denied(&self) -> usize {
        self.cases.iter().filter(|case| case.denied).count()
    }

    /// The verdict that all of its cases have, if it is one and the same.
    fn verdict(&self) -> Option<String> {
        let mut lines = self.cases.iter().map(|case| verdict_line(case));
        let first = lines.next()?;
        lines.all(|line| line == first).then_some(first)
    }

    /// Whether the peer was gone afterwards, which concerns everything else.
    fn worst(&self) -> bool {
        self.cases.iter().any(|case| matches!(case.behaviour, Behaviour::Crashed | Behaviour::Hung))
    }
}

/// Whether a case did not pass. What was not played is not among them.
fn counts(case: &CaseReport) -> bool {
    (!case.passed || case.denied) && verdict::tone(case.behaviour) != verdict::Tone::Unplayed
}

/// What did not pass, by cause: first what ended the peer, then what fails the run, then the others, each with the most
/// frequent cause first. What was not played is not among them.
fn causes(run: &RunReport) -> Vec<Cause<'_>> {
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

/// The themes of the cases in these runs, in the order in which they come first.
fn themes(runs: &[RunReport]) -> Vec<&str> {
    let mut themes: Vec<&str> = Vec::new();
    for case in runs.iter().flat_map(|run| &run.cases) {
        if !themes.contains(&case.theme.as_str()) {
            themes.push(&case.theme);
        }
    }
    themes
}

/// Both verdicts on a case that did not pass, in a line: the one that it did not pass for.
fn verdict_line(case: &CaseReport) -> String {
    match verdict::tone(case.behaviour) {
        _ if case.close_reason.is_empty() => format!("{}: {}", case.behaviour, case.reason),
        verdict::Tone::Bad => format!("{}: {}", case.behaviour, case.reason),
        _ => format!("{}, ending {}: {}", case.behaviour, case.close, case.close_reason),
    }
}
