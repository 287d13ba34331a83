//! Answers that are not 101 (RFC 6455 §4.2.2, RFC 9110 §15): a refused upgrade, or a page for a plain request.
//!
//! In: a status, header fields, a body. Out: one whole HTTP/1.1 response that ends the connection. Promises:
//! well-formed for every input; never a 101 or any other 1xx; exactly one `Content-Length` and `Connection`; nothing of
//! the request in it unless the caller puts it there.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::field::{HeaderField, is_owned_by_handshake};

/// An HTTP response that announces the end of the connection.
///
/// Errors of the handshake make their own ([`RequestError::refusal`](super::RequestError::refusal)). An application
/// makes one to answer 401, 307, 403, 404 or 503, or to serve a page to a plain request.
///
/// ```
/// use bowsprit::handshake::{HeaderField, Refusal};
///
/// let login = HeaderField::new("WWW-Authenticate", "Basic realm=\"chat\"").unwrap();
/// let refusal = Refusal::new(401).unwrap().with_header(login).unwrap().with_text("Log in first.");
/// assert_eq!(
///     refusal.encode(),
///     b"HTTP/1.1 401 Unauthorized\r\n\
///       Content-Type: text/plain; charset=utf-8\r\n\
///       Content-Length: 14\r\n\
///       Connection: close\r\n\
///       WWW-Authenticate: Basic realm=\"chat\"\r\n\
///       \r\n\
///       Log in first.\n",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    headers: Vec<HeaderField>,
    content_type: HeaderField,
    body: Vec<u8>,
}

/// Why a [`Refusal`] cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalError {
    /// The status is not from 200 to 599. Only [`Request::accept`](super::Request::accept) makes a 101.
    Status(u16),
    /// [`Refusal::encode`] itself writes the field with this name, or the field would make the answer look like an
    /// accepted handshake.
    ReservedHeader(String),
    /// The media type does not fit in a header line.
    ContentType,
}

impl Refusal {
    /// Creates an answer with this status, whose body is the reason phrase.
    ///
    /// # Errors
    ///
    /// [`RefusalError::Status`] outside 200 to 599.
    pub fn new(status: u16) -> Result<Self, RefusalError> {
        if !(200..=599).contains(&status) {
            return Err(RefusalError::Status(status));
        }
        Ok(Self::trusted(status))
    }

    pub(crate) fn trusted(status: u16) -> Self {
        let refusal =
            Self { status, headers: Vec::new(), content_type: Self::content_type_of(TEXT), body: Vec::new() };
        refusal.with_text(reason_phrase(status))
    }

    /// Returns a 426, for a request that should have asked for `websocket` (RFC 9110 §15.5.22).
    pub fn upgrade_required() -> Self {
        Self::trusted(426)
            .with_trusted("Upgrade", "websocket")
            .with_trusted("Sec-WebSocket-Version", "13")
            .with_text("Open this address with a WebSocket client.")
    }

    /// Returns this answer with a further header field. Several fields with the same name make several lines.
    ///
    /// # Errors
    ///
    /// [`RefusalError::ReservedHeader`] for `Content-Type`, `Content-Length`, `Transfer-Encoding`, `Connection`
    /// and `Sec-WebSocket-*`.
    pub fn with_header(mut self, field: HeaderField) -> Result<Self, RefusalError> {
        // RFC 9110 §7.8: `Upgrade` is allowed; it names what the client could ask for.
        let reserved =
            (is_owned_by_handshake(field.name()) && !field.is("upgrade")) || field.is("content-type");
        if reserved {
            return Err(RefusalError::ReservedHeader(field.name().to_owned()));
        }
        self.headers.push(field);
        Ok(self)
    }

    pub(crate) fn with_trusted(mut self, name: &str, value: &str) -> Self {
        self.headers.push(HeaderField::trusted(name, value));
        self
    }

