//! `bowsprit test proxy`: examines a proxy from both sides.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bowsprit_lab::proxy::report::Run;
use bowsprit_lab::proxy::runner::{self, Gone, Peer, Plan, Trouble};
use bowsprit_lab::report::json::Report;
use bowsprit_lab::{Effort, Options, Place};

use super::args::{ProxyArgs, now};
use super::end::{End, UNREACHABLE};
use super::place::{target, with_scheme};
use super::progress::Progress;
use crate::output::{for_terminal, print, say};
use crate::request::RequestArgs;
use crate::signals::asked_to_end;
use crate::trust::advised;

pub(super) fn proxy(args: &ProxyArgs) -> Result<ExitCode, String> {
    let ProxyArgs { front, origin, trust, http2, header, quick, common } = args;
    let carrier = http2.carrier();
    let effort = if *quick { Effort::Quick } else { Effort::Normal };
    let cases = common.selection(effort)?.choose_for_proxies()?;
    if common.list {
        let lines: String = cases
            .iter()
            .map(|case| {
                format!("{:<12} {:<7} {:<28} {}\n", case.id, case.level, case.rule.sections, case.title)
            })
            .collect();
        return Ok(print(&for_terminal(lines)));
    }
    // Checked before a run that may take minutes.
    common.known_failures()?;
    let (Some(front), Some(origin)) = (front, *origin) else {
        return Err("--front and --origin are needed".to_owned());
    };
    let request = RequestArgs { header: header.clone(), ..RequestArgs::default() };
    let front = &with_scheme(front, trust)?;
    let shown = Place::of(front);
    let absent = |error: String| format!("there is no front at {shown}: {}", advised(shown.as_str(), error));
    let unreachable = |error: String| {
        say(error);
        Ok(ExitCode::from(UNREACHABLE))
    };
    let target = match target(front, trust, &request, carrier)? {
        Ok(target) => target,
        Err(error) => return unreachable(absent(error)),
    };
    let options = Options { carrier, ..common.options(effort)? };
    let survey = match runner::preflight(&target, origin, options) {
        Ok(survey) => survey,
        Err(Trouble::Listen(error)) => {
            return unreachable(format!(
                "cannot listen on {origin}, where the origin has to be: {error}; stop what listens there, or name another --origin and point the proxy to it"
            ));
        }
        Err(Trouble::Front(error)) => return unreachable(absent(error)),
        Err(Trouble::Origin(error)) => {
            return unreachable(format!(
                "the front at {shown} does not pass an upgrade on to us: {error} It has to pass requests for that URL on to http://{origin}, with Upgrade and Connection, over HTTP/1.1"
            ));
        }
    };
    if survey.relays {
        say(
            "the front passes on bytes before a head is whole: it knows nothing of HTTP, and is not asked to stop anything",
        );
    }
    let mut run = Run {
        agent: common.agent.clone().unwrap_or_else(|| shown.to_string()),
        place: shown.clone(),
        flags: format!(" --origin {origin}{}{}{}", http2.flags(), trust.flags(), request.flags()),
        seed: common.seed,
        duration: Duration::ZERO,
        started: now(),
        records: Vec::new(),
    };
    let interrupt = asked_to_end().map_err(|error| error.to_string())?;
    let progress = Progress::new(cases.len());
    let plan =
        Plan { relays: survey.relays, interrupt, ..Plan::new(target, origin, cases, options, common.jobs) };
    let started = Instant::now();
    let peer = runner::run(&plan, &mut |record| {
        run.records.push(record);
        progress.show(run.records.len());
    });
    progress.clear();
    let peer = peer.map_err(|error| format!("cannot listen on {origin}: {error}"))?;
    run.duration = started.elapsed();
    let report = Report::of(vec![run.report(common.deny.deny())]);
    let end = common.conclude(report, None)?;
    Ok(match peer {
        Peer::Alive => end,
        Peer::Interrupted => {
            say("the run was interrupted");
            if end == End::Passed { End::Incomplete } else { end }
        }
        Peer::Gone(how, suspects) => {
            let what = match how {
                Gone::Crashed => "takes no connections any more",
                Gone::Hung => "answers nobody any more",
            };
            say(format!(
                "the front {what} since one of these was played: {}; start it again and add --jobs 1 to find the one",
                suspects.join(", ")
            ));
            End::Failed
        }
    }
    .into())
}
