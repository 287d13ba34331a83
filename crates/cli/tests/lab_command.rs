//! `bowsprit test`, `explain` and `decode` as a script sees them: which cases are chosen, what is written, how they
//! end.

#![cfg(unix)]

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
mod support;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use bowsprit::handshake::{Acceptance, HeadLimits, Incoming, Progress, ServerHandshake};
use bowsprit_lab::report::json::{Report, RunReport};
use certificates::Authority;
use serde_json::Value;
use support::command::{BOWSPRIT, Running, serve};
use support::folder::Folder;
use support::port::reserved;
use support::workspace;

/// Returns exit code, stdout, stderr. The lab bounds its time itself.
fn bowsprit(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BOWSPRIT).args(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("it ended by itself"), text(output.stdout), text(output.stderr))
}

fn test_server(url: &str, args: &[&str]) -> (i32, String, String) {
    bowsprit(&[&["test", "server", url], args].concat())
}

/// `bowsprit serve` behind TLS.
struct Secure {
    _running: Running,
    url: String,
}

fn serve_tls(args: &[&str]) -> Secure {
    let mut running = Running::bowsprit(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    let url = running.first_line();
    Secure { _running: running, url }
}

fn ids(run: &RunReport) -> BTreeSet<&str> {
    run.cases.iter().map(|case| &*case.id).collect()
}

/// Echoes up to eight bytes, which breaks a rule of level must.
const TINY: &[&str] = &["--max-message", "8"];
/// Echoes up to 64 KiB, which breaks a rule of level should.
const SMALL: &[&str] = &["--max-message", "64K"];

// --- how it ends -------------------------------------------------------------------------------------------------

#[test]
fn exit_codes_tell_a_pass_a_failure_a_wrong_command_line_and_nobody_there() {
    let server = serve(&[]);
    let (code, stdout, _) = test_server(&server.url, &["--case", "1.1.2,5.19"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("2 cases in") && stdout.contains("all required cases passed"), "{stdout}");

    let tiny = serve(TINY);
    let (code, stdout, _) = test_server(&tiny.url, &["--case", "1.1.2"]);
    assert_eq!(code, 1, "{stdout}");
    for told in ["1.1.2", "1009", "--case 1.1.2 -v"] {
        assert!(stdout.contains(told), "{told}: {stdout}");
    }
    assert!(!stdout.contains("-> text"), "{stdout}");
    let (_, stdout, _) = test_server(&tiny.url, &["--case", "1.1.2", "-v"]);
    for told in ["1.1.2", "RFC 6455", "expected", "-> text", "<- Close", "1009", "--case 1.1.2"] {
        assert!(stdout.contains(told), "{told}: {stdout}");
    }

    let url = &*server.url;
    for (args, hint) in [
        (&["http://127.0.0.1/"][..], "wss://"),
        (&["ws://127.0.0.1:70000/"], "70000"),
        (&["ws:///"], "host"),
        (&[url, "--case", "99.1"], "99.1"),
        (&[url, "--tag", "unheard-of"], "unheard-of"),
        (&[url, "--section", "5.99"], "no case"),
        (&[url, "--case", "1.1.1", "--section", "7692"], "no case"),
        (&[url, "--quick", "--full"], "--quick"),
        (&[url, "--timeout=-1"], "--timeout"),
        (&[url, "--rerun-failed", "/absent"], "/absent"),
        (&[url, "--case", "1.1.1", "--baseline", "/absent"], "/absent"),
        (&[url, "--case", "1.1.1", "--json", "/absent/report.json"], "/absent"),
    ] {
        let (code, _, stderr) = bowsprit(&[&["test", "server"], args].concat());
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(stderr.contains(hint), "{args:?}: {stderr}");
    }

    let nobody = reserved();
    let (code, _, stderr) = test_server(&format!("ws://{nobody}/"), &[]);
    assert_eq!(code, 3, "{stderr}");
    let (code, _, stderr) = test_server("ws://name.invalid/", &[]);
    assert_eq!(code, 3, "{stderr}");
    let (code, _, stderr) = bowsprit(&["test", "client", "--listen", "127.0.0.1:0", "--idle", "0.2"]);
    assert_eq!((code, stderr.contains("no client came")), (3, true), "{stderr}");
}

#[test]
fn something_else_than_a_websocket_server_exits_3_and_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"220 mail.example ESMTP\x1b[31m\r\n");
        }
    });
    let (code, _, stderr) = test_server(&url, &[]);
    assert_eq!(code, 3);
    assert!(stderr.contains("no HTTP head") && !stderr.contains('\x1b'), "{stderr}");
}

