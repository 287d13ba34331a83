//! A WebSocket's opening handshake in HTTP/1.1 and in HTTP/2 (RFC 8441 §4, §5).
//!
//! The rules of the handshake exist once, in `handshake`, and are those of HTTP/1.1. An extended CONNECT says the same
//! in other fields: these functions convert one to the other. What HTTP/2 does not have (the key and its answer,
//! `Upgrade`, `Connection`) is made up on one side and dropped on the other. It proves nothing there, as both ends of a
//! stream know what they speak.
//!
//! A server on bytes alone converts an [`Event::Request`](super::Event::Request) with [`request_head`] for a
//! [`ServerHandshake`](crate::handshake::ServerHandshake), and answers with the [`response_fields`] of its response:
//!
//! ```
//! use bowsprit::handshake::{Acceptance, HeadLimits, HeadReader, Incoming, Progress, ServerHandshake};
//! use bowsprit::http2::{Fields, upgrade};
//!
//! let asked = Fields::new()
//!     .with(":method", "CONNECT")
//!     .with(":protocol", "websocket")
//!     .with(":scheme", "https")
//!     .with(":path", "/chat")
//!     .with(":authority", "server.example.com")
//!     .with("sec-websocket-version", "13");
//! let head = upgrade::request_head(&asked).unwrap();
//! let Ok(Progress::Done { value: Incoming::Upgrade(request), .. }) =
//!     ServerHandshake::new(HeadLimits::default()).receive(&head)
//! else {
//!     panic!()
//! };
//! assert_eq!(request.resource(), "/chat");
//! let (response, _agreement) = request.accept(&Acceptance::default()).unwrap();
//! let Ok(Progress::Done { value: head, .. }) = HeadReader::response(HeadLimits::default()).receive(&response)
//! else {
//!     panic!()
//! };
//! assert_eq!(upgrade::response_fields(&head, true), Fields::new().with(":status", "200"));
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use super::fields::Fields;
use crate::handshake::{Head, Key, StartLine};

/// The placeholder for the nonce, which HTTP/2 does not have.
const NO_NONCE: [u8; 16] = [0; 16];

/// Returns whether a field is not converted, either way: it belongs to one connection of HTTP/1.1, or is made up for
/// it.
fn stays_behind(name: &[u8]) -> bool {
    [
        &b"connection"[..],
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"sec-websocket-key",
        b"sec-websocket-accept",
    ]
    .iter()
    .any(|this| name.eq_ignore_ascii_case(this))
}

