//! The report for machines, and the source of all other formats.
//!
//! `report.schema.json`, beside this package's README, describes it. [`SCHEMA`] changes when a member changes its
//! meaning or is removed; new members may be added at any time.

use serde::{Deserialize, Serialize};

use super::super::case::{By, Subject};
use super::super::escape::{Clean, Json, Sink, visible};
use super::super::explain;
use super::super::hex;
use super::super::judge::{Behaviour, CloseBehaviour};
use super::super::place::Place;
use super::super::wire::{self, Item, Line, Shorten, Skipped, Way};
use super::run::{Deny, Outcome, Run};
use crate::counted;

/// The version of the schema.
pub const SCHEMA: u32 = 2;
/// The subject of a run that examines a proxy.
pub const PROXY: &str = "proxy";
/// How many lines of a wire log are kept for each case.
const LOG_LINES: usize = 60;
/// How many characters of a line are kept.
const LINE: usize = 1500;

/// One or several runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The version of the schema: [`SCHEMA`].
    pub schema: u32,
    /// The version of bowsprit.
    pub version: String,
    /// The runs.
    pub runs: Vec<RunReport>,
}

/// One peer in one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The name of the peer.
    pub agent: String,
    /// The address of the peer, or the address where we listened for it.
    pub place: Place,
    /// `server`, `client` or `proxy`.
    pub subject: String,
    /// The seed, for [`Random`](crate::random::Random).
    pub seed: u64,
    /// When the run started, in seconds since 1970.
    pub started: u64,
    /// How long the run took.
    pub duration_ms: u64,
    /// Whether all required cases passed.
    pub passed: bool,
    /// The cases.
    pub cases: Vec<CaseReport>,
}

/// One case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseReport {
    /// The id of the case.
    pub id: String,
    /// What is sent.
    pub title: String,
    /// The topic of its group.
    pub theme: String,
    /// `must`, `should` or `may`.
    pub level: String,
    /// Document and section.
    pub section: String,
    /// The requirement.
    pub rule: String,
    /// Marks to select cases by.
    pub tags: Vec<String>,
    /// The verdict on the behaviour, such as `OK`, `NON-STRICT` or `FAILED`.
    pub behaviour: Behaviour,
    /// Why the behaviour is judged so.
    pub reason: String,
    /// The verdict on the ending, such as `OK`, `WRONG CODE` or `UNCLEAN`.
    pub close: CloseBehaviour,
    /// Why the ending is judged so.
    pub close_reason: String,
    /// What the case has in common with others that did not pass: the rule that the peer broke, or the one under
    /// examination. Empty if the case passed strictly.
    #[serde(default)]
    pub cause: String,
    /// The peer's close code.
    pub close_code: Option<u16>,
    /// Whether behaviour and ending are both fine.
    pub passed: bool,
    /// Whether the case fails the run.
    pub denied: bool,
    /// Why the case is known to fail, if a baseline says so; such a case does not fail the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// What became of the peer after the case, and how we know.
    pub aftermath: Option<String>,
    /// How long the case took.
    pub duration_ms: u64,
    /// The command that plays this case alone.
    pub again: String,
    /// What was expected, in words.
    pub expected: String,
    /// What crossed the wire.
    pub log: Vec<LogReport>,
    /// What came out of a proxy; absent if none was examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<PassageReport>,
}

/// What came out of a proxy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PassageReport {
    /// The verdicts that the case accepts.
    pub accepts: Vec<Behaviour>,
    /// The first difference between what was sent and what came out; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<DifferenceReport>,
    /// Fields that the proxy added, each after the side that it was added for; they are not judged.
    pub added: Vec<String>,
    /// What was measured, in words.
    pub measured: Vec<String>,
}

/// Where what came out differs from what was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DifferenceReport {
    /// The side that sent it: `client` or `origin`.
    pub from: String,
    /// The part that differs: `head`, `body` or `stream`.
    pub part: String,
    /// The offset in that part of the first byte that differs.
    pub offset: u64,
    /// What was sent from that offset on, escaped.
    pub sent: String,
    /// What came out from that offset on, escaped.
    pub came: String,
}

/// One line of a wire log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogReport {
    /// Milliseconds since the start of the case.
    pub at_ms: f64,
    /// `sent`, `received` or `note`.
    pub way: String,
    /// The line in words, with the peer's bytes escaped.
    pub text: String,
    /// The first bytes in hex, with payloads unmasked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hex: String,
    /// The lines left out before this one.
    #[serde(default, skip_serializing_if = "Skipped::is_none")]
    pub skipped: Skipped,
}

impl Report {
    /// Creates the report of these runs.
    pub fn new(runs: &[&Run], deny: Deny) -> Self {
        Self::of(runs.iter().map(|run| RunReport::new(run, deny)).collect())
    }

