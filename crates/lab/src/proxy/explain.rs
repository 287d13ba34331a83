//! A case in words: what both sides do, and what is accepted.

use std::fmt::Write as _;

use super::case::{Case, Check, Data, ProxyStep};
use super::passage::Passage;
use crate::case::{Level, Pace};
use crate::counted;
use crate::escape::visible;
use crate::explain::SHOWN;

/// Describes a case without playing it.
pub fn case(case: &Case) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", case.id, case.title);
    let _ = writeln!(out, "  rule      {} ({}, {})", case.rule.text, case.rule.sections, case.level);
    let _ = writeln!(out, "  examines  proxies");
    if !case.tags.is_empty() {
        let _ = writeln!(out, "  tags      {}", case.tags.join(", "));
    }
    if case.copies > 1 {
        let _ = writeln!(out, "  copies    {} at once", case.copies);
    }
    if !case.only_http1.is_empty() {
        let _ = writeln!(out, "  --http2   not applicable: {}", case.only_http1);
    }
    for step in case.script {
        step_lines(&mut out, step);
    }
    for line in expected(case) {
        let _ = writeln!(out, "  expected  {line}");
    }
    out
}

/// Describes what the case accepts.
pub fn expected(case: &Case) -> Vec<String> {
    let mut lines = vec!["all comes out as it was sent (transparent)".to_owned()];
    let lists = |check: &Check| matches!(check, Check::Members(_));
    let hops = |check: &Check| matches!(check, Check::Hop(_));
    let has = |kind: &dyn Fn(&Check) -> bool| checks(case).any(kind);
    if has(&lists) {
        lines.push("or lines of a list are joined (altered)".to_owned());
    }
    if has(&hops) {
        lines.push("or what is for the next hop is taken out (altered)".to_owned());
    }
    for passage in case.accepts {
        lines.push(match passage {
            Passage::Repaired => "or what was wrong comes out right (repaired)".to_owned(),
            Passage::Altered => "or it comes out otherwise (altered)".to_owned(),
            Passage::Refused => "or the proxy answers itself, or ends the connection (refused)".to_owned(),
            other => format!("or {}", other.name().to_lowercase()),
        });
    }
    if case.level == Level::May {
        lines.push("anything else is told and fails nothing".to_owned());
    }
    lines
}

fn checks(case: &Case) -> impl Iterator<Item = &'static Check> {
    case.script.iter().flat_map(|step| match step {
        ProxyStep::Reach(checks) | ProxyStep::Get(checks) => *checks,
        _ => &[],
    })
}

