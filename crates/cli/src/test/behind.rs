//! `bowsprit test server --behind-proxy`: which failures are the server's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bowsprit_lab::report::Run;
use bowsprit_lab::runner::{self, Plan, Target};
use bowsprit_lab::{Carrier, Options, Place};

use super::args::Behind;
use super::place::{target, with_scheme};
use crate::output::say;
use crate::request::RequestArgs;
use crate::trust::Trust;

impl Behind {
    /// Returns the server itself, if its address is given; `Ok(Err(_))` if it cannot be reached.
    pub(super) fn origin(
        &self,
        trust: &Trust,
        request: &RequestArgs,
        options: Options,
    ) -> Result<Result<Option<Target>, (Place, String)>, String> {
        let Some(url) = &self.origin_url else {
            if self.behind_proxy {
                say(
                    "handshakes that fail are not told as the server's, where a proxy may have done it; --origin-url URL, the server's own, finds out",
                );
            }
            return Ok(Ok(None));
        };
        let url = &with_scheme(url, &Trust::default())?;
        let shown = Place::of(url);
        // The flags for the proxy's certificate are of no use for a plain server behind it.
        let plain = Trust::default();
        let trust = if shown.as_str().to_ascii_lowercase().starts_with("wss") { trust } else { &plain };
        Ok(match target(url, trust, request, Carrier::Http1)? {
            Ok(target) => match runner::preflight(&target, options) {
                Ok(_) => Ok(Some(target)),
                Err(error) => Err((shown, error)),
            },
            Err(error) => Err((shown, error)),
        })
    }

    /// Returns the settings as flags of a command.
    pub(super) fn flags(&self) -> String {
        let origin = self.origin_url.as_ref().map(|url| format!(" --origin-url {}", Place::of(url)));
        let flag = if self.behind_proxy { " --behind-proxy" } else { "" };
        flag.to_owned() + &origin.unwrap_or_default()
    }
}

/// Plays cases whose failure may be the proxy's at the server itself, so that only the server's own failures remain.
pub(super) fn judge(
    run: &mut Run,
    origin: Option<Target>,
    options: Options,
    jobs: usize,
    interrupt: &Arc<AtomicBool>,
) -> Result<(), String> {
    let mut itself = BTreeMap::new();
    let is_known = origin.is_some();
    if let Some(origin) = origin {
        let open = run.outcomes.iter().filter(|outcome| outcome.record.may_be_of_proxy());
        let cases = open.map(|outcome| outcome.record.case).collect();
        let plan = Plan {
            served: true,
            interrupt: Arc::clone(interrupt),
            ..Plan::new(origin, cases, options, jobs)
        };
        runner::run(&plan, &mut |record, _| {
            itself.insert(record.case.id, record.verdict.strictly_passed());
        })
        .map_err(|error| format!("the poll failed: {error}"))?;
    }
    let outcomes = std::mem::take(&mut run.outcomes).into_iter();
    run.outcomes = outcomes
        .map(|mut outcome| {
            // If the server can be asked, cases that it was not asked about stay as they are.
            let passed = itself.get(outcome.record.case.id).copied();
            let itself = if is_known { Some(passed.unwrap_or(false)) } else { None };
            outcome.record = outcome.record.behind_proxy(itself);
            outcome
        })
        .collect();
    Ok(())
}
