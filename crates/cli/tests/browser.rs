//! The page of `bowsprit serve` in headless Chromium, driven through ChromeDriver.
//!
//! A test reports that these are not installed and passes, unless `BOWSPRIT_REQUIRE_PEERS` is set.

#![cfg(unix)]

mod support;

#[path = "support/browser.rs"]
mod browser;
#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../tests/support/engine.rs"]
mod engine;
#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use browser::Driver;
use certificates::Authority;
use serde_json::{Value, json};
use support::command::{BOWSPRIT, Running, serve};
use support::port::reserved;

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

/// Sends a text, and reads what comes back and how long it took.
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

/// An invalid address, then one where nobody listens.
const NOBODY: &str = r##"
    open(() => {
        element("toggle").click();
        when(() => element("state").textContent === "closed", () => {
            element("url").value = "ftp://example.com/";
            element("toggle").click();
            const fault = element("url-fault").textContent;
            element("url").value = arguments[0];
            element("toggle").click();
            when(() => cells(rows("note")[0])[4].startsWith("could not connect"), () => done([fault.startsWith("The URL's scheme"),
                element("url-fault").hidden, element("state").textContent]));
        });
    });
"##;

const SAY: &str = r##" open(() => { type("text", arguments[0]); done(null); }); "##;

/// Returns what the chat shows, once there are this many lines of others.
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
    assert_eq!(
        told,
        json!({ "told": "closed with 1000 (normal end)", "off": [true, true, false], "on": false })
    );

    driver.go(&page);
    let nobody = reserved();
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

/// Runs a script that reports when it is done.
fn run(driver: &Driver, script: &str, args: Value) -> Value {
    driver.run(&format!("{PRELUDE}{script}"), args)
}

/// Under https the page uses wss, and is of the same origin there too. Both are streams of one HTTP/2 connection (RFC 8441).
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
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--tls-cert"])
        .arg(&chain)
        .arg("--tls-key")
        .arg(&key)
        .arg("-v");
    let mut server = Running::start(&mut command);
    let url = server.first_line();
    std::fs::remove_dir_all(&folder).unwrap();
    driver.go(&url.replacen("wss://127.0.0.1", "https://localhost", 1));
    let told = run(&driver, TEXT, json!(["under TLS"]));
    assert_eq!(told["sent"], json!(["↑ sent", "text", "9", "under TLS"]));
    assert_eq!(told["content"], "under TLS");
    let page = driver.ask("return performance.getEntriesByType('navigation')[0].nextHopProtocol");
    assert_eq!(page, "h2");
    server.told(" opened GET / ");
    server.signal("TERM");
    let (code, _, lines) = server.finish();
    assert_eq!(code, 0);
    // TIME ID PEER what: both came from one port of the browser's.
    let peer_of = |what: &str| {
        let line = lines.lines().find(|line| line.contains(what)).unwrap();
        line.split(' ').nth(2).unwrap().parse::<std::net::SocketAddr>().unwrap()
    };
    assert_eq!(peer_of(" answered 200: GET / "), peer_of(" opened GET / "));
}

/// Sends messages of every kind, and opens what is folded.
const SPEAK: &str = r##"
    open(() => {
        type("text", "hello");
        type("text", JSON.stringify({ type: "update", items: [1, 2, { name: "boat", ok: true }] }));
        type("text", "x".repeat(1000) + " words that go on ".repeat(111));
        pick("hex");
        type("hex", "de ad be ef 00 01 02");
        when(() => rows("received").length === 4, () => done(rows("received").map((row) => {
            const cell = row.cells[4];
            return { width: cell.clientWidth, height: row.clientHeight, button: cell.querySelector("button")?.textContent };
        }).reverse()));
    });
"##;

/// Returns whether anything sticks out of the page or of its card, and which fields have no name.
const FITS: &str = r##"
    document.querySelector("details").open = true;
    done({
        over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        sticking: Array.from(document.querySelectorAll(".card *"))
            .filter((part) => part.getBoundingClientRect().right > part.closest(".card").getBoundingClientRect().right)
            .map((part) => part.outerHTML.slice(0, 80)),
        unlabelled: Array.from(document.querySelectorAll("input, textarea, button"))
            .filter((field) => !(field.labels?.length || field.textContent.trim() || field.title)).map((field) => field.id),
    });
"##;

/// Unfolds the JSON, filters, and recalls what was sent.
const UNFOLD: &str = r##"
    const json = rows("received").find((row) => row.cells[4].textContent.includes("update"));
    const button = json.querySelector("button");
    button.click();
    const laidOut = json.querySelector("span").textContent;
    const expanded = button.getAttribute("aria-expanded");
    element("filter").value = "BOAT";
    element("filter").oninput();
    const left = document.querySelectorAll("#log tr:not([hidden])").length;
    element("filter").value = "";
    element("filter").oninput();
    button.click();
    pick("text");
    const up = () => element("text").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", cancelable: true }));
    up(); up(); up();
    const recalled = element("text").value;
    element("text").value = "";
    done({ laidOut, expanded, left, recalled, folded: button.textContent, protocol: element("protocol").textContent });
"##;