#[test]
fn what_is_missing_for_websocket_over_http2_is_named() {
    let (code, _, error) = test_server("http://127.0.0.1:1/", &[]);
    assert!(code == 2 && error.contains("is for --http2"), "{code} {error}");
    let (code, _, error) = test_server("ws://127.0.0.1:1/", &["--cut", "bytes"]);
    assert!(code == 2 && error.contains("--http2"), "{code} {error}");
    let (code, _, error) = test_server("http://127.0.0.1:1/", &["--http2", "--cut", "finely"]);
    assert!(code == 2 && error.contains("whole, bytes"), "{code} {error}");
    let plain = serve(&[]);
    let (code, _, error) = test_server(&plain.url.replace("ws:", "http:"), &["--http2"]);
    assert!(code == 3 && error.contains("What came is no HTTP/2"), "{code} {error}");
    let (code, list, _) = test_server("http://127.0.0.1:1/", &["--http2", "--list"]);
    assert!(
        code == 0 && list.contains("H2W-021.3") && list.contains("6.4.1") && !list.contains("HSS-"),
        "{list}"
    );
    let (code, list, _) = test_server("ws://127.0.0.1:1/", &["--list"]);
    assert!(code == 0 && !list.contains("H2W"), "{list}");
}

#[test]
fn a_failure_below_the_denied_level_does_not_fail_the_run() {
    let server = serve(SMALL);
    let (code, stdout, _) = test_server(&server.url, &["--case", "9.1.2"]);
    assert_eq!(code, 0, "{stdout}");
    let (code, stdout, _) = test_server(&server.url, &["--case", "9.1.2", "--deny", "should"]);
    assert_eq!(code, 1, "{stdout}");
}

#[test]
fn a_case_ends_with_the_patience_of_the_command_line() {
    // Opens connections and says nothing more.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut handshake = ServerHandshake::new(HeadLimits::default());
                let mut bytes = [0; 4096];
                while let Ok(len @ 1..) = stream.read(&mut bytes) {
                    if let Ok(Progress::Done { value: Incoming::Upgrade(request), .. }) =
                        handshake.receive(&bytes[..len])
                    {
                        let _ = stream.write_all(&request.accept(&Acceptance::default()).unwrap().0);
                    }
                }
            });
        }
    });
    let (code, stdout, _) = test_server(&url, &["--case", "1.1.2,9.1.1", "--timeout", "2", "--force"]);
    assert_eq!(code, 1, "{stdout}");
    assert_eq!(stdout.matches("FAILED: What was expected did not come in time").count(), 2, "{stdout}");
}

// --- what is chosen ----------------------------------------------------------------------------------------------

/// What a reader copies has to choose something.
#[test]
fn the_cases_that_the_readme_lists_are_there() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let lines = readme
        .lines()
        .filter(|line| line.starts_with("bowsprit test ") && line.split(' ').any(|word| word == "--list"));
    let mut seen = 0;
    for line in lines {
        let args: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().skip(1).collect();
        let (code, stdout, stderr) = bowsprit(&args);
        assert!(code == 0 && !stdout.is_empty(), "{line}: {stderr}");
        seen += 1;
    }
    assert!(seen > 0, "the README lists none");
}

#[test]
fn cases_are_chosen_by_id_glob_section_level_tag_and_role() {
    let list = |side: &str, args: &[&str]| {
        let start: &[&str] = if side == "server" {
            &["test", "server", "ws://127.0.0.1/", "--list"]
        } else {
            &["test", "client", "--list"]
        };
        let (code, stdout, stderr) = bowsprit(&[start, args].concat());
        assert_eq!(code, 0, "{stderr}");
        stdout.lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("server", &["--case", "6.4.1"]), ["6.4.1"]);
    assert_eq!(list("server", &["--case", "6.4"]), ["6.4.1", "6.4.2", "6.4.3", "6.4.4"]);
    assert_eq!(list("server", &["-c", "6.4.?", "-x", "6.4.2", "-x", "6.4.3"]), ["6.4.1", "6.4.4"]);
    assert_eq!(list("server", &["--tag", "autobahn"]).len(), 517);
    assert_eq!(list("client", &["--tag", "autobahn"]).len(), 517);
    let all = list("server", &[]);
    let (must, should, may) = (
        list("server", &["--level", "must"]),
        list("server", &["--level", "should"]),
        list("server", &["--level", "may"]),
    );
    assert_eq!(must.len() + should.len() + may.len(), all.len());
    assert!(!must.is_empty() && !should.is_empty() && !may.is_empty());
    assert!(list("server", &["--section", "7692"]).iter().all(|id| !id.starts_with("1.")));
    assert!(list("server", &["--slow"]).len() > all.len());
    assert!(list("server", &["--quick"]).len() < all.len());
    // Those of the other role are not among them.
    assert!(all.iter().any(|id| id.starts_with("HSS-")) && !all.iter().any(|id| id.starts_with("HSC-")));
    let clients = list("client", &["--handshake"]);
    assert!(
        clients.iter().any(|id| id.starts_with("HSC-")) && !clients.iter().any(|id| id.starts_with("HSS-"))
    );
}

