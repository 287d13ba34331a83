//! A case and its frames in words: what is sent and what is right.

use std::fmt::Write as _;

use bowsprit::frame::RawHeader;

use super::case::{Answer, By, Case, Class, Event, Subject};
use super::escape::visible;
use super::hex;
use super::http2::Seen;
use super::http2::frame::Frame;
use super::wire::Excerpt;
use crate::counted;

/// How many bytes of a payload are shown in hex.
pub(super) const SHOWN: usize = 48;

/// Describes a case without playing it.
pub fn case(case: &Case) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", case.id, case.title);
    let _ = writeln!(out, "  rule      {} ({}, {})", case.rule.text, case.rule.sections, case.level);
    let _ = writeln!(out, "  examines  {}", case.subject);
    if !case.tags.is_empty() {
        let _ = writeln!(out, "  tags      {}", case.tags.join(", "));
    }
    if let Some(exchange) = case.http2 {
        let usual = match case.subject {
            Subject::Client => crate::http2::HOSTED,
            _ => crate::http2::SETTINGS,
        };
        if exchange.settings != usual {
            let _ = writeln!(out, "  announces {}", Frame::settings(exchange.settings).line());
        }
        for step in exchange.moves {
            let _ = writeln!(out, "  does      {step}");
        }
    }
    for edit in case.opening.edits {
        let _ = writeln!(out, "  opening   {edit}");
    }
    if !case.opening.deflate.is_empty() {
        let _ = writeln!(out, "  opening   offers {}", super::deflate::offer(case.opening.deflate));
    }
    for step in case.script {
        let _ = writeln!(out, "  script    {step}");
    }
    for line in expected(case) {
        let _ = writeln!(out, "  expected  {line}");
    }
    out
}

/// Describes what is right: the answers to the opening handshake, the events, the ending.
pub fn expected(case: &Case) -> Vec<String> {
    if let Some(exchange) = case.http2 {
        let all = |seen: &[Seen]| seen.iter().map(Seen::to_string).collect::<Vec<_>>().join(" and ");
        let outcomes = exchange.outcomes.iter();
        return outcomes.map(|(class, seen)| format!("{}{}", all(seen), in_class(*class))).collect();
    }
    let mut lines = Vec::new();
    let opens = |answer: &Answer| *answer == Answer::Opens;
    let must_open = case.opening.answers.iter().all(|(_, answer)| opens(answer));
    for (class, answer) in case.opening.answers.iter().filter(|_| !must_open) {
        lines.push(format!("{answer}{}", in_class(*class)));
    }
    lines.extend(case.opening.checks.iter().map(|check| check.to_string()));
    if case.opening.answers.iter().any(|(_, answer)| opens(answer)) {
        for (class, events) in case.expect.outcomes {
            lines.push(format!("{}{}", list(events), in_class(*class)));
        }
        lines.push(ending(case));
    }
    lines
}

/// Describes a frame in one line: `text FIN masked, 5 bytes "Hello"`.
pub fn frame_line(header: &RawHeader, payload: &Excerpt) -> String {
    let mut out = opcode_name(header.opcode).to_owned();
    if !matches!(header.opcode, 0 | 1 | 2 | 8..=10) {
        let _ = write!(out, " {:#x}", header.opcode);
    }
    for (set, name) in [
        (header.fin, " FIN"),
        (header.rsv1, " RSV1"),
        (header.rsv2, " RSV2"),
        (header.rsv3, " RSV3"),
        (header.mask.is_some(), " masked"),
    ] {
        if set {
            out.push_str(name);
        }
    }
    let _ = write!(out, ", {}", counted(header.length, "byte"));
    if header.form != bowsprit::frame::LengthForm::minimal(header.length) {
        out.push_str(" in a longer form than needed");
    }
    if header.length != payload.len as u64 {
        let _ = write!(out, " declared, {} here", payload.len);
    }
    match (header.opcode, &payload.bytes[..]) {
        (8, [high, low, reason @ ..]) => {
            let _ = write!(out, ", code {}", u16::from_be_bytes([*high, *low]));
            if !reason.is_empty() {
                let _ = write!(out, ", reason \"{}\"", visible(reason));
            }
        }
        (_, bytes) if !bytes.is_empty() && !header.rsv1 => {
            if let Ok(text) = str::from_utf8(&bytes[..bytes.len().min(SHOWN)]) {
                let _ = write!(out, " \"{}\"", visible(text.as_bytes()));
            }
        }
        _ => {}
    }
    out
}

/// Returns the name of an opcode (RFC 6455 §11.8).
pub fn opcode_name(opcode: u8) -> &'static str {
    match opcode {
        0 => "continuation",
        1 => "text",
        2 => "binary",
        8 => "Close",
        9 => "Ping",
        10 => "Pong",
        3..=7 => "reserved data opcode",
        _ => "reserved control opcode",
    }
}

pub(super) fn shown(excerpt: &Excerpt) -> String {
    let kept = &excerpt.bytes[..excerpt.bytes.len().min(SHOWN)];
    let more = if excerpt.len > kept.len() { " ..." } else { "" };
    format!("{}{more}", hex::spaced(kept))
}

fn in_class(class: Class) -> &'static str {
    match class {
        Class::Ok => "",
        Class::NonStrict => " (not strict)",
        Class::Informational => " (informational)",
    }
}

fn list(events: &[Event]) -> String {
    if events.is_empty() {
        return "no message and no Pong".to_owned();
    }
    events.iter().map(Event::to_string).collect::<Vec<_>>().join(", then ")
}

fn ending(case: &Case) -> String {
    let close = &case.expect.close;
    let codes: Vec<String> = close.codes.iter().map(u16::to_string).collect();
    let codes = codes.join(" or ");
    let clean = if close.clean { ", down to the end of the TCP connection" } else { "" };
    match close.by {
        By::Us => format!("we close with 1000, the peer answers {codes} or without a code{clean}"),
        By::Script => format!("the script closes, the peer answers {codes} or without a code{clean}"),
        By::Peer => format!("the peer fails the connection, with {codes} if it sends a code"),
        By::Anyone => "not judged".to_owned(),
    }
}
