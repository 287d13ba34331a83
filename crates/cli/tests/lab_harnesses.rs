//! Client harnesses written for the Autobahn suite, unchanged, against our listener: npm `ws` and Python `websockets`.
//!
//! `tests/peers/install` installs both. A test whose peer is missing reports that and passes, unless
//! `BOWSPRIT_REQUIRE_PEERS` is set.

#![cfg(unix)]

#[path = "../../../tests/support/installed.rs"]
mod installed;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::workspace;

use bowsprit_lab::Behaviour;
use bowsprit_lab::report::json::{Report, RunReport};
use installed::skip;

/// Returns the harness's output and the report of its run; `None` if the harness is not installed.
fn exam(proof: &str, agent: &str, choice: &[&str], harness: &[&str]) -> Option<(String, RunReport)> {
    let root = &workspace();
    if !root.join(proof).exists() {
        skip(agent, "run tests/peers/install");
        return None;
    }
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("harness-{agent}.json"));
    let _ = fs::remove_file(&report);
    let output = Command::new(env!("CARGO_BIN_EXE_bowsprit"))
        .args(["test", "client", "--listen", "127.0.0.1:0", "--quick", "--idle", "60", "--json"])
        .arg(&report)
        .args(choice)
        .arg("--")
        .args(harness)
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(0),
        "a rule of level must is broken that is not known to be: {stdout}{stderr}"
    );
    let mut report = Report::from_json(&fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report.runs.len(), 1, "{stderr}");
    let run = report.runs.remove(0);
    assert_eq!(run.agent, agent);
    let told: usize = stderr
        .lines()
        .find_map(|line| line.strip_prefix("bowsprit: ")?.split(' ').next()?.parse().ok())
        .unwrap();
    assert_eq!(run.cases.len(), told, "every case was played");
    Some((stdout.into_owned(), run))
}

#[test]
fn a_harness_on_npm_ws() {
    // Most of what is heavy is left out: each case is followed by a question for its verdict.
    let (agent, choice) = ("ws", ["--exclude", "9,12,13"]);
    let harness = ["node", "tests/peers/ws_autobahn_client.js", "{url}", "--status"];
    let Some((stdout, run)) = exam("target/peers/node/node_modules/ws", agent, &choice, &harness) else {
        return;
    };
    // What it was told, by number, is what the report says, by id.
    let told: BTreeMap<usize, &str> = stdout
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, verdict)| verdict.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-'))
        .filter_map(|(number, verdict)| Some((number.parse().ok()?, verdict)))
        .collect();
    assert_eq!(told.len(), run.cases.len());
    for (at, case) in run.cases.iter().enumerate() {
        assert_eq!(told.get(&(at + 1)), Some(&case.behaviour.name()), "{}", case.id);
    }
    assert!(run.cases.iter().any(|case| case.theme.contains("deflate") && case.behaviour == Behaviour::Ok));
}

#[test]
fn a_harness_on_python_websockets() {
    let python = "target/peers/venv/bin/python";
    let harness = [python, "tests/peers/websockets_autobahn_client.py", "{url}"];
    let choice = ["--baseline", "tests/peers/websockets_known_failures.txt"];
    let Some((_, run)) = exam(python, "websockets", &choice, &harness) else { return };
    assert!(run.cases.iter().any(|case| case.id == "9.1.1" && case.behaviour == Behaviour::Ok));
}
