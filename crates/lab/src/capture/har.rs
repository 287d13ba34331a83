//! HTTP archives as browsers write them, with the messages of WebSocket connections (`_webSocketMessages`).
//!
//! An archive holds messages but no frames, so the content can be shown but the framing cannot be judged. Entries and
//! messages that cannot be read are left out, and the rest is reported.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::conversation::{Agreement, Peer, Told, WireEvent};
use crate::reader::Message;

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    response: Response,
    #[serde(rename = "_webSocketMessages")]
    messages: Vec<Value>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Field>,
}

#[derive(Deserialize)]
struct Response {
    status: i64,
    #[serde(rename = "statusText", default)]
    text: String,
    #[serde(default)]
    headers: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "type")]
    way: String,
    /// The time in seconds since 1970.
    #[serde(default)]
    time: f64,
    opcode: i64,
    data: String,
}

/// What was found in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many connections were reported.
    pub connections: u64,
    /// How many entries and messages could not be read.
    pub left_out: u64,
    /// The first few of them, with the reasons.
    pub reasons: Vec<String>,
}

/// The most reasons that are kept.
const REASONS: usize = 16;

impl Held {
    fn leave_out(&mut self, reason: String) {
        self.left_out += 1;
        if self.reasons.len() < REASONS {
            self.reasons.push(reason);
        }
    }
}

/// Returns whether a text looks like an archive.
pub fn is_at_start_of(text: &str) -> bool {
    let start: String = text.chars().take(200).filter(|c| !c.is_whitespace()).collect();
    start.trim_start_matches('\u{feff}').starts_with("{\"log\":")
}

/// Reports each connection in the archive with its number. At most `keep` bytes of each message are kept.
///
/// # Errors
///
/// Returns what cannot be understood at all, or that there is no connection.
pub fn read(text: &str, keep: usize, mut tell: impl FnMut(u64, &Told)) -> Result<Held, String> {
    let text = text.trim_start_matches('\u{feff}');
    let archive: Archive = serde_json::from_str(text).map_err(|error| match error.is_eof() {
        true => format!("this HTTP archive (HAR) ends early: {error}"),
        false => format!("this is no HTTP archive (HAR): {error}"),
    })?;
    let mut held = Held::default();
    for (at, entry) in archive.log.entries.into_iter().enumerate() {
        let place = format!("entry {}", at + 1);
        if entry.get("_webSocketMessages").is_none_or(Value::is_null) {
            continue;
        }
        match serde_json::from_value::<Entry>(entry) {
            Ok(entry) => {
                held.connections += 1;
                let number = held.connections;
                connection(entry, keep, &mut |told| tell(number, &told), &mut |message, why| {
                    held.leave_out(format!("{place}, message {message}: {why}"));
                });
            }
            Err(error) => held.leave_out(format!("{place}: {error}")),
        }
    }
    match (held.connections, held.reasons.first()) {
        (0, None) => Err("no entry of this archive has _webSocketMessages".to_owned()),
        (0, Some(reason)) => Err(format!("no entry of this archive can be read: {reason}")),
        _ => Ok(held),
    }
}

/// Reports a connection, and records which of its messages are left out.
fn connection(
    entry: Entry,
    keep: usize,
    tell: &mut impl FnMut(Told),
    leave_out: &mut impl FnMut(usize, String),
) {
    let Entry { request, response, messages } = entry;
    let head = |first: String, fields: &[Field]| {
        let lines = fields.iter().map(|field| format!("{}: {}\r\n", field.name, field.value));
        WireEvent::Head(format!("{first}\r\n{}\r\n", lines.collect::<String>()).into_bytes())
    };
    let value = |name: &str| {
        let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| field.value.clone())
    };
    let agreement = Agreement {
        is_offer: false,
        deflate: value("sec-websocket-extensions").filter(|value| value.contains("permessage-deflate")),
        subprotocol: value("sec-websocket-protocol"),
    };
    for (from, event) in [
        (Peer::Client, head(format!("{} {} HTTP/1.1", request.method, request.url), &request.headers)),
        (Peer::Server, head(format!("HTTP/1.1 {} {}", response.status, response.text), &response.headers)),
        (Peer::Server, WireEvent::Agreed(agreement)),
    ] {
        tell(Told { at: Duration::ZERO, from, event });
    }
    let mut began = None;
    for (place, message) in messages.into_iter().enumerate() {
        let read = serde_json::from_value::<Data>(message).map_err(|error| error.to_string());
        match read.and_then(|data| Ok((data.time, said(data, keep)?))) {
            Ok((time, (from, event))) => {
                let began = *began.get_or_insert(time);
                let at = Duration::try_from_secs_f64(time - began).unwrap_or_default();
                tell(Told { at, from, event });
            }
            Err(why) => leave_out(place + 1, why),
        }
    }
}

