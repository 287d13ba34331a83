//! The lab's HTML report in headless Chromium: it opens from a file, loads nothing, filters, opens wire logs.
//!
//! A test reports that Chromium is not installed and passes, unless `BOWSPRIT_REQUIRE_PEERS` is set.

#![cfg(unix)]

mod support;

#[path = "support/browser.rs"]
mod browser;
#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use browser::Driver;
use serde_json::{Value, json};
use support::command::{BOWSPRIT, serve};

/// Returns the page of two runs side by side: a server that accepts at most eight bytes, and one that accepts
/// everything.
fn page() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut reports = Vec::new();
    for (agent, args) in [("tiny <b>", &["--max-message", "8"][..]), ("whole", &[])] {
        let server = serve(args);
        let report = folder.join(format!("{}.json", reports.len()));
        let test =
            ["test", "server", &server.url, "--agent", agent, "--case", "1.1,5.19,HSS-00*,PMN-00*", "--json"];
        let status = Command::new(BOWSPRIT)
            .args(test)
            .arg(&report)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().code().is_some());
        reports.push(report);
    }
    let page = folder.join("report.html");
    let status = Command::new(BOWSPRIT).args(["test", "report", "--html"]).arg(&page).args(&reports).status();
    assert!(status.unwrap().success());
    format!("file://{}", page.display())
}

/// Returns each visible row: its id, and its verdicts by agent.
const ROWS: &str = "return [...document.querySelectorAll('#all .row')].filter(row => !row.hidden)
    .map(row => [row.querySelector('.id').textContent,
        ...[...row.querySelectorAll('.verdicts > *')].map(verdict => verdict.textContent)])";

#[test]
fn the_report_shows_filters_and_explains_and_loads_nothing() {
    let Some(driver) = Driver::start() else { return };
    driver.go(&page());
    let run =
        |script: &str| driver.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }));
    let rows = || -> Vec<Vec<String>> { serde_json::from_value(run(ROWS)).unwrap() };
    let filter = |words: &str, differ: bool| {
        run(&format!(
            "const element = id => document.getElementById(id);
             element('find').value = {words:?};
             element('differ').checked = {differ};
             element('find').dispatchEvent(new Event('input', {{ bubbles: true }}))"
        ));
        rows()
    };

    // Every case, both agents, markup as text.
    let all = rows();
    assert!(all.len() > 20, "{all:?}");
    let agents = run("return [...document.querySelectorAll('.agent b')].map(agent => agent.innerText)");
    assert_eq!(agents, json!(["tiny <b>", "whole"]));
    let verdicts =
        |id: &str| all.iter().find(|row| row[0] == id).map(|row| (row[1].as_str(), row[2].as_str()));
    assert!(
        verdicts("1.1.2").is_some_and(|(tiny, whole)| tiny.starts_with("FAILED") && whole == "OK"),
        "{all:?}"
    );
    assert_eq!(verdicts("1.1.1"), Some(("OK", "OK")), "{all:?}");

    // How many passed, section by section.
    let counts = run("return [...document.querySelector('.theme').querySelectorAll('summary .verdicts > *')]
         .map(count => count.textContent.trim())");
    assert_eq!(counts, json!(["1 of 8", "8 of 8"]));

    // What did not pass comes first and is open, with what crossed the wire.
    let failed =
        run("return [...document.querySelectorAll('.cause[open] .case')].map(one => one.textContent)");
    let failed: Vec<String> = serde_json::from_value(failed).unwrap();
    let failed = failed.iter().find(|case| case.contains("1.1.2")).expect("it failed");
    for told in ["RFC 6455", "1009", "HTTP/1.1 101", "--case 1.1.2", "expected"] {
        assert!(failed.contains(told), "{told}: {failed}");
    }

    // The filters.
    let found = filter("1.1.2", false);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = filter("hss-00", false);
    assert!(!found.is_empty() && found.iter().all(|row| row[0].starts_with("HSS-00")), "{found:?}");
    let found = filter("", true);
    assert!(!found.is_empty() && found.iter().all(|row| row[1] != row[2]), "{found:?}");
    assert_eq!(filter("nothing is called that", false).len(), 0);
    assert_eq!(filter("", false), all);

    // What a verdict rests on opens below its case, and closes again.
    let open = "const row = [...document.querySelectorAll('#all .row')]
            .find(row => row.querySelector('.id').textContent === '1.1.2');
        row.querySelector('button').click();
        const more = row.querySelector('.more');
        return more && more.textContent";
    let more = run(open);
    assert!(more.as_str().expect("it opens").contains("RFC 6455"), "{more}");
    assert_eq!(run(open), Value::Null, "it closes");

    // Nothing was fetched, and nothing in it could be.
    assert_eq!(run("return performance.getEntriesByType('resource').length"), json!(0));
    assert_eq!(run("return document.querySelectorAll('[src], link, img, iframe').length"), json!(0));
}
