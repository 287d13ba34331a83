//! Events as lines for people and as JSON for programs.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::super::escape::visible;
use super::super::hex;
use super::super::reader::{Frame, Message, close_of, control_lines, describe, describe_start};
use super::super::rule::Violation;
use super::{Agreement, End, Peer, Told, WireEvent};
use crate::counted;

/// What a line is about, for a display with colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// A head.
    Head,
    /// A frame or its content.
    Frame,
    /// A broken rule.
    Fault,
    /// A remark of the observer.
    Note,
}

/// A line; the caller escapes it like any other text before printing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What the line is about.
    pub colour: Colour,
    /// The text of the line.
    pub text: String,
}

impl Agreement {
    /// Describes the terms, a line for each.
    pub fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.deflate.is_some() {
            let what = if self.is_offer { "offered here, and taken as agreed" } else { "agreed" };
            out.push(format!("permessage-deflate is {what}"));
        }
        if let Some(subprotocol) = &self.subprotocol {
            let verb = if self.is_offer { "offered" } else { "agreed" };
            out.push(format!("{verb} subprotocol: {subprotocol}"));
        }
        out
    }
}

/// Returns the lines of a head without their line ends.
pub fn head_lines(head: &[u8]) -> impl Iterator<Item = String> {
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(visible)
}

impl Told {
    /// Returns whether the event says that a rule was broken.
    pub fn is_fault(&self) -> bool {
        match &self.event {
            WireEvent::Broken(_) => true,
            WireEvent::Frame(frame) => !frame.faults.is_empty(),
            _ => false,
        }
    }

    /// Returns whether the event has no lines, because nothing was agreed but to open the connection.
    pub fn is_silent(&self) -> bool {
        matches!(&self.event, WireEvent::Agreed(agreement) if agreement.lines().is_empty())
    }

    /// Returns the kind of the event, as `--only` names it.
    pub fn kind(&self) -> &'static str {
        match &self.event {
            WireEvent::Head(_) | WireEvent::Agreed(_) => "head",
            WireEvent::Frame(frame) => match (frame.header.opcode, &frame.message) {
                (0, Some(message)) if message.text => "text",
                (0, Some(_)) => "binary",
                (opcode, _) => kind_of(opcode),
            },
            WireEvent::Message(message) if message.text => "text",
            WireEvent::Message(_) => "binary",
            WireEvent::Control { opcode, .. } => kind_of(*opcode),
            WireEvent::Bytes { .. } | WireEvent::Cut { .. } => "bytes",
            WireEvent::Broken(_) => "fault",
            WireEvent::Note(_) => "note",
            WireEvent::Ended(_) => "end",
        }
    }

    /// Returns whether these bytes occur in the content of the event, as far as that was kept.
    pub fn holds(&self, wanted: &[u8]) -> bool {
        let is_in = |bytes: &[u8]| bytes.windows(wanted.len().max(1)).any(|window| window == wanted);
        match &self.event {
            WireEvent::Head(head) => is_in(head),
            WireEvent::Frame(Frame { message: Some(message), .. }) | WireEvent::Message(message) => {
                is_in(&message.bytes)
            }
            WireEvent::Frame(frame) => is_in(&frame.payload),
            WireEvent::Control { payload, .. } => is_in(payload),
            WireEvent::Bytes { start, .. } => is_in(start),
            _ => false,
        }
    }

    /// Describes the event in words; frames as [`Frame::lines`] does.
    pub fn lines(&self) -> Vec<Line> {
        let line = |colour, text: String| Line { colour, text };
        let indented = |text: &str| format!("         {text}");
        match &self.event {
            WireEvent::Head(head) => {
                head_lines(head).map(|text| line(Colour::Head, indented(&text))).collect()
            }
            WireEvent::Agreed(agreement) => {
                let lines = agreement.lines().into_iter();
                lines.map(|text| line(Colour::Note, indented(&format!("= {text}")))).collect()
            }
            WireEvent::Frame(frame) => frame
                .lines()
                .into_iter()
                .map(|text| {
                    let is_fault = text.trim_start().starts_with('!');
                    line(if is_fault { Colour::Fault } else { Colour::Frame }, text)
                })
                .collect(),
            WireEvent::Message(message) => {
                message.lines().into_iter().map(|text| line(Colour::Frame, text)).collect()
            }
            WireEvent::Control { opcode, payload } => {
                let lines = control_lines(*opcode, payload).into_iter();
                lines.map(|text| line(Colour::Frame, text)).collect()
            }
            WireEvent::Bytes { at, count, start } => {
                let shown = &start[..start.len().min(64)];
                let more = if *count > shown.len() as u64 { " ..." } else { "" };
                vec![line(
                    Colour::Note,
                    format!("{at:08x} {} not judged: {}{more}", counted(*count, "byte"), visible(shown)),
                )]
            }
            WireEvent::Cut { at, rest } => vec![
                line(Colour::Frame, format!("{at:08x} {:<28} {}", hex::spaced(rest), describe_start(rest))),
                line(Colour::Fault, indented("! The bytes end inside a header.")),
            ],
            WireEvent::Broken(violation) => vec![line(Colour::Fault, indented(&format!("! {violation}")))],
            WireEvent::Note(text) => vec![line(Colour::Note, indented(&format!("= {text}")))],
            WireEvent::Ended(end) => {
                vec![line(Colour::Note, indented(&format!("= {}", ended(self.from, *end))))]
            }
        }
    }

    /// Describes the event as JSON.
    pub fn json(&self) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
        put("seconds", json!(self.at.as_secs_f64()));
        put("from", json!(self.from.name()));
        match &self.event {
            WireEvent::Head(head) => {
                put("event", json!("head"));
                put("lines", head_lines(head).collect());
            }
            WireEvent::Agreed(agreement) => {
                put("event", json!(if agreement.is_offer { "offer" } else { "open" }));
                put("deflate", json!(agreement.deflate));
                put("subprotocol", json!(agreement.subprotocol));
            }
            WireEvent::Frame(frame) => {
                put("event", json!("frame"));
                frame_json(frame, &mut put);
            }
            WireEvent::Message(message) => {
                put("event", json!("message"));
                message_json(message, &mut put);
            }
            WireEvent::Control { opcode, payload } => {
                put("event", json!("control"));
                put("opcode", json!(opcode));
                put("kind", json!(kind_of(*opcode)));
                put("length", json!(payload.len()));
                bytes_json("payload", payload, false, &mut put);
                close_json(close_of(*opcode, payload), &mut put);
            }
            WireEvent::Bytes { at, count, start } => {
                put("event", json!("bytes"));
                put("offset", json!(at));
                put("length", json!(count));
                bytes_json("start", start, true, &mut put);
            }
            WireEvent::Cut { at, rest } => {
                put("event", json!("cut"));
                put("offset", json!(at));
                put("start_hex", json!(hex::digits(rest)));
                put("header", json!(describe_start(rest)));
                if let Some(first) = rest.first() {
                    put("opcode", json!(first & 0x0f));
                    put("fin", json!(first & 0x80 != 0));
                }
            }
            WireEvent::Broken(violation) => {
                put("event", json!("fault"));
                put("faults", json!([fault_json(violation)]));
            }
            WireEvent::Note(text) => {
                put("event", json!("note"));
                put("text", json!(text));
            }
            WireEvent::Ended(end) => {
                put("event", json!("end"));
                put("how", json!(if *end == End::Reset { "reset" } else { "finished" }));
            }
        }
        out
    }
}

