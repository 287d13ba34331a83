//! Two runs side by side.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::report::{FORMAT, Report, VERSION};
use super::tally::Summary;
use crate::output::{for_terminal, one_line, print, say, si, usage};

pub(super) fn run(a: &Path, b: &Path) -> ExitCode {
    let (a, b) = match (read(a), read(b)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(why), _) | (_, Err(why)) => return usage(why),
    };
    if a.setup != b.setup || a.unit != b.unit {
        say("the two runs measure different things");
    }
    print(&for_terminal(table(&a, &b)))
}

fn read(path: &Path) -> Result<Report, String> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|error| format!("{shown} is no report of bowsprit bench: {error}"))?;
    if report.format != FORMAT || report.version != VERSION {
        return Err(format!("{shown} is a report that this version cannot read"));
    }
    Ok(report)
}

fn table(a: &Report, b: &Report) -> String {
    let mut out = String::new();
    for (name, report) in [("A", a), ("B", b)] {
        let label = report.label.as_deref().unwrap_or_default();
        let shown = format!("{label} {} ({})", report.url, report.setup);
        // A String accepts everything written to it.
        let _ = writeln!(out, "{name}: {}", one_line(shown.as_bytes()));
    }
    let _ = writeln!(out, "{:<24}{:>12}{:>12}{:>9}", "", "A", "B", "B/A");
    let mut row = |name: &str, a: Option<f64>, b: Option<f64>| {
        if let (Some(a), Some(b)) = (a, b) {
            let ratio = if a > 0.0 { format!("{:.2}", b / a) } else { "-".to_owned() };
            let _ = writeln!(out, "{name:<24}{:>12}{:>12}{ratio:>9}", si(a), si(b));
        }
    };
    row("operations a second", Some(a.operations_per_s), Some(b.operations_per_s));
    for (name, a, b) in [
        ("latency", &a.latency_us, &b.latency_us),
        ("fan-out", &a.fan_out_us, &b.fan_out_us),
        ("opening", &a.opening_us, &b.opening_us),
    ] {
        let mut quantile = |quantile: &str, of: fn(&Summary) -> f64| {
            row(&format!("{name} {quantile}, µs"), a.as_ref().map(of), b.as_ref().map(of));
        };
        quantile("p50", |times| times.p50);
        quantile("p99", |times| times.p99);
        quantile("p99.9", |times| times.p999);
        quantile("max", |times| times.max);
    }
    let server = |report: &Report| report.server.clone();
    let cpu = |report| server(report).and_then(|server| server.us_per_operation);
    row("server, µs an operation", cpu(a), cpu(b));
    let memory = |report| server(report).and_then(|server| server.per_connection);
    row("server, bytes each", memory(a), memory(b));
    row("client busy", a.client_busy, b.client_busy);
    let errors =
        |report: &Report| Some(report.errors.values().map(|errored| errored.count).sum::<u64>() as f64);
    row("errors", errors(a), errors(b));
    out
}
