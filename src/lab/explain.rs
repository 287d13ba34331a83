//! A case and its outcome in words: what is sent, what is right, what came back, and how to see it again.

use std::fmt::Write as _;

use crate::frame::RawHeader;

use super::case::{
    Answer, By, Case, Class, Declare, Edit, Event, Frame, Kind, Level, Masking, Pace, Step, Subject,
};
use super::escape::{hex, visible};
use super::payload::Payload;
use super::player::Record;
use super::wire::{Excerpt, Item, Line, Way};

/// Octets of a payload shown in hex.
const SHOWN: usize = 48;
/// Lines of a log shown with a failure.
const LOG_LINES: usize = 40;

/// A case, without playing it.
pub fn case(case: &Case) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", case.id, case.title);
    let _ = writeln!(out, "  rule      {} ({}, {})", case.rule.text, case.rule.section, case.level);
    let _ = writeln!(out, "  examines  {}", case.subject);
    if !case.tags.is_empty() {
        let _ = writeln!(out, "  tags      {}", case.tags.join(", "));
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

/// What is right: the answers to the opening handshake, the events, the ending.
pub fn expected(case: &Case) -> Vec<String> {
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

/// Why a case failed, with everything needed to see it oneself.
pub fn failure(record: &Record, again: &str) -> String {
    let case = record.case;
    let verdict = &record.verdict;
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", case.id, case.title);
    let _ = writeln!(out, "  rule      {} ({}, {})", case.rule.text, case.rule.section, case.level);
    let _ = writeln!(out, "  behaviour {}: {}", verdict.behaviour, visible(verdict.reason.as_bytes()));
    let _ = writeln!(out, "  ending    {}: {}", verdict.close, visible(verdict.close_reason.as_bytes()));
    for line in expected(case) {
        let _ = writeln!(out, "  expected  {line}");
    }
    let lines = record.log.lines();
    for line in &lines[..lines.len().min(LOG_LINES)] {
        for text in log_line(line) {
            let _ = writeln!(out, "  {text}");
        }
    }
    let left_out = lines.len().saturating_sub(LOG_LINES) + record.log.left_out();
    if left_out > 0 {
        let _ = writeln!(out, "            ... {left_out} more");
    }
    let _ = writeln!(out, "  again     {again}");
    out
}

/// A line of the wire log, in one line of text or two.
pub fn log_line(line: &Line) -> Vec<String> {
    let at = format!("{:>7.1} ms", line.at.as_secs_f64() * 1000.0);
    match &line.item {
        Item::Note(note) => vec![format!("{at}  -- {}", visible(note.as_bytes()))],
        Item::Head(way, head) => {
            let text = visible(&head.octets[..head.octets.len().min(1500)]);
            let text = text.replace("\\r\\n\\r\\n", "").replace("\\r\\n", " | ");
            vec![format!("{at}  {} {text}", arrow(*way))]
        }
        Item::Octets(way, octets) => {
            vec![format!("{at}  {} {} octets: {}", arrow(*way), octets.len, shown(octets))]
        }
        Item::Frame(way, header, payload) => {
            let mut lines = vec![format!("{at}  {} {}", arrow(*way), frame_line(header, payload))];
            if payload.len > 0 {
                lines.push(format!("               {}", shown(payload)));
            }
            lines
        }
    }
}

/// A frame in one line: `text FIN masked, 5 octets "Hello"`.
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
    let _ = write!(out, ", {} octets", header.length);
    if header.form != crate::frame::LengthForm::minimal(header.length) {
        out.push_str(" in a longer form than needed");
    }
    if header.length != payload.len as u64 {
        let _ = write!(out, " declared, {} here", payload.len);
    }
    match (header.opcode, &payload.octets[..]) {
        (8, [high, low, reason @ ..]) => {
            let _ = write!(out, ", code {}", u16::from_be_bytes([*high, *low]));
            if !reason.is_empty() {
                let _ = write!(out, ", reason \"{}\"", visible(reason));
            }
        }
        (_, octets) if !octets.is_empty() && !header.rsv1 => {
            if let Ok(text) = str::from_utf8(&octets[..octets.len().min(SHOWN)]) {
                let _ = write!(out, " \"{}\"", visible(text.as_bytes()));
            }
        }
        _ => {}
    }
    out
}

/// The name of an opcode (RFC 6455 §11.8).
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

fn arrow(way: Way) -> &'static str {
    match way {
        Way::Sent => "->",
        Way::Received => "<-",
    }
}

fn shown(excerpt: &Excerpt) -> String {
    let kept = &excerpt.octets[..excerpt.octets.len().min(SHOWN)];
    let more = if excerpt.len > kept.len() { " ..." } else { "" };
    format!("{}{more}", hex(kept))
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

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Level::Must => "must",
            Level::Should => "should",
            Level::May => "may",
        })
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Subject::Server => "servers",
            Subject::Client => "clients",
            Subject::Both => "servers and clients",
        })
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::Text(payload) => write!(f, "text of {payload}"),
            Event::Binary(payload) => write!(f, "binary of {payload}"),
            Event::Pong(payload) => write!(f, "a Pong with {payload}"),
            Event::Waited => f.write_str("a wait that passes"),
            Event::Echoed => f.write_str("every message back as it was sent"),
        }
    }
}

