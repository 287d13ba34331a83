//! The result of a run, before it is written as a report.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::case::{Level, Subject};
use crate::cases;
use crate::judge::Behaviour;
use crate::place::Place;
use crate::player::Record;
use crate::runner::Aftermath;

/// Everything one peer did in one run.
#[derive(Debug)]
pub struct Run {
    /// The name of the peer.
    pub agent: String,
    /// The address of the peer, or the address where we listened for it.
    pub place: Place,
    /// Further flags of the command that plays one case alone, each with a leading blank.
    pub flags: String,
    /// The side that was examined.
    pub subject: Subject,
    /// The seed.
    pub seed: u64,
    /// How long the run took.
    pub duration: Duration,
    /// When the run started, in seconds since 1970.
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

/// The level from which on a failure fails the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deny {
    /// Only rules that MUST be obeyed.
    Must,
    /// Also rules that SHOULD be obeyed, and non-strict behaviour.
    Should,
}

impl Run {
    /// Sorts the outcomes in the order of the catalogue.
    pub fn sort(&mut self) {
        let order: BTreeMap<&str, usize> = cases::all().enumerate().map(|(i, case)| (case.id, i)).collect();
        self.outcomes.sort_by_key(|outcome| order.get(outcome.record.case.id).copied());
    }
}

impl Outcome {
    /// Returns whether the case passed.
    pub fn passed(&self) -> bool {
        self.record.verdict.passed()
    }

    /// Returns whether the case was played to its end.
    pub fn was_played(&self) -> bool {
        self.record.verdict.behaviour != Behaviour::NotPlayed
    }

    /// Returns whether the outcome fails a run.
    pub fn denied(&self, deny: Deny) -> bool {
        let level = self.record.case.level;
        match self.record.verdict.behaviour {
            Behaviour::NotPlayed => return false,
            // These fail it whatever the level of the rule.
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