fn ended(from: Peer, end: End) -> Cow<'static, str> {
    match end {
        End::Finished => format!("the {} sends nothing more", from.name()).into(),
        End::Reset => format!("the {} resets the connection", from.name()).into(),
    }
}

/// Returns the name of a frame with this opcode.
const fn kind_of(opcode: u8) -> &'static str {
    match opcode {
        0 => "continuation",
        1 => "text",
        2 => "binary",
        8 => "close",
        9 => "ping",
        10 => "pong",
        _ => "reserved",
    }
}

fn frame_json(frame: &Frame, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let header = &frame.header;
    put("offset", json!(frame.at));
    put("opcode", json!(header.opcode));
    put("kind", json!(kind_of(header.opcode)));
    put("fin", json!(header.fin));
    put("rsv", json!(u8::from(header.rsv1) << 2 | u8::from(header.rsv2) << 1 | u8::from(header.rsv3)));
    put("masked", json!(header.mask.is_some()));
    put("length", json!(header.length));
    put("header", json!(describe(header)));
    if frame.is_cut() {
        put("came", json!(frame.came));
    }
    // The content of a message is reported with the message.
    if frame.message.is_none() || frame.is_control() {
        bytes_json(
            "payload",
            &frame.payload,
            frame.is_cut() || (frame.payload.len() as u64) < frame.came,
            put,
        );
    }
    close_json(frame.close(), put);
    if let Some(message) = &frame.message {
        let mut inner = Map::new();
        message_json(message, &mut |name, value| inner.insert(name.to_owned(), value));
        put("message", Value::Object(inner));
    }
    if !frame.faults.is_empty() {
        put("faults", frame.faults.iter().map(fault_json).collect());
    }
}

fn close_json(close: Option<(u16, &[u8])>, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    if let Some((code, reason)) = close {
        put("code", json!(code));
        put("reason", json!(String::from_utf8_lossy(reason)));
    }
}

fn message_json(message: &Message, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    put("kind", json!(if message.text { "text" } else { "binary" }));
    put("length", json!(message.length));
    put("frames", json!(message.frames));
    if let Some(wire) = message.compressed {
        put("compressed", json!(wire));
    }
    if message.broken {
        put("broken", json!(true));
    }
    if (message.bytes.len() as u64) < message.length {
        put("shown", json!(message.bytes.len()));
    }
    bytes_json("data", &message.bytes, (message.bytes.len() as u64) < message.length, put);
}

/// Writes text as it is, and other bytes as hexadecimal digits under a name that says so. `is_start` says that more
/// came than was kept.
fn bytes_json(name: &str, bytes: &[u8], is_start: bool, put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    match str::from_utf8(bytes) {
        Ok(text) => put(name, json!(text)),
        // The start of a text may end inside a character.
        Err(error) if is_start && error.error_len().is_none() && error.valid_up_to() > 0 => {
            put(name, json!(String::from_utf8_lossy(&bytes[..error.valid_up_to()])))
        }
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            put(&format!("{name}_hex"), json!(digits))
        }
    };
}

fn fault_json(violation: &Violation) -> Value {
    json!({ "what": violation.what, "section": violation.section.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_in_whole() {
        let close = [0x03, 0xe8];
        for (bytes, is_start, name, value) in [
            (&b"text"[..], false, "payload", "text"),
            (&close, false, "payload_hex", "03e8"),
            (b"caf\xc3", true, "payload", "caf"),
            (b"caf\xc3", false, "payload_hex", "636166c3"),
            (b"caf\xff", true, "payload_hex", "636166ff"),
        ] {
            let mut put = Map::new();
            bytes_json("payload", bytes, is_start, &mut |name, value| put.insert(name.to_owned(), value));
            assert_eq!(put.into_iter().collect::<Vec<_>>(), [(name.to_owned(), json!(value))]);
        }
    }
}