#[test]
fn only_what_failed_is_played_again() {
    let folder = Folder::new("again");
    let first = folder.path("first.json");
    let second = folder.path("second.json");
    let server = serve(TINY);
    let (code, ..) = test_server(&server.url, &["--case", "1.1.1,1.1.2,1.1.3,2.1", "--json", &first]);
    assert_eq!(code, 1);
    let again = ["--rerun-failed", &first, "--json", &second];
    assert_eq!(test_server(&server.url, &again).0, 1);
    assert_eq!(ids(&folder.run("second.json")), BTreeSet::from(["1.1.2", "1.1.3"]));
    // The mended server passes them, and then there is nothing left to play again.
    let mended = serve(&[]);
    assert_eq!(test_server(&mended.url, &again).0, 0);
    let (code, _, stderr) = test_server(&mended.url, &["--rerun-failed", &second]);
    assert_eq!((code, stderr.contains("nothing failed")), (2, true), "{stderr}");
}

#[test]
fn one_seed_makes_one_run() {
    let folder = Folder::new("seed");
    let server = serve(&[]);
    let sent = |name: &str, seed: &str| {
        let path = folder.path(name);
        let args = ["--case", "HSS-001,EXT-001,1.1.2", "--seed", seed, "--json", &path];
        assert_eq!(test_server(&server.url, &args).0, 0);
        let run = folder.run(name);
        let lines = run.cases.into_iter().flat_map(|case| case.log);
        lines.filter(|line| line.way == "sent").map(|line| line.text).collect::<Vec<_>>()
    };
    assert_eq!(sent("a.json", "7"), sent("b.json", "7"));
    assert_ne!(sent("a.json", "7"), sent("c.json", "8"));
}

// --- TLS ---------------------------------------------------------------------------------------------------------

#[test]
fn a_server_behind_tls_is_examined_once_it_is_trusted() {
    let folder = Folder::new("tls");
    let authority = Authority::new();
    let identity = authority.issue(&["localhost", "127.0.0.1"]);
    let ca = folder.write("ca.pem", &authority.pem());
    let (chain, key) =
        (folder.write("chain.pem", &identity.certificate_pem), folder.write("key.pem", &identity.key_pem));
    let server = serve_tls(&["--tls-cert", &chain, "--tls-key", &key]);
    let url = server.url.replacen("127.0.0.1", "localhost", 1);
    assert!(url.starts_with("wss://"), "{url}");

    // Framing, closing, an opening handshake byte by byte, compression, large messages.
    let cases = ["--case", "1,7.1,7.9,5.19,9.1.4,9.5.6,12.1.3,HSS-001,HSS-004,HSS-107"];
    let (code, stdout, stderr) =
        test_server(&url, &[&cases[..], &["--ca", &ca, "--deny", "should", "--quick"]].concat());
    assert_eq!(code, 0, "{stdout}{stderr}");

    // The command of a failed case alone names the authority, too.
    let tiny = serve_tls(&["--tls-cert", &chain, "--tls-key", &key, "--max-message", "8"]);
    let (code, stdout, _) = test_server(&tiny.url, &["--case", "1.1.2", "--insecure"]);
    assert_eq!((code, stdout.contains("--case 1.1.2 --insecure")), (1, true), "{stdout}");

    let (code, _, stderr) = test_server(&url, &["--case", "1.1.1"]);
    assert_eq!((code, stderr.contains("certificate")), (3, true), "{stderr}");
    let (code, _, stderr) = test_server(&url, &["--case", "1.1.1", "--ca", "/absent"]);
    assert_eq!((code, stderr.contains("/absent")), (2, true), "{stderr}");
    let plain = serve(&[]);
    assert_eq!(test_server(&plain.url, &["--case", "1.1.1", "--insecure"]).0, 2);
    let (code, _, stderr) =
        test_server(&plain.url.replacen("ws:", "wss:", 1), &["--case", "1.1.1", "--insecure"]);
    assert_eq!(code, 3, "{stderr}");
}

