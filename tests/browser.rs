//! The page of `bowsprit serve` in headless Chromium, driven through ChromeDriver.
//!
//! Says so and passes where they are not installed, unless `BOWSPRIT_REQUIRE_PEERS` is set.

#![cfg(all(feature = "cli", unix))]

mod support;

#[path = "support/installed.rs"]
mod installed;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use installed::skip;
use serde_json::{Value, json};
use support::command::{Running, serve};
use support::peer::PATIENCE;

/// What a person does with the page: waits until it is connected, sends a text, reads what comes back.
const SAY_AND_READ: &str = r##"
    const [text, done] = arguments;
    const element = (id) => document.getElementById(id);
    const when = (ready, then) => ready() ? then() : setTimeout(() => when(ready, then), 10);
    if (element("state").textContent === "closed") element("toggle").click();
    when(() => element("state").textContent === "open", () => {
        element("text").value = text;
        element("send").click();
        const received = () => document.querySelector("#log .received");
        when(received, () => done([received().textContent, document.querySelectorAll("#log b").length]));
    });
"##;

#[test]
fn the_page_talks_to_its_server() {
    let Some(driver) = Driver::start() else { return };
    let server = serve(&[]);
    driver.command("POST", "/url", &json!({ "url": server.url.replacen("ws:", "http:", 1) }));
    // Markup stays text, in both directions.
    let text = "κόσμε <b>bold</b>";
    let answer = driver.command("POST", "/execute/async", &json!({ "script": SAY_AND_READ, "args": [text] }));
    assert_eq!(answer, json!([text, 0]));
}

/// ChromeDriver with one session of Chromium.
struct Driver {
    _process: Running,
    port: u16,
    session: String,
}

impl Driver {
    fn start() -> Option<Self> {
        let chromium = ["chromium", "chromium-browser"].into_iter().find(|name| is_there(name));
        let (Some(chromium), true) = (chromium, is_there("chromedriver")) else {
            skip("Chromium with ChromeDriver", "apt-get install chromium chromium-driver");
            return None;
        };
        let mut process = Running::start(Command::new("chromedriver").arg("--port=0"));
        // The pipe stays open for what it says later.
        let port = BufReader::new(process.stdout()).lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        })?;
        let mut driver = Self { _process: process, port, session: String::new() };
        // Chromium's sandbox does not work for root, as which tests often run in a container.
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let options = json!({ "binary": which(chromium), "args": args });
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = driver.request("POST", "/session", &capabilities);
        driver.session = session["sessionId"].as_str()?.to_owned();
        Some(driver)
    }

    /// A command to the session.
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.request(method, &format!("/session/{}{path}", self.session), body)
    }

    /// The WebDriver protocol: JSON over HTTP.
    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .unwrap();
        // It keeps the connection open, whatever is asked.
        let mut response = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        response.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
        while line.trim_end() != "" {
            line.clear();
            response.read_line(&mut line).unwrap();
            if let Some((_, value)) = line.to_ascii_lowercase().split_once("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        response.read_exact(&mut body).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["value"].take()
    }
}

impl Drop for Driver {
    /// Ends Chromium; ChromeDriver ends with its [`Running`].
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.command("DELETE", "", &json!({}));
        }
    }
}

fn which(program: &str) -> Option<String> {
    let output = Command::new("which").arg(program).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| path.trim().to_owned())
}

fn is_there(program: &str) -> bool {
    which(program).is_some()
}
