//! The parts of a case in words, for `explain` and the reports.

use std::fmt::{self, Display, Formatter};

use super::case::{Answer, Declare, Edit, Event, Frame, Kind, Level, Masking, Pace, Step, Subject};
use super::escape::visible;
use super::explain::{SHOWN, opcode_name, shown};
use super::hex;
use super::payload::Payload;
use super::wire::Excerpt;
use crate::counted;

impl Display for Level {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Must => "must",
            Level::Should => "should",
            Level::May => "may",
        })
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Subject::Server => "servers",
            Subject::Client => "clients",
            Subject::Both => "servers and clients",
        })
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Event::Text(payload) => write!(f, "text of {payload}"),
            Event::Binary(payload) => write!(f, "binary of {payload}"),
            Event::Pong(payload) => write!(f, "a Pong with {payload}"),
            Event::Waited => f.write_str("a wait that passes"),
            Event::Echoed => f.write_str("every message back as it was sent"),
        }
    }
}

impl Display for Payload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Bytes(bytes) if bytes.len() <= SHOWN => {
                write!(f, "{} \"{}\"", counted(bytes.len(), "byte"), visible(bytes))
            }
            Payload::Bytes(bytes) => f.write_str(&counted(bytes.len(), "byte")),
            Payload::Cycle(pattern, len) => {
                write!(f, "{} of \"{}\"", counted(*len, "byte"), visible(pattern))
            }
            Payload::Code(code) => write!(f, "code {code}"),
            Payload::Data(data) => write!(f, "a file ({data:?}, {})", counted(data.size(), "byte")),
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Text => "text",
            Kind::Binary => "binary",
        })
    }
}

impl Display for Frame {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
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
            Masking::Key(key) => write!(f, ", masking key {}", hex::spaced(&key))?,
        }
        match self.declare {
            Declare::Payload => Ok(()),
            Declare::Form(form) => write!(f, ", length in the form {form:?}"),
            Declare::Length(length) => write!(f, ", declaring {}", counted(length, "byte")),
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Frame(frame) => write!(f, "send {frame}"),
            Step::Times(frame, times) => write!(f, "send {times} times {frame}"),
            Step::Bytes(bytes) => write!(f, "send the bytes {}", shown(&Excerpt::of(bytes))),
            Step::Message(kind, payload, 0) => write!(f, "send a {kind} message of {payload}"),
            Step::Message(kind, payload, fragment) => {
                write!(f, "send a {kind} message of {payload} in fragments of {}", counted(*fragment, "byte"))
            }
            Step::Echo(echo) => write!(
                f,
                "send {} of {}, each after the echo of the one before",
                counted(echo.count, &format!("{} message", echo.kind)),
                counted(echo.size, "byte")
            ),
            Step::Begin(frame) => write!(f, "start {frame}"),
            Step::Part(bytes) => write!(f, "go on with {}", shown(&Excerpt::of(bytes))),
            Step::Pace(Pace::Whole) => f.write_str("from here on: everything in one write"),
            Step::Pace(Pace::PerFrame) => f.write_str("from here on: one write for each frame"),
            Step::Pace(Pace::Bytes(bytes)) => {
                write!(f, "from here on: {} for each write", counted(*bytes, "byte"))
            }
            Step::Rest(millis) | Step::Wait(millis) => write!(f, "wait {millis} ms"),
            Step::Await(events) => write!(f, "wait for {}", counted(*events, "answer")),
            Step::AwaitWithin(events, millis) => {
                write!(f, "wait for {}, {millis} ms at most", counted(*events, "answer"))
            }
            Step::HalfClose => f.write_str("end our half of the TCP connection"),
            Step::Drop => f.write_str("end the TCP connection"),
        }
    }
}

impl Display for Edit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let short = |bytes: &[u8]| {
            let more = if bytes.len() > 96 { "..." } else { "" };
            format!("{}{more}", visible(&bytes[..bytes.len().min(96)]))
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
            Edit::Target(length) => write!(f, "a request target of {}", counted(*length, "byte")),
            Edit::Before(bytes) => write!(f, "in front of it: {}", short(bytes)),
            Edit::After(bytes) => write!(f, "behind it, in the same write: {}", short(bytes)),
            Edit::Raw(bytes) => write!(f, "instead of it: {}", short(bytes)),
            Edit::Cut(length) => write!(f, "only its first {}", counted(*length, "byte")),
            Edit::BareLf => f.write_str("lines end in LF alone"),
            Edit::MixedCase => f.write_str("field names in mixed case"),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
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
