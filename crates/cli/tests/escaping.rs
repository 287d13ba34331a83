//! Text of peers and files is shown to users only as text and never acts on anything; and passwords in URLs are never
//! shown.

#![cfg(unix)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use bowsprit_lab::escape::acts;
use serde_json::{Value, json};
use support::command::{BOWSPRIT, serve};
use support::port::reserved;

/// Every character that acts on the text around it except NUL, which no argument can hold.
fn hostile() -> String {
    let characters = ('\u{1}'..='\u{ffff}').chain('\u{e0000}'..='\u{e007f}').filter(|c| acts(*c));
    characters.collect()
}

/// Ends by itself; the lab bounds its time.
fn bowsprit(args: &[&str]) -> Output {
    Command::new(BOWSPRIT).args(args).stdin(Stdio::null()).output().unwrap()
}

fn assert_harmless(what: &str, output: &[u8]) {
    let text = str::from_utf8(output).unwrap();
    let found = text.chars().find(|c| acts(*c) && !matches!(c, '\n' | '\t'));
    assert_eq!(found, None, "{what}");
}

fn assert_says(what: &str, args: &[&str], exit: i32) -> String {
    let output = bowsprit(args);
    assert_harmless(what, &output.stdout);
    assert_harmless(what, &output.stderr);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{what}: {text}");
    text
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Puts hostile text into every string but those whose value has a meaning.
fn poison(value: &mut Value) {
    match value {
        Value::String(text) => text.push_str(&hostile()),
        Value::Array(values) => values.iter_mut().for_each(poison),
        Value::Object(members) => {
            for (name, value) in members {
                if !matches!(
                    &**name,
                    "behaviour" | "close" | "side" | "kind" | "bytes" | "payload" | "unit" | "format"
                ) {
                    poison(value);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn an_agent_that_calls_itself_something_hostile_acts_on_nothing() {
    let folder = folder("hostile-agent");
    let files = ["--json", "--junit", "--markdown", "--html", "--index", "--sarif", "--annotations"];
    let paths = files.map(|flag| folder.join(flag.trim_start_matches('-')).display().to_string());
    let mut args = vec!["test", "client", "--listen", "127.0.0.1:0", "--case", "1.1.1", "--idle", "1"];
    files.iter().zip(&paths).for_each(|(flag, path)| args.extend([*flag, path]));
    let mut child = Command::new(BOWSPRIT)
        .args(&args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("//").unwrap().1.to_owned();
    let agent: String = hostile().bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut client = TcpStream::connect(&address).unwrap();
    let request = format!(
        "GET /runCase?case=1&agent={agent} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.write_all(request.as_bytes()).unwrap();
    let _ = client.read(&mut [0; 1000]);
    drop(client);
    let mut told = Vec::new();
    stderr.read_to_end(&mut told).unwrap();
    assert_harmless("stderr", &told);
    let output = child.wait_with_output().unwrap();
    assert!(str::from_utf8(&output.stdout).unwrap().contains("\\u{202e}"), "the agent is named");
    assert_harmless("stdout", &output.stdout);
    for path in &paths {
        assert_harmless(path, &fs::read(path).unwrap());
    }
}

#[test]
fn what_files_hold_acts_on_nothing() {
    let folder = folder("hostile-files");
    let path = |name: &str| folder.join(name).display().to_string();
    let write = |name: &str, text: &str| {
        fs::write(path(name), text).unwrap();
        path(name)
    };
    let server = serve(&[]);
    let small = serve(&["--max-message", "8"]);
    let report = path("report.json");
    assert_says("a run", &["test", "server", &small.url, "--case", "1.1.*", "--json", &report], 1);

    // A report of somebody else's.
    let mut value: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    poison(&mut value);
    let hostile_report = write("hostile.json", &value.to_string());
    assert_says("test report", &["test", "report", &hostile_report], 0);
    for (flag, name) in [("--markdown", "a.md"), ("--html", "a.html")] {
        assert_says(flag, &["test", "report", &hostile_report, flag, &path(name)], 0);
        assert_harmless(name, &fs::read(path(name)).unwrap());
    }
    assert_says("--rerun-failed", &["test", "server", &server.url, "--rerun-failed", &hostile_report], 2);

    // A baseline.
    let reasons = hostile().replace(['\n', '\r'], "");
    let baseline = write("baseline", &format!("1.1.2 {reasons}\n1.1.1 {reasons}\n"));
    let args = ["test", "server", &small.url, "--case", "1.1.1,1.1.2", "--baseline", &baseline];
    assert_says("--baseline", &args, 0);
    let broken = write("broken", &reasons.replace(char::is_whitespace, ""));
    assert_says(
        "a broken --baseline",
        &["test", "server", &server.url, "--case", "1.1.1", "--baseline", &broken],
        2,
    );

    // A finding of the fuzzer.
    let mut trace = json!({
        "side": "server", "place": server.url, "seed": 1, "number": 1, "reproduced": true, "unasked": "no",
        "finding": { "kind": "peer-broke-rule", "rule": "a", "section": "b", "what": "c" },
        "was": [1, 1], "timeout": 100, "echo": true, "received": ["x"],
        "script": {
            "opening": { "lines": ["GET {target} HTTP/1.1"], "wrong": { "what": "a", "section": "b" } },
            "steps": [{ "bytes": "00" }],
        },
    });
    let good = write("good-trace.json", &trace.to_string());
    assert_says("a good trace", &["replay", "--show", &good], 0);
    poison(&mut trace);
    let trace = write("trace.json", &trace.to_string());
    assert!(assert_says("replay --show", &["replay", "--show", &trace], 0).contains("\\u{202e}"));
    let output = bowsprit(&["replay", &trace]);
    assert_harmless("replay", &[output.stdout, output.stderr].concat());
}

#[test]
fn a_password_in_a_url_is_told_to_nobody() {
    let folder = folder("passwords");
    let path = |name: &str| folder.join(name).display().to_string();
    let server = serve(&["--max-message", "8"]);
    let url = server.url.replacen("ws://", "ws://user:s3cret@", 1);
    let mut told = String::new();
    let files = ["--json", "--junit", "--markdown", "--html", "--index", "--sarif", "--annotations"];
    let paths = files.map(|flag| path(flag.trim_start_matches('-')));
    let mut args = vec!["test", "server", &url, "--case", "1.1.2", "-v"];
    files.iter().zip(&paths).for_each(|(flag, path)| args.extend([*flag, path]));
    told += &assert_says("test", &args, 1);
    for path in &paths {
        told += &fs::read_to_string(path).unwrap();
    }
    for json in [&[][..], &["--json"]] {
        let traces = path("traces");
        let fuzz = [
            "fuzz",
            "server",
            &url,
            "--count",
            "20",
            "--findings",
            "1",
            "--minimise",
            "0",
            "--traces",
            &traces,
        ];
        let output = bowsprit(&[&fuzz[..], json].concat());
        told += &String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        for file in fs::read_dir(&traces).into_iter().flatten() {
            told += &fs::read_to_string(file.unwrap().path()).unwrap();
        }
        let output = bowsprit(&[&["bench", &url, "--time", "0.2s", "--connections", "1"], json].concat());
        told += &String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    }
    assert!(told.contains(server.url.trim_start_matches("ws://")), "the server is named");
    // Nobody there, and URLs that are none.
    let nobody = reserved();
    for url in [
        &format!("ws://user:s3cret@{nobody}/"),
        "ws://user:s3cret@h:99999/",
        "http://user:s3cret@h/",
        "ws://user:s3cret@h x/",
    ] {
        for command in [&["test", "server"][..], &["fuzz", "server"], &["bench"]] {
            let output = bowsprit(&[command, &[url]].concat());
            assert!(!output.status.success(), "{command:?} {url}");
            told += &String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        }
    }
    assert!(
        !told.contains("s3cret"),
        "{}",
        told.lines().find(|line| line.contains("s3cret")).unwrap_or_default()
    );
}

/// A server that names itself in its refusal.
#[test]
fn a_refusal_acts_on_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let reason: Vec<u8> = hostile().bytes().filter(|byte| *byte >= b' ' && *byte != 0x7f).collect();
            let body = hostile();
            let length = body.len().to_string();
            let head = [
                &b"HTTP/1.1 503 "[..],
                &reason,
                b"\r\nServer: ",
                &reason,
                b"\r\nContent-Type: text/plain\r\nContent-Length: ",
                length.as_bytes(),
                b"\r\n\r\n",
                body.as_bytes(),
            ];
            let _ = stream.write_all(&head.concat());
        }
    });
    for args in [
        &["test", "server", &url, "--case", "1.1.1"][..],
        &["bench", &url, "--time", "0.1s"],
        &["connect", &url, "-v"],
    ] {
        let output = bowsprit(args);
        assert!(!output.status.success());
        assert_harmless(args[0], &[output.stdout, output.stderr].concat());
    }
}
