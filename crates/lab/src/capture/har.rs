//! HTTP archives as browsers write them, with the messages of WebSocket connections (`_webSocketMessages`).
//!
//! An archive holds messages and no frames: what is shown is what was said, and nothing about how can be judged.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::conversation::{Agreement, Peer, Told, WireEvent};
use crate::reader::Message;

#[derive(Deserialize)]
struct Archive {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    response: Response,
    #[serde(rename = "_webSocketMessages")]
    messages: Option<Vec<Data>>,
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
    /// Seconds since 1970.
    #[serde(default)]
    time: f64,
    opcode: i64,
    data: String,
}

/// Whether a text looks like an archive.
pub fn is_at_start_of(text: &str) -> bool {
    let start: String = text.chars().take(200).filter(|c| !c.is_whitespace()).collect();
    start.trim_start_matches('\u{feff}').starts_with("{\"log\":")
}

/// Tells of each connection in it, with its number; how many there are. Of a message so many bytes are kept.
///
/// # Errors
///
/// What cannot be understood.
pub fn read(text: &str, keep: usize, mut tell: impl FnMut(u64, &Told)) -> Result<u64, String> {
    let text = text.trim_start_matches('\u{feff}');
    let archive: Archive =
        serde_json::from_str(text).map_err(|error| format!("this is no HTTP archive (HAR): {error}"))?;
    let mut number = 0;
    for entry in archive.log.entries {
        let Some(messages) = entry.messages else { continue };
        number += 1;
        let began = messages.first().map_or(0.0, |message| message.time);
        let mut tell = |at, from, event| tell(number, &Told { at, from, event });
        let head = |first: String, fields: &[Field]| {
            let lines = fields.iter().map(|field| format!("{}: {}\r\n", field.name, field.value));
            format!("{first}\r\n{}\r\n", lines.collect::<String>()).into_bytes()
        };
        let (request, response) = (entry.request, entry.response);
        let first = format!("{} {} HTTP/1.1", request.method, request.url);
        tell(Duration::ZERO, Peer::Client, WireEvent::Head(head(first, &request.headers)));
        let first = format!("HTTP/1.1 {} {}", response.status, response.text);
        tell(Duration::ZERO, Peer::Server, WireEvent::Head(head(first, &response.headers)));
        let value = |name: &str| {
            let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            field.map(|field| field.value.clone())
        };
        let agreement = Agreement {
            is_offer: false,
            deflate: value("sec-websocket-extensions").filter(|value| value.contains("permessage-deflate")),
            subprotocol: value("sec-websocket-protocol"),
        };
        tell(Duration::ZERO, Peer::Server, WireEvent::Agreed(agreement));
        for message in messages {
            let at = Duration::try_from_secs_f64(message.time - began).unwrap_or_default();
            let from = match &*message.way {
                "send" => Peer::Client,
                "receive" => Peer::Server,
                other => {
                    return Err(format!("a message is sent or received, not \"{}\"", other.escape_default()));
                }
            };
            let bytes = match message.opcode {
                1 => message.data.into_bytes(),
                // Of anything but text.
                _ => STANDARD
                    .decode(&message.data)
                    .map_err(|error| format!("a binary message is no base64: {error}"))?,
            };
            let length = bytes.len() as u64;
            let text = message.opcode == 1;
            let bytes = bytes[..bytes.len().min(keep)].to_vec();
            let message = Message { text, frames: 1, compressed: None, length, bytes, broken: false };
            tell(at, from, WireEvent::Message(message));
        }
    }
    match number {
        0 => Err("no entry of this archive has _webSocketMessages".to_owned()),
        number => Ok(number),
    }
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
            {"type": "receive", "time": 1700000000.75, "opcode": 2, "data": "AAEC"}]}]}}"#;

    #[test]
    fn messages_are_told_in_order() {
        assert!(is_at_start_of(ARCHIVE));
        let mut out = Vec::new();
        assert_eq!(read(ARCHIVE, 64, |number, told| out.push((number, told.clone()))), Ok(1));
        let lines: Vec<_> = out.iter().flat_map(|(_, told)| told.lines()).map(|line| line.text).collect();
        let all = lines.join("\n");
        for part in
            ["GET wss://a/chat HTTP/1.1", "agreed subprotocol: chat", "text of 5 bytes", "binary of 3 bytes"]
        {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert_eq!(out.last().unwrap().1.at, Duration::from_millis(500));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        for text in ["{\"log\":{}}", "{\"log\":{\"entries\":[]}}", "{\"log\":"] {
            assert!(is_at_start_of(text) && read(text, 64, |_, _| ()).is_err(), "{text}");
        }
        for cut in 0..ARCHIVE.len() {
            assert!(read(&ARCHIVE[..cut], 64, |_, _| ()).is_err());
        }
        for (from, to) in [("send", "sent"), ("AAEC", "A"), ("1700000000.75", "1e400")] {
            assert!(read(&ARCHIVE.replace(from, to), 64, |_, _| ()).is_err(), "{to}");
        }
    }
}
