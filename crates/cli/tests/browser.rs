//! The page of `bowsprit serve` in headless Chromium, driven through ChromeDriver.
//!
//! Says so and passes where they are not installed, unless `BOWSPRIT_REQUIRE_PEERS` is set.

#![cfg(unix)]

mod support;

#[path = "support/browser.rs"]
mod browser;
#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::process::Command;

use browser::Driver;
use certificates::Authority;
use serde_json::{Value, json};
use support::command::{BOWSPRIT, Running, serve};

/// Helpers in front of each script: an element, a wait for something to become true, the newest row of a kind.
const PRELUDE: &str = r##"
    const element = (id) => document.getElementById(id);
    const done = arguments[arguments.length - 1];
    const when = (ready, then) => ready() ? then() : setTimeout(() => when(ready, then), 10);
    const open = (then) => when(() => element("state").textContent === "open", then);
    const cells = (row) => Array.from(row.cells, (cell) => cell.textContent);
    const pick = (kind) => document.querySelector(`[name=kind][value=${kind}]`).click();
    const type = (id, text) => { element(id).value = text; element("send").click(); };
    const rows = (which) => Array.from(document.querySelectorAll(`#log .${which}`));
"##;

/// Sends a text, reads what comes back, and how long it took.
const TEXT: &str = r##"
    open(() => {
        type("text", arguments[0]);
        when(() => rows("received").length === 1, () => {
            const [time, direction, kind, size, content] = cells(rows("received")[0]);
            done({ time, direction, kind, size, content, sent: cells(rows("sent")[0]).slice(1),
                   markup: document.querySelectorAll("#log b").length, rtt: element("rtt").textContent,
                   counts: [element("sent").textContent, element("received").textContent],
                   mode: element("mode").textContent, chat: !element("talk").hidden });
        });
    });
"##;

/// Sends bytes, typed and from a file, and the eight that measure; and what is no hexadecimal digit.
const BINARY: &str = r##"
    open(() => {
        pick("hex");
        type("hex", "de ad be e");
        when(() => !element("fault").hidden, () => {
            const invalid = element("hex").getAttribute("aria-invalid");
            type("hex", "0xDE:ad be-ef");
            const file = new DataTransfer();
            file.items.add(new File([Uint8Array.from({ length: 3000 }, (_, at) => at)], "some.bin"));
            pick("file");
            element("file").files = file.files;
            element("send").click();
            when(() => rows("received").length === 2, () => {
                element("measure").click();
                when(() => rows("received").length === 3, () => done({
                    invalid,
                    fault: element("fault").hidden,
                    received: rows("received").map((row) => cells(row).slice(1)).reverse(),
                }));
            });
        });
    });
"##;

/// Ends the connection and opens it again.
const TOGGLE: &str = r##"
    open(() => {
        element("toggle").click();
        when(() => element("state").textContent === "closed", () => {
            const told = cells(rows("note")[0])[4];
            const off = [element("send").disabled, element("measure").disabled, element("url").readOnly];
            element("toggle").click();
            open(() => done({ told, off, on: element("send").disabled }));
        });
    });
"##;

/// An address that is none, then one where nobody is.
const NOBODY: &str = r##"
    open(() => {
        element("toggle").click();
        when(() => element("state").textContent === "closed", () => {
            element("url").value = "ftp://example.com/";
            element("toggle").click();
            const fault = element("url-fault").textContent;
            element("url").value = arguments[0];
            element("toggle").click();
            when(() => cells(rows("note")[0])[4].startsWith("closed with 1006"), () => done([fault !== "",
                element("url-fault").hidden, element("state").textContent]));
        });
    });
"##;

const SAY: &str = r##" open(() => { type("text", arguments[0]); done(null); }); "##;

/// What the chat shows, once there are so many lines of others.
const CHAT: &str = r##"
    const lines = (which) => Array.from(document.querySelectorAll(`#chat .${which}`), (line) => line.firstChild.data);
    when(() => lines("received").length === arguments[0], () => done({
        own: lines("sent"), others: lines("received"), mode: element("mode").textContent,
        measure: element("measure").disabled, markup: document.querySelectorAll("#chat b").length,
    }));
"##;

