//! What the reports do with text of a peer and of files, and that other programs can read them.

use std::time::Duration;

use bowsprit_lab::escape::acts;
use bowsprit_lab::report::json::Report;
use bowsprit_lab::report::{Deny, Outcome, Run, Style, autobahn, html, junit, markdown, text};
use bowsprit_lab::{Case, Options, Place, Player, Subject, cases};
use serde_json::Value;

/// Every character that does something to the text around it, and every mark of the languages that we write.
fn hostile() -> String {
    let characters = ('\0'..='\u{ffff}').chain('\u{e0000}'..='\u{e007f}').filter(|c| acts(*c));
    characters.collect::<String>() + "</script><script>alert(1)</script>]]>&amp;\"'|`*_[x](y)\\\n# heading\n"
}

/// A case against a server that says this and goes away.
fn play(case: &'static Case, said: &[u8]) -> Outcome {
    let mut player = Player::new(case, Subject::Server, "lab.example", "/", Options::default());
    while let Some(bytes) = player.outgoing() {
        let sent = bytes.len();
        player.sent(Duration::ZERO, sent);
    }
    player.receive(Duration::ZERO, said);
    player.eof(Duration::ZERO, Some(&hostile()));
    Outcome { record: player.finish(), aftermath: None }
}

fn run(agent: &str, outcomes: Vec<Outcome>) -> Run {
    Run {
        agent: agent.to_owned(),
        place: Place::of(&format!("ws://user:secret@{agent}/")),
        flags: String::new(),
        subject: Subject::Server,
        seed: 1,
        duration: Duration::from_millis(1500),
        started: 0,
        outcomes,
    }
}

/// Servers that answer with hostile text wherever they can.
fn hostile_run() -> Run {
    let plain: Vec<u8> = hostile().bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
    let field =
        [b"HTTP/1.1 101 \xff\x80ok\r\nServer: ", &plain[..], b"\r\nUpgrade: ", &plain, b"\r\n\r\n"].concat();
    let status =
        [b"HTTP/1.1 404 Not Found\r\nServer: a\r\nContent-Length: 9\r\n\r\n", hostile().as_bytes()].concat();
    let case = cases::find("1.1.2").unwrap();
    run(
        &hostile(),
        vec![
            play(case, &field),
            play(cases::find("2.2").unwrap(), &status),
            play(cases::find("3.1").unwrap(), hostile().as_bytes()),
        ],
    )
}

/// All forms of a report, each with what it may hold of what acts.
fn forms(report: &Report) -> Vec<(&'static str, String)> {
    let mut forms = vec![
        ("JSON", report.to_json().to_string()),
        ("index.json", autobahn::index(report).to_string()),
        ("JUnit", junit::report(report).into_string()),
        ("Markdown", markdown::report(report).into_string()),
        ("HTML", html::page(report).into_string()),
    ];
    for run in &report.runs {
        for verbose in [false, true] {
            forms.push(("text", text::report(run, Style { verbose, colour: false }).into_string()));
        }
    }
    forms
}

fn assert_harmless(report: &Report) {
    for (name, text) in forms(report) {
        let found = text.chars().find(|c| acts(*c) && *c != '\n');
        assert_eq!(found, None, "{name}");
        assert!(!text.contains("\n# heading"), "a line of {name} is faked");
        assert!(!text.contains("<script>alert") || matches!(name, "text" | "JSON" | "index.json"), "{name}");
        assert!(!text.contains("secret"), "{name}");
    }
    let xml = junit::report(report).into_string();
    let xml = roxmltree::Document::parse(&xml).expect("JUnit is XML");
    let cases = xml.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert_eq!(cases, report.runs.iter().map(|run| run.cases.len()).sum::<usize>());
    let again = Report::from_json(report.to_json().as_str()).unwrap();
    assert_eq!(again.to_json(), report.to_json());
}

#[test]
fn nothing_that_a_peer_says_acts_on_what_shows_it() {
    let run = hostile_run();
    let report = Report::new(&[&run], Deny::Must);
    assert!(report.runs[0].cases.iter().all(|case| case.denied), "they are all shown");
    assert_harmless(&report);
}

/// Puts hostile text into every string but those that name one of several things.
fn poison(value: &mut Value, count: &mut usize) {
    match value {
        Value::String(text) => {
            *text += &hostile();
            *count += 1;
        }
        Value::Array(values) => values.iter_mut().for_each(|value| poison(value, count)),
        Value::Object(members) => {
            for (name, value) in members {
                if !matches!(&**name, "behaviour" | "close") {
                    poison(value, count);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn nothing_that_a_file_holds_acts_on_what_shows_it() {
    let report = Report::new(&[&hostile_run()], Deny::Must);
    let mut value: Value = serde_json::from_str(report.to_json().as_str()).unwrap();
    let mut count = 0;
    poison(&mut value, &mut count);
    assert!(count > 40, "{count}");
    let report = Report::from_json(&value.to_string()).unwrap();
    assert!(report.runs[0].agent.contains('\u{202e}'), "it is there");
    assert_harmless(&report);
}
