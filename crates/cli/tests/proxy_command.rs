//! `bowsprit test proxy` and `bowsprit test server --behind-proxy` as a script sees them, with proxies of the tests:
//! which cases are chosen, what is written, how they end.

#![cfg(unix)]

#[path = "../../lab/tests/proxies/fault.rs"]
#[allow(dead_code, reason = "the lab's own tests use the other faults")]
mod fault;
#[path = "../../lab/tests/peers/mod.rs"]
mod peers;
mod support;

use std::net::TcpListener;

use bowsprit_lab::report::json::RunReport;
use fault::Fault;
use serde_json::Value;
use support::command::{Running, serve};
use support::folder::Folder;
use support::port::reserved;

/// Exit code, stdout, stderr.
fn bowsprit(args: &[&str]) -> (i32, String, String) {
    Running::bowsprit(args).finish_within(60)
}

/// A proxy with this fault, and the flags that name it.
fn proxy(fault: Fault) -> [String; 4] {
    let origin = reserved();
    let front = fault::start(fault, origin);
    ["--front".to_owned(), format!("ws://{front}/chat"), "--origin".to_owned(), origin.to_string()]
}

fn test_proxy(proxy: &[String], args: &[&str]) -> (i32, String, String) {
    let proxy: Vec<&str> = proxy.iter().map(String::as_str).collect();
    bowsprit(&[&["test", "proxy"], &proxy[..], args].concat())
}

/// Returns the verdict on a case.
fn verdict(run: &RunReport, id: &str) -> &'static str {
    run.cases.iter().find(|case| case.id == id).unwrap_or_else(|| panic!("no {id}")).behaviour.name()
}

const EARLY: &str = "PRX-ERL-001,PRX-ERL-006,PRX-REQ-018";

#[test]
fn a_transparent_proxy_passes_and_every_report_says_so() {
    let (proxy, folder) = (proxy(Fault::None), Folder::new("transparent"));
    let [json, junit, html, markdown] = ["r.json", "r.xml", "r.html", "r.md"].map(|name| folder.path(name));
    let files = ["--json", &json, "--junit", &junit, "--html", &html, "--markdown", &markdown];
    let (code, stdout, stderr) =
        test_proxy(&proxy, &[&["--case", EARLY, "--agent", "ours"], &files[..]].concat());
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("3 cases in") && stdout.contains("all required cases passed"), "{stdout}");
    let run = folder.run("r.json");
    assert_eq!((run.cases.len(), run.passed, &*run.agent), (3, true, "ours"));
    assert!(run.cases.iter().all(|case| case.behaviour.name() == "TRANSPARENT"));
    assert!(folder.read("r.xml").contains("failures=\"0\" skipped=\"0\""));
    assert!(folder.read("r.html").contains("transparent") && folder.read("r.md").contains("Nothing failed."));
}

#[test]
fn a_faulty_proxy_fails_with_what_was_lost_and_how_to_see_it_again() {
    let (proxy, folder) = (proxy(Fault::LosesEarlyDataOfClient), Folder::new("faulty"));
    let [json, junit, html, known] = ["r.json", "r.xml", "r.html", "known"].map(|name| folder.path(name));
    let test_proxy = |args: &[&str]| test_proxy(&proxy, &[args, &["--timeout", "2", "--jobs", "1"]].concat());
    let args =
        ["--case", EARLY, "--json", &json, "--junit", &junit, "--html", &html, "--write-baseline", &known];
    let (code, stdout, stderr) = test_proxy(&args);
    assert_eq!(code, 1, "{stdout}{stderr}");
    for told in ["PRX-ERL-001", "LOST", "1 required case did not pass", "--case PRX-ERL-001 -v"] {
        assert!(stdout.contains(told), "{told}: {stdout}");
    }
    let run = folder.run("r.json");
    assert_eq!(["PRX-ERL-001", "PRX-ERL-006"].map(|id| verdict(&run, id)), ["LOST", "TRANSPARENT"]);
    let report: Value = serde_json::from_str(&folder.read("r.json")).unwrap();
    let cases = report["runs"][0]["cases"].as_array().unwrap();
    let lost = cases.iter().find(|case| case["id"] == "PRX-ERL-001").unwrap();
    assert_eq!(lost["passage"]["difference"]["offset"], 0, "{lost}");
    assert!(folder.read("r.xml").contains("<failure type=\"LOST\""));
    assert!(folder.read("r.html").contains("PRX-ERL-001"));
    // The command that it names plays it again, with all that was said.
    let again = lost["again"].as_str().unwrap();
    let args: Vec<&str> = again.split(' ').skip(1).chain(["-v", "--timeout", "2"]).collect();
    let (code, stdout, _) = bowsprit(&args);
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("1 case in") && stdout.contains("expected"), "{stdout}");
    // What is known fails nothing, and what is new does.
    assert!(folder.read("known").starts_with("PRX-ERL-001 "), "{}", folder.read("known"));
    let (code, _, stderr) = test_proxy(&["--case", EARLY, "--baseline", &known]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("PRX-ERL-001 fails as known"), "{stderr}");
    let (code, _, stderr) = test_proxy(&["--case", "PRX-ERL-001,PRX-ERL-002", "--baseline", &known]);
    assert!(code == 1 && stderr.contains("PRX-ERL-002 fails, and"), "{code} {stderr}");
    let (code, stdout, _) = test_proxy(&["--rerun-failed", &json]);
    assert!(code == 1 && stdout.contains("1 case in"), "{code} {stdout}");
}