/// Returns what a message is and who sent it.
fn said(data: Data, keep: usize) -> Result<(Peer, WireEvent), String> {
    let Data { way, opcode, data, .. } = data;
    let from = match &*way {
        "send" => Peer::Client,
        "receive" => Peer::Server,
        other => return Err(format!("it is sent or received, not \"{}\"", other.escape_default())),
    };
    let bytes = match opcode {
        1 => data.into_bytes(),
        // Data of any opcode but text.
        2 | 8..=10 => STANDARD.decode(&data).map_err(|error| format!("its data is no base64: {error}"))?,
        other => return Err(format!("{other} is the opcode of no message")),
    };
    let event = match u8::try_from(opcode) {
        Ok(opcode @ 8..) => WireEvent::Control { opcode, payload: bytes },
        _ => {
            let length = bytes.len() as u64;
            let bytes = bytes[..bytes.len().min(keep)].to_vec();
            WireEvent::Message(Message {
                text: opcode == 1,
                frames: 1,
                compressed: None,
                length,
                bytes,
                broken: false,
            })
        }
    };
    Ok((from, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: &str = r#"{"log": {"version": "1.2", "entries": [
        {"request": {"method": "GET", "url": "https://a/", "headers": []}, "response": {"status": 200}},
        {"request": {"method": "GET", "url": "wss://a/chat", "headers": [{"name": "Host", "value": "a"}]},
         "response": {"status": 101, "statusText": "Switching Protocols",
                      "headers": [{"name": "sec-websocket-protocol", "value": "chat"}]},
         "_webSocketMessages": [
            {"type": "send", "time": 1700000000.25, "opcode": 1, "data": "hello"},
            {"type": "receive", "time": 1700000000.75, "opcode": 2, "data": "AAEC"},
            {"type": "receive", "time": 1700000001, "opcode": 8, "data": "A+hieWU="}]}]}}"#;

    /// Returns what was reported, as lines, and what was left out.
    fn told(text: &str) -> Result<(String, Held), String> {
        let mut lines = Vec::new();
        let held = read(text, 64, |_, told| lines.extend(told.lines().into_iter().map(|line| line.text)))?;
        Ok((lines.join("\n"), held))
    }

    #[test]
    fn messages_are_told_in_order() {
        assert!(is_at_start_of(ARCHIVE));
        let (lines, held) = told(ARCHIVE).unwrap();
        assert_eq!(held, Held { connections: 1, ..Held::default() });
        for part in [
            "GET wss://a/chat HTTP/1.1",
            "agreed subprotocol: chat",
            "text of 5 bytes",
            "binary of 3 bytes",
            "Close of 5 bytes",
            "= 1000 (normal closure): bye",
        ] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
        let mut last = None;
        read(ARCHIVE, 64, |_, told| last = Some(told.clone())).unwrap();
        let json = serde_json::Value::Object(last.unwrap().json());
        assert_eq!((&json["seconds"], &json["kind"]), (&0.75.into(), &"close".into()), "{json}");
        assert_eq!((&json["code"], &json["reason"]), (&1000.into(), &"bye".into()), "{json}");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for (from, to, reason) in [
            ("\"send\"", "\"sent\"", "entry 2, message 1: it is sent or received, not \"sent\""),
            ("AAEC", "A", "entry 2, message 2: its data is no base64"),
            ("\"opcode\": 2", "\"opcode\": 5", "entry 2, message 2: 5 is the opcode of no message"),
            ("\"opcode\": 2", "\"opcode\": \"?\"", "entry 2, message 2: invalid type"),
            ("{\"type\": \"send\"", "5, {\"type\": \"send\"", "entry 2, message 1: invalid type"),
            (
                "\"entries\": [",
                "\"entries\": [{\"_webSocketMessages\": []}, 7, ",
                "entry 1: missing field `request`",
            ),
        ] {
            let text = ARCHIVE.replacen(from, to, 1);
            assert_ne!(text, ARCHIVE);
            let (lines, held) = told(&text).unwrap();
            assert!(lines.contains("normal closure") && held.connections == 1, "{to}: {lines}");
            assert_eq!(held.left_out, 1, "{to}");
            assert!(held.reasons[0].starts_with(reason), "{to}: {:?}", held.reasons);
        }
        let many =
            ARCHIVE.replace("{\"type\": \"send\"", &format!("{}{{\"type\": \"send\"", "{}, ".repeat(99)));
        let (_, held) = told(&many).unwrap();
        assert_eq!((held.left_out, held.reasons.len()), (99, REASONS));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for text in ["{\"log\":{}}", "{\"log\":{\"entries\":[]}}", "{\"log\":", "{\"log\":{\"entries\":[7]}}"]
        {
            assert!(is_at_start_of(text) && told(text).is_err(), "{text}");
        }
        for cut in 0..ARCHIVE.len() {
            assert!(told(&ARCHIVE[..cut]).unwrap_err().contains("ends early"), "cut at {cut}");
        }
        assert!(told(&ARCHIVE.replace("1700000000.75", "1e400")).is_err());
        assert!(told(&ARCHIVE.replace("101", "\"?\"")).unwrap_err().contains("entry 2: invalid type"));
    }
}