/// Converts a request to the head of an equivalent HTTP/1.1 request; at a server.
///
/// # Errors
///
/// The status of the answer, if HTTP/1.1 has no such request: a CONNECT for anything but a WebSocket.
pub fn request_head(request: &Fields) -> Result<Vec<u8>, u16> {
    let value = |name: &str| request.get(name).unwrap_or_default();
    let method = value(":method");
    let is_websocket = match request.get(":protocol") {
        Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => true,
        Some(_) => return Err(501), // RFC 9220 §3
        None if method == b"CONNECT" => return Err(405),
        None => false,
    };
    let mut head = Vec::with_capacity(request.size());
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
    put(&[if is_websocket { b"GET" } else { method }, b" ", value(":path"), b" HTTP/1.1\r\n"]);
    if let Some(host) = request.get(":authority").or_else(|| request.get("host")) {
        put(&[b"Host: ", host, b"\r\n"]);
    }
    if is_websocket {
        let key = Key::from_nonce(NO_NONCE).text();
        put(&[b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ", key.as_bytes(), b"\r\n"]);
    }
    // RFC 9113 §8.2.3: cookies may come in crumbs.
    let crumbs: Vec<&[u8]> = request.values("cookie").collect();
    if !crumbs.is_empty() {
        put(&[b"Cookie: ", &crumbs.join(&b"; "[..]), b"\r\n"]);
    }
    for (name, value) in request.iter() {
        let is_known = name.starts_with(b":") || name == b"host" || name == b"cookie" || name == b"te";
        if !is_known && !stays_behind(name) {
            put(&[name, b": ", value, b"\r\n"]);
        }
    }
    put(&[b"\r\n"]);
    Ok(head)
}

/// Converts the HTTP/1.1 head of an answer to fields; at a server. A 101 becomes a 200. Any other 2xx would also open
/// the WebSocket for a client that has asked for one, and becomes a 500.
pub fn response_fields(head: &Head, to_websocket: bool) -> Fields {
    let status = match head.start_line() {
        StartLine::Response { status: 101, .. } => 200,
        StartLine::Response { status: 200..=299, .. } if to_websocket => 500,
        StartLine::Response { status, .. } => status,
        StartLine::Request { .. } => 500, // a reader of responses returns no others
    };
    let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
    carried(Fields::new().with(":status", digits), head)
}

/// Converts an HTTP/1.1 head to an equivalent extended CONNECT, and returns the `Sec-WebSocket-Accept` that the head
/// expects; at a client.
pub fn connect_fields(head: &Head, is_secure: bool) -> (Fields, String) {
    let path = match head.start_line() {
        StartLine::Request { target, .. } => target,
        StartLine::Response { .. } => "/", // a reader of requests returns no others
    };
    let value = |name| head.values(name).next().unwrap_or_default();
    let fields = Fields::new()
        .with(":method", "CONNECT")
        .with(":protocol", "websocket")
        .with(":scheme", if is_secure { "https" } else { "http" })
        .with(":path", path)
        .with(":authority", value("host"));
    let key = Key::parse(value("sec-websocket-key")).unwrap_or(Key::from_nonce(NO_NONCE));
    (carried(fields, head), key.accept())
}

/// Converts an answer to an HTTP/1.1 head; at a client. Any 2xx opens the WebSocket (RFC 8441 §5) and becomes a 101.
pub fn response_head(response: &Fields, accept: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(response.size());
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| head.extend_from_slice(part));
    let status = response.status().unwrap_or_default();
    let is_open = (200..300).contains(&status);
    if is_open {
        put(&[b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"]);
        put(&[b"Sec-WebSocket-Accept: ", accept.as_bytes(), b"\r\n"]);
    } else {
        put(&[b"HTTP/1.1 ", response.get(":status").unwrap_or_default(), b" \r\n"]);
    }
    for (name, value) in response.iter() {
        let is_length = is_open && name == b"content-length";
        if !name.starts_with(b":") && !stays_behind(name) && !is_length {
            put(&[name, b": ", value, b"\r\n"]);
        }
    }
    put(&[b"\r\n"]);
    head
}

/// Returns `fields` and those of the head that mean the same in HTTP/2, in lower case.
fn carried(mut fields: Fields, head: &Head) -> Fields {
    for (name, value) in head.headers() {
        if !stays_behind(name.as_bytes()) && !name.eq_ignore_ascii_case("host") {
            fields.push(name.to_ascii_lowercase().as_bytes(), value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{
        Acceptance, ClientHandshake, ClientRequest, HeadLimits, HeadReader, Incoming, Progress, Refusal,
        ResponseError, ServerHandshake,
    };

    fn head(mut reader: HeadReader, bytes: &[u8]) -> Head {
        match reader.receive(bytes) {
            Ok(Progress::Done { value, used }) if used == bytes.len() => value,
            other => panic!("{other:?}"),
        }
    }

    fn request(text: &[u8]) -> Incoming {
        match ServerHandshake::new(HeadLimits::default()).receive(text) {
            Ok(Progress::Done { value, .. }) => value,
            other => panic!("{other:?} of {}", text.escape_ascii()),
        }
    }

    /// From our client's bytes to our server's and back, with HTTP/2 in between.
    #[test]
    fn a_handshake_over_http2() {
        let asked = ClientRequest::new("a:1", "/chat?x=1").unwrap().subprotocol("chat").unwrap();
        let mut client = ClientHandshake::new(asked, *b"the sample nonce");
        let asked = head(HeadReader::request(HeadLimits::default()), client.request());
        let (fields, accept) = connect_fields(&asked, true);
        assert!(fields.check_request().is_ok(), "{fields:?}");
        assert_eq!(fields.get(":authority"), Some(&b"a:1"[..]));
        assert_eq!(fields.get("sec-websocket-version"), Some(&b"13"[..]));
        assert_eq!(fields.get("sec-websocket-key"), None);
        let Incoming::Upgrade(request) = request(&request_head(&fields).unwrap()) else { panic!() };
        assert_eq!((request.resource(), request.host()), ("/chat?x=1", "a:1"));
        let acceptance = Acceptance { subprotocol: Some("chat".into()), ..Acceptance::default() };
        let (response, _) = request.accept(&acceptance).unwrap();
        let response = response_fields(&head(HeadReader::response(HeadLimits::default()), &response), true);
        assert_eq!(response.check_response(), Ok(200), "{response:?}");
        assert_eq!(response.get("sec-websocket-accept"), None);
        match client.receive(&response_head(&response, &accept)) {
            Ok(Progress::Done { value, .. }) => {
                assert_eq!(value.agreement().subprotocol.as_deref(), Some("chat"));
            }
            other => panic!("{other:?}"),
        }
    }

    /// A refusal, with its status, fields and body; and a 2xx that must not pass for a WebSocket.
    #[test]
    fn a_refusal_over_http2() {
        let encoded = Refusal::new(403).unwrap().with_text("Not from there.").encode_head();
        let fields = response_fields(&head(HeadReader::response(HeadLimits::default()), &encoded), true);
        assert_eq!(fields.check_response(), Ok(403), "{fields:?}");
        let mut client = ClientHandshake::new(ClientRequest::new("a", "/").unwrap(), [0; 16]);
        let mut bytes = response_head(&fields, "");
        bytes.extend_from_slice(b"Not from there.\n");
        match client.receive(&bytes) {
            Err(ResponseError::Refused(refused)) => {
                assert_eq!((refused.status(), refused.body()), (403, &b"Not from there.\n"[..]));
            }
            other => panic!("{other:?}"),
        }
        let page = head(HeadReader::response(HeadLimits::default()), b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(response_fields(&page, true).status(), Some(500));
        assert_eq!(response_fields(&page, false).status(), Some(200));
    }

    #[test]
    fn what_is_asked_for_otherwise() {
        let fields = |method, more: &[(&str, &str)]| {
            let start = Fields::new().with(":method", method).with(":scheme", "https").with(":path", "/p");
            more.iter().fold(start.with(":authority", "a"), |fields, (name, value)| fields.with(name, value))
        };
        let page = request_head(&fields("GET", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")])).unwrap();
        assert_eq!(page, b"GET /p HTTP/1.1\r\nHost: a\r\nCookie: a=1; b=2\r\nx: y\r\n\r\n");
        assert!(matches!(request(&page), Incoming::Plain(_)));
        assert_eq!(request_head(&fields("CONNECT", &[(":protocol", "connect-udp")])), Err(501));
        assert_eq!(request_head(&Fields::new().with(":method", "CONNECT").with(":authority", "a")), Err(405));
        // A key that is sent is ignored, and so is its absence.
        for more in
            [&[(":protocol", "websocket")][..], &[(":protocol", "WebSocket"), ("sec-websocket-key", "?")]]
        {
            let more = [more, &[("sec-websocket-version", "13")]].concat();
            let head = request_head(&fields("CONNECT", &more)).unwrap();
            assert!(matches!(request(&head), Incoming::Upgrade(_)), "{}", head.escape_ascii());
        }
    }
}
