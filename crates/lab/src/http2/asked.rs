//! The client's part when we are the server: its preface, its requests, and the rules for them (RFC 9113 §3.4, §8.3.1,
//! §8.5; RFC 8441 §4, §5).

use bowsprit::error::Section;

use super::fields::{self, Field};
use super::frame::PREFACE;
use super::session::{Block, Session, Side};
use crate::rule::Violation;

/// How many streams are remembered; beyond that, those that are over are forgotten.
const REMEMBERED: usize = 1024;
/// How many unanswered requests all streams of a connection may have together.
const MOST_OPEN: usize = 512;

fn err<T>(rfc: u16, number: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation::new(Section::new(rfc, number), what))
}

impl Session {
    /// Returns the bytes after the client's preface; nothing if the preface is wrong or incomplete.
    pub(super) fn behind_preface<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        if self.side == Side::Client || self.preface == PREFACE.len() {
            return Some(bytes);
        }
        let expected = &PREFACE[self.preface..];
        let length = expected.len().min(bytes.len());
        if bytes[..length] != expected[..length] {
            let what = "What came is no HTTP/2: it does not begin with the client's preface";
            self.fault = Some(Violation::new(Section::new(9113, "3.4"), what));
            return None;
        }
        self.preface += length;
        Some(&bytes[length..])
    }

    /// Returns the streams that the client has opened since the last call.
    pub(crate) fn take_asked(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.asked)
    }

    /// Handles a field section of the client: a request, or trailers.
    pub(super) fn on_request(&mut self, block: &Block, fields: Vec<Field>) -> Result<(), Violation> {
        let stream = block.stream;
        if stream < self.next {
            let Some(half) = self.streams.get_mut(&stream).filter(|half| !half.dropped) else {
                return Ok(());
            };
            let fault: Result<(), _> = match half.ended || half.reset.is_some() {
                true => err(9113, "5.1", "HEADERS come on a stream that it has ended"),
                // RFC 9113 §8.5: after a CONNECT, only DATA and frames that manage streams are allowed.
                false => err(9113, "8.5", "A second field section comes on a stream that it has opened"),
            };
            half.fault = half.fault.take().or(fault.err());
            return Ok(());
        }
        if self.streams.len() >= REMEMBERED {
            self.streams.retain(|_, half| !half.dropped && !half.is_over());
        }
        if self.streams.values().filter(|half| !half.dropped).count() >= MOST_OPEN {
            return err(9113, "5.1.2", "It opens more streams than it can have answers on");
        }
        let judged = judge_request(&fields);
        let half = self.expect(stream);
        (half.fields, half.ended) = (fields, block.end_stream);
        half.fault = judged.err();
        self.asked.push(stream);
        Ok(())
    }
}

/// Returns the value of a field.
fn value<'f>(fields: &'f [Field], name: &str) -> Option<&'f [u8]> {
    fields.iter().find(|(this, _)| this == name.as_bytes()).map(|(_, value)| &value[..])
}

/// Returns whether a request asks for a WebSocket (RFC 8441 §5).
pub(super) fn asks_for_websocket(fields: &[Field]) -> bool {
    value(fields, ":method") == Some(b"CONNECT") && value(fields, ":protocol") == Some(b"websocket")
}

/// Returns whether a request asks for a WebSocket or a page, and not for another tunnel.
pub(super) fn can_be_answered(fields: &[Field]) -> bool {
    value(fields, ":method") != Some(b"CONNECT") || asks_for_websocket(fields)
}

/// Judges the fields of a request by themselves.
///
/// # Errors
///
/// Returns the rule that they break.
fn judge_request(fields: &[Field]) -> Result<(), Violation> {
    const PSEUDO: [&[u8]; 5] = [b":method", b":scheme", b":path", b":authority", b":protocol"];
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut regular = false;
    for (name, value) in fields {
        let shown = name.escape_ascii();
        if !name.starts_with(b":") {
            regular = true;
            fields::judge_field(name, value, "request")?;
            if name == b"te" && value != b"trailers" {
                return err(9113, "8.2.2", format!("Its te is \"{}\"", value.escape_ascii()));
            }
            continue;
        }
        if !PSEUDO.contains(&&name[..]) {
            return err(9113, "8.3.1", format!("Its request holds the pseudo-header field \"{shown}\""));
        }
        if regular {
            return err(9113, "8.3", "A pseudo-header field stands behind a regular one");
        }
        if seen.contains(&&name[..]) {
            return err(9113, "8.3", format!("There are several {shown} fields"));
        }
        seen.push(name);
    }
    let Some(method) = value(fields, ":method") else {
        return err(9113, "8.3.1", "Its request has no :method");
    };
    let extended = value(fields, ":protocol").is_some();
    if extended && method != b"CONNECT" {
        return err(8441, "4", format!("It sends :protocol with the method {}", method.escape_ascii()));
    }
    let missing = [":scheme", ":path"].into_iter().find(|name| value(fields, name).is_none());
    match missing {
        Some(name) if extended => return err(8441, "4", format!("Its extended CONNECT has no {name}")),
        Some(name) if method != b"CONNECT" => {
            return err(9113, "8.3.1", format!("Its request has no {name}"));
        }
        _ => {}
    }
    if extended {
        let scheme = value(fields, ":scheme").unwrap_or_default();
        // RFC 8441 §5: "https" for "wss", "http" for "ws".
        if scheme != b"http" && scheme != b"https" {
            return err(8441, "5", format!("The :scheme of its WebSocket is \"{}\"", scheme.escape_ascii()));
        }
    }
    let authority = value(fields, ":authority");
    match (authority, value(fields, "host")) {
        (None, None) => err(9113, "8.3.1", "Its request names no authority"),
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            err(9113, "8.3.1", "Its Host field is not the same as :authority")
        }
        _ => Ok(()),
    }
}