    /// Creates a report from existing run reports.
    pub fn of(runs: Vec<RunReport>) -> Self {
        Self { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").to_owned(), runs }
    }

    /// Returns the report as JSON.
    pub fn to_json(&self) -> Json {
        // Nothing in here can fail to be written: there are no maps and no foreign types.
        Json::pretty(self).unwrap_or_default()
    }

    /// Parses a report.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, String> {
        /// The member that identifies a report of another version, whatever else the report holds.
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let no_report = |error| format!("this is no report: {error}");
        match serde_json::from_str(text).map_err(no_report)? {
            Version { schema: SCHEMA } => serde_json::from_str(text).map_err(no_report),
            Version { schema } => {
                Err(format!("the report has schema {schema}, and this program reads {SCHEMA}"))
            }
        }
    }
}

impl RunReport {
    fn new(run: &Run, deny: Deny) -> Self {
        Self {
            agent: run.agent.clone(),
            place: run.place.clone(),
            subject: match run.subject {
                Subject::Client => "client",
                Subject::Server | Subject::Both => "server",
            }
            .to_owned(),
            seed: run.seed,
            started: run.started,
            duration_ms: millis(run.duration),
            passed: !run.outcomes.iter().any(|outcome| outcome.denied(deny)),
            cases: run.outcomes.iter().map(|outcome| CaseReport::new(run, outcome, deny)).collect(),
        }
    }

    /// Returns whether proxies are examined; their cases have no closing handshake with us to judge.
    pub fn is_of_proxy(&self) -> bool {
        self.subject == PROXY
    }

    /// Returns how many cases have this verdict on the behaviour.
    pub fn count(&self, behaviour: Behaviour) -> usize {
        self.cases.iter().filter(|case| case.behaviour == behaviour).count()
    }
}

impl CaseReport {
    /// Returns whether the case fails the run and is not known to fail.
    pub fn fails(&self) -> bool {
        self.denied && self.known.is_none()
    }

    /// Returns the group or family: `6`, `HSS`, `PRX-REQ`.
    pub(super) fn family(&self) -> &str {
        match self.id.rsplit_once('-') {
            Some((family, _)) => family,
            None => self.id.split('.').next().unwrap_or_default(),
        }
    }

    /// Returns both verdicts in words; a proxy has only one.
    pub(super) fn verdicts(&self) -> String {
        let Self { behaviour, reason, close, close_reason, .. } = self;
        match close_reason.is_empty() {
            true => format!("{behaviour}: {reason}"),
            false => format!("{behaviour}: {reason} Ending {close}: {close_reason}"),
        }
    }

    /// Returns what there is to say about the case, each fact with its name.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("rule", format!("{} ({}, {})", self.rule, self.section, self.level)),
            ("behaviour", format!("{}: {}", self.behaviour, self.reason)),
        ];
        if !self.close_reason.is_empty() {
            facts.push(("ending", format!("{}: {}", self.close, self.close_reason)));
        }
        facts.push(("expected", self.expected.clone()));
        if let Some(passage) = &self.passage {
            if let Some(difference) = &passage.difference {
                let DifferenceReport { from, part, offset, sent, came } = difference;
                facts.push(("differs", format!("{part} of the {from}, from byte {offset} on")));
                facts.push(("sent", format!("\"{sent}\"")));
                facts.push(("came out", format!("\"{came}\"")));
            }
            facts.extend(passage.added.iter().map(|added| ("added", added.clone())));
            facts.extend(passage.measured.iter().map(|measured| ("measured", measured.clone())));
        }
        facts
    }

    fn new(run: &Run, outcome: &Outcome, deny: Deny) -> Self {
        Self { denied: outcome.denied(deny), ..Self::of(outcome, again(run, outcome)) }
    }

    /// Creates the report on a single outcome; `again` is the command that plays it again.
    pub fn of(outcome: &Outcome, again: String) -> Self {
        let record = &outcome.record;
        let (case, verdict) = (record.case, &record.verdict);
        let passed = outcome.passed();
        Self {
            id: case.id.to_owned(),
            title: case.title.to_owned(),
            theme: super::super::cases::theme(case.group()).to_owned(),
            level: case.level.to_string(),
            section: case.rule.sections.to_string(),
            rule: case.rule.text.to_owned(),
            tags: case.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            behaviour: verdict.behaviour,
            reason: visible(verdict.reason.as_bytes()),
            close: verdict.close,
            close_reason: visible(verdict.close_reason.as_bytes()),
            cause: if passed && verdict.strictly_passed() { String::new() } else { cause(outcome) },
            close_code: record.facts.remote_code,
            passed,
            denied: false,
            known: None,
            aftermath: outcome.aftermath.as_ref().map(|aftermath| visible(aftermath.to_string().as_bytes())),
            duration_ms: millis(record.duration),
            again,
            expected: explain::expected(case).join("; "),
            log: wire::shortened(record.log.lines(), LOG_LINES).iter().map(LogReport::new).collect(),
            passage: None,
        }
    }
}

