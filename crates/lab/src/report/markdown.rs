//! Markdown: a table of themes, agents side by side, then what failed.

use std::fmt::Write as _;

use super::json::Report;

/// The report.
pub fn report(report: &Report) -> String {
    let mut out = "# Conformance\n\n".to_owned();
    let mut themes: Vec<&str> = Vec::new();
    for case in report.runs.iter().flat_map(|run| &run.cases) {
        if !themes.contains(&case.theme.as_str()) {
            themes.push(&case.theme);
        }
    }
    let _ = writeln!(out, "Passed of played, by theme. bowsprit {}.\n", report.version);
    let agents: Vec<String> = report.runs.iter().map(|run| cell(&run.agent)).collect();
    let _ = writeln!(out, "| | {} |", agents.join(" | "));
    let _ = writeln!(out, "|---|{}", "---|".repeat(agents.len()));
    for theme in themes {
        let _ = write!(out, "| {} |", cell(theme));
        for run in &report.runs {
            let cases: Vec<_> = run.cases.iter().filter(|case| case.theme == theme).collect();
            let played = cases.iter().filter(|case| case.behaviour != "UNIMPLEMENTED").count();
            let passed = cases.iter().filter(|case| case.passed && case.behaviour != "UNIMPLEMENTED").count();
            let _ = match (cases.len(), played) {
                (0, _) => write!(out, " |"),
                (_, 0) => write!(out, " not implemented |"),
                _ if passed == played => write!(out, " {passed} |"),
                _ => write!(out, " **{passed}** of {played} |"),
            };
        }
        out.push('\n');
    }
    for run in &report.runs {
        let failed: Vec<_> = run
            .cases
            .iter()
            .filter(|case| (!case.passed || case.denied) && case.behaviour != "NOT PLAYED")
            .collect();
        let _ = writeln!(out, "\n## {}\n", cell(&run.agent));
        if failed.is_empty() {
            out.push_str("Nothing failed.\n");
            continue;
        }
        out.push_str("| Case | Level | Section | Sent | Verdict |\n|---|---|---|---|---|\n");
        for case in failed {
            let verdict = match case.behaviour.as_str() {
                "FAILED" => format!("FAILED: {}", case.reason),
                behaviour => format!("{behaviour}, ending {}: {}", case.close, case.close_reason),
            };
            let row = [&case.id, &case.level, &case.section, &case.title, &verdict].map(|text| cell(text));
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
    }
    out
}

/// Text that cannot leave its cell.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']') {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}
