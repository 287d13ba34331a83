//! `bowsprit test`: the conformance lab.

mod args;
mod proxy;
mod reports;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bowsprit_lab::listener::{Exam, Listener, Next, Notice};
use bowsprit_lab::report::json::Report;
use bowsprit_lab::report::{Outcome, Run};
use bowsprit_lab::runner::{self, Gone, Peer, Plan, Target};
use bowsprit_lab::{Behaviour, Carrier, Options, Place, Record, Selection, Subject};

pub(crate) use args::{Args, Trust};
use args::{ClientArgs, ServerArgs, Side};
use reports::report;

use super::output::for_terminal;
use super::request::RequestArgs;
use super::{print, say, usage};
use crate::logger::{self, Stamp};
use crate::output::{count, one_line, warn};

/// Exit status where the peer could not be reached.
const UNREACHABLE: u8 = 3;

pub(crate) fn run(args: Args) -> ExitCode {
    match args.side {
        Side::Server(args) => server(&args),
        Side::Client(args) => client(&args),
        Side::Proxy(args) => proxy::proxy(&args),
        Side::Report(args) => report(&args),
    }
    .unwrap_or_else(|error| usage(&error))
}

fn server(args: &ServerArgs) -> Result<ExitCode, String> {
    let ServerArgs { url, trust, http2, request, force, greetings, suite, common } = args;
    let (force, greetings) = (*force, *greetings);
    let carrier = http2.carrier();
    let selection = Selection { carrier, ..common.selection(suite.effort())? };
    let cases = selection.choose(Subject::Server)?;
    if common.list {
        return Ok(print(&for_terminal(list(&cases))));
    }
    let shown = Place::of(url);
    let target = match target(url, trust, request, carrier)? {
        Ok(target) => target,
        Err(error) => return Ok(unreachable(&shown, &error)),
    };
    let mut options = Options { carrier, ..common.options(suite.effort())? };
    let survey = match runner::preflight(&target, options) {
        Ok(survey) => survey,
        Err(error) => return Ok(unreachable(&shown, &error)),
    };
    let mut jobs = common.jobs;
    for (is_so, what) in [
        (!survey.echoes, "does not send back what it gets, and the cases need that"),
        (survey.relays, "passes on what one connection says to others, so that cases disturb each other"),
    ] {
        if is_so && !force {
            say(format_args!("the server at {shown} {what}; --force plays them all the same"));
            return Ok(ExitCode::from(UNREACHABLE));
        }
    }
    options.greetings = greetings.unwrap_or(survey.greetings);
    if let (Some(greeting), None) = (&survey.greeting, greetings) {
        let shown = super::output::one_line(&greeting[..greeting.len().min(80)]);
        say(format_args!(
            "the server speaks first (\"{shown}\"): {} message(s) of it are no part of the cases",
            survey.greetings
        ));
    }
    if survey.one_at_a_time || survey.relays {
        say("the server takes one connection at a time, and so do we");
        jobs = 1;
    }
    let mut run = common.new_run(shown.as_str(), &shown, Subject::Server);
    run.flags = http2.flags() + &trust.flags() + &request.flags();
    let total = cases.len();
    let interrupt = asked_to_end().map_err(|error| error.to_string())?;
    let plan =
        Plan { served: true, apart: http2.apart, interrupt, ..Plan::new(target, cases, options, jobs) };
    let started = Instant::now();
    let progress = Progress::new(total);
    let peer = runner::run(&plan, &mut |record, aftermath| {
        run.outcomes.push(Outcome { record, aftermath });
        progress.show(run.outcomes.len());
    });
    progress.clear();
    let peer = peer.map_err(|error| format!("the poll failed: {error}"))?;
    run.duration = started.elapsed();
    run.sort();
    let report = Report::new(&[&run], common.deny.deny());
    let mut end = common.conclude(report, suite.index.as_deref())?;
    match peer {
        Peer::Alive => {}
        Peer::Interrupted => {
            say("the run was interrupted");
            end = if end == End::Passed { End::Incomplete } else { end };
        }
        Peer::Gone(how, suspects) => {
            let what = match how {
                Gone::Crashed => "takes no connections any more",
                Gone::Hung => "answers nobody any more",
            };
            say(match &suspects[..] {
                [] => format!("the server {what}"),
                [case] => format!("the server {what} since {case} was played"),
                _ => format!(
                    "the server {what} since one of these was played: {}; start it again and add --jobs 1 to find the one",
                    suspects.join(", ")
                ),
            });
            end = End::Failed;
        }
    }
    Ok(end.into())
}

