//! A run as text, JSON, Autobahn's `index.json`, JUnit XML, Markdown and HTML.

pub mod autobahn;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use super::case::{Level, Subject};
use super::judge::Behaviour;
use super::player::Record;
use super::runner::Aftermath;

/// Everything one peer did in one run.
#[derive(Debug)]
pub struct Run {
    /// What the peer is called.
    pub agent: String,
    /// Where it is, or where we listened for it.
    pub place: String,
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

    /// How often each verdict on the behaviour was given.
    pub fn counts(&self) -> BTreeMap<Behaviour, usize> {
        let mut counts = BTreeMap::new();
        for outcome in &self.outcomes {
            *counts.entry(outcome.record.verdict.behaviour).or_default() += 1;
        }
        counts
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

    /// The verdict in one or two words, both parts.
    pub fn verdict(&self) -> String {
        let verdict = &self.record.verdict;
        match self.record.verdict.passed() {
            true => verdict.behaviour.to_string(),
            false if verdict.behaviour >= Behaviour::Failed => verdict.behaviour.to_string(),
            false => format!("{}, close {}", verdict.behaviour, verdict.close),
        }
    }
}
