//! `bowsprit fuzz` and `bowsprit replay` as commands: how they end, what they print and save, against correct servers
//! and clients, planted faults, processes that crash, hang and leak, and other people's programs.

#![cfg(target_os = "linux")] // the whole of 127.0.0.0/8 is this machine there

mod support;

#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, thread};

use serde_json::Value;
use support::broken::{self, Fault, Server};
use support::command::{Running, serve};
use support::port::reserved;
use support::workspace;

/// A folder for the traces of one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("bowsprit-fuzz-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Returns the only trace in it.
    fn trace(&self) -> String {
        let files = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let traces: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
        assert_eq!(traces.len(), 1, "{traces:?}");
        traces[0].to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bowsprit(args: &[&str]) -> (i32, String, String) {
    Running::bowsprit(args).finish_within(180)
}

fn fuzz_server(url: &str, folder: &Folder, args: &[&str]) -> (i32, Value) {
    let timeout = if args.contains(&"--timeout") { &[][..] } else { &["--timeout", "5s"] };
    let args = [&["fuzz", "server", url, "--json", "--traces", folder.path()], timeout, args].concat();
    let (code, stdout, stderr) = bowsprit(&args);
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}")))
}

fn kinds(outcome: &Value) -> Vec<&str> {
    outcome["traces"].as_array().unwrap().iter().map(|t| t["finding"]["kind"].as_str().unwrap()).collect()
}

// --- how it ends ------------------------------------------------------------------------------------------------------

#[test]
fn a_count_ends_it_and_nothing_is_found_in_our_own_server() {
    let (server, folder) = (serve(&[]), Folder::new("count"));
    let (code, outcome) =
        fuzz_server(&server.url, &folder, &["--count", "700", "--jobs", "3", "--seed", "5"]);
    assert_eq!((code, &outcome["runs"], &outcome["findings"]), (0, &700.into(), &0.into()), "{outcome:#}");
    assert_eq!((&outcome["seed"], &outcome["first"]), (&5.into(), &0.into()));
    assert!(!folder.0.exists(), "no finding, no file");

    let args = ["fuzz", "server", &server.url, "--count", "10", "--timeout", "5s", "--traces", folder.path()];
    let (code, stdout, stderr) = bowsprit(&args);
    assert!(stdout.starts_with("10 runs in ") && stdout.contains("a second, 0 findings"), "{stdout}");
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn a_time_ends_it() {
    let (server, folder) = (serve(&[]), Folder::new("time"));
    let (code, outcome) = fuzz_server(&server.url, &folder, &["--time", "700ms"]);
    assert_eq!(code, 0, "{outcome:#}");
    assert!(
        outcome["seconds"].as_f64().unwrap() >= 0.7 && outcome["runs"].as_u64().unwrap() > 0,
        "{outcome:#}"
    );
}

#[test]
fn a_signal_ends_it_with_what_was_found_so_far() {
    let (server, folder) = (Server::start(Fault::SetsReservedBits), Folder::new("signal"));
    let url = format!("ws://{}/", server.address);
    let args =
        ["fuzz", "server", &url, "--json", "--time", "10m", "--timeout", "5s", "--traces", folder.path()];
    let running = Running::bowsprit(&args);
    server.wait_for_connections(20);
    running.signal("INT");
    let (code, stdout, _) = running.finish();
    let outcome: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, kinds(&outcome)), (1, vec!["peer-broke-rule"]));
}