/// How a run ends. Its numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What was required has passed.
    Passed = 0,
    /// It was not all played.
    Incomplete = 4,
    /// Something required has failed, or the peer has crashed or hangs.
    Failed = 1,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        ExitCode::from(end as u8)
    }
}

/// The first SIGINT or SIGTERM asks for an end with what there is so far; the second ends at once.
fn asked_to_end() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
        signal_hook::flag::register(signal, asked.clone())?;
    }
    Ok(asked)
}

fn client(args: &ClientArgs) -> Result<ExitCode, String> {
    let (common, suite) = (&args.common, &args.suite);
    let mut selection = common.selection(suite.effort())?;
    if !args.handshake && selection.patterns.is_empty() && selection.tags.is_empty() {
        selection.without_tags.push("handshake".to_owned());
    }
    let cases = selection.choose(Subject::Client)?;
    if common.list {
        return Ok(print(&for_terminal(list(&cases))));
    }
    let listener =
        Listener::bind(args.listen).map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let listener = args.allow_origin.iter().try_fold(listener, |listener, origin| {
        let wrong = |error| format!("--allow-origin {origin}: {error}");
        listener.with_policy(|policy| policy.allow_origin(origin)).map_err(wrong)
    })?;
    let place = Place::of(&listener.addr().to_string());
    say(format_args!("{} on ws://{place}", count(cases.len() as u64, "case")));
    let mut child = match args.command.split_first() {
        Some((program, rest)) => {
            let url = format!("ws://{place}");
            let rest = rest.iter().map(|argument| argument.replace("{url}", &url));
            let child = Command::new(program).args(rest).env("BOWSPRIT_URL", &url).spawn();
            Some(child.map_err(|error| format!("cannot run {program}: {error}"))?)
        }
        None => None,
    };
    let idle =
        args.idle.map(Duration::try_from_secs_f64).transpose().map_err(|_| "--idle is no time".to_owned())?;
    let interrupt = asked_to_end().map_err(|error| error.to_string())?;
    let exam =
        Exam { idle, interrupt: Arc::clone(&interrupt), ..Exam::new(cases, common.options(suite.effort())?) };
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    // What was played last without an orderly end: where the client crashes, that has done it.
    let mut last: Option<(String, &'static str)> = None;
    let mut status: Option<ExitStatus> = None;
    let mut written = Ok(());
    let progress = Progress::new(exam.cases.len());
    let started = Instant::now();
    // A page that is refused again and again must not keep the exam waiting.
    let logging = logger::start(Stamp::Name).map_err(|error| error.to_string())?;
    let result = listener.run(&exam, &mut |notice| match notice {
        Notice::Played(agent, record) => {
            if !record.facts.took_leave() {
                last = Some((agent.clone(), record.case.id));
            }
            let run =
                runs.entry(agent).or_insert_with_key(|agent| common.new_run(agent, &place, Subject::Client));
            run.outcomes.retain(|outcome| outcome.record.case.id != record.case.id);
            run.outcomes.push(Outcome { record: *record, aftermath: None });
            run.duration = started.elapsed();
            progress.show(run.outcomes.len());
            Next::Listen
        }
        Notice::Finished(_) if args.stay => {
            progress.clear();
            runs.values_mut().for_each(Run::sort);
            let report = Report::new(&runs.values().collect::<Vec<_>>(), common.deny.deny());
            written = common.conclude(report, suite.index.as_deref()).map(|_| ());
            Next::Listen
        }
        Notice::Finished(_) if child.is_some() => Next::Listen,
        Notice::Finished(_) => Next::End,
        Notice::Refused(origin) => {
            let origin = one_line(origin.as_bytes());
            warn("pages refused", format_args!("refused a page of {origin}; --allow-origin would let it in"));
            Next::Listen
        }
        Notice::Quiet => match child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) | None => Next::Listen,
            Some(ended) => {
                status = ended.ok().flatten();
                Next::End
            }
        },
    });
    progress.clear();
    drop(logging);
    if let Some(mut child) = child {
        // It has ended, or the exam has: nobody is left to talk to.
        let _ = child.kill();
        let _ = child.wait();
    }
    result.map_err(|error| format!("the poll failed: {error}"))?;
    written?;
    let failed = status.filter(|status| !status.success());
    if let Some(status) = failed {
        say(match &last {
            Some((agent, case)) => format!("the client ended with {status}; {agent} had played {case} last"),
            None => format!("the client ended with {status}"),
        });
    }
    if runs.is_empty() && !interrupt.load(Ordering::Relaxed) {
        say("no client came");
        return Ok(ExitCode::from(UNREACHABLE));
    }
    if let (Some(status), Some((agent, case))) = (failed.filter(is_crash), last)
        && let Some(run) = runs.get_mut(&agent)
        && let Some(outcome) = run.outcomes.iter_mut().find(|outcome| outcome.record.case.id == case)
    {
        outcome.record.verdict.behaviour = Behaviour::Crashed;
        outcome.record.verdict.reason = format!("The client ended with {status} when it had played this.");
    }
    for run in runs.values_mut() {
        let played: BTreeSet<&str> = run.outcomes.iter().map(|outcome| outcome.record.case.id).collect();
        let missing: Vec<_> = exam.cases.iter().filter(|case| !played.contains(case.id)).collect();
        if !missing.is_empty() {
            say(format_args!(
                "{}: {} of {} cases were not played",
                run.agent,
                missing.len(),
                exam.cases.len()
            ));
        }
        for case in missing {
            let record = Record::not_played(case, Subject::Client, "the client did not come for it");
            run.outcomes.push(Outcome { record, aftermath: None });
        }
    }
    runs.values_mut().for_each(Run::sort);
    let report = Report::new(&runs.values().collect::<Vec<_>>(), common.deny.deny());
    let mut end = common.conclude(report, suite.index.as_deref())?;
    if interrupt.load(Ordering::Relaxed) {
        say("the run was interrupted");
        end = if end == End::Passed { End::Incomplete } else { end };
    }
    Ok(if failed.is_some() { End::Failed } else { end }.into())
}

