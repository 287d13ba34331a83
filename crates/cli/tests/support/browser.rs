//! Headless Chromium, driven through ChromeDriver.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::installed::skip;
use crate::support::command::Running;

/// A browser takes its time to start on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// ChromeDriver with one session of Chromium.
pub(crate) struct Driver {
    _process: Running,
    port: u16,
    session: String,
}

impl Driver {
    pub(crate) fn start() -> Option<Self> {
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
        let wanted = json!({
            "goog:chromeOptions": options,
            "timeouts": { "script": LONG.as_millis() as u64 },
            // A test makes its own authority.
            "acceptInsecureCerts": true,
        });
        let capabilities = json!({ "capabilities": { "alwaysMatch": wanted } });
        let session = driver.request("POST", "/session", &capabilities);
        driver.session = session["sessionId"].as_str()?.to_owned();
        Some(driver)
    }

    /// Opens a page.
    pub(crate) fn go(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// Runs a script that passes its result to its last argument.
    pub(crate) fn run(&self, script: &str, args: Value) -> Value {
        self.command("POST", "/execute/async", &json!({ "script": script, "args": args }))
    }

    /// Runs a script that returns its result.
    pub(crate) fn ask(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Sends a command to the session.
    pub(crate) fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.request(method, &format!("/session/{}{path}", self.session), body)
    }

    /// Sends a WebDriver request, which is JSON over HTTP.
    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
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
        let good = line.starts_with("HTTP/1.1 200");
        while line.trim_end() != "" {
            line.clear();
            response.read_line(&mut line).unwrap();
            if let Some((_, value)) = line.to_ascii_lowercase().split_once("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        response.read_exact(&mut body).unwrap();
        assert!(good, "{path}: {}", String::from_utf8_lossy(&body));
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
