//! One HTML file: what did not pass, by cause and expanded, then all cases by theme, agents side by side, collapsed. It
//! loads nothing. The details of each case are cut so that a whole run takes less than a megabyte.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::causes::{Cause, causes, themes, verdict_line};
use super::json::{CaseReport, LogReport, Report, RunReport};
use super::verdict::{Tone, behaviours, tone};
use crate::counted;
use crate::escape::{Clean, Html, Json, Terminal, one_line};
use crate::judge::Behaviour;
use crate::wire::shortened;

/// Bytes for the logs of cases that did not pass, and for those of all others.
const FAILED_LOGS: usize = 180_000;
const OTHER_LOGS: usize = 200_000;
/// How many cases have their details directly in the page. Those of the others are shown on demand, in the list of all
/// cases.
const MOST_DETAILS: usize = 120;
/// How many characters of a line of a log are kept.
const LINE: usize = 160;

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>WebSocket conformance</title>\n<style>\n";

/// Writes the page.
pub fn page(report: &Report) -> Clean<Html> {
    let mut out = Clean::new();
    out.own(HEAD).own(include_str!("page.css")).own("</style>\n</head>\n<body>\n<main>\n");
    out.own("<h1>WebSocket conformance</h1>\n<p class=\"soft\">bowsprit ")
        .text(&report.version)
        .own("</p>\n");
    out.own("<div class=\"agents\">\n");
    report.runs.iter().for_each(|run| card(&mut out, run));
    out.own("</div>\n");
    let failed =
        report.runs.iter().flat_map(|run| &run.cases).filter(|case| !case.passed || case.denied).count();
    let lines = (FAILED_LOGS / (failed.clamp(1, MOST_DETAILS) * LINE)).clamp(2, 60);
    let mut room = MOST_DETAILS;
    for run in &report.runs {
        out.own("<h2>What did not pass: ").text(&run.agent).own("</h2>\n");
        let causes = causes(run);
        if causes.is_empty() {
            out.own("<p class=\"good\">Nothing: everything that was played has passed.</p>\n");
        }
        causes.iter().for_each(|group| cause(&mut out, group, lines, &mut room));
    }
    let data = all(&mut out, report);
    // Nothing in it can fail to be written: it is only text and numbers.
    let data = Json::compact(&json!({ "texts": data.texts, "cases": data.cases })).unwrap_or_default();
    out.own("<script type=\"application/json\" id=\"data\">")
        .add(&data.in_script())
        .own("</script>\n</main>\n<script>\n");
    out.own(include_str!("page.js")).own("</script>\n</body>\n</html>\n");
    out
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Odd => "odd",
        Tone::Noted => "noted",
        Tone::Absent => "absent",
        Tone::Unreached => "unreached",
        Tone::Unplayed => "unplayed",
        Tone::Bad => "bad",
    }
}

/// Returns the class of a case: bad even if only its ending is wrong.
fn looks(case: &CaseReport) -> &'static str {
    match tone(case.behaviour) {
        Tone::Unplayed => class(Tone::Unplayed),
        _ if !case.passed => class(Tone::Bad),
        // A case may accept a verdict that is bad in others.
        Tone::Bad => class(Tone::Odd),
        tone => class(tone),
    }
}

fn card(out: &mut Clean<Html>, run: &RunReport) {
    out.own("<div class=\"agent\"><b>").text(&run.agent).own("</b><small>").text(&run.subject).own(", ");
    out.text(format_args!(
        "{} in {:.1} s",
        counted(run.cases.len(), "case"),
        run.duration_ms as f64 / 1000.0
    ));
    out.own("</small><div class=\"bar\">");
    let count = |behaviour: Behaviour| run.count(behaviour);
    for behaviour in behaviours().filter(|behaviour| count(*behaviour) > 0) {
        out.own("<i class=\"")
            .own(class(tone(behaviour)))
            .own("\" style=\"flex:")
            .text(count(behaviour))
            .own("\"></i>");
    }
    out.own("</div><small>");
    for (at, behaviour) in behaviours().filter(|behaviour| count(*behaviour) > 0).enumerate() {
        out.own(if at > 0 { ", " } else { "" });
        out.text(format_args!("{} {}", count(behaviour), behaviour.name().to_lowercase()));
    }
    let is_ending = |case: &&CaseReport| {
        !case.passed && !case.close_reason.is_empty() && tone(case.behaviour) < Tone::Absent
    };
    let endings = run.cases.iter().filter(is_ending).count();
    if endings > 0 {
        out.text(format_args!(", {endings} with a wrong ending"));
    }
    out.own("</small></div>\n");
}

/// Writes a cause and its cases; `room` is how many of them may still have their details here.
fn cause(out: &mut Clean<Html>, cause: &Cause<'_>, lines: usize, room: &mut usize) {
    let required = cause.denied();
    out.own("<details open class=\"cause").own(if required > 0 { " required" } else { "" });
    out.own("\"><summary><b>").text(&cause.text).own("</b> <small>").text(counted(cause.cases.len(), "case"));
    out.own(", ").text(required).own(" required</small>");
    let common = cause.verdict();
    if let Some(verdict) = &common {
        out.own(" <small class=\"bad\">").text(verdict).own("</small>");
    }
    out.own("</summary>\n");
    for case in &cause.cases {
        let has_details = *room > 0;
        *room = room.saturating_sub(1);
        out.own(if has_details { "<details class=\"case\"><summary>" } else { "<div class=\"case\">" });
        out.own("<span class=\"id\">").text(&case.id).own("</span>").text(&case.title);
        out.own(" <small>").text(&case.level).own("</small>");
        if common.is_none() {
            out.own(" <small class=\"").own(looks(case)).own("\">").text(verdict_line(case)).own("</small>");
        }
        if !has_details {
            out.own("</div>\n");
            continue;
        }
        out.own("</summary>\n<dl>");
        for (name, value) in facts(case) {
            out.own("<dt>").own(name).own("</dt><dd>").text(value).own("</dd>");
        }
        out.own("<dt>again</dt><dd><code>").text(&case.again).own("</code></dd></dl>\n<pre>");
        log(case, lines).iter().for_each(|line| line.write(out, ""));
        out.own("</pre></details>\n");
    }
    out.own("</details>\n");
}

