//! `bowsprit test client`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bowsprit_lab::counted;
use bowsprit_lab::listener::{Exam, Listener, Next, Notice};
use bowsprit_lab::report::json::Report;
use bowsprit_lab::report::{Outcome, Run};
use bowsprit_lab::{Behaviour, Options, Place, Record, Subject};

use super::args::ClientArgs;
use super::end::{End, UNREACHABLE};
use super::progress::{Progress, list};
use crate::logger::{self, Stamp};
use crate::output::{for_terminal, one_line, print, say, warn};
use crate::signals::asked_to_end;
use crate::values::Time;

/// Waits for clients and plays the cases with them.
pub(super) fn client(args: &ClientArgs) -> Result<ExitCode, String> {
    let (common, suite) = (&args.common, &args.suite);
    let mut selection = common.selection(suite.effort())?;
    let carrier = args.http2.carrier();
    selection.carrier = carrier;
    if !args.handshake && selection.patterns.is_empty() && selection.tags.is_empty() {
        selection.without_tags.push("handshake".to_owned());
    }
    let cases = selection.choose(Subject::Client)?;
    if common.list {
        return Ok(print(&for_terminal(list(&cases))));
    }
    // Checked before a run that may take minutes.
    common.known_failures()?;
    let listener =
        Listener::bind(args.listen).map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let listener = args.allow_origin.iter().try_fold(listener, |listener, origin| {
        let wrong = |error| format!("--allow-origin {origin}: {error}");
        listener.with_policy(|policy| policy.allow_origin(origin)).map_err(wrong)
    })?;
    let tls = args.tls.server(carrier.is_http2())?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    let listener = match tls {
        Some(tls) => listener.with_tls(tls),
        None => listener,
    };
    let place = Place::of(&listener.addr().to_string());
    let over = if carrier.is_http2() { " over HTTP/2" } else { "" };
    say(format_args!("{} on {scheme}://{place}{over}", counted(cases.len(), "case")));
    let mut child = match args.command.split_first() {
        Some((program, rest)) => {
            let url = format!("{scheme}://{place}");
            let rest = rest.iter().map(|argument| argument.replace("{url}", &url));
            let child = Command::new(program).args(rest).env("BOWSPRIT_URL", &url).spawn();
            Some(child.map_err(|error| format!("cannot run {program}: {error}"))?)
        }
        None => None,
    };
    let idle = args.idle.map(|Time(time)| time);
    let interrupt = asked_to_end().map_err(|error| error.to_string())?;
    let options = Options { carrier, ..common.options(suite.effort())? };
    let exam = Exam { idle, interrupt: Arc::clone(&interrupt), ..Exam::new(cases, options) };
    let flags = args.flags();
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    // The case that was played last without an orderly end: if the client crashes, this case is the cause.
    let mut last: Option<(String, &'static str)> = None;
    let mut status: Option<ExitStatus> = None;
    let mut written = Ok(());
    let progress = Progress::new(exam.cases.len());
    let started = Instant::now();
    // A page that is refused again and again must not delay the exam.
    let logging = logger::start(Stamp::Name).map_err(|error| error.to_string())?;
    let result = listener.run(&exam, &mut |notice| match notice {
        Notice::Played(agent, record) => {
            if !record.facts.took_leave() {
                last = Some((agent.clone(), record.case.id));
            }
            let run =
                runs.entry(agent).or_insert_with_key(|agent| common.new_run(agent, &place, Subject::Client));
            run.flags.clone_from(&flags);
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
        // The client or the exam has ended, so nobody is left to talk to.
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
                "{}: not played: {} of {}",
                run.agent,
                missing.len(),
                counted(exam.cases.len(), "case")
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

/// Returns whether a process ended in a way that no process chooses; a shell reports a signal as a status above 128.
fn is_crash(status: &ExitStatus) -> bool {
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(status).is_some() {
        return true;
    }
    status.code().is_none_or(|code| code > 128)
}
