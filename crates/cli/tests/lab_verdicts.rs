//! `bowsprit test` with peers that die, quit, or make somebody press Ctrl-C: what is reported, and how it ends.

#![cfg(unix)]

#[path = "../../lab/tests/peers/mod.rs"]
mod peers;
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bowsprit::blocking;
use bowsprit::client::ClientConfig;
use bowsprit::message::Message;
use bowsprit_lab::report::json::{Report, RunReport};
use peers::{mortal, serve};
use support::command::Running;

fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

fn report(path: &PathBuf) -> RunReport {
    Report::from_json(&fs::read_to_string(path).unwrap()).unwrap().runs.remove(0)
}

fn behaviour(run: &RunReport, id: &str) -> &'static str {
    run.cases.iter().find(|case| case.id == id).unwrap_or_else(|| panic!("no {id}")).behaviour.name()
}

#[test]
fn a_server_that_a_case_kills_fails_the_run_and_the_case_is_named() {
    let json = file("killed.json");
    let url = format!("ws://{}/", mortal(5));
    let args = ["test", "server", &url, "--case", "1.1.1,1.1.2,4.1,7.3.1", "--json", json.to_str().unwrap()];
    let mut running = Running::bowsprit(&args);
    let told = running.told("the server takes no connections any more since ");
    assert_eq!(told, "4.1.3 was played");
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
    assert_eq!(behaviour(&report(&json), "4.1.3"), "CRASHED");
}

/// Plays one case as a client that echoes.
fn play_one(url: &str, case: &str) {
    let config = ClientConfig::new(&format!("{url}/case/{case}?agent=quitter")).unwrap();
    let mut client = blocking::connect_with(&config).unwrap();
    client.set_timeout(Some(Duration::from_secs(60)));
    while let Ok(Some(message)) = client.read() {
        let Message::Text(text) = message else { continue };
        let text = text.to_owned();
        let _ = client.send(&*text);
    }
}

#[test]
fn a_client_that_quits_fails_the_run() {
    for (ends, code, case) in [("exit 3", 1, "OK"), ("exit 0", 4, "OK"), ("kill -SEGV $$", 1, "OK")] {
        let json = file("quit.json");
        let listen = ["test", "client", "--listen", "127.0.0.1:0", "--case", "1.1.1,1.1.2,2.1", "--json"];
        let command = format!("read line; {ends}");
        let mut running =
            Running::bowsprit(&[&listen[..], &[json.to_str().unwrap(), "--", "sh", "-c", &command]].concat());
        let url = format!("ws://{}", running.told("3 cases on ws://"));
        play_one(&url, "1.1.2");
        running.write(b"go\n");
        assert_eq!(running.told("quitter: "), "not played: 2 of 3 cases");
        assert_eq!(running.child.wait().unwrap().code(), Some(code), "{ends}");
        let run = report(&json);
        assert_eq!(behaviour(&run, "1.1.2"), case, "{ends}");
        assert_eq!(behaviour(&run, "1.1.1"), "NOT PLAYED", "{ends}");
    }
}

#[test]
fn an_interrupted_run_leaves_what_there_is() {
    for signal in ["-INT", "-TERM"] {
        static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
        static WAITS: std::sync::Mutex<Option<mpsc::Sender<()>>> = std::sync::Mutex::new(None);
        let (waits, comes) = mpsc::channel();
        *WAITS.lock().unwrap() = Some(waits);
        CONNECTIONS.store(0, Ordering::SeqCst);
        // Echoes on the first connections, and then never answers.
        let addr = serve(|mut stream| {
            if CONNECTIONS.fetch_add(1, Ordering::SeqCst) < 6 {
                let _ = peers::echo(&mut stream, |_| false);
            } else {
                let _ = WAITS.lock().unwrap().as_ref().unwrap().send(());
                std::thread::park();
            }
        });
        let json = file("interrupted.json");
        let url = format!("ws://{addr}/");
        let args =
            ["test", "server", &url, "--case", "1.1,2.1,2.2,2.3,2.4", "--jobs", "1", "--timeout", "600"];
        let mut running = Running::bowsprit(&[&args[..], &["--json", json.to_str().unwrap()]].concat());
        comes.recv_timeout(Duration::from_secs(60)).expect("it comes as far as that");
        let pid = running.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        running.told("the run was interrupted");
        assert_eq!(running.child.wait().unwrap().code(), Some(4));
        let run = report(&json);
        let unplayed = run.cases.iter().filter(|case| case.behaviour.name() == "NOT PLAYED").count();
        assert!(unplayed > 0 && unplayed < run.cases.len(), "{unplayed} of {}", run.cases.len());
    }
}

#[test]
fn a_server_that_does_not_echo_is_told_before_any_case() {
    let addr = serve(|mut stream| {
        peers::upgrade(&mut stream);
        while std::io::Read::read(&mut stream, &mut [0; 4096]).is_ok_and(|read| read > 0) {}
    });
    let url = format!("ws://{addr}/");
    let args = ["test", "server", &url, "--case", "1.1.1", "--timeout", "2"];
    let (code, _, stderr) = Running::bowsprit(&args).finish();
    assert_eq!((code, stderr.contains("does not send back")), (3, true), "{stderr}");
    let (code, stdout, _) = Running::bowsprit(&[&args[..], &["--force"]].concat()).finish();
    assert_eq!((code, stdout.contains("1.1.1")), (1, true), "{stdout}");
}

#[test]
fn a_server_that_speaks_first_passes_and_that_is_told() {
    let addr = serve(|mut stream| {
        peers::upgrade(&mut stream);
        let _ = std::io::Write::write_all(&mut stream, b"\x81\x09welcome\x1b!");
        let _ = peers::talk(&mut stream, |_| false);
    });
    let url = format!("ws://{addr}/");
    let args = ["test", "server", &url, "--case", "1.1.1,1.1.2,2.1,4.1.3,7.3.3"];
    let (code, stdout, stderr) = Running::bowsprit(&args).finish();
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stderr.contains("speaks first (\"welcome") && !stderr.contains('\x1b'), "{stderr}");
}

/// Header fields, an Origin, a subprotocol and user-info are in every request: that of the preflight and of each case.
/// Secrets are not shown.
#[test]
fn requests_carry_what_they_are_asked_to() {
    static HEADS: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    let addr = serve(|mut stream| {
        let head = peers::upgrade(&mut stream);
        HEADS.lock().unwrap().push(head);
        let _ = peers::talk(&mut stream, |_| false);
    });
    let json = file("asked.json");
    let url = format!("ws://user:secret@{addr}/");
    let args = ["test", "server", &url, "--case", "1.1.1,1.1.8", "--timeout", "2", "--header", "X-Room: 7"];
    let more = ["--origin", "http://a.example", "--json", json.to_str().unwrap()];
    let (_, stdout, stderr) = Running::bowsprit(&[&args[..], &more].concat()).finish();
    let heads = HEADS.lock().unwrap();
    assert!(heads.len() >= 4, "{stdout}{stderr}");
    for head in heads.iter() {
        for line in
            ["X-Room: 7\r\n", "Origin: http://a.example\r\n", "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"]
        {
            assert!(head.contains(line), "{line}: {head}");
        }
    }
    let all = stdout + &stderr + &fs::read_to_string(&json).unwrap();
    assert!(!all.contains("secret"), "{all}");
}