#[test]
fn what_cannot_be_done_is_said() {
    let nobody = reserved();
    let url = format!("ws://{nobody}/");
    let folder = Folder::new("usage");
    for (args, expected, says) in [
        (&["fuzz", "server", &url, "--back", "0"][..], 3, "cannot connect to ws://"),
        (&["fuzz", "server", "ftp://127.0.0.1/"], 2, "starts with ws://"),
        (&["fuzz", "server", "http://127.0.0.1/"], 2, "http://127.0.0.1/"),
        (&["fuzz", "server", &url, "--memory", "1M"], 2, "--pid or --start"),
        (&["fuzz", "server", &url, "--start", "exit 7"], 3, "exit status: 7"),
        (&["fuzz", "client", "--listen", "192.0.2.1:1"], 2, "cannot listen on 192.0.2.1:1"),
        (&["replay", "/nowhere/at-all.json"], 2, "/nowhere/at-all.json"),
        (&["replay", "Cargo.toml"], 2, "Cargo.toml holds no finding"),
    ] {
        let traces = ["--traces", folder.path()];
        let args = if args[0] == "fuzz" { [args, &traces].concat() } else { args.to_vec() };
        let (code, stdout, stderr) = bowsprit(&args);
        assert_eq!((code, stdout.as_str()), (expected, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(says), "{args:?}: {stderr}");
    }
}

// --- findings ---------------------------------------------------------------------------------------------------------

#[test]
fn the_first_finding_ends_it_and_is_saved_shown_and_played_again() {
    let (server, folder) = (Server::start(Fault::TakesLongForms), Folder::new("first"));
    let url = format!("ws://{}/", server.address);
    let (code, outcome) = fuzz_server(&url, &folder, &["--findings", "1", "--count", "4000"]);
    assert_eq!((code, &outcome["findings"]), (1, &1.into()), "{outcome:#}");
    assert!(outcome["runs"].as_u64().unwrap() < 4000);
    let found = &outcome["traces"][0];
    assert_eq!((&found["finding"]["section"], &found["reproduced"]), (&"RFC 6455 §5.2".into(), &true.into()));
    let file = folder.trace();
    assert_eq!(outcome["files"], serde_json::json!([file]));
    assert_eq!(&serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()).unwrap(), found);

    // In text a line says how to see it again.
    let elsewhere = Folder::new("text");
    let args = ["fuzz", "server", &url, "--findings", "1", "--timeout", "5s", "--minimise", "1"];
    let (_, shown, _) = bowsprit(&[&args[..], &["--traces", elsewhere.path()]].concat());
    let again = format!("\n  again     bowsprit replay {}\n\n", elsewhere.trace());
    assert!(shown.contains(&again), "{shown}");

    // The iteration by its number, alone and of itself.
    let (number, elsewhere) = (found["number"].to_string(), Folder::new("number"));
    let (code, again) = fuzz_server(&url, &elsewhere, &["--first", &number, "--count", "1"]);
    assert_eq!((code, &again["runs"], again["traces"].as_array().unwrap().len()), (1, &1.into(), 1));
    assert_eq!(again["traces"][0]["finding"]["section"], found["finding"]["section"]);

    // In words, to the server it was found in, and to one that is right.
    let (code, shown, _) = bowsprit(&["replay", "--show", &file]);
    assert!(
        code == 0 && shown.contains("a length is written in its shortest form (RFC 6455 §5.2)"),
        "{shown}"
    );
    let (code, stdout, _) = bowsprit(&["replay", &file]);
    assert!(code == 1 && stdout.contains("  send      "), "{stdout}");
    let right = Server::start(Fault::None);
    let (code, stdout, _) = bowsprit(&["replay", &file, "--url", &format!("ws://{}/", right.address)]);
    assert!(code == 0 && stdout.ends_with("nothing is wrong any more\n"), "{stdout}");
    let (code, _, stderr) =
        bowsprit(&["replay", &file, "--back", "0", "--url", &format!("ws://{}/", reserved())]);
    assert!(code == 3 && !stderr.is_empty(), "{stderr}");
}

const PLANTED: &str = "BOWSPRIT_PLANTED";