    /// Returns this answer with a line of plain text as its body.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.content_type = Self::content_type_of(TEXT);
        self.body = format!("{text}\n").into_bytes();
        self
    }

    /// Returns this answer with this body.
    ///
    /// # Errors
    ///
    /// [`RefusalError::ContentType`] if the media type contains control bytes or is empty.
    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Result<Self, RefusalError> {
        let field = HeaderField::new(CONTENT_TYPE, content_type).map_err(|_| RefusalError::ContentType)?;
        if field.value().is_empty() {
            return Err(RefusalError::ContentType);
        }
        self.content_type = field;
        self.body = body.into();
        Ok(self)
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the header fields that were added.
    pub fn headers(&self) -> &[HeaderField] {
        &self.headers
    }

    /// Returns the media type of the body.
    pub fn content_type(&self) -> &str {
        self.content_type.value()
    }

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the whole response. Statuses that have no body (204, 205, 304) get none.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.encode_head();
        if self.has_body() {
            out.extend_from_slice(&self.body);
        }
        out
    }

    /// Returns the response without its body: the answer to HEAD (RFC 9110 §9.3.2).
    pub fn encode_head(&self) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} {}\r\n", self.status, reason_phrase(self.status)).into_bytes();
        if self.has_body() {
            self.content_type.write_to(&mut out);
            out.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        } else if self.status == 205 {
            // RFC 9110 §8.6: 204 and 304 carry no length; 205 carries zero.
            out.extend_from_slice(b"Content-Length: 0\r\n");
        }
        // RFC 9110 §7.8: a sender of Upgrade also names it in Connection.
        let upgrade = self.headers.iter().any(|field| field.is("upgrade"));
        let connection: &[u8] =
            if upgrade { b"Connection: Upgrade, close\r\n" } else { b"Connection: close\r\n" };
        out.extend_from_slice(connection);
        for field in &self.headers {
            field.write_to(&mut out);
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    const fn has_body(&self) -> bool {
        !matches!(self.status, 204 | 205 | 304)
    }

    fn content_type_of(media_type: &str) -> HeaderField {
        HeaderField::trusted(CONTENT_TYPE, media_type)
    }
}

impl fmt::Display for RefusalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusalError::Status(status) => write!(f, "use a status from 200 to 599 in place of {status}"),
            RefusalError::ReservedHeader(name) => {
                write!(f, "leave {name} to the library, which writes it where it belongs")
            }
            RefusalError::ContentType => f.write_str("use a media type such as text/html; charset=utf-8"),
        }
    }
}

impl core::error::Error for RefusalError {}

/// Returns the reason phrase of a status (RFC 9110 §15). It is empty if we know none, which is allowed (RFC 9112 §4).
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        205 => "Reset Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

const CONTENT_TYPE: &str = "Content-Type";
const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{HeadLimits, HeadReader, Progress, StartLine};

    fn parse(response: &[u8]) -> (crate::handshake::Head, usize) {
        match HeadReader::response(HeadLimits::default()).receive(response) {
            Ok(Progress::Done { value, used }) => (value, used),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn is_never_interim_nor_switching() {
        for status in [0, 99, 100, 101, 103, 199, 600, 999, u16::MAX] {
            assert_eq!(Refusal::new(status), Err(RefusalError::Status(status)));
        }
    }

    #[test]
    fn every_status_is_well_formed() {
        for status in 200..=599 {
            let refusal = Refusal::new(status).unwrap().with_text("why");
            let encoded = refusal.encode();
            let (head, used) = parse(&encoded);
            assert!(matches!(head.start_line(), StartLine::Response { status: s, .. } if s == status));
            assert_eq!(head.only("connection"), Ok(Some(&b"close"[..])));
            let body = &encoded[used..];
            match status {
                204 | 304 => assert_eq!((head.only("content-length"), body), (Ok(None), &b""[..])),
                205 => assert_eq!((head.only("content-length"), body), (Ok(Some(&b"0"[..])), &b""[..])),
                _ => assert_eq!((head.only("content-length"), body), (Ok(Some(&b"4"[..])), &b"why\n"[..])),
            }
            assert_eq!(refusal.encode_head(), encoded[..used]);
        }
    }

    #[test]
    fn upgrade_is_named_in_connection() {
        let (head, _) = parse(&Refusal::upgrade_required().encode());
        assert_eq!(head.only("upgrade"), Ok(Some(&b"websocket"[..])));
        assert_eq!(head.only("connection"), Ok(Some(&b"Upgrade, close"[..])));
        assert_eq!(head.only("sec-websocket-version"), Ok(Some(&b"13"[..])));
    }

    #[test]
    fn fields_of_ours_are_not_doubled() {
        for name in
            ["content-length", "Transfer-Encoding", "CONNECTION", "Content-Type", "Sec-WebSocket-Accept"]
        {
            let field = HeaderField::new(name, "1").unwrap();
            let refused = Refusal::new(403).unwrap().with_header(field);
            assert_eq!(refused, Err(RefusalError::ReservedHeader(name.to_owned())));
        }
        let cookie = |value| HeaderField::new("Set-Cookie", value).unwrap();
        let refusal = Refusal::new(307).unwrap().with_header(cookie("a=1")).unwrap();
        let (head, _) = parse(&refusal.with_header(cookie("b=2")).unwrap().encode());
        assert!(head.values("set-cookie").eq([b"a=1", b"b=2"]));
    }

    #[test]
    fn media_types_cannot_break_out() {
        for bad in ["", " ", "text/html\r\nX: y", "text/html\0"] {
            let refused = Refusal::new(200).unwrap().with_body(bad, "x");
            assert_eq!(refused, Err(RefusalError::ContentType), "{bad:?}");
        }
    }
}
