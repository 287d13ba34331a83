//! JUnit XML, as CI systems read it: a suite for each run and theme, a test case for each case.

use std::fmt::Write as _;

use super::super::escape::html as xml;
use super::json::{CaseReport, Report};

/// The report. Failures that do not fail the run are passed cases with their reason in `system-out`.
pub fn report(report: &Report) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"bowsprit\">\n".to_owned();
    for run in &report.runs {
        let mut themes: Vec<&str> = Vec::new();
        for case in &run.cases {
            if !themes.contains(&case.theme.as_str()) {
                themes.push(&case.theme);
            }
        }
        for theme in themes {
            let cases: Vec<&CaseReport> = run.cases.iter().filter(|case| case.theme == theme).collect();
            let _ = writeln!(
                out,
                "  <testsuite name=\"{}: {}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{:.3}\">",
                xml(&run.agent),
                xml(theme),
                cases.len(),
                cases.iter().filter(|case| case.denied).count(),
                cases.iter().filter(|case| skipped(case)).count(),
                seconds(cases.iter().map(|case| case.duration_ms).sum()),
            );
            cases.into_iter().for_each(|case| test_case(&mut out, &run.agent, case));
            out.push_str("  </testsuite>\n");
        }
    }
    out + "</testsuites>\n"
}

fn test_case(out: &mut String, agent: &str, case: &CaseReport) {
    let _ = write!(
        out,
        "    <testcase classname=\"{}.{}\" name=\"{} {}\" time=\"{:.3}\"",
        xml(agent),
        xml(case.id.split(['.', '-']).next().unwrap_or_default()),
        xml(&case.id),
        xml(&case.title),
        seconds(case.duration_ms),
    );
    let verdict = format!("{}: {} Ending {}: {}", case.behaviour, case.reason, case.close, case.close_reason);
    if case.denied {
        let details = format!(
            "{} ({}, {})\nexpected: {}\n{}\nagain: {}\n",
            case.rule,
            case.section,
            case.level,
            case.expected,
            log(case),
            case.again
        );
        let _ = writeln!(
            out,
            ">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>",
            xml(&case.behaviour),
            xml(&verdict),
            xml(&details)
        );
    } else if skipped(case) {
        let _ = writeln!(out, ">\n      <skipped message=\"{}\"/>\n    </testcase>", xml(&case.reason));
    } else if !case.passed {
        let _ = writeln!(out, ">\n      <system-out>{}</system-out>\n    </testcase>", xml(&verdict));
    } else {
        out.push_str("/>\n");
    }
}

fn log(case: &CaseReport) -> String {
    let line = |line: &super::json::LogReport| {
        format!("{:>8.1} ms {:<8} {} {}", line.at_ms, line.way, line.text, line.hex)
    };
    case.log.iter().take(20).map(line).collect::<Vec<_>>().join("\n")
}

fn skipped(case: &CaseReport) -> bool {
    matches!(case.behaviour.as_str(), "UNIMPLEMENTED" | "NOT PLAYED")
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