fn step_lines(out: &mut String, step: &ProxyStep) {
    let mut line = |who: &str, what: String| {
        let _ = writeln!(out, "  {who:<9} {what}");
    };
    match step {
        ProxyStep::NobodyListens => line("origin", "does not listen".into()),
        ProxyStep::Feel | ProxyStep::Ask([]) => line("client", "sends its request".into()),
        ProxyStep::Ask(edits) => {
            line("client", "sends its request, changed:".into());
            edits.iter().for_each(|edit| line("", short(&edit.to_string())));
        }
        ProxyStep::Cut(side, pace) => line(
            &side.to_string(),
            match pace {
                Pace::Whole => "sends from now on in as few writes as possible".into(),
                Pace::PerFrame => "sends each part in a write of its own from now on".into(),
                Pace::Bytes(bytes) => {
                    format!("sends from now on in writes of at most {}", counted(*bytes, "byte"))
                }
            },
        ),
        ProxyStep::Reach(checks) => {
            line("origin", "has to get the request".into());
            checks.iter().for_each(|check| line("", check_line(check)));
        }
        ProxyStep::Answer([]) => line("origin", "answers 101".into()),
        ProxyStep::Answer(edits) => {
            line("origin", "answers 101, changed:".into());
            edits.iter().for_each(|edit| line("", short(&edit.to_string())));
        }
        ProxyStep::Refuse(status, lines, body) => {
            line("origin", format!("answers {status}"));
            lines.iter().for_each(|field| line("", (*field).to_owned()));
            if !body.is_empty() {
                line("", format!("behind the head \"{}\"", short(&visible(body))));
            }
        }
        ProxyStep::Say(bytes) => line("origin", format!("sends \"{}\"", short(&visible(bytes)))),
        ProxyStep::Get(checks) => {
            line("client", "has to get the answer".into());
            checks.iter().for_each(|check| line("", check_line(check)));
        }
        ProxyStep::Fallback => line("client", "has to be told, by an answer or an end".into()),
        ProxyStep::Body(body) => line("client", format!("has to get the body \"{}\"", short(&visible(body)))),
        ProxyStep::Send(side, data) => line(&side.to_string(), format!("sends {}", data_words(data))),
        ProxyStep::Trickle(side, times, size) => {
            line(
                &side.to_string(),
                format!(
                    "sends {} {}, each when the last have come out",
                    counted(*size, "byte"),
                    counted(*times, "time")
                ),
            );
        }
        ProxyStep::RoundTrips(times) => {
            line("both", format!("send a byte each, by turns, {}", counted(*times, "time")))
        }
        ProxyStep::Arrive(side) => {
            line(&side.other().to_string(), format!("has to get all that the {side} has sent"))
        }
        ProxyStep::ArriveWithin(side, most) => {
            line(
                &side.other().to_string(),
                format!("has to get all that the {side} has sent, within {most} ms"),
            );
        }
        ProxyStep::Stray(side, bytes) => {
            line(&side.to_string(), format!("sends \"{}\", which must not come out", short(&visible(bytes))));
        }
        ProxyStep::Judge(most) => line("both", format!("wait for what comes of that, {most} ms at most")),
        ProxyStep::Hold(side, true) => line(&side.to_string(), "stops reading".into()),
        ProxyStep::Hold(side, false) => line(&side.to_string(), "reads again".into()),
        ProxyStep::Fill(side, most) => {
            line(
                &side.to_string(),
                format!("sends until nothing is taken any more, {} at most", counted(*most, "byte")),
            );
        }
        ProxyStep::End(side) => line(&side.to_string(), "ends its half of the connection".into()),
        ProxyStep::Reset(side) => line(&side.to_string(), "resets its connection".into()),
        ProxyStep::Ends(side, most) => {
            line(&side.to_string(), format!("has to see the end of its connection, within {most} ms"))
        }
        ProxyStep::Rest(millis) => line("both", format!("wait {millis} ms")),
        ProxyStep::StillOpen => line("both", "have to be connected still".into()),
    }
}

fn check_line(check: &Check) -> String {
    match check {
        Check::First => "with the same first line".into(),
        Check::Target => "with the same method and target".into(),
        Check::Reason => "with the same reason phrase".into(),
        Check::Kept(name) => format!("with the same lines of {name}"),
        Check::Members(name) => format!("with the same members of {name} in the same order"),
        Check::Upgrades => "with Upgrade and Connection as an upgrade has them".into(),
        Check::Wrong(name) => format!("{name}, which is wrong, may come out right"),
        Check::WrongUpgrade => "the upgrade, which is wrongly asked for, may come out right".into(),
        Check::Hop(name) => format!("without {name}, unless nothing of the head was touched"),
        Check::Stops(name) => {
            format!("but not with {name} as it was sent, from a front that understands HTTP")
        }
        Check::StopsBoth(one, other) => {
            format!("but not with both {one} and {other}, from a front that understands HTTP")
        }
        Check::Interim(statuses) => {
            let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
            format!("behind {}", statuses.join(" and "))
        }
    }
}

fn data_words(data: &Data) -> String {
    match data {
        Data::Bytes(bytes) if bytes.len() <= SHOWN => format!("\"{}\"", visible(bytes)),
        Data::Bytes(bytes) => counted(bytes.len(), "byte"),
        Data::Frames(frames) => frames.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then "),
        Data::Random(bytes) => counted(*bytes, "random byte"),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