impl std::fmt::Display for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Payload::Octets(octets) if octets.len() <= SHOWN => {
                write!(f, "{} octets \"{}\"", octets.len(), visible(octets))
            }
            Payload::Octets(octets) => write!(f, "{} octets", octets.len()),
            Payload::Cycle(pattern, len) => write!(f, "{len} octets of \"{}\"", visible(pattern)),
            Payload::Code(code) => write!(f, "code {code}"),
            Payload::Data(data) => write!(f, "a file ({data:?}, {} octets)", data.size()),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Kind::Text => "text",
            Kind::Binary => "binary",
        })
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = &self.header;
        write!(f, "{}", opcode_name(header.opcode))?;
        if !matches!(header.opcode, 0 | 1 | 2 | 8..=10) {
            write!(f, " {:#x}", header.opcode)?;
        }
        for (set, name) in [
            (!header.fin, " without FIN"),
            (header.rsv1, " RSV1"),
            (header.rsv2, " RSV2"),
            (header.rsv3, " RSV3"),
        ] {
            if set {
                f.write_str(name)?;
            }
        }
        write!(f, ", {}", self.payload)?;
        match self.masking {
            Masking::ByRole => {}
            Masking::Wrong => f.write_str(", masked as only the other side may")?,
            Masking::Key(key) => write!(f, ", masking key {}", hex(&key))?,
        }
        match self.declare {
            Declare::Payload => Ok(()),
            Declare::Form(form) => write!(f, ", length in the form {form:?}"),
            Declare::Length(length) => write!(f, ", declaring {length} octets"),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Frame(frame) => write!(f, "send {frame}"),
            Step::Times(frame, times) => write!(f, "send {times} times {frame}"),
            Step::Bytes(octets) => write!(f, "send the octets {}", shown(&Excerpt::of(octets))),
            Step::Message(kind, payload, 0) => write!(f, "send a {kind} message of {payload}"),
            Step::Message(kind, payload, fragment) => {
                write!(f, "send a {kind} message of {payload} in fragments of {fragment} octets")
            }
            Step::Echo(echo) => write!(
                f,
                "send {} {} messages of {} octets, each after the echo of the one before",
                echo.count, echo.kind, echo.size
            ),
            Step::Begin(frame) => write!(f, "start {frame}"),
            Step::Part(octets) => write!(f, "go on with {}", shown(&Excerpt::of(octets))),
            Step::Pace(Pace::Whole) => f.write_str("from here on: everything in one write"),
            Step::Pace(Pace::PerFrame) => f.write_str("from here on: one write for each frame"),
            Step::Pace(Pace::Octets(octets)) => write!(f, "from here on: {octets} octets for each write"),
            Step::Rest(millis) | Step::Wait(millis) => write!(f, "wait {millis} ms"),
            Step::Await(events) => write!(f, "wait for {events} answers"),
            Step::HalfClose => f.write_str("end our half of the TCP connection"),
            Step::Drop => f.write_str("end the TCP connection"),
        }
    }
}

impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |octets: &[u8]| {
            let more = if octets.len() > 96 { "..." } else { "" };
            format!("{}{more}", visible(&octets[..octets.len().min(96)]))
        };
        match self {
            Edit::First(line) => write!(f, "first line: {}", short(line.as_bytes())),
            Edit::Line(name, line) => write!(f, "instead of {name}: {}", short(line.as_bytes())),
            Edit::Without(name) => write!(f, "without {name}"),
            Edit::Add(line) => write!(f, "with the line: {}", short(line.as_bytes())),
            Edit::Long(prefix, unit, times) => {
                write!(
                    f,
                    "with the line: {}, then {times} times \"{}\"",
                    short(prefix.as_bytes()),
                    visible(unit.as_bytes())
                )
            }
            Edit::Repeat(line, times) => write!(f, "with {times} times the line: {}", short(line.as_bytes())),
            Edit::Target(length) => write!(f, "a request target of {length} octets"),
            Edit::Before(octets) => write!(f, "in front of it: {}", short(octets)),
            Edit::After(octets) => write!(f, "behind it, in the same write: {}", short(octets)),
            Edit::Raw(octets) => write!(f, "instead of it: {}", short(octets)),
            Edit::Cut(length) => write!(f, "only its first {length} octets"),
            Edit::BareLf => f.write_str("lines end in LF alone"),
            Edit::MixedCase => f.write_str("field names in mixed case"),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Opens => f.write_str("the connection opens"),
            Answer::Status([]) => f.write_str("an HTTP error"),
            Answer::Status(statuses) => {
                let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
                write!(f, "HTTP status {}", statuses.join(" or "))
            }
            Answer::Refuses => f.write_str("any HTTP response but an upgrade"),
            Answer::Drops => f.write_str("the end of the connection without an answer"),
            Answer::Silent => f.write_str("no answer"),
        }
    }
}
