//! The report for machines, and the source of all other forms but the terminal's.
//!
//! [`SCHEMA`] changes when a member changes its meaning or goes away; new members may come at any time.

use serde::{Deserialize, Serialize};

use super::super::escape::{hex, visible};
use super::super::explain;
use super::super::judge::Behaviour;
use super::super::wire::{Item, Line, Way};
use super::text::again;
use super::{Deny, Outcome, Run};

/// The version of the schema.
pub const SCHEMA: u32 = 2;
/// Lines of a wire log that are kept for each case.
const LOG_LINES: usize = 60;

/// One or several runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of bowsprit.
    pub version: String,
    /// The runs.
    pub runs: Vec<RunReport>,
}

/// One peer in one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// What the peer is called.
    pub agent: String,
    /// Where it is, or where we listened for it.
    pub place: String,
    /// `server` or `client`.
    pub subject: String,
    /// The seed.
    pub seed: u64,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether all required cases passed.
    pub passed: bool,
    /// The cases.
    pub cases: Vec<CaseReport>,
}

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseReport {
    /// Its id.
    pub id: String,
    /// What is sent.
    pub title: String,
    /// What the group is about.
    pub theme: String,
    /// `must`, `should` or `may`.
    pub level: String,
    /// Document and section.
    pub section: String,
    /// The requirement.
    pub rule: String,
    /// Marks to select by.
    pub tags: Vec<String>,
    /// OK, NON-STRICT, INFORMATIONAL, UNIMPLEMENTED, FAILED, LATE, REFUSED, HUNG, CRASHED, MUDDLED or NOT PLAYED.
    pub behaviour: String,
    /// Why.
    pub reason: String,
    /// OK, INFORMATIONAL, FAILED BY CLIENT, WRONG CODE, UNCLEAN or FAILED.
    pub close: String,
    /// Why.
    pub close_reason: String,
    /// The peer's close code.
    pub close_code: Option<u16>,
    /// Whether behaviour and ending are both fine.
    pub passed: bool,
    /// Whether it fails the run.
    pub denied: bool,
    /// What became of the peer after it, and how we know.
    pub aftermath: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// The command that plays this case alone.
    pub again: String,
    /// What was expected, in words.
    pub expected: String,
    /// What crossed the wire.
    pub log: Vec<LogReport>,
}

/// One line of a wire log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogReport {
    /// Milliseconds since the start of the case.
    pub at_ms: f64,
    /// `sent`, `received` or `note`.
    pub way: String,
    /// The line in words; bytes of the peer are escaped.
    pub text: String,
    /// The first bytes in hex, payloads unmasked.
    pub hex: String,
}

impl Report {
    /// The report of these runs.
    pub fn new(runs: &[&Run], deny: Deny) -> Self {
        let runs = runs.iter().map(|run| RunReport::new(run, deny)).collect();
        Self { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").to_owned(), runs }
    }

    /// The report in JSON.
    pub fn to_json(&self) -> String {
        // Nothing in here can fail to be written: no maps, no foreign types.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads a report.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let report: Self =
            serde_json::from_str(text).map_err(|error| format!("this is no report: {error}"))?;
        match report.schema {
            1 | SCHEMA => Ok(report),
            other => Err(format!("the report has schema {other}, and this program reads 1 and {SCHEMA}")),
        }
    }
}

impl RunReport {
    fn new(run: &Run, deny: Deny) -> Self {
        Self {
            agent: run.agent.clone(),
            place: run.place.clone(),
            subject: if run.subject == super::super::Subject::Client { "client" } else { "server" }
                .to_owned(),
            seed: run.seed,
            started: run.started,
            duration_ms: millis(run.duration),
            passed: !run.outcomes.iter().any(|outcome| outcome.denied(deny)),
            cases: run.outcomes.iter().map(|outcome| CaseReport::new(run, outcome, deny)).collect(),
        }
    }

    /// How many cases have this verdict on the behaviour.
    pub fn count(&self, behaviour: Behaviour) -> usize {
        self.cases.iter().filter(|case| case.behaviour == behaviour.name()).count()
    }
}

impl CaseReport {
    fn new(run: &Run, outcome: &Outcome, deny: Deny) -> Self {
        let record = &outcome.record;
        let (case, verdict) = (record.case, &record.verdict);
        Self {
            id: case.id.to_owned(),
            title: case.title.to_owned(),
            theme: super::super::cases::theme(case.group()).to_owned(),
            level: case.level.to_string(),
            section: case.rule.section.to_owned(),
            rule: case.rule.text.to_owned(),
            tags: case.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            behaviour: verdict.behaviour.name().to_owned(),
            reason: visible(verdict.reason.as_bytes()),
            close: verdict.close.name().to_owned(),
            close_reason: visible(verdict.close_reason.as_bytes()),
            close_code: record.facts.remote_code,
            passed: outcome.passed(),
            denied: outcome.denied(deny),
            aftermath: outcome.aftermath.as_ref().map(|aftermath| visible(aftermath.to_string().as_bytes())),
            duration_ms: millis(record.duration),
            again: again(run, outcome),
            expected: explain::expected(case).join("; "),
            log: record.log.lines().iter().take(LOG_LINES).map(LogReport::new).collect(),
        }
    }
}

impl LogReport {
    fn new(line: &Line) -> Self {
        let (way, bytes) = match &line.item {
            Item::Note(_) => ("note", &[][..]),
            Item::Head(way, head) => (name(*way), &head.bytes[..0]),
            Item::Frame(way, _, excerpt) | Item::Bytes(way, excerpt) => (name(*way), &excerpt.bytes[..]),
        };
        let text = match &line.item {
            Item::Note(note) => visible(note.as_bytes()),
            Item::Head(_, head) => visible(&head.bytes),
            Item::Frame(_, header, excerpt) => explain::frame_line(header, excerpt),
            Item::Bytes(_, excerpt) => format!("{} bytes", excerpt.len),
        };
        Self {
            at_ms: (line.at.as_secs_f64() * 10_000.0).round() / 10.0,
            way: way.to_owned(),
            text,
            hex: hex(&bytes[..bytes.len().min(64)]),
        }
    }
}

fn name(way: Way) -> &'static str {
    match way {
        Way::Sent => "sent",
        Way::Received => "received",
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
