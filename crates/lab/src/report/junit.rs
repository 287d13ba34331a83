//! JUnit XML for CI systems: a suite for each run and theme, a test case for each case.

use super::causes::themes;
use super::json::{CaseReport, Report};
use super::verdict::{Tone, tone};
use crate::escape::{Clean, Xml};
use crate::wire::shortened;

/// How many lines of a wire log a failure shows.
const LOG_LINES: usize = 24;

/// Writes the report. Failures that do not fail the run are passed test cases with their reason in `system-out`; known
/// ones are skipped.
pub fn report(report: &Report) -> Clean<Xml> {
    let mut out = Clean::new();
    out.own("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"bowsprit\">\n");
    for run in &report.runs {
        for theme in themes(std::slice::from_ref(run)) {
            let cases: Vec<&CaseReport> = run.cases.iter().filter(|case| case.theme == theme).collect();
            let failures = cases.iter().filter(|case| case.fails()).count();
            let skipped = cases.iter().filter(|case| is_skipped(case) || is_known(case)).count();
            out.own("  <testsuite name=\"").text(format_args!("{}: {theme}", run.agent));
            attribute(&mut out, "\" tests=\"", cases.len());
            attribute(&mut out, "\" failures=\"", failures);
            attribute(&mut out, "\" skipped=\"", skipped);
            attribute(&mut out, "\" time=\"", seconds(cases.iter().map(|case| case.duration_ms).sum()));
            out.own("\">\n");
            cases.into_iter().for_each(|case| test_case(&mut out, &run.agent, case));
            out.own("  </testsuite>\n");
        }
    }
    out.own("</testsuites>\n");
    out
}

fn test_case(out: &mut Clean<Xml>, agent: &str, case: &CaseReport) {
    attribute(out, "    <testcase classname=\"", format_args!("{agent}.{}", case.family()));
    attribute(out, "\" name=\"", format_args!("{} {}", case.id, case.title));
    attribute(out, "\" time=\"", seconds(case.duration_ms));
    let CaseReport { behaviour, reason, .. } = case;
    let verdict = case.verdicts();
    if case.fails() {
        attribute(out, "\">\n      <failure type=\"", behaviour);
        attribute(out, "\" message=\"", verdict);
        out.own("\">");
        details(out, case);
        out.own("</failure>\n    </testcase>\n");
    } else if let (true, Some(known)) = (case.denied, &case.known) {
        attribute(out, "\">\n      <skipped message=\"", format_args!("known: {known}"));
        out.own("\"/>\n      <system-out>").text(verdict).own("</system-out>\n    </testcase>\n");
    } else if is_skipped(case) {
        attribute(out, "\">\n      <skipped message=\"", reason);
        out.own("\"/>\n    </testcase>\n");
    } else if !case.passed {
        out.own("\">\n      <system-out>").text(verdict).own("</system-out>\n    </testcase>\n");
    } else {
        out.own("\"/>\n");
    }
}

fn attribute(out: &mut Clean<Xml>, own: &'static str, value: impl std::fmt::Display) {
    out.own(own).text(value);
}

fn details(out: &mut Clean<Xml>, case: &CaseReport) {
    out.text(format_args!("{} ({}, {})", case.rule, case.section, case.level));
    for (name, value) in
        case.facts().into_iter().filter(|(name, _)| !matches!(*name, "rule" | "behaviour" | "ending"))
    {
        out.own("\n").own(name).own(": ").text(value);
    }
    out.own("\n");
    shortened(&case.log, LOG_LINES).iter().for_each(|line| line.write(out, ""));
    out.own("again: ").text(&case.again).own("\n");
}

fn is_skipped(case: &CaseReport) -> bool {
    matches!(tone(case.behaviour), Tone::Absent | Tone::Unreached | Tone::Unplayed)
}

fn is_known(case: &CaseReport) -> bool {
    case.denied && !case.fails()
}

fn seconds(millis: u64) -> String {
    format!("{:.3}", millis as f64 / 1000.0)
}