// --- known failures ----------------------------------------------------------------------------------------------

#[test]
fn a_baseline_lets_known_failures_pass_and_tells_of_new_and_mended_ones() {
    let folder = Folder::new("baseline");
    let server = serve(TINY);
    let cases = "1.1.1,1.1.2,1.1.3";
    let written = folder.path("written");
    assert_eq!(test_server(&server.url, &["--case", cases, "--write-baseline", &written]).0, 1);
    assert_eq!(folder.read("written").lines().count(), 2);
    let (code, _, stderr) = test_server(&server.url, &["--case", cases, "--baseline", &written]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("1.1.2 fails as known"), "{stderr}");

    // What is known is no failure in any form.
    let [junit, sarif, annotations] =
        ["report.xml", "report.sarif", "annotations"].map(|name| folder.path(name));
    let forms = ["--junit", &junit, "--sarif", &sarif, "--annotations", &annotations];
    assert_eq!(
        test_server(&server.url, &[&["--case", cases, "--baseline", &written], &forms[..]].concat()).0,
        0
    );
    let junit = folder.read("report.xml");
    assert!(!junit.contains("<failure") && junit.contains("<skipped message=\"known: "), "{junit}");
    assert_eq!(folder.read("annotations"), "");
    let whole: Value = serde_json::from_str(&folder.read("report.sarif")).unwrap();
    for result in whole["runs"][0]["results"].as_array().unwrap() {
        assert_eq!(result["suppressions"][0]["status"], "accepted", "{result}");
    }

    let partial = folder.write("partial", "# ours\n1.1.2  the limit of this server\n");
    let (code, _, stderr) = test_server(&server.url, &["--case", cases, "--baseline", &partial]);
    assert_eq!(code, 1);
    assert!(stderr.contains("1.1.3 fails, and"), "{stderr}");

    let mended = serve(&[]);
    let (code, _, stderr) = test_server(&mended.url, &["--case", cases, "--baseline", &partial]);
    assert_eq!(code, 0);
    assert!(stderr.contains("1.1.2 passes now"), "{stderr}");

    let bare = folder.write("bare", "1.1.2\n");
    let (code, _, stderr) = test_server(&server.url, &["--case", cases, "--baseline", &bare]);
    assert_eq!((code, stderr.contains("line 1")), (2, true), "{stderr}");
    // What is no baseline is seen before anything is played.
    let junk = folder.write("junk", "<!doctype html> <title>none</title>\n");
    for args in [
        &["server", &server.url][..],
        &["client", "--listen", "127.0.0.1:0"],
        &["proxy", "--front", "ws://127.0.0.1:1/", "--origin", "127.0.0.1:1"],
    ] {
        let (code, _, stderr) = bowsprit(&[&["test"], args, &["--baseline", &junk]].concat());
        assert_eq!((code, stderr.contains("there is no case <!doctype")), (2, true), "{stderr}");
    }
}

// --- reports -----------------------------------------------------------------------------------------------------

