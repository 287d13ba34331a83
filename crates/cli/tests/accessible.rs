//! The page of `serve` and the lab's report for people who use a keyboard or a screen reader: rules of axe-core (from
//! npm) in headless Chromium, light and dark, narrow and wide, and the Tab key.
//!
//! A test reports that these are not installed and passes, unless `BOWSPRIT_REQUIRE_PEERS` is set.

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
use support::workspace;

/// Returns the source of axe-core.
fn axe() -> Option<String> {
    let axe = fs::read_to_string(workspace().join("target/peers/node/node_modules/axe-core/axe.min.js"));
    if axe.is_err() {
        installed::skip("npm axe-core", "run tests/peers/install");
    }
    axe.ok()
}

/// Returns each violation: the rule, why, and where.
const CHECK: &str = r##"
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ["violations"] }).then((results) => done({
        passes: results.passes.length,
        violations: results.violations.flatMap((rule) =>
            rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 120)}: ${node.failureSummary}`)),
    }));
"##;

/// Each width and each colour scheme.
fn looks(driver: &Driver, mut look: impl FnMut(&str)) {
    for (width, colours) in [(375, "light"), (1100, "dark")] {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let feature = json!({ "name": "prefers-color-scheme", "value": colours });
        for (method, params) in [
            ("Emulation.setDeviceMetricsOverride", size),
            ("Emulation.setEmulatedMedia", json!({ "features": [feature] })),
        ] {
            driver.command("POST", "/goog/cdp/execute", &json!({ "cmd": method, "params": params }));
        }
        look(&format!("{width} px, {colours}"));
    }
}

fn assert_sound(driver: &Driver, axe: &str, what: &str) {
    driver.ask(axe);
    let found = driver.run(CHECK, json!([]));
    assert_eq!(found["violations"], json!([]), "{what}");
    assert!(found["passes"].as_u64().unwrap() > 10, "{what}: axe has looked at the page: {found}");
}

/// A page in use: messages of each kind, long ones folded, hidden parts opened, invalid input typed.
const USE: &str = r##"
    const done = arguments[arguments.length - 1];
    const element = (id) => document.getElementById(id);
    const when = (ready, then) => ready() ? then() : setTimeout(() => when(ready, then), 10);
    const type = (id, text) => { element(id).value = text; element("send").click(); };
    when(() => element("state").textContent === "open", () => {
        type("text", "hello");
        type("text", JSON.stringify({ a: [1, 2] }));
        type("text", "long ".repeat(700));
        document.querySelector("[name=kind][value=hex]").click();
        type("hex", "de ad");
        type("hex", "de a");
        document.querySelector("details").open = true;
        when(() => document.querySelectorAll("#log .received").length === 4, () => done(null));
    });
"##;

/// A page that shows why there is no link to other servers.
const AWAY: &str = r##"
    const done = arguments[arguments.length - 1];
    const look = () => document.getElementById("others-why").hidden ? setTimeout(look, 10) : done(null);
    look();
"##;

#[test]
fn the_page_can_be_heard() {
    let (Some(driver), Some(axe)) = (Driver::start(), axe()) else { return };
    // An engine that nobody listens for: the page says so.
    let backplane = ["--mode", "relay", "--backplane", "redis://127.0.0.1:1/test"];
    for args in [&["--mode", "echo"][..], &["--mode", "relay"], &backplane] {
        let (mode, server) = (args[1], serve(args));
        let page = server.url.replacen("ws:", "http:", 1);
        looks(&driver, |look| {
            driver.go(&page);
            if mode == "echo" {
                driver.run(USE, json!([]));
            }
            if args.len() > 2 {
                driver.run(AWAY, json!([]));
            }
            assert_sound(&driver, &axe, &format!("{args:?}, {look}"));
        });
    }
}

#[test]
fn the_report_can_be_heard() {
    let (Some(driver), Some(axe)) = (Driver::start(), axe()) else { return };
    let server = serve(&["--max-message", "1000"]);
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("accessible.html");
    let mut test = Command::new(BOWSPRIT);
    test.args(["test", "server", &server.url, "--case", "1,7.5,HSS-00*", "--html"]).arg(&page);
    test.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let conversation = Path::new(env!("CARGO_TARGET_TMPDIR")).join("accessible-decode.html");
    let mut decode = Command::new(BOWSPRIT);
    let decoded =
        decode.args(["decode", "--html", "81", "05", "48", "65", "6c", "6c", "6f", "83"]).output().unwrap();
    fs::write(&conversation, decoded.stdout).unwrap();
    looks(&driver, |look| {
        driver.go(&format!("file://{}", conversation.display()));
        assert_sound(&driver, &axe, &format!("{look}, a conversation"));
        driver.go(&format!("file://{}", page.display()));
        assert_sound(&driver, &axe, look);
        driver.ask("document.querySelectorAll('details').forEach((one) => one.open = true)");
        assert_sound(&driver, &axe, &format!("{look}, all opened"));
    });
}

/// Returns which elements get the focus, one Tab after the other, until the first one has it again.
fn tabbed(driver: &Driver) -> Vec<String> {
    const FOCUS: &str = "const one = document.activeElement, style = getComputedStyle(one);
        return [one.id || one.textContent.trim().slice(0, 40) || one.tagName,
            one === document.body || style.outlineStyle !== 'none' || style.boxShadow !== 'none'];";
    let mut all = Vec::new();
    for _ in 0..60 {
        for kind in ["rawKeyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
            driver.command(
                "POST",
                "/goog/cdp/execute",
                &json!({ "cmd": "Input.dispatchKeyEvent", "params": key }),
            );
        }
        let Value::Array(told) = driver.ask(FOCUS) else { panic!("two values") };
        let name = told[0].as_str().unwrap().to_owned();
        assert_eq!(told[1], true, "{name} shows that it has the focus");
        if all.first() == Some(&name) {
            break;
        }
        all.push(name);
    }
    all
}

/// Without a mouse: each field and button in the order of the page, and a message sent by Enter.
#[test]
fn the_page_can_be_used_by_keyboard() {
    let Some(driver) = Driver::start() else { return };
    let server = serve(&[]);
    driver.go(&server.url.replacen("ws:", "http:", 1));
    driver.run(USE, json!([]));
    driver.ask("document.querySelector('[name=kind][value=text]').click(); document.activeElement.blur(); window.getSelection().removeAllRanges(); document.body.focus()");
    // They go round in a ring, wherever it was entered.
    let mut order = tabbed(&driver);
    let first = order.iter().position(|seen| seen == "url").expect("the URL has its turn");
    order.rotate_left(first);
    let expected = [
        "url",
        "toggle",
        "protocols",
        "code",
        "reason",
        "again",
        "measure",
        "text",
        "send",
        "filter",
        "clear",
        "frames",
    ];
    let mut at = order.iter();
    for id in expected {
        assert!(at.any(|seen| seen == id), "{id} does not come in its turn: {order:?}");
    }
    for folded in ["Lay out", "Show all"] {
        assert!(order.iter().any(|seen| seen.contains(folded)), "{folded}: {order:?}");
    }
    driver.ask("document.getElementById('text').focus()");
    for (kind, key) in [
        ("char", json!({ "text": "k" })),
        ("keyDown", json!({ "text": "\r", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13 })),
    ] {
        let mut params = key;
        params["type"] = json!(kind);
        driver.command(
            "POST",
            "/goog/cdp/execute",
            &json!({ "cmd": "Input.dispatchKeyEvent", "params": params }),
        );
    }
    let seen = driver.run(
        "const done = arguments[0];
         const look = () => {
             const rows = [...document.querySelectorAll('#log .received')].map((row) => row.cells[4].textContent);
             rows.includes('k') ? done(true) : setTimeout(look, 10);
         };
         look();",
        json!([]),
    );
    assert_eq!(seen, true);
}