#[test]
fn cases_are_listed_and_explained_without_a_proxy() {
    let (code, all, _) = bowsprit(&["test", "proxy", "--list"]);
    assert!(code == 0 && all.lines().count() >= 140, "{all}");
    assert!(all.lines().all(|line| line.starts_with("PRX-") && line.contains("RFC ")), "{all}");
    let (_, slow, _) = bowsprit(&["test", "proxy", "--list", "--slow"]);
    assert!(slow.lines().count() > all.lines().count(), "{slow}");
    let (code, early, _) = bowsprit(&["test", "proxy", "--list", "--case", "PRX-ERL-*", "-x", "PRX-ERL-001"]);
    assert!(code == 0 && early.contains("PRX-ERL-002") && !early.contains("PRX-ERL-001"), "{early}");
    let (code, text, _) = bowsprit(&["explain", "PRX-ERL-001"]);
    assert!(code == 0 && text.contains("PRX-ERL-001") && text.contains("expected"), "{text}");
    let (code, _, stderr) = bowsprit(&["explain", "PRX-ERL-999"]);
    assert!(code == 2 && stderr.contains("PRX-ERL-999"), "{stderr}");
}

#[test]
fn what_is_wrong_before_the_first_case_has_an_exit_code_of_its_own() {
    let here = reserved();
    let (front, origin) = (format!("ws://{}/", reserved()), here.to_string());
    for (args, hint) in [
        (&["--front", &*front][..], "--origin"),
        (&["--front", "http://127.0.0.1/", "--origin", &origin], "ws://"),
        (&["--front", &front, "--origin", "nowhere"], "--origin"),
        (&["--front", &front, "--origin", &origin, "--case", "1.1.1"], "1.1.1"),
        // Before anybody is looked for.
        (
            &["--front", &front, "--origin", &origin, "--baseline", "/absent", "--case", "PRX-ERL-001"],
            "/absent",
        ),
    ] {
        let (code, _, stderr) = bowsprit(&[&["test", "proxy"], args].concat());
        assert!(code == 2 && stderr.contains(hint), "{args:?}: {code} {stderr}");
    }
    // Nobody at the front.
    let (code, _, stderr) = bowsprit(&["test", "proxy", "--front", &front, "--origin", &origin]);
    assert!(code == 3 && stderr.contains("there is no front at"), "{stderr}");
    // Somebody at the origin.
    let taken = TcpListener::bind(here).unwrap();
    let (code, _, stderr) = bowsprit(&["test", "proxy", "--front", &front, "--origin", &origin]);
    assert!(code == 3 && stderr.contains("cannot listen on") && stderr.contains("in use"), "{stderr}");
    drop(taken);
    // A front with another origin.
    let elsewhere = fault::start(Fault::None, reserved());
    let front = format!("ws://{elsewhere}/");
    let (code, _, stderr) = bowsprit(&["test", "proxy", "--front", &front, "--origin", &origin]);
    assert!(
        code == 3 && stderr.contains("does not pass an upgrade on to us") && stderr.contains("502"),
        "{stderr}"
    );
    // A front that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let front = format!("ws://{}/", silent.local_addr().unwrap());
    let args = ["test", "proxy", "--front", &front, "--origin", &origin, "--timeout", "0.3"];
    let (code, _, stderr) = bowsprit(&args);
    assert!(code == 3 && stderr.contains("does not pass an upgrade on to us"), "{code} {stderr}");
}

/// Cases that our server passes, and that a proxy changes by repairing or answering them.
const HANDSHAKES: &str = "1.1.1,HSS-001,HSS-032,HSS-037.1,HSS-048,HSS-049,HSS-053.1,HSS-058,HSS-075,HSS-091";

