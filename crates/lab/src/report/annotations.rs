//! Annotations that GitHub's runners read from the output of a step: an error for each cause that fails the run, a
//! warning for everything else that did not pass.

use super::causes::{causes, verdict_line};
use super::json::{CaseReport, Report};
use crate::escape::{Clean, WorkflowMessage};

/// How many ids are named; the reports name all.
const NAMED: usize = 8;

/// Writes one line for each cause. Known failures have none.
pub fn commands(report: &Report) -> Clean<WorkflowMessage> {
    let mut out = Clean::new();
    for run in &report.runs {
        for cause in causes(run) {
            let unknown: Vec<&CaseReport> =
                cause.cases.iter().copied().filter(|case| case.known.is_none()).collect();
            let Some(first) = unknown.iter().find(|case| case.fails()).or(unknown.first()) else { continue };
            out.own(if first.denied { "::error" } else { "::warning" }).own(" title=WebSocket conformance::");
            out.text(&run.agent)
                .own(": ")
                .text(&cause.text)
                .own("%0A")
                .text(verdict_line(first))
                .own("%0ACases: ");
            for (at, case) in unknown.iter().take(NAMED).enumerate() {
                out.own(if at == 0 { "" } else { ", " }).text(&case.id);
            }
            if unknown.len() > NAMED {
                out.text(format_args!(" and {} more", unknown.len() - NAMED));
            }
            out.own("%0AAgain: ").text(&first.again).own("\n");
        }
    }
    out
}
