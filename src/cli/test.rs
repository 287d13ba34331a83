//! `bowsprit test`: the conformance lab.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use bowsprit::lab::baseline::Baseline;
use bowsprit::lab::listener::{Exam, Listener, Next, Notice};
use bowsprit::lab::report::json::Report;
use bowsprit::lab::report::{Deny, Outcome, Run, autobahn, html, junit, markdown, text};
use bowsprit::lab::runner::{self, Peer, Plan, Target};
use bowsprit::lab::{Effort, Level, Options, Selection, Subject};
use clap::{Subcommand, ValueEnum};

/// Arguments of `bowsprit test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    side: Side,
}

#[derive(Debug, Subcommand)]
enum Side {
    /// Examine a server: it must echo every message.
    Server {
        /// Where it is, such as ws://127.0.0.1:9001/
        url: String,
        #[command(flatten)]
        common: Common,
    },
    /// Put the JSON reports of several runs side by side.
    Report(ReportArgs),
    /// Examine clients: they connect to us and echo every message.
    ///
    /// The control protocol is the one of the Autobahn suite: /getCaseCount, /runCase?case=N&agent=X,
    /// /updateReports?agent=X and so on. A single case is at /case/ID?agent=X.
    Client(ClientArgs),
}

#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// The reports.
    #[arg(required = true, value_name = "PATH")]
    reports: Vec<PathBuf>,
    /// Write Markdown; - for standard output.
    #[arg(long, value_name = "PATH")]
    markdown: Option<PathBuf>,
    /// Write a page to look at.
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// Count in the cases whose opening handshake a client has to refuse.
    #[arg(long)]
    handshake: bool,
    /// Go on listening after a client has asked for its report.
    #[arg(long)]
    stay: bool,
    /// Seconds without a client after which to end.
    #[arg(long, value_name = "SECONDS")]
    idle: Option<f64>,
    #[command(flatten)]
    common: Common,
    /// The client: run with BOWSPRIT_URL in its environment; the exam ends with it.
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Ids, groups (6.2) or globs (HSS-*); may be repeated or joined by commas.
    #[arg(long = "case", short = 'c', value_name = "CASE", value_delimiter = ',')]
    cases: Vec<String>,
    /// Leave these out.
    #[arg(long, short = 'x', value_name = "CASE", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Only rules of these sections, such as 5.1 or 7692.
    #[arg(long, value_delimiter = ',')]
    section: Vec<String>,
    /// Only rules of these levels.
    #[arg(long, value_enum, value_delimiter = ',')]
    level: Vec<LevelArg>,
    /// Only cases with one of these tags.
    #[arg(long, value_delimiter = ',')]
    tag: Vec<String>,
    /// Leave out most of what is heavy.
    #[arg(long)]
    quick: bool,
    /// Take in cases that wait for the peer's own timeouts.
    #[arg(long)]
    slow: bool,
    /// Send every message of 12.* and 13.*, 1000 for each case.
    #[arg(long)]
    full: bool,
    /// Only list the chosen cases.
    #[arg(long)]
    list: bool,
    /// Masking keys and nonces follow from this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds to wait for the peer, in place of what each case says.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// How many cases at once.
    #[arg(long, short, default_value_t = 32)]
    jobs: usize,
    /// Failures of which level fail the run.
    #[arg(long, value_enum, default_value_t = DenyArg::Must)]
    deny: DenyArg,
    /// What the peer is called in reports.
    #[arg(long)]
    agent: Option<String>,
    /// Known failures with their reasons; only new ones fail the run.
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    /// Write the failures of this run as the start of a baseline.
    #[arg(long, value_name = "PATH")]
    write_baseline: Option<PathBuf>,
    /// Only the cases that did not pass in this JSON report.
    #[arg(long, value_name = "PATH")]
    rerun_failed: Option<PathBuf>,
    /// Write a JSON report; - for standard output, in place of the text.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Write JUnit XML.
    #[arg(long, value_name = "PATH")]
    junit: Option<PathBuf>,
    /// Write Markdown.
    #[arg(long, value_name = "PATH")]
    markdown: Option<PathBuf>,
    /// Write a page to look at.
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
    /// Write the index.json of the Autobahn suite.
    #[arg(long, value_name = "PATH")]
    index: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelArg {
    Must,
    Should,
    May,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DenyArg {
    Must,
    Should,
}

/// Exit status where the peer could not be reached.
const UNREACHABLE: u8 = 3;

pub(crate) fn run(args: Args) -> ExitCode {
    match args.side {
        Side::Server { url, common } => server(&url, &common),
        Side::Client(args) => client(&args),
        Side::Report(args) => report(&args),
    }
    .unwrap_or_else(|error| super::usage(&error))
}

fn server(url: &str, common: &Common) -> Result<ExitCode, String> {
    let cases = common.selection()?.choose(Subject::Server)?;
    if common.list {
        return Ok(super::print(&list(&cases)));
    }
    let (host, path) = parse_url(url)?;
    let name = if host.contains(':') { host.clone() } else { format!("{host}:80") };
    let addr = match name.to_socket_addrs().map(|mut addrs| addrs.next()) {
        Ok(Some(addr)) => addr,
        Ok(None) => return Ok(unreachable(url, "the name has no address")),
        Err(error) => return Ok(unreachable(url, &error.to_string())),
    };
    let target = Target { addr, host, path };
    let options = common.options()?;
    if let Err(error) = runner::preflight(&target, options) {
        return Ok(unreachable(url, &error));
    }
    let mut run = common.new_run(url, url, Subject::Server);
    let total = cases.len();
    let plan = Plan { target, cases, options, jobs: common.jobs };
    let started = Instant::now();
    let progress = Progress::new(total);
    let peer = runner::run(&plan, &mut |record, aftermath| {
        run.outcomes.push(Outcome { record, aftermath });
        progress.show(run.outcomes.len());
    });
    progress.clear();
    let peer = peer.map_err(|error| format!("the poll failed: {error}"))?;
    run.duration = started.elapsed();
    let code = common.conclude(vec![run])?;
    if let Peer::Gone(suspects) = peer {
        super::say(format_args!(
            "the server stopped accepting connections while these were played: {}; find the one with --jobs 1",
            suspects.join(", ")
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(code)
}

fn client(args: &ClientArgs) -> Result<ExitCode, String> {
    let common = &args.common;
    let mut selection = common.selection()?;
    if !args.handshake && selection.patterns.is_empty() && selection.tags.is_empty() {
        selection.without_tags.push("handshake".to_owned());
    }
    let cases = selection.choose(Subject::Client)?;
    if common.list {
        return Ok(super::print(&list(&cases)));
    }
    let listener =
        Listener::bind(args.listen).map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let place = listener.addr().to_string();
    super::say(format_args!("{} cases on ws://{place}", cases.len()));
    let mut child = match args.command.split_first() {
        Some((program, rest)) => {
            let child = Command::new(program).args(rest).env("BOWSPRIT_URL", format!("ws://{place}")).spawn();
            Some(child.map_err(|error| format!("cannot run {program}: {error}"))?)
        }
        None => None,
    };
    let idle =
        args.idle.map(Duration::try_from_secs_f64).transpose().map_err(|_| "--idle is no time".to_owned())?;
    let exam = Exam { cases, options: common.options()?, idle };
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    let progress = Progress::new(exam.cases.len());
    let started = Instant::now();
    let result = listener.run(&exam, &mut |notice| match notice {
        Notice::Played(agent, record) => {
            let run =
                runs.entry(agent).or_insert_with_key(|agent| common.new_run(agent, &place, Subject::Client));
            run.outcomes.retain(|outcome| outcome.record.case.id != record.case.id);
            run.outcomes.push(Outcome { record: *record, aftermath: None });
            run.duration = started.elapsed();
            progress.show(run.outcomes.len());
            Next::Listen
        }
        Notice::Finished(_) if args.stay || child.is_some() => Next::Listen,
        Notice::Finished(_) => Next::End,
        Notice::Quiet => match child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) | None => Next::Listen,
            Some(Ok(Some(_)) | Err(_)) => Next::End,
        },
    });
    progress.clear();
    if let Some(mut child) = child {
        // It has ended, or the exam has: nobody is left to talk to.
        let _ = child.kill();
        let _ = child.wait();
    }
    result.map_err(|error| format!("the poll failed: {error}"))?;
    if runs.is_empty() {
        super::say("no client came");
        return Ok(ExitCode::from(UNREACHABLE));
    }
    common.conclude(runs.into_values().collect())
}

fn report(args: &ReportArgs) -> Result<ExitCode, String> {
    let mut whole: Option<Report> = None;
    for path in &args.reports {
        let report =
            Report::from_json(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        match &mut whole {
            Some(whole) => whole.runs.extend(report.runs),
            None => whole = Some(report),
        }
    }
    let whole = whole.ok_or("there is no report")?;
    match (&args.markdown, &args.html) {
        (None, None) => return Ok(super::print(&markdown::report(&whole))),
        (md, page) => {
            md.iter().try_for_each(|path| write(path, &markdown::report(&whole)))?;
            page.iter().try_for_each(|path| write(path, &html::page(&whole)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if path == Path::new("-") {
        super::print(text);
        return Ok(());
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// How far the run is, for someone who watches.
struct Progress {
    total: usize,
    shown: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { total, shown: std::io::stderr().is_terminal() }
    }

    fn show(&self, done: usize) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r{done}/{}", self.total);
        }
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn unreachable(url: &str, error: &str) -> ExitCode {
    super::say(format_args!("there is no WebSocket server at {url}: {error}"));
    ExitCode::from(UNREACHABLE)
}

fn list(cases: &[&bowsprit::lab::Case]) -> String {
    cases
        .iter()
        .map(|case| format!("{:<12} {:<7} {:<28} {}\n", case.id, case.level, case.rule.section, case.title))
        .collect()
}

/// Host with port, and target.
fn parse_url(url: &str) -> Result<(String, String), String> {
    let uri = fluent_uri::UriRef::parse(url).map_err(|error| format!("\"{url}\" is no URL: {error}"))?;
    if uri.scheme().is_none_or(|scheme| !scheme.as_str().eq_ignore_ascii_case("ws")) {
        return Err(format!("\"{url}\" does not start with ws://"));
    }
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| format!("\"{url}\" names no host"))?;
    let host = match authority.port().filter(|port| !port.is_empty()) {
        Some(port) => format!("{}:{port}", authority.host()),
        None => authority.host().to_owned(),
    };
    let path = match uri.path().as_str() {
        "" => "/",
        path => path,
    };
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Ok((host, target))
}

impl Common {
    fn new_run(&self, agent: &str, place: &str, subject: Subject) -> Run {
        Run {
            agent: self.agent.clone().unwrap_or_else(|| agent.to_owned()),
            place: place.to_owned(),
            subject,
            seed: self.seed,
            duration: Duration::ZERO,
            started: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            outcomes: Vec::new(),
        }
    }

    /// Prints and writes the reports, and says how it went.
    fn conclude(&self, mut runs: Vec<Run>) -> Result<ExitCode, String> {
        let deny = self.deny.deny();
        let mut code = ExitCode::SUCCESS;
        runs.iter_mut().for_each(Run::sort);
        for run in &runs {
            if self.json.as_deref() != Some(Path::new("-")) {
                super::print(&text::report(run, deny));
            }
            if !self.is_fine(run, deny)? {
                code = ExitCode::FAILURE;
            }
        }
        self.write_reports(&Report::new(&runs, deny))?;
        if let Some(path) = &self.write_baseline {
            let lines: String = runs.iter().map(|run| Baseline::of(&run.outcomes, deny)).collect();
            write(path, &lines)?;
        }
        Ok(code)
    }

    /// Whether nothing fails the run that is not known to fail.
    fn is_fine(&self, run: &Run, deny: Deny) -> Result<bool, String> {
        let Some(path) = &self.baseline else {
            return Ok(!run.outcomes.iter().any(|outcome| outcome.denied(deny)));
        };
        let baseline =
            Baseline::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let comparison = baseline.compare(&run.outcomes, deny);
        for (id, reason) in &comparison.known {
            super::say(format!("{id} fails as known: {reason}"));
        }
        for id in &comparison.mended {
            super::say(format!("{id} passes now: take it out of {}", path.display()));
        }
        for id in &comparison.new {
            super::say(format!("{id} fails, and {} does not know of it", path.display()));
        }
        Ok(comparison.new.is_empty())
    }

    fn write_reports(&self, report: &Report) -> Result<(), String> {
        type Form = fn(&Report) -> String;
        let forms: [(&Option<PathBuf>, Form); 5] = [
            (&self.json, Report::to_json),
            (&self.junit, junit::report),
            (&self.markdown, markdown::report),
            (&self.html, html::page),
            (&self.index, autobahn::index),
        ];
        for (path, form) in forms {
            if let Some(path) = path {
                write(path, &form(report))?;
            }
        }
        Ok(())
    }

    fn selection(&self) -> Result<Selection, String> {
        let mut patterns = self.cases.clone();
        if let Some(path) = &self.rerun_failed {
            let report =
                Report::from_json(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
            let failed =
                report.runs.into_iter().flat_map(|run| run.cases).filter(|case| !case.passed || case.denied);
            patterns.extend(failed.map(|case| case.id));
            if patterns.is_empty() {
                return Err(format!("nothing failed in {}", path.display()));
            }
        }
        Ok(Selection {
            patterns,
            exclude: self.exclude.clone(),
            sections: self.section.clone(),
            levels: self.level.iter().map(|level| level.level()).collect(),
            tags: self.tag.clone(),
            quick: self.quick,
            slow: self.slow,
            ..Selection::default()
        })
    }

    fn options(&self) -> Result<Options, String> {
        let patience = match self.timeout {
            Some(seconds) => {
                Some(Duration::try_from_secs_f64(seconds).map_err(|_| "--timeout is no time".to_owned())?)
            }
            None => None,
        };
        let effort = match (self.quick, self.full) {
            (true, true) => return Err("--quick and --full exclude each other".to_owned()),
            (true, false) => Effort::Quick,
            (false, true) => Effort::Full,
            (false, false) => Effort::Normal,
        };
        Ok(Options { seed: self.seed, effort, patience })
    }
}

impl DenyArg {
    fn deny(self) -> Deny {
        match self {
            DenyArg::Must => Deny::Must,
            DenyArg::Should => Deny::Should,
        }
    }
}

impl LevelArg {
    fn level(self) -> Level {
        match self {
            LevelArg::Must => Level::Must,
            LevelArg::Should => Level::Should,
            LevelArg::May => Level::May,
        }
    }
}