/// Writes a request in the form of HTTP/1.1, which the judges of heads read: `CONNECT /path HTTP/2.0`.
pub(super) fn as_head(fields: &[Field]) -> Vec<u8> {
    let of = |name| value(fields, name).unwrap_or_default();
    let host = value(fields, ":authority").unwrap_or_else(|| of("host"));
    let start = [of(":method"), b" ", of(":path"), b" HTTP/2.0\r\nhost: ", host, b"\r\n"].concat();
    fields::head(start, fields.iter().filter(|(name, _)| !name.starts_with(b":") && name != b"host"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::frame::{Frame, flag, kind};
    use crate::http2::session::SETTINGS;

    const GOOD: [(&str, &str); 6] = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/case/1"),
        (":authority", "localhost:1"),
        ("sec-websocket-version", "13"),
    ];

    fn field(name: &str, value: &str) -> Field {
        (name.as_bytes().to_vec(), value.as_bytes().to_vec())
    }

    fn good() -> Vec<Field> {
        GOOD.map(|(name, value)| field(name, value)).to_vec()
    }

    #[test]
    fn requests_are_judged() {
        assert_eq!(judge_request(&good()), Ok(()));
        let without = |name: &str| good().into_iter().filter(|(this, _)| this != name.as_bytes()).collect();
        let with = |name: &str, value: &str| [good(), vec![field(name, value)]].concat();
        let set = |name: &str, new: &str| -> Vec<Field> {
            let change =
                |(this, value)| if this == name.as_bytes() { field(name, new) } else { (this, value) };
            good().into_iter().map(change).collect()
        };
        let cases: [(Vec<Field>, &str); 13] = [
            (without(":method"), "8.3.1"),
            (without(":path"), "4"),
            (without(":scheme"), "4"),
            (without(":authority"), "8.3.1"),
            (set(":method", "GET"), "4"),
            (set(":scheme", "wss"), "5"),
            (with(":status", "200"), "8.3.1"),
            (with(":path", "/"), "8.3"),
            (with("upgrade", "websocket"), "8.2.2"),
            (with("Origin", "x"), "8.2.1"),
            (with("host", "elsewhere"), "8.3.1"),
            (with("te", "gzip"), "8.2.2"),
            ([vec![field(":path", "/")], good()].concat(), "8.3"),
        ];
        for (fields, section) in cases {
            assert_eq!(judge_request(&fields).unwrap_err().section.number, section, "{fields:?}");
        }
    }

    #[test]
    fn a_request_becomes_a_stream_and_a_head() {
        let mut session = Session::accepted(SETTINGS);
        let mut bytes = PREFACE.to_vec();
        Frame::settings(&[]).encode_into(&mut bytes);
        let block = fields::encode(good());
        Frame::new(kind::HEADERS, flag::END_HEADERS, 1, block).encode_into(&mut bytes);
        // The input may be cut anywhere.
        bytes.iter().for_each(|byte| session.receive(&[*byte]));
        assert_eq!((session.fault.clone(), session.take_asked()), (None, vec![1]));
        let half = session.stream(1).unwrap();
        assert!(can_be_answered(&half.fields) && half.fault.is_none() && !half.ended);
        let head = as_head(&half.fields);
        assert_eq!(
            head,
            b"CONNECT /case/1 HTTP/2.0\r\nhost: localhost:1\r\nsec-websocket-version: 13\r\n\r\n"
        );
    }

    #[test]
    fn what_a_client_must_not_do_is_a_fault_of_the_connection() {
        let faulty = |frame: Frame| {
            let mut session = Session::accepted(SETTINGS);
            let mut bytes = PREFACE.to_vec();
            Frame::settings(&[]).encode_into(&mut bytes);
            frame.encode_into(&mut bytes);
            session.receive(&bytes);
            session.fault.map(|fault| fault.section.number)
        };
        let block = fields::encode(good());
        assert_eq!(faulty(Frame::new(kind::HEADERS, flag::END_HEADERS, 2, block)), Some("5.1"));
        assert_eq!(faulty(Frame::new(kind::DATA, 0, 1, *b"x")), Some("5.1"));
        assert_eq!(faulty(Frame::new(kind::PUSH_PROMISE, 0, 1, [0; 4])), Some("8.4"));
        assert_eq!(faulty(Frame::settings(&[(2, 1)])), None);
        assert_eq!(faulty(Frame::settings(&[(2, 2)])), Some("6.5.2"));
        let mut session = Session::accepted(SETTINGS);
        session.receive(b"GET / HTTP/1.1\r\n");
        assert_eq!(session.fault.unwrap().section.number, "3.4");
    }
}