/// Whether a process ended as none does by its own will; a shell tells of a signal by a status above 128.
fn is_crash(status: &ExitStatus) -> bool {
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(status).is_some() {
        return true;
    }
    status.code().is_none_or(|code| code > 128)
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

fn unreachable(url: &Place, error: &str) -> ExitCode {
    say(format_args!("there is no WebSocket server at {url}: {error}"));
    ExitCode::from(UNREACHABLE)
}

fn list(cases: &[&bowsprit_lab::Case]) -> String {
    cases
        .iter()
        .map(|case| format!("{:<12} {:<7} {:<28} {}\n", case.id, case.level, case.rule.sections, case.title))
        .collect()
}

/// What a URL names, with its address looked up; `Ok(Err(_))`: it has none.
fn target(
    url: &str,
    trust: &Trust,
    request: &RequestArgs,
    carrier: Carrier,
) -> Result<Result<Target, String>, String> {
    let place = parse_url(url, carrier)?;
    let (host, lines) = request.lines(&place.url)?;
    if !place.secure && (trust.ca.is_some() || trust.insecure) {
        return Err("--ca and --insecure are for wss:// and https://".to_owned());
    }
    let addr = match (&*place.name, place.port).to_socket_addrs().map(|mut addrs| addrs.next()) {
        Ok(Some(addr)) => addr,
        Ok(None) => return Ok(Err("the name has no address".to_owned())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let target = Target::new(addr, &host, &place.target).with_fields(lines);
    if place.secure {
        return Ok(Ok(target.with_tls(trust.client(carrier.is_http2())?, &place.name)));
    }
    Ok(Ok(target))
}

/// Where a server is.
struct Address {
    secure: bool,
    /// The name to look up, and that of its certificate.
    name: String,
    port: u16,
    /// The request target.
    target: String,
    /// It with the scheme of a WebSocket.
    url: String,
}

fn parse_url(url: &str, carrier: Carrier) -> Result<Address, String> {
    let shown = Place::of(url);
    let uri = fluent_uri::UriRef::parse(url).map_err(|error| format!("\"{shown}\" is no URL: {error}"))?;
    let scheme = uri.scheme().map(|scheme| scheme.as_str().to_ascii_lowercase());
    let (secure, default) = match scheme.as_deref() {
        Some("ws") => (false, 80),
        Some("wss") => (true, 443),
        // RFC 8441 §5 has the scheme of HTTP in the request, and so may who writes the command.
        Some("http") if carrier.is_http2() => (false, 80),
        Some("https") if carrier.is_http2() => (true, 443),
        Some("http" | "https") => {
            return Err(format!("\"{shown}\" is for --http2; without it, use ws:// or wss://"));
        }
        _ => return Err(format!("\"{shown}\" starts with neither ws:// nor wss://")),
    };
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| format!("\"{shown}\" names no host"))?;
    let host = authority.host();
    let port = match authority.port().filter(|port| !port.is_empty()) {
        Some(port) => {
            port.as_str().parse().map_err(|_| format!("\"{shown}\" has no port from 0 to 65535"))?
        }
        None => default,
    };
    let path = match uri.path().as_str() {
        "" => "/",
        path => path,
    };
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // An IPv6 address stands in brackets there, and nowhere else.
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let url = format!("{}:{rest}", if secure { "wss" } else { "ws" });
    Ok(Address { secure, name, port, target, url })
}
