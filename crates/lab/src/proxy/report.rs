//! A run against a proxy, in the form of the reports.

use std::time::Duration;

use super::case::Side;
use super::cases::theme;
use super::passage::Passage;
use super::record::Record;
use super::{cases, explain};
use crate::escape::visible;
use crate::judge::{Behaviour, CloseBehaviour};
use crate::place::Place;
use crate::report::Deny;
use crate::report::json::{CaseReport, DifferenceReport, PROXY, PassageReport, RunReport};

/// Everything one proxy did in one run.
#[derive(Debug)]
pub struct Run {
    /// The name of the proxy.
    pub agent: String,
    /// The address of its front.
    pub place: Place,
    /// Further flags of the command that plays one case alone, each with a leading blank.
    pub flags: String,
    /// The seed.
    pub seed: u64,
    /// How long the run took.
    pub duration: Duration,
    /// When the run started, in seconds since 1970.
    pub started: u64,
    /// The records.
    pub records: Vec<Record>,
}

impl Run {
    /// Returns the report, in the order of the catalogue.
    pub fn report(&self, deny: Deny) -> RunReport {
        let mut records: Vec<&Record> = self.records.iter().collect();
        records.sort_by_key(|record| cases::all().position(|case| case.id == record.case.id));
        RunReport {
            agent: self.agent.clone(),
            place: self.place.clone(),
            subject: PROXY.to_owned(),
            seed: self.seed,
            started: self.started,
            duration_ms: millis(self.duration),
            passed: !records.iter().any(|record| record.denied(deny)),
            cases: records.into_iter().map(|record| self.case(record, deny)).collect(),
        }
    }

    fn case(&self, record: &Record, deny: Deny) -> CaseReport {
        let case = record.case;
        let seed = if self.seed == 1 { String::new() } else { format!(" --seed {}", self.seed) };
        CaseReport {
            id: case.id.to_owned(),
            title: case.title.to_owned(),
            theme: theme(case.family()).to_owned(),
            level: case.level.to_string(),
            section: case.rule.sections.to_string(),
            rule: case.rule.text.to_owned(),
            tags: case.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            behaviour: behaviour(record.passage),
            reason: visible(record.reason.as_bytes()),
            close: CloseBehaviour::Informational,
            close_reason: String::new(),
            cause: if record.accepted { String::new() } else { cause(record) },
            close_code: None,
            passed: record.accepted,
            denied: record.denied(deny),
            known: None,
            aftermath: None,
            duration_ms: millis(record.duration),
            again: format!(
                "bowsprit test proxy --front {}{} --case {}{seed}",
                self.place, self.flags, case.id
            ),
            expected: explain::expected(case).join("; "),
            log: record.trace.report(),
            passage: Some(PassageReport {
                accepts: std::iter::once(Passage::Transparent)
                    .chain(case.accepts.iter().copied())
                    .map(behaviour)
                    .collect(),
                difference: record.difference.as_ref().map(|difference| DifferenceReport {
                    from: difference.from.to_string(),
                    part: difference.part.to_owned(),
                    offset: difference.offset,
                    sent: visible(&difference.sent),
                    came: visible(&difference.came),
                }),
                added: record.added.iter().map(added).collect(),
                measured: record.measured.clone(),
            }),
        }
    }
}

/// Returns the rule, and how it is broken.
fn cause(record: &Record) -> String {
    format!("{} ({})", record.case.rule.text, record.case.rule.sections)
}

fn added((side, line): &(Side, String)) -> String {
    format!("for the {side}: {line}")
}

const fn behaviour(passage: Passage) -> Behaviour {
    match passage {
        Passage::Transparent => Behaviour::Transparent,
        Passage::Repaired => Behaviour::Repaired,
        Passage::Altered => Behaviour::Altered,
        Passage::Refused => Behaviour::Refused,
        Passage::Lost => Behaviour::Lost,
        Passage::Unsafe => Behaviour::Unsafe,
        Passage::Gone => Behaviour::Crashed,
        Passage::NotApplicable => Behaviour::NotApplicable,
        Passage::NotPlayed => Behaviour::NotPlayed,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
