//! Markdown: a table of themes, agents side by side, then what failed.

use super::causes::{causes, themes, verdict_line};
use super::json::{CaseReport, Report, RunReport};
use super::verdict::{Tone, tone};
use crate::escape::{Clean, Markdown};

/// Writes the report.
pub fn report(report: &Report) -> Clean<Markdown> {
    let mut out = Clean::new();
    out.own("# Conformance\n\nPassed of played, by theme. bowsprit ").text(&report.version).own(".\n\n| |");
    for run in &report.runs {
        out.own(" ").text(&run.agent).own(" |");
    }
    out.own("\n|---|");
    report.runs.iter().for_each(|_| {
        out.own("---|");
    });
    out.own("\n");
    for theme in themes(&report.runs) {
        out.own("| ").text(theme).own(" |");
        report.runs.iter().for_each(|run| count(&mut out, run, theme));
        out.own("\n");
    }
    report.runs.iter().for_each(|run| failures(&mut out, run));
    out
}

fn count(out: &mut Clean<Markdown>, run: &RunReport, theme: &str) {
    let cases: Vec<_> = run.cases.iter().filter(|case| case.theme == theme).collect();
    let is_absent = |case: &CaseReport| tone(case.behaviour) == Tone::Absent;
    let was_unreached = |case: &CaseReport| tone(case.behaviour) == Tone::Unreached;
    let was_played =
        |case: &CaseReport| !matches!(tone(case.behaviour), Tone::Absent | Tone::Unreached | Tone::Unplayed);
    let played = cases.iter().filter(|case| was_played(case)).count();
    let passed = cases.iter().filter(|case| case.passed && was_played(case)).count();
    match (cases.len(), played) {
        (0, _) => out.own(" |"),
        (_, 0) if cases.iter().any(|case| is_absent(case)) => out.own(" not implemented |"),
        (_, 0) if cases.iter().any(|case| was_unreached(case)) => out.own(" not reached |"),
        (_, 0) => out.own(" not played |"),
        _ if passed == played => out.own(" ").text(passed).own(" |"),
        _ => out.own(" **").text(passed).own("** of ").text(played).own(" |"),
    };
}

fn failures(out: &mut Clean<Markdown>, run: &RunReport) {
    out.own("\n## ").text(&run.agent).own("\n\n");
    let causes = causes(run);
    if causes.is_empty() {
        out.own("Nothing failed.\n");
        return;
    }
    out.own("| Case | Level | Section | Sent | Verdict |\n|---|---|---|---|---|\n");
    for case in causes.into_iter().flat_map(|cause| cause.cases) {
        out.own("| ").text(&case.id).own(" | ").text(&case.level).own(" | ").text(&case.section);
        out.own(" | ").text(&case.title).own(" | ").text(verdict_line(case)).own(" |\n");
    }
}