/// Returns what an outcome has in common with others that have the same fault.
fn cause(outcome: &Outcome) -> String {
    let record = &outcome.record;
    match record.verdict.behaviour {
        // The rule of the case plays no part in these.
        Behaviour::Late
        | Behaviour::Refused
        | Behaviour::Hung
        | Behaviour::Crashed
        | Behaviour::NotReached
        | Behaviour::NotApplicable
        | Behaviour::NotPlayed => {
            return unquoted(&visible(record.verdict.reason.as_bytes()));
        }
        Behaviour::Ok
        | Behaviour::NonStrict
        | Behaviour::Informational
        | Behaviour::Unimplemented
        | Behaviour::Failed
        | Behaviour::Muddled
        | Behaviour::Transparent
        | Behaviour::Repaired
        | Behaviour::Altered
        | Behaviour::Lost
        | Behaviour::Unsafe => {}
    }
    if let (By::Us, false, Some(code)) =
        (record.case.expect.close.by, record.facts.closed_by_us, record.facts.remote_code)
        && record.facts.violation.is_none()
    {
        return format!("The peer ends the connection with {code}, for which the case gives no reason.");
    }
    match &record.facts.violation {
        Some(violation) => unquoted(&visible(violation.to_string().as_bytes())),
        None => format!("{} ({})", record.case.rule.text, record.case.rule.sections),
    }
}

/// Returns a sentence without its quotations, which differ each time.
fn unquoted(text: &str) -> String {
    let parts: Vec<&str> = text.split('"').collect();
    // Every other part is a quotation, if another part follows it.
    let quotes = |at: usize| at % 2 == 1 && at + 1 < parts.len();
    parts.iter().enumerate().map(|(at, part)| if quotes(at) { "\"...\"" } else { *part }).collect()
}

/// Returns the command that plays this case alone.
fn again(run: &Run, outcome: &Outcome) -> String {
    let id = outcome.record.case.id;
    let seed = if run.seed == 1 { String::new() } else { format!(" --seed {}", run.seed) };
    match run.subject {
        Subject::Client => {
            format!("bowsprit test client --listen {} --case {id}{seed}{}", run.place, run.flags)
        }
        Subject::Server | Subject::Both => {
            format!("bowsprit test server {} --case {id}{seed}{}", run.place, run.flags)
        }
    }
}

impl LogReport {
    fn new(line: &Line) -> Self {
        let (way, bytes) = match &line.item {
            Item::Note(_) => ("note", &[][..]),
            Item::Words(way, _) => (name(*way), &[][..]),
            Item::Head(way, head) => (name(*way), &head.bytes[..0]),
            Item::Frame(way, _, excerpt) | Item::Bytes(way, excerpt) => (name(*way), &excerpt.bytes[..]),
        };
        let text = match &line.item {
            Item::Note(words) | Item::Words(_, words) => visible(words.as_bytes()),
            Item::Head(_, head) => visible(&head.bytes[..head.bytes.len().min(LINE)]),
            Item::Frame(_, header, excerpt) => explain::frame_line(header, excerpt),
            Item::Bytes(_, excerpt) => counted(excerpt.len, "byte"),
        };
        Self {
            at_ms: (line.at.as_secs_f64() * 10_000.0).round() / 10.0,
            way: way.to_owned(),
            text,
            hex: hex::spaced(&bytes[..bytes.len().min(explain::SHOWN)]),
            skipped: line.skipped,
        }
    }
}

impl Shorten for LogReport {
    fn skipped(&mut self) -> &mut Skipped {
        &mut self.skipped
    }

    fn is_kept(&self) -> bool {
        self.way == "received" && self.text.starts_with(explain::opcode_name(8))
    }
}

impl LogReport {
    /// Writes the line for a terminal or a page: what is left out, what crossed the wire, its bytes. The lines of a
    /// head are written below each other. Each line starts with `indent` and ends with a line end.
    pub(super) fn write<S: Sink>(&self, out: &mut Clean<S>, indent: &'static str) {
        const BELOW: &str = "               ";
        if !self.skipped.is_none() {
            out.own(indent).own(BELOW).text(self.skipped).own("\n");
        }
        let mark = match self.way.as_str() {
            "sent" => "->",
            "received" => "<-",
            _ => "--",
        };
        out.own(indent).text(format_args!("{:>8.1} ms {mark} ", self.at_ms));
        for (at, line) in self.text.trim_end_matches("\\r\\n").split("\\r\\n").enumerate() {
            if at > 0 {
                out.own(indent).own(BELOW);
            }
            out.text(line).own("\n");
        }
        if !self.hex.is_empty() {
            out.own(indent).own(BELOW).text(&self.hex).own("\n");
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