/// The page as it looks, narrow and wide, light and dark: nothing sticks out, and nothing long takes all the room. Its
/// pictures are left in the folder for temporary files of tests, under `page`.
#[test]
fn the_page_fits_narrow_and_wide() {
    let Some(driver) = Driver::start() else { return };
    let server = serve(&["--subprotocol", "chat"]);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    let cdp = |method: &str, params: Value| {
        driver.command("POST", "/goog/cdp/execute", &json!({ "cmd": method, "params": params }))
    };
    for (name, width, height) in [("narrow", 375, 812), ("wide", 1280, 900)] {
        for colours in ["light", "dark"] {
            cdp(
                "Emulation.setDeviceMetricsOverride",
                json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": false }),
            );
            let feature = json!({ "name": "prefers-color-scheme", "value": colours });
            cdp("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
            driver.go(&server.url.replacen("ws:", "http:", 1));
            let told = run(&driver, SPEAK, json!([]));
            for (row, button) in
                [(0, json!(null)), (1, json!("Lay out")), (2, json!("Show all")), (3, json!(null))]
            {
                let row = &told[row];
                assert!(row["width"].as_u64().unwrap() >= 250, "{name}: {row}");
                assert!(row["height"].as_u64().unwrap() <= 300, "{name}: {row}");
                assert_eq!(row["button"], button);
            }
            let fits = run(&driver, FITS, json!([]));
            assert_eq!(fits, json!({ "over": 0, "sticking": [], "unlabelled": [] }), "{name}");
            let told = run(&driver, UNFOLD, json!([]));
            let laid_out = "{\n  \"type\": \"update\",\n  \"items\": [\n    1,\n    2,\n    {\n      \"name\": \"boat\",\n      \"ok\": true\n    }\n  ]\n}";
            assert_eq!(told["laidOut"], laid_out);
            assert_eq!((&told["expanded"], &told["left"]), (&json!("true"), &json!(2)));
            assert_eq!((&told["recalled"], &told["folded"]), (&json!("hello"), &json!("Lay out")));
            assert_eq!(told["protocol"], "none");
            // All of it, not only what a screen shows.
            let shot = cdp("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
            let picture = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
            std::fs::write(folder.join(format!("{name}-{colours}.png")), picture).unwrap();
        }
    }
}

const PROTOCOL: &str = r##"
    open(() => {
        element("toggle").click();
        when(() => element("state").textContent === "closed", () => {
            element("protocols").value = "other, chat";
            element("toggle").click();
            open(() => {
                const protocol = element("protocol").textContent;
                element("code").value = "1001";
                element("toggle").click();
                const fault = element("url-fault").textContent;
                element("code").value = "4001";
                element("reason").value = "x".repeat(124);
                element("toggle").click();
                const tooLong = element("url-fault").textContent;
                element("reason").value = "because";
                element("toggle").click();
                when(() => element("state").textContent === "closed", () =>
                    done([protocol, fault, tooLong, cells(rows("note")[0])[4]]));
            });
        });
    });
"##;

#[test]
fn subprotocols_and_close_codes_are_of_ones_choice() {
    let Some(driver) = Driver::start() else { return };
    let server = serve(&["--subprotocol", "chat"]);
    driver.go(&server.url.replacen("ws:", "http:", 1));
    let told = run(&driver, PROTOCOL, json!([]));
    let faults = ["A page may close with 1000 or 3000 to 4999.", "A reason has at most 123 bytes."];
    assert_eq!(told, json!(["chat", faults[0], faults[1], "closed with 4001 (a code of the application)"]));
}

/// Waits until the page shows this about the backplane, and returns everything that it shows about it.
const OTHERS: &str = r##"
    const [state, received, why] = arguments;
    const shown = (name) => element(`others-${name}`).textContent;
    const has = () => shown("state") === state && shown("why").includes(why)
        && (!received || Number(shown("received")) >= received);
    when(has, () => done({
        hidden: element("others").hidden, markup: document.querySelectorAll("#others b").length,
        why: shown("why"), servers: shown("servers"), clients: shown("clients"), lost: shown("lost"),
    }));
"##;

/// The page shows the link to other servers, and the engine's messages as text.
#[test]
fn other_servers_are_shown() {
    let Some(driver) = Driver::start() else { return };
    let Some(redis) = engine::Server::start(engine::KINDS[0], &[]) else { return };
    let url = redis.url();
    let servers = [(); 2].map(|()| serve(&["--mode", "relay", "--backplane", &url]));
    let mut there = support::peer::Peer::open(servers[1].address);
    driver.go(&servers[0].url.replacen("ws:", "http:", 1));
    let told = run(&driver, OTHERS, json!(["up", 0, ""]));
    assert_eq!((&told["hidden"], &told["why"], &told["lost"]), (&json!(false), &json!(""), &json!("0")));
    there.text("from elsewhere");
    let told = run(&driver, OTHERS, json!(["up", 1, ""]));
    assert_eq!((&told["servers"], &told["clients"]), (&json!("2"), &json!("2")));
    // An engine that says what it likes, each time that it is asked.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/test", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut peer = support::peer::Peer::of(stream.unwrap());
            while peer.read().is_ok_and(|len| len > 0) {
                let _ = std::io::Write::write_all(&mut peer.stream, b"-ERR <b>bold</b> words\r\n");
            }
        }
    });
    let server = serve(&["--mode", "relay", "--backplane", &url]);
    driver.go(&server.url.replacen("ws:", "http:", 1));
    let told = run(&driver, OTHERS, json!(["down", 0, "<b>bold</b> words"]));
    assert_eq!(told["markup"], 0, "{told}");
}