#[test]
fn a_server_is_not_blamed_for_what_its_proxy_repairs_or_answers() {
    let server = serve(&[]);
    let front = format!("ws://{}/", fault::start(Fault::RepairsConnection, server.address));
    let folder = Folder::new("behind");
    let [json, junit, html] = ["r.json", "r.xml", "r.html"].map(|name| folder.path(name));
    let test = |args: &[&str]| bowsprit(&[&["test", "server", &front, "--case", HANDSHAKES], args].concat());
    let (code, stdout, _) = test(&[]);
    assert!(code == 1 && stdout.contains("HSS-048"), "{stdout}");
    let itself = ["--behind-proxy", "--origin-url", &server.url];
    let files = ["--json", &json, "--junit", &junit, "--html", &html];
    for flags in [&itself[..1], &itself[..]] {
        let (code, stdout, stderr) = test(&[flags, &files[..]].concat());
        assert_eq!(code, 0, "{stdout}{stderr}");
        let told = "3 cases did not reach the server as they were sent, and say nothing of it:\n  HSS-048 HSS-049 HSS-053.1\n";
        assert!(stdout.contains(told) && stdout.contains("all required cases passed"), "{stdout}");
        assert_eq!(stderr.contains("--origin-url"), flags.len() == 1, "{stderr}");
        let run = folder.run("r.json");
        assert_eq!(["HSS-048", "1.1.1", "HSS-058"].map(|id| verdict(&run, id)), ["NOT REACHED", "OK", "OK"]);
        let again = &run.cases.iter().find(|case| case.id == "HSS-048").unwrap().again;
        assert!(again.contains(" --behind-proxy"), "{again}");
        assert!(
            folder.read("r.xml").contains("skipped=\"3\"")
                && folder.read("r.xml").contains("<skipped message=\"It did not reach")
        );
        assert!(folder.read("r.html").contains("3 not reached"));
    }
    // One that passes on everything, and one that answers bad heads itself.
    for fault in [Fault::Relay, Fault::None] {
        let front = format!("ws://{}/", fault::start(fault, server.address));
        let args = ["test", "server", &front, "--case", HANDSHAKES, "--behind-proxy"];
        let (code, stdout, _) = bowsprit(&args);
        assert!(code == 0 && !stdout.contains("did not reach"), "{fault:?}: {stdout}");
    }
}

#[test]
fn what_is_the_servers_own_stays_failed_behind_a_proxy() {
    // It looks at nothing but the key.
    let server = peers::serve(|mut stream| {
        let _ = peers::echo(&mut stream, |_| false);
    });
    let front = format!("ws://{}/", fault::start(Fault::RepairsConnection, server));
    let (folder, itself) = (Folder::new("own"), format!("ws://{server}/"));
    let json = folder.path("r.json");
    let args =
        ["test", "server", &front, "--behind-proxy", "--case", "1.1.1,HSS-048,HSS-076.4", "--json", &json];
    let (code, stdout, _) = bowsprit(&args);
    assert_eq!(code, 1, "{stdout}");
    let run = folder.run("r.json");
    assert_eq!(["HSS-048", "HSS-076.4"].map(|id| verdict(&run, id)), ["NOT REACHED", "FAILED"]);
    let (code, stdout, _) = bowsprit(&[&args[..], &["--origin-url", &itself]].concat());
    assert_eq!(code, 1, "{stdout}");
    let run = folder.run("r.json");
    assert_eq!(["HSS-048", "HSS-076.4"].map(|id| verdict(&run, id)), ["FAILED", "FAILED"]);
}

#[test]
fn where_the_server_itself_is_has_to_be_right() {
    let server = serve(&[]);
    let nobody = format!("ws://{}/", reserved());
    let (code, _, stderr) =
        bowsprit(&["test", "server", &server.url, "--behind-proxy", "--origin-url", &nobody]);
    assert!(code == 3 && stderr.contains(&nobody), "{code} {stderr}");
    for (args, hint) in [
        (&["--origin-url", &*nobody][..], "--behind-proxy"),
        (&["--behind-proxy", "--http2"], "--http2"),
        (&["--behind-proxy", "--origin-url", "http://127.0.0.1/"], "ws://"),
    ] {
        let (code, _, stderr) = bowsprit(&[&["test", "server", &server.url], args].concat());
        assert!(code == 2 && stderr.contains(hint), "{args:?}: {code} {stderr}");
    }
}
