//! `bowsprit test server`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bowsprit_lab::report::Outcome;
use bowsprit_lab::report::json::Report;
use bowsprit_lab::runner::{self, Gone, Peer, Plan};
use bowsprit_lab::{Options, Place, Selection, Subject};

use super::args::ServerArgs;
use super::behind;
use super::end::{End, UNREACHABLE};
use super::place::{target, with_scheme};
use super::progress::{Progress, list};
use crate::output::{for_terminal, one_line, print, say};
use crate::signals::asked_to_end;
use crate::trust::advised;

/// Plays the cases against a server.
pub(super) fn server(args: &ServerArgs) -> Result<ExitCode, String> {
    let ServerArgs { url, trust, http2, apart, request, force, greetings, behind, suite, common } = args;
    let (force, greetings) = (*force, *greetings);
    let carrier = http2.carrier();
    let selection = Selection { carrier, ..common.selection(suite.effort())? };
    let cases = selection.choose(Subject::Server)?;
    if common.list {
        return Ok(print(&for_terminal(list(&cases))));
    }
    // Checked before a run that may take minutes.
    common.known_failures()?;
    let url = url.as_deref().ok_or("name a server, or --list")?;
    let url = &with_scheme(url, trust)?;
    let shown = Place::of(url);
    let target = match target(url, trust, request, carrier)? {
        Ok(target) => target,
        Err(error) => return Ok(unreachable(&shown, &error)),
    };
    let mut options = Options { carrier, ..common.options(suite.effort())? };
    let origin = match behind.origin(trust, request, options)? {
        Ok(origin) => origin,
        Err((place, error)) => return Ok(unreachable(&place, &error)),
    };
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
        let shown = one_line(&greeting[..greeting.len().min(80)]);
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
    run.flags = http2.flags()
        + if *apart { " --apart" } else { "" }
        + &trust.flags()
        + &request.flags()
        + &behind.flags();
    let total = cases.len();
    let interrupt = asked_to_end().map_err(|error| error.to_string())?;
    let plan = Plan {
        served: true,
        apart: *apart,
        interrupt: Arc::clone(&interrupt),
        ..Plan::new(target, cases, options, jobs)
    };
    let started = Instant::now();
    let progress = Progress::new(total);
    let peer = runner::run(&plan, &mut |record, aftermath| {
        run.outcomes.push(Outcome { record, aftermath });
        progress.show(run.outcomes.len());
    });
    progress.clear();
    let peer = peer.map_err(|error| format!("the poll failed: {error}"))?;
    if behind.behind_proxy {
        behind::judge(&mut run, origin, options, jobs, &interrupt)?;
    }
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

fn unreachable(url: &Place, error: &str) -> ExitCode {
    say(format_args!("there is no WebSocket server at {url}: {}", advised(url.as_str(), error)));
    ExitCode::from(UNREACHABLE)
}
