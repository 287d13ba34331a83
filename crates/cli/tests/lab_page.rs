//! The HTML report of the lab in headless Chromium: it opens from a file, loads nothing, filters, opens wire logs.
//!
//! Says so and passes where Chromium is not installed, unless `BOWSPRIT_REQUIRE_PEERS` is set.

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

/// The page of two runs side by side: a server that takes eight bytes at most, and one that takes all.
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

/// Each row that is shown: its id, and its verdicts by agent.
const ROWS: &str =
    "return [...document.querySelectorAll('#body tr[data-id]')].filter(row => row.checkVisibility())
    .map(row => [row.dataset.id, ...[...row.querySelectorAll('td.v')].map(cell => cell.innerText.trim())])";

#[test]
fn the_report_shows_filters_and_explains_and_loads_nothing() {
    let Some(driver) = Driver::start() else { return };
    driver.go(&page());
    let run =
        |script: &str| driver.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }));
    let rows = || -> Vec<Vec<String>> { serde_json::from_value(run(ROWS)).unwrap() };
    let filter = |words: &str, bad: bool, differ: bool| {
        run(&format!(
            "const element = id => document.getElementById(id);
             element('find').value = {words:?};
             element('bad').checked = {bad};
             element('differ').checked = {differ};
             element('find').dispatchEvent(new Event('input', {{ bubbles: true }}))"
        ));
        rows()
    };

    // The matrix: every case, both agents, markup as text.
    let all = rows();
    assert!(all.len() > 20, "{all:?}");
    let agents = run("return [...document.querySelectorAll('#agents b')].map(agent => agent.innerText)");
    assert_eq!(agents, json!(["tiny <b>", "whole"]));
    assert!(all.contains(&vec!["1.1.2".into(), "FAILED".into(), "OK".into()]), "{all:?}");
    assert!(all.contains(&vec!["1.1.1".into(), "OK".into(), "OK".into()]), "{all:?}");

    // How many passed, section by section.
    let counts = run(
        "return [...document.querySelectorAll('#body th.v')].slice(0, 2).map(cell => cell.innerText.trim())",
    );
    assert_eq!(counts, json!(["1 of 8", "8 passed"]));

    // The filters.
    let found = filter("1.1.2", false, false);
    assert_eq!(found.len(), 1, "{found:?}");
    let found = filter("handshake servers", false, false);
    assert!(!found.is_empty() && found.iter().all(|row| row[0].starts_with("HSS-")), "{found:?}");
    let found = filter("", true, false);
    assert!(found.len() < all.len() && found.iter().all(|row| row[1] != "OK" || row[2] != "OK"), "{found:?}");
    let found = filter("", false, true);
    assert!(!found.is_empty() && found.iter().all(|row| row[1] != row[2]), "{found:?}");
    assert_eq!(filter("nothing is called that", false, false).len(), 0);
    assert_eq!(filter("", false, false), all);

    // The wire log of a case opens below it, and closes again.
    let open = "document.querySelector('tr[data-id=\"1.1.2\"] td.v button').click();
        const detail = document.querySelector('tr.detail');
        return detail && detail.innerText";
    let detail = run(open);
    let detail = detail.as_str().expect("it opens");
    for told in ["RFC 6455", "1009", "HTTP/1.1 101", "--case 1.1.2", "expected"] {
        assert!(detail.contains(told), "{told}: {detail}");
    }
    assert_eq!(run(open), Value::Null, "it closes");

    // Nothing was fetched, and nothing in it could be.
    assert_eq!(run("return performance.getEntriesByType('resource').length"), json!(0));
    assert_eq!(run("return document.querySelectorAll('[src], link, img, iframe').length"), json!(0));
}