#[test]
fn the_page_talks_to_its_server() {
    let Some(driver) = Driver::start() else { return };
    let server = serve(&[]);
    let page = server.url.replacen("ws:", "http:", 1);
    driver.go(&page);
    // Markup stays text, in both directions.
    let text = "κόσμε <b>bold</b>";
    let told = run(&driver, TEXT, json!([text]));
    assert_eq!(told["sent"], json!(["↑ sent", "text", "22", text]));
    assert_eq!([&told["direction"], &told["kind"], &told["size"]], ["↓ received", "text", "22"]);
    assert_eq!((&told["content"], &told["markup"]), (&json!(text), &json!(0)));
    assert_eq!(told["counts"], json!(["1 (22 bytes)", "1 (22 bytes)"]));
    assert_eq!((&told["mode"], &told["chat"]), (&json!("echo"), &json!(false)));
    let time = told["time"].as_str().unwrap();
    assert!(time.len() == 12 && time.split([':', '.']).all(|part| part.parse::<u32>().is_ok()), "{time}");
    let rtt = told["rtt"].as_str().unwrap();
    assert!(rtt.strip_suffix(" ms").unwrap().parse::<f64>().unwrap() >= 0.0, "{rtt}");

    driver.go(&page);
    let told = run(&driver, BINARY, json!([]));
    assert_eq!((&told["invalid"], &told["fault"]), (&json!("true"), &json!(true)));
    let received = told["received"].as_array().unwrap();
    assert_eq!(received[0], json!(["↓ received", "binary", "4", "de ad be ef"]));
    assert_eq!((&received[1][1], &received[1][2]), (&json!("binary"), &json!("3000")));
    assert!(received[1][3].as_str().unwrap().starts_with("00 01 02 03 "));
    assert_eq!((&received[2][1], &received[2][2]), (&json!("binary"), &json!("8")));

    driver.go(&page);
    let told = run(&driver, TOGGLE, json!([]));
    assert_eq!(told, json!({ "told": "closed with 1000", "off": [true, true, false], "on": false }));

    driver.go(&page);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = run(&driver, NOBODY, json!([format!("ws://{nobody}/")]));
    assert_eq!(told, json!([true, true, "closed"]));
}

#[test]
fn two_tabs_chat_through_a_relay() {
    let Some(driver) = Driver::start() else { return };
    let server = serve(&["--mode", "relay", "--threads", "2"]);
    let page = server.url.replacen("ws:", "http:", 1);
    driver.go(&page);
    let first = driver.command("GET", "/window", &json!(null));
    let second = driver.command("POST", "/window/new", &json!({ "type": "tab" }))["handle"].clone();
    let to = |tab: &Value| driver.command("POST", "/window", &json!({ "handle": tab }));
    to(&second);
    driver.go(&page);
    run(&driver, SAY, json!(["hello from <b>two</b>"]));
    to(&first);
    run(&driver, CHAT, json!([1]));
    run(&driver, SAY, json!(["and from one"]));
    let told = run(&driver, CHAT, json!([1]));
    let expected = |own: &str, others: &str| json!({ "own": [own], "others": [others], "mode": "relay", "measure": true, "markup": 0 });
    assert_eq!(told, expected("and from one", "hello from <b>two</b>"));
    to(&second);
    let told = run(&driver, CHAT, json!([1]));
    assert_eq!(told, expected("hello from <b>two</b>", "and from one"));
}

/// Runs a script that tells when it is done.
fn run(driver: &Driver, script: &str, args: Value) -> Value {
    driver.run(&format!("{PRELUDE}{script}"), args)
}

/// Under https the page uses wss, and is of the same origin there too.
#[test]
fn the_page_works_under_tls() {
    let Some(driver) = Driver::start() else { return };
    let identity = Authority::new().issue(&["localhost"]);
    let folder = std::env::temp_dir().join(format!("bowsprit-browser-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain, identity.certificate_pem).unwrap();
    std::fs::write(&key, identity.key_pem).unwrap();
    let mut command = Command::new(BOWSPRIT);
    command.args(["serve", "--listen", "127.0.0.1:0", "--tls-cert"]).arg(&chain).arg("--tls-key").arg(&key);
    let mut server = Running::start(&mut command);
    let url = server.first_line();
    std::fs::remove_dir_all(&folder).unwrap();
    driver.go(&url.replacen("wss://127.0.0.1", "https://localhost", 1));
    let told = run(&driver, TEXT, json!(["under TLS"]));
    assert_eq!(told["sent"], json!(["↑ sent", "text", "9", "under TLS"]));
    assert_eq!(told["content"], "under TLS");
}