fn facts(case: &CaseReport) -> Vec<(&'static str, String)> {
    let mut facts = case.facts();
    facts.iter_mut().for_each(|(_, value)| *value = cut(value, 2 * LINE));
    facts.extend(case.aftermath.clone().map(|aftermath| ("after", aftermath)));
    facts
}

fn log(case: &CaseReport, lines: usize) -> Vec<LogReport> {
    let short = |line: &LogReport| LogReport { text: cut(&line.text, 3 * LINE), ..line.clone() };
    shortened(&case.log, lines).iter().map(short).collect()
}

fn cut(text: &str, most: usize) -> String {
    let kept: String = text.chars().take(most).collect();
    if kept.len() < text.len() { kept + "..." } else { kept }
}

/// Writes all cases, each row with a verdict for each run; returns what the verdicts rest on.
fn all(out: &mut Clean<Html>, report: &Report) -> Data {
    out.own(
        "<h2>All cases</h2>\n<form id=\"form\"><input type=\"search\" id=\"find\" aria-label=\"Filter\" ",
    );
    out.own("placeholder=\"Filter: id, words, section, must, verdict\">");
    out.own("<label><input type=\"checkbox\" id=\"differ\"> only where agents differ</label>");
    out.own("<small id=\"count\"></small></form>\n<div id=\"all\">\n");
    let total: usize = report.runs.iter().map(|run| run.cases.len()).sum();
    let lines = (OTHER_LOGS / (total.max(1) * 60)).clamp(2, 20);
    let mut data = Data::default();
    for theme in themes(&report.runs) {
        out.own("<details class=\"theme\"><summary><b>").text(theme).own("</b><span class=\"verdicts\">");
        for run in &report.runs {
            let of_it = || run.cases.iter().filter(|case| case.theme == theme);
            let passed = of_it().filter(|case| case.passed).count();
            let look = class(if passed == of_it().count() { Tone::Good } else { Tone::Bad });
            out.own("<small class=\"").own(look).own("\">").text(passed).own(" of ").text(of_it().count());
            out.own("</small>");
        }
        out.own("</span></summary>\n");
        let mut ids: Vec<&CaseReport> = Vec::new();
        for case in report.runs.iter().flat_map(|run| &run.cases).filter(|case| case.theme == theme) {
            if !ids.iter().any(|known| known.id == case.id) {
                ids.push(case);
            }
        }
        for case in ids {
            row(out, report, case, lines, &mut data);
        }
        out.own("</details>\n");
    }
    out.own("</div>\n");
    data
}

fn row(out: &mut Clean<Html>, report: &Report, case: &CaseReport, lines: usize, data: &mut Data) {
    out.own("<div class=\"row\" data-words=\"").text(case.tags.join(" ")).own("\"><span class=\"id\">");
    out.text(&case.id).own("</span><span>").text(&case.title).own(" <small>").text(&case.section).own(", ");
    out.text(&case.level).own("</small></span><span class=\"verdicts\">");
    for run in &report.runs {
        let Some(one) = run.cases.iter().find(|one| one.id == case.id) else {
            out.own("<small>-</small>");
            continue;
        };
        out.own("<button class=\"").own(looks(one)).own("\" data-at=\"").text(data.cases.len());
        if report.runs.len() > 1 {
            out.own("\" title=\"").text(&run.agent);
        }
        out.own("\">").text(one.behaviour);
        if !one.passed && !one.close_reason.is_empty() && tone(one.behaviour) < Tone::Absent {
            out.own(", close ").text(one.close);
        }
        out.own("</button>");
        data.add(one, lines);
    }
    out.own("</span></div>\n");
}

/// What the page shows about cases on demand.
#[derive(Default)]
struct Data {
    /// Texts that many cases have in common, each stored once.
    texts: Vec<String>,
    places: BTreeMap<String, usize>,
    /// For each verdict, its facts, each a name and the index of a text, and its log.
    cases: Vec<Value>,
}

impl Data {
    fn add(&mut self, case: &CaseReport, lines: usize) {
        // The page shows all of a failed case above.
        let is_short = case.passed && !case.denied;
        let facts = facts(case).into_iter().filter(|(name, _)| *name != "expected" || !is_short);
        let facts: Vec<Value> = facts.map(|(name, value)| json!([name, self.place(&value)])).collect();
        // Handshakes are all alike.
        let frames: Vec<LogReport> =
            case.log.iter().filter(|line| !line.text.contains("\\r\\n")).cloned().collect();
        let mut log = Clean::<Terminal>::new();
        for line in shortened(&frames, lines) {
            LogReport { text: cut(&line.text, 70), hex: String::new(), ..line }.write(&mut log, "");
        }
        self.cases.push(json!([facts, log.into_string()]));
    }

    fn place(&mut self, text: &str) -> usize {
        let text = one_line(text.as_bytes()).into_string();
        *self.places.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            self.texts.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::SCHEMA;
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_nothing_leaves_its_place() {
        let version = "</script><script>alert(1)</script>".to_owned();
        let page = page(&Report { schema: SCHEMA, version, runs: Vec::new() }).into_string();
        assert!(!page.contains("<script>alert"));
        assert!(!page.contains("http://") && !page.contains("https://"));
    }
}