#[test]
fn every_report_says_the_same() {
    let folder = Folder::new("reports");
    let server = serve(TINY);
    let names = [
        "report.json",
        "report.xml",
        "report.md",
        "report.html",
        "index.json",
        "report.sarif",
        "annotations",
    ];
    let [json, junit, markdown, html, index, sarif, annotations] = names.map(|name| folder.path(name));
    let args =
        ["--case", "1.1.1,1.1.2,HSS-002", "--agent", "tiny <server>", "--json", &json, "--junit", &junit];
    let more = ["--markdown", &markdown, "--html", &html, "--index", &index];
    let source = ["--sarif", &sarif, "--sarif-source", "src/my server.c", "--annotations", &annotations];
    assert_eq!(test_server(&server.url, &[&args[..], &more, &source].concat()).0, 1);

    let run = folder.run("report.json");
    assert_eq!((&*run.agent, &*run.subject, run.passed), ("tiny <server>", "server", false));
    assert_eq!(ids(&run), BTreeSet::from(["1.1.1", "1.1.2", "HSS-002"]));
    let failed = run.cases.iter().find(|case| case.id == "1.1.2").unwrap();
    assert!(failed.denied && !failed.passed && failed.close_code == Some(1009));
    assert!(failed.log.iter().any(|line| line.way == "received" && line.hex.starts_with("03 f1")));
    assert!(failed.again.starts_with("bowsprit test server ws://127.0.0.1:"));

    let whole: Value = serde_json::from_str(&folder.read("index.json")).unwrap();
    let case = &whole["tiny <server>"]["1.1.2"];
    assert_eq!((&case["behavior"], &case["remoteCloseCode"]), (&"FAILED".into(), &1009.into()));
    assert_eq!(whole["tiny <server>"]["1.1.1"]["behaviorClose"], "OK");

    let junit = folder.read("report.xml");
    assert!(junit.matches("<testcase ").count() == 3 && junit.matches("<failure ").count() == 1, "{junit}");
    assert!(junit.contains("tiny &lt;server&gt;") && !junit.contains("<server>"), "{junit}");
    assert!(folder.read("report.md").contains("| 1.1.2 | must |"));
    let page = folder.read("report.html");
    assert!(page.contains("tiny &lt;server&gt;") && !page.contains("<server>"));

    let whole: Value = serde_json::from_str(&folder.read("report.sarif")).unwrap();
    let run = &whole["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(
        (results.len(), &results[0]["ruleId"], &results[0]["level"]),
        (1, &"1.1.2".into(), &"error".into())
    );
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "1.1.2");
    let file = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(file, "src/my%20server.c");
    let told = folder.read("annotations");
    assert!(
        told.starts_with("::error title=WebSocket conformance::tiny <server>: ") && told.lines().count() == 1,
        "{told}"
    );
    assert!(told.contains("%0ACases: 1.1.2%0A"), "{told}");

    // Two runs side by side.
    let page = folder.path("both.html");
    let (code, stdout, _) = bowsprit(&["test", "report", &json, &json]);
    assert_eq!(
        (code, stdout.contains("| | tiny &lt;server&gt; | tiny &lt;server&gt; |")),
        (0, true),
        "{stdout}"
    );
    assert_eq!(bowsprit(&["test", "report", &json, &json, "--html", &page]).0, 0);
    let (code, _, stderr) = bowsprit(&["test", "report", &folder.write("none", "{}")]);
    assert_eq!((code, stderr.contains("no report")), (2, true), "{stderr}");

    // On stdout JSON alone, for a pipe.
    let (_, stdout, _) = test_server(&server.url, &["--case", "1.1.1", "--json", "-"]);
    assert_eq!(Report::from_json(&stdout).unwrap().runs[0].cases.len(), 1);
}

#[test]
fn explain_and_decode_tell_without_a_peer() {
    let (code, stdout, _) = bowsprit(&["explain", "5.19"]);
    assert_eq!(code, 0);
    for told in ["5.19", "RFC 6455 §5.4", "fragment"] {
        assert!(stdout.contains(told), "{told}: {stdout}");
    }
    assert_eq!(bowsprit(&["explain", "99.99"]).0, 2);

    // RFC 6455 §5.7; then a Ping whose length is not in its shortest form.
    let (code, stdout, _) = bowsprit(&["decode", "818537fa213d7f9f4d5158"]);
    assert_eq!((code, stdout.contains("Hello")), (0, true), "{stdout}");
    let (code, stdout, _) = bowsprit(&["decode", "--from", "server", "89", "7e", "0001", "00"]);
    assert_eq!((code, stdout.contains("§5")), (1, true), "{stdout}");
    assert_eq!(bowsprit(&["decode", "8g"]).0, 2);
    let (code, stdout, _) = bowsprit(&["decode", "88", "02", "03", "e8"]);
    assert!(code == 0 && stdout.contains("1000 (normal closure)"), "{stdout}");
    for dump in [
        "00000000: 8902 6869  ..hi",
        "iQJoaQ==",
        "<Buffer 89 02 68 69>",
        r"b'\x89\x02hi'",
        "[137, 2, 104, 105]",
    ] {
        let (code, stdout, stderr) = bowsprit(&["decode", dump]);
        assert!(code == 0 && stdout.contains("89 02") && stdout.contains("hi"), "{dump}: {stdout} {stderr}");
    }
    let (code, _, stderr) = bowsprit(&["decode", "0000000 8902 6869"]);
    assert!(code == 2 && stderr.contains("hexdump -C"), "{stderr}");
}
