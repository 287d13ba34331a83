//! SARIF 2.1.0 for code scanning services: a run for each peer, a rule for each case that did not pass, a result for
//! each of them.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::causes::{counts, verdict_line};
use super::json::{CaseReport, Report, RunReport};
use crate::escape::{Clean, Json, SarifMessage};

/// Writes the report. A case that did not pass without failing the run is a note; a known failure is suppressed with
/// its reason.
///
/// `source` is the file that findings point at, relative to the root of a repository: services do not show a finding
/// that points nowhere, and a peer behind a socket has no source lines.
pub fn log(report: &Report, source: Option<&Path>) -> Json {
    let runs: Vec<Value> = report.runs.iter().map(|run| sarif_run(report, run, source)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": runs,
    });
    // Nothing in here can fail to be written: all keys are strings.
    Json::pretty(&log).unwrap_or_default()
}

fn sarif_run(report: &Report, run: &RunReport, source: Option<&Path>) -> Value {
    let cases: Vec<&CaseReport> = run.cases.iter().filter(|case| counts(case)).collect();
    let rules: Vec<Value> = cases.iter().map(|case| rule(case)).collect();
    let results: Vec<Value> =
        cases.iter().enumerate().map(|(index, case)| result(run, case, index, source)).collect();
    json!({
        "tool": { "driver": {
            "name": "bowsprit",
            "fullName": "bowsprit, a conformance lab for WebSocket",
            "version": report.version,
            "semanticVersion": report.version,
            "rules": rules,
        } },
        "automationDetails": { "id": format!("bowsprit/{}/", run.subject) },
        "invocations": [{ "executionSuccessful": true }],
        "columnKind": "unicodeCodePoints",
        "properties": { "agent": run.agent, "place": run.place, "seed": run.seed, "passed": run.passed },
        "results": results,
    })
}

fn rule(case: &CaseReport) -> Value {
    json!({
        "id": case.id,
        "name": name(&case.title),
        "shortDescription": { "text": message(&format!("{}: {}", case.id, case.title)) },
        "fullDescription": { "text": message(&format!("{} ({}, {})", case.rule, case.section, case.level)) },
        "help": { "text": message(&format!(
            "Expected: {}. `bowsprit explain {}` tells it in full, with what is sent.", case.expected, case.id
        )) },
        "defaultConfiguration": { "level": if case.level == "must" { "error" } else { "warning" } },
        "properties": { "tags": [case.theme, case.section, case.level] },
    })
}

fn result(run: &RunReport, case: &CaseReport, index: usize, source: Option<&Path>) -> Value {
    let level = match (case.denied, &*case.level) {
        (true, "must") => "error",
        (true, _) => "warning",
        (false, _) => "note",
    };
    let mut location = Map::new();
    if let Some(source) = source {
        let uri = uri(source);
        location.insert(
            "physicalLocation".to_owned(),
            json!({ "artifactLocation": { "uri": uri, "uriBaseId": "%SRCROOT%" }, "region": { "startLine": 1 } }),
        );
    }
    location.insert(
        "logicalLocations".to_owned(),
        json!([{ "name": run.agent, "fullyQualifiedName": run.place, "kind": "resource" }]),
    );
    let mut result = json!({
        "ruleId": case.id,
        "ruleIndex": index,
        "kind": "fail",
        "level": level,
        "message": { "text": message(&format!("{} Again: {}", verdict_line(case), case.again)) },
        "locations": [location],
        "partialFingerprints": { "bowspritCase/v1": format!("{}/{}", run.subject, case.id) },
        "properties": { "behaviour": case.behaviour, "close": case.close, "again": case.again },
    });
    if let Some(reason) = &case.known {
        result["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": reason }]);
    }
    result
}

/// Makes a message without links, placeholders or line breaks (§3.11.5, §3.11.6).
fn message(text: &str) -> String {
    let mut out = Clean::<SarifMessage>::new();
    out.text(text);
    out.into_string()
}

/// Makes a name as the format requires: capitalized words, joined.
fn name(title: &str) -> String {
    title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word[..1].to_ascii_uppercase() + &word[1..])
        .collect()
}

/// Converts a relative path to a relative reference of a URI (RFC 3986 §4.2).
fn uri(path: &Path) -> String {
    let mut out = String::new();
    for byte in path.to_string_lossy().replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte.into())
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_have_their_form() {
        assert_eq!(name("a Ping of 126 bytes, fragmented"), "APingOf126BytesFragmented");
        assert_eq!(name("ü, \"é\""), "");
        assert_eq!(uri(Path::new(".github/work flows/ü.yml")), ".github/work%20flows/%C3%BC.yml");
    }

    #[test]
    fn a_message_holds_no_link_and_no_placeholder() {
        assert_eq!(message("[a](javascript:b) {0} \\ \n"), "\\[a\\](javascript:b) {{0}} \\\\ \\\\n");
    }
}