/// The process that the tests below start, crash and restart; by itself it does nothing.
#[test]
fn a_server_in_a_process_of_its_own() {
    let Ok(planted) = env::var(PLANTED) else { return };
    let (fault, address) = planted.split_once(' ').unwrap();
    let fault = match fault {
        "aborts" => Fault::Aborts,
        "hangs" => Fault::Hangs,
        "leaks" => Fault::Leaks,
        "blocks" => Fault::KeepsOthersWaiting,
        other => panic!("{other}"),
    };
    let _server = Server::start_at(address.parse().unwrap(), fault);
    // Until its starter has gone.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

/// Returns the command for it, and its URL.
fn planted(fault: &str) -> (String, String) {
    let (address, this) = (reserved(), env::current_exe().unwrap());
    let this = this.display();
    let start = format!(
        "{PLANTED}='{fault} {address}' exec '{this}' --exact a_server_in_a_process_of_its_own --nocapture"
    );
    (start, format!("ws://{address}/"))
}

#[test]
fn a_crash_is_made_small_by_starting_the_peer_again() {
    let ((start, url), folder) = (planted("aborts"), Folder::new("crash"));
    let (code, outcome) = fuzz_server(
        &url,
        &folder,
        &["--count", "600", "--start", &start, "--back", "60s", "--minimise", "80"],
    );
    assert_eq!((code, kinds(&outcome)), (1, vec!["gone"]), "{outcome:#}");
    assert_eq!(outcome["runs"], 600, "it goes on after a crash");
    let found = &outcome["traces"][0];
    assert_eq!(found["reproduced"], true, "{found:#}");
    assert!(found["finding"]["what"].as_str().unwrap().contains("signal: 6 (SIGABRT)"), "{found:#}");
    // The fault needs two frames; the first may say anything.
    assert!(found["script"]["steps"].as_array().unwrap().len() <= 2, "{found:#}");
    assert!(fs::read_to_string(folder.0.join("peer.log")).unwrap().contains("running 1 test"));

    let file = folder.trace();
    let (code, stdout, _) = bowsprit(&["replay", &file, "--start", &start, "--back", "60s"]);
    assert!(code == 1 && stdout.contains("SIGABRT"), "{stdout}");
}

#[test]
fn a_peer_that_hangs_is_started_again() {
    let ((start, url), folder) = (planted("hangs"), Folder::new("hang"));
    let args = ["--count", "4000", "--findings", "1", "--start", &start, "--back", "60s", "--minimise", "4"];
    let (code, outcome) =
        fuzz_server(&url, &folder, &[&args[..], &["--jobs", "1", "--timeout", "4s"]].concat());
    assert_eq!((code, kinds(&outcome)), (1, vec!["gone"]), "{outcome:#}");
    let found = &outcome["traces"][0];
    assert_eq!(found["reproduced"], true, "{found:#}");
    assert_eq!(found["finding"]["what"], "a new connection is not answered");
}

/// Nobody starts it again, so that nothing can be asked of it.
#[test]
fn a_crash_that_nobody_mends_is_told_as_it_is() {
    let ((start, url), folder) = (planted("aborts"), Folder::new("gone"));
    let _peer = Running::start(Command::new("sh").args(["-c", &start]));
    let peer_is_there = fuzz_server(&url, &folder, &["--count", "0", "--back", "60s"]);
    assert_eq!(peer_is_there.0, 0);
    let (code, outcome) = fuzz_server(&url, &folder, &["--count", "600", "--back", "100ms"]);
    assert_eq!((code, kinds(&outcome)), (1, vec!["gone"]), "{outcome:#}");
    let found = &outcome["traces"][0];
    assert_eq!(found["reproduced"], false);
    assert!(found["unasked"].as_str().unwrap().contains("not there any more"), "{found:#}");
    let (_, shown, _) = bowsprit(&["replay", "--show", &folder.trace()]);
    assert!(shown.contains("it was not played again: the peer is not there any more"), "{shown}");
}

#[test]
fn a_quiet_neighbour_is_answered_within_a_time() {
    let (server, folder) = (serve(&[]), Folder::new("neighbour"));
    let (code, outcome) = fuzz_server(&server.url, &folder, &["--count", "300", "--neighbour-within", "5s"]);
    assert_eq!((code, &outcome["runs"]), (0, &300.into()), "{outcome:#}");
    let args = ["fuzz", "server", &server.url, "--neighbour-within", "0", "--traces", folder.path()];
    let (code, _, stderr) = bowsprit(&args);
    assert!(code == 2 && stderr.contains("even while nothing else is said"), "{stderr}");

    // For a second nobody else is served.
    let ((start, url), folder) = (planted("blocks"), Folder::new("waits"));
    let args = ["--neighbour-within", "600ms", "--findings", "1", "--minimise", "4", "--jobs", "2"];
    let peer = ["--start", &start, "--back", "60s", "--timeout", "30s"];
    let (code, outcome) = fuzz_server(&url, &folder, &[&args[..], &peer].concat());
    assert_eq!((code, kinds(&outcome)), (1, vec!["neighbour-waits"]), "{outcome:#}");
    assert_eq!(outcome["traces"][0]["neighbour"], 600);
    let (code, stdout, stderr) = bowsprit(&["replay", &folder.trace(), "--start", &start, "--back", "60s"]);
    assert!(code == 1 && stdout.contains("a quiet neighbour is"), "{stdout}{stderr}");
}

#[test]
fn memory_has_a_bound() {
    // 64 KiB for each Ping, and each iteration ends with one.
    for own in [true, false] {
        let ((start, url), folder) = (planted("leaks"), Folder::new(&format!("memory-{own}")));
        let args = ["--memory", "60M", "--count", "20000", "--minimise", "40", "--back", "60s"];
        let started = (!own).then(|| Running::start(Command::new("sh").args(["-c", &start])));
        let pid = started.as_ref().map(|peer| peer.child.id().to_string());
        let whose = pid.as_ref().map_or(["--start", &start], |pid| ["--pid", pid]);
        let (code, outcome) = fuzz_server(&url, &folder, &[&args[..], &whose].concat());
        assert_eq!((code, kinds(&outcome)), (1, vec!["memory"]), "{outcome:#}");
        let found = &outcome["traces"][0];
        assert_eq!(found["reproduced"], true, "{found:#}");
        let (code, _, stderr) = bowsprit(&["replay", &folder.trace()]);
        assert!(code == 2 && stderr.contains("--pid"), "{stderr}");
        if let Some(pid) = pid {
            let (code, stdout, _) = bowsprit(&["replay", &folder.trace(), "--pid", &pid]);
            assert!(code == 1 && stdout.contains("KiB have become"), "{stdout}");
        }
    }
}

// --- clients ------------------------------------------------------------------------------------------------------------

/// `fuzz client` on a free port, and its address.
fn fuzz_client(folder: &Folder, args: &[&str]) -> (Running, SocketAddr) {
    let args = [
        &[
            "fuzz",
            "client",
            "--listen",
            "127.0.0.1:0",
            "--json",
            "--timeout",
            "5s",
            "--traces",
            folder.path(),
        ],
        args,
    ]
    .concat();
    let running = Running::bowsprit(&args);
    let line = running.first_line_of_stderr();
    let address = line.split_once("ws://").unwrap().1.trim_end().trim_end_matches('/').parse().unwrap();
    (running, address)
}

#[test]
fn our_own_client_gives_no_finding() {
    use bowsprit::blocking;
    use bowsprit::message::Message;
    let folder = Folder::new("client");
    let (running, address) = fuzz_client(&folder, &["--count", "500"]);
    let client = thread::spawn(move || {
        let (mut times, mut open) = (0, 0);
        loop {
            times += 1;
            match blocking::connect(&format!("ws://{address}/")) {
                Ok(mut client) => {
                    open += 1;
                    while let Ok(Some(message)) = client.read() {
                        let (is_text, bytes) = match message {
                            Message::Text(text) => (true, text.as_bytes().to_vec()),
                            Message::Binary(bytes) => (false, bytes.to_vec()),
                        };
                        let echoed = match str::from_utf8(&bytes) {
                            Ok(text) if is_text => client.send(text),
                            _ => client.send(&bytes[..]),
                        };
                        if echoed.is_err() {
                            break;
                        }
                    }
                }
                Err(error) if error.to_string().contains("refused (os") => return (times, open),
                Err(_) => {}
            }
        }
    });
    let (code, stdout, _) = running.finish_within(180);
    let outcome: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &outcome["runs"]), (0, &500.into()), "{outcome:#}");
    let (times, open) = client.join().unwrap();
    assert!(times >= 500 && open > 400, "{times} {open}");
}

