//! How the reports treat text of a peer and of files, and whether other programs can read them.

use std::time::Duration;

use bowsprit_lab::escape::acts;
use bowsprit_lab::report::json::{Report, RunReport};
use bowsprit_lab::report::{
    Deny, Outcome, Run, Style, annotations, autobahn, html, junit, markdown, sarif, text,
};
use bowsprit_lab::{Case, Options, Place, Player, Selection, Subject, cases, proxy};
use serde_json::Value;

/// Returns every character that acts on the text around it, and every special character of the formats that we write.
fn hostile() -> String {
    let characters = ('\0'..='\u{ffff}').chain('\u{e0000}'..='\u{e007f}').filter(|c| acts(*c));
    characters.collect::<String>() + "</script><script>alert(1)</script>]]>&amp;\"'|`*_[x](y)\\\n# heading\n"
}

/// Plays a case against a server that sends this and leaves.
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

/// Returns all formats of a report, each with the acting characters that it may hold.
fn forms(report: &Report) -> Vec<(&'static str, String)> {
    let mut forms = vec![
        ("JSON", report.to_json().to_string()),
        ("index.json", autobahn::index(report).to_string()),
        ("JUnit", junit::report(report).into_string()),
        ("Markdown", markdown::report(report).into_string()),
        ("HTML", html::page(report).into_string()),
        ("SARIF", sarif::log(report, None).to_string()),
        ("annotations", annotations::commands(report).into_string()),
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
        assert!(
            !text.contains("<script>alert")
                || matches!(name, "text" | "JSON" | "index.json" | "SARIF" | "annotations"),
            "{name}"
        );
        assert!(!text.contains("secret"), "{name}");
    }
    let data = on_demand(html::page(report).as_str());
    let mut shown = Vec::new();
    strings(&data, &mut shown);
    assert!(shown.len() > 10 && !shown.iter().any(|text| text.chars().any(|c| acts(c) && c != '\n')));
    let xml = junit::report(report).into_string();
    let xml = roxmltree::Document::parse(&xml).expect("JUnit is XML");
    let cases = xml.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert_eq!(cases, report.runs.iter().map(|run| run.cases.len()).sum::<usize>());
    let again = Report::from_json(report.to_json().as_str()).unwrap();
    assert_eq!(again.to_json(), report.to_json());
}

/// A proxy that sends hostile text wherever it can.
fn hostile_proxy() -> RunReport {
    let records = proxy::cases::all().take(12).map(|case| {
        let mut record = proxy::Record::not_played(case, "");
        record.passage = proxy::Passage::Altered;
        record.reason = hostile();
        record.added = vec![(proxy::case::Side::Client, hostile())];
        record.measured = vec![hostile()];
        record.difference = Some(proxy::Difference {
            from: proxy::case::Side::Origin,
            part: "stream",
            offset: 7,
            sent: b"sent".to_vec(),
            came: hostile().into_bytes(),
        });
        record
    });
    let run = proxy::report::Run {
        agent: hostile(),
        place: Place::of("ws://user:secret@front/"),
        flags: String::new(),
        seed: 2,
        duration: Duration::from_secs(1),
        started: 0,
        records: records.collect(),
    };
    run.report(Deny::Must)
}

#[test]
fn nothing_that_a_proxy_says_acts_on_what_shows_it() {
    let run = hostile_proxy();
    assert!(
        run.cases.iter().all(|case| !case.passed && case.denied == (case.level == "must")) && !run.passed
    );
    assert_harmless(&Report::of(vec![run]));
}

#[test]
fn nothing_that_a_peer_says_acts_on_what_shows_it() {
    let run = hostile_run();
    let report = Report::new(&[&run], Deny::Must);
    assert!(report.runs[0].cases.iter().all(|case| case.denied), "they are all shown");
    assert_harmless(&report);
}

/// Returns the data that the page shows on demand, which is text; nothing in it acts either.
fn on_demand(page: &str) -> Value {
    let start = page.find("id=\"data\">").unwrap() + 10;
    let end = start + page[start..].find("</script>").unwrap();
    serde_json::from_str(&page[start..end]).unwrap()
}

fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => members.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// Puts hostile text into every string but those that hold one of a fixed set of words.
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

/// A run of every case with a server that refuses everything, and one that sends hostile text.
fn full_run(said: &[u8]) -> Run {
    let all = Selection { slow: true, ..Selection::default() }.choose(Subject::Server).unwrap();
    run("server.example", all.into_iter().map(|case| play(case, said)).collect())
}

#[test]
fn a_page_of_a_full_run_takes_less_than_a_megabyte() {
    let said = [
        &b"HTTP/1.1 404 Not Found\r\nContent-Length: 900\r\n"[..],
        &b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(40),
        b"\r\n",
    ]
    .concat();
    for said in [&said[..], b"\xff\xff\xff"] {
        let run = full_run(said);
        let report = Report::new(&[&run], Deny::Should);
        let size = html::page(&report).as_str().len();
        assert!(size < 1_000_000, "{size} bytes");
        let told = text::report(&report.runs[0], Style::default()).into_string();
        assert!(told.lines().count() < 1000, "{} lines", told.lines().count());
    }
}

/// Checks the keywords that `report.schema.json` uses. Members that it does not describe are faults here, although
/// programs that read reports have to tolerate them.
fn check(schema: &Value, whole: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(name) = schema.get("$ref") {
        let pointer = name.as_str().unwrap().trim_start_matches('#');
        return check(whole.pointer(pointer).unwrap(), whole, value, at, faults);
    }
    for (keyword, says) in schema.as_object().unwrap() {
        let holds = match &**keyword {
            "$schema" | "$defs" | "title" | "description" => true,
            "type" => {
                let names = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                names.iter().any(|name| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    "null" => value.is_null(),
                    other => panic!("{other} is no type"),
                })
            }
            "enum" => says.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
            "required" => {
                says.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(says, whole, item, &format!("{at}/{index}"), faults);
                }
                true
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    match says.get(name) {
                        Some(schema) => check(schema, whole, member, &format!("{at}/{name}"), faults),
                        None => faults.push(format!("{at}/{name} is not described")),
                    }
                }
                true
            }
            other => panic!("this checker does not know the keyword {other}"),
        };
        if !holds {
            faults.push(format!("{at}: {keyword} does not hold"));
        }
    }
}

fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, schema, value, "", &mut faults);
    faults
}

#[test]
fn a_report_is_what_its_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../report.schema.json")).unwrap();
    let full = full_run(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    for run in [&hostile_run(), &full] {
        let report: Value = serde_json::from_str(Report::new(&[run], Deny::Must).to_json().as_str()).unwrap();
        assert_eq!(faults(&schema, &report), [""; 0]);
    }
    let report = Report::of(vec![hostile_proxy()]);
    let report: Value = serde_json::from_str(report.to_json().as_str()).unwrap();
    assert_eq!(faults(&schema, &report), [""; 0]);
    assert_eq!(report["runs"][0]["cases"][0]["passage"]["difference"]["offset"], 7);
    // The schema can detect faults.
    let mut report: Value =
        serde_json::from_str(Report::new(&[&full], Deny::Must).to_json().as_str()).unwrap();
    report["runs"][0]["cases"][0]["behaviour"] = "FINE".into();
    report["runs"][0]["cases"][1]["duration_ms"] = "long".into();
    report["runs"][0]["cases"][2]["more"] = 1.into();
    report["runs"][0].as_object_mut().unwrap().remove("seed");
    assert_eq!(faults(&schema, &report).len(), 4, "{:?}", faults(&schema, &report));
}

/// Every verdict has its place in the schema.
#[test]
fn the_schema_knows_every_verdict() {
    let schema: Value = serde_json::from_str(include_str!("../report.schema.json")).unwrap();
    let of = |member: &str| &schema["$defs"]["case"]["properties"][member]["enum"];
    assert_eq!(
        of("behaviour"),
        &serde_json::to_value(bowsprit_lab::report::behaviours().collect::<Vec<_>>()).unwrap()
    );
    assert_eq!(
        of("close"),
        &serde_json::to_value(bowsprit_lab::report::closes().collect::<Vec<_>>()).unwrap()
    );
}
