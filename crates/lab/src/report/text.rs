//! The view for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Deny, Outcome, Run};
use crate::case::{Level, Subject};
use crate::cases::theme;
use crate::escape::visible;
use crate::explain;
use crate::judge::Behaviour;

/// The failures in full, then a summary by theme.
pub fn report(run: &Run, deny: Deny) -> String {
    let mut out = String::new();
    for outcome in run.outcomes.iter().filter(|outcome| !outcome.passed() || outcome.denied(deny)) {
        if !outcome.was_played() {
            continue;
        }
        out.push_str(&explain::failure(&outcome.record, &again(run, outcome)));
        if let Some(aftermath) = &outcome.aftermath {
            let _ = writeln!(out, "  after     {}", visible(aftermath.to_string().as_bytes()));
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
        let column = match verdict.behaviour {
            Behaviour::Muddled => Behaviour::Ok,
            Behaviour::Late | Behaviour::Refused | Behaviour::Hung | Behaviour::Crashed => Behaviour::Failed,
            behaviour => behaviour,
        };
        if let Some(column) = COLUMNS.iter().position(|this| *this == column) {
            counts[column] += 1;
        }
        *bad_close += usize::from(verdict.behaviour < Behaviour::Failed && !verdict.passed());
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
    let unplayed = run.outcomes.iter().filter(|outcome| !outcome.was_played()).count();
    let failed: BTreeMap<Level, usize> = run
        .outcomes
        .iter()
        .filter(|outcome| outcome.was_played() && !outcome.passed())
        .fold(BTreeMap::new(), |mut levels, outcome| {
            *levels.entry(outcome.record.case.level).or_default() += 1;
            levels
        });
    let levels: Vec<String> = failed.iter().map(|(level, count)| format!("{count} {level}")).collect();
    let levels = if levels.is_empty() { "none".to_owned() } else { levels.join(", ") };
    let _ = writeln!(
        out,
        "{} cases in {:.2} s, seed {}; failed: {levels}; {}",
        run.outcomes.len(),
        run.duration.as_secs_f64(),
        run.seed,
        match (denied, unplayed) {
            (0, 0) => "all required cases passed".to_owned(),
            (0, unplayed) => format!("{unplayed} cases were not played"),
            (denied, 0) => format!("{denied} required cases did not pass"),
            (denied, unplayed) => format!("{denied} required cases did not pass, {unplayed} were not played"),
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