#[test]
fn a_fault_of_a_client_is_found_and_played_again() {
    let folder = Folder::new("client-fault");
    let (running, address) = fuzz_client(&folder, &["--count", "4000", "--findings", "1"]);
    let client = thread::spawn(move || broken::client(address, Fault::TakesAnyAccept, usize::MAX));
    let (code, stdout, _) = running.finish_within(180);
    client.join().unwrap();
    let outcome: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, kinds(&outcome)), (1, vec!["handshake-accepted"]), "{outcome:#}");
    for (fault, expected) in [(Fault::TakesAnyAccept, 1), (Fault::None, 0)] {
        let at = reserved();
        let replay = Running::bowsprit(&["replay", &folder.trace(), "--listen", &at.to_string()]);
        let client = thread::spawn(move || {
            // Until it listens, and once.
            while std::net::TcpStream::connect(at).is_err() {
                thread::yield_now();
            }
            broken::client(at, fault, 1000);
        });
        let (code, stdout, _) = replay.finish_within(60);
        client.join().unwrap();
        assert_eq!(code, expected, "{stdout}");
    }
}

/// The scripts of `tests/peers`: what they wrongly accept is known, and nothing else is found.
fn others(program: &str, proof: &str, script: &str, known: &[&str]) {
    let root = &workspace();
    if !root.join(proof).exists() {
        return installed::skip(proof, "run tests/peers/install");
    }
    let folder = Folder::new(script);
    let start = format!("cd '{}' && exec {program} tests/peers/{script} {{url}}", root.display());
    let args =
        ["fuzz", "client", "--listen", "127.0.0.1:0", "--json", "--timeout", "5s", "--traces", folder.path()];
    let (code, stdout, stderr) =
        bowsprit(&[&args[..], &["--count", "130", "--minimise", "20", "--start", &start]].concat());
    let outcome: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert_eq!(outcome["runs"], 130, "{outcome:#}");
    assert_eq!(code, 1, "{outcome:#}");
    let sections: Vec<&str> = outcome["traces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trace| trace["finding"]["section"].as_str().unwrap())
        .collect();
    assert!(sections.contains(&"RFC 6455 §5.2"), "both take lengths in any form: {sections:?}");
    for section in sections {
        assert!(known.iter().any(|known| section.contains(known)), "{section}: {outcome:#}");
    }
}

#[test]
fn npm_ws_as_a_client() {
    others("node", "target/peers/node/node_modules/ws", "ws_echo_client.js", &["§5.2"]);
}

/// `fuzz/PEERS.md` says what it does with text that is not UTF-8, and how long it waits for a complete header.
#[test]
fn python_websockets_as_a_client() {
    let python = "target/peers/venv/bin/python";
    others(python, python, "websockets_echo_client.py", &["§5.2", "§8.1", "§7.1"]);
}
