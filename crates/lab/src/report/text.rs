//! The view for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Deny, Outcome, Run};
use crate::case::{Level, Subject};
use crate::cases::theme;
use crate::escape::visible;
use crate::explain;
use crate::judge::Behaviour;
use crate::runner::Aftermath;

/// The failures in full, then a summary by theme.
pub fn report(run: &Run, deny: Deny) -> String {
    let mut out = String::new();
    for outcome in run.outcomes.iter().filter(|outcome| !outcome.passed() || outcome.denied(deny)) {
        out.push_str(&explain::failure(&outcome.record, &again(run, outcome)));
        match &outcome.aftermath {
            Some(Aftermath::Refuses) => out.push_str("  after     the peer takes no more connections\n"),
            Some(Aftermath::Hangs(reason)) => {
                let _ = writeln!(
                    out,
                    "  after     the peer takes connections, but: {}",
                    visible(reason.as_bytes())
                );
            }
            Some(Aftermath::Serves) | None => {}
        }
        out.push('\n');
    }
    out.push_str(&summary(run, deny));
    out
}

/// Counts by theme, and the verdict on the whole.
pub fn summary(run: &Run, deny: Deny) -> String {
    const COLUMNS: [Behaviour; 5] = [
        Behaviour::Ok,
        Behaviour::NonStrict,
        Behaviour::Informational,
        Behaviour::Unimplemented,
        Behaviour::Failed,
    ];
    let mut rows: Vec<(&str, [usize; 5], usize)> = Vec::new();
    for outcome in &run.outcomes {
        let group = outcome.record.case.group().split('.').next().unwrap_or_default();
        let at = rows.iter().position(|(this, ..)| *this == group).unwrap_or_else(|| {
            rows.push((group, [0; 5], 0));
            rows.len() - 1
        });
        let (_, counts, bad_close) = &mut rows[at];
        let verdict = &outcome.record.verdict;
        counts[COLUMNS.iter().position(|column| *column == verdict.behaviour).unwrap_or(0)] += 1;
        *bad_close += usize::from(verdict.behaviour != Behaviour::Failed && !verdict.passed());
    }
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<40} {:>6} {:>10} {:>6} {:>8} {:>7} {:>10}",
        run.agent, "OK", "NON-STRICT", "INFO", "UNIMPL.", "FAILED", "BAD CLOSE"
    );
    for (group, counts, bad_close) in rows {
        let name = format!("{group:<4} {}", theme(group));
        let [ok, non_strict, info, unimplemented, failed] = counts;
        let _ = writeln!(
            out,
            "{name:<40} {ok:>6} {non_strict:>10} {info:>6} {unimplemented:>8} {failed:>7} {bad_close:>10}"
        );
    }
    let denied = run.outcomes.iter().filter(|outcome| outcome.denied(deny)).count();
    let failed: BTreeMap<Level, usize> = run.outcomes.iter().filter(|outcome| !outcome.passed()).fold(
        BTreeMap::new(),
        |mut levels, outcome| {
            *levels.entry(outcome.record.case.level).or_default() += 1;
            levels
        },
    );
    let levels: Vec<String> = failed.iter().map(|(level, count)| format!("{count} {level}")).collect();
    let levels = if levels.is_empty() { "none".to_owned() } else { levels.join(", ") };
    let _ = writeln!(
        out,
        "{} cases in {:.2} s, seed {}; failed: {levels}; {}",
        run.outcomes.len(),
        run.duration.as_secs_f64(),
        run.seed,
        if denied == 0 {
            "all required cases passed".to_owned()
        } else {
            format!("{denied} required cases did not pass")
        }
    );
    out
}

/// The command that plays this case alone.
pub fn again(run: &Run, outcome: &Outcome) -> String {
    let id = outcome.record.case.id;
    let seed = if run.seed == 1 { String::new() } else { format!(" --seed {}", run.seed) };
    match run.subject {
        Subject::Client => format!("bowsprit test client --listen {} --case {id}{seed}", run.place),
        _ => format!("bowsprit test server {} --case {id}{seed}{}", run.place, run.flags),
    }
}
