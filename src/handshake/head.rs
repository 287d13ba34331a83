//! One parsed HTTP head: what it contains and what can be wrong with it (RFC 9112 §3 to §5).
//!
//! The [`HeadReader`](super::HeadReader) makes these. `httparse` parses the field lines, once. The start line is parsed
//! by hand, since RFC 6455 §4.2.1 asks for "HTTP/1.1 or higher" and `httparse` knows only 1.0 and 1.1.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::field::is_secret;
use crate::error::Section;
use crate::token::{is_token_byte, trim_blanks};

/// One HTTP head, owned: the start line and the field lines, in order.
///
/// Names are tokens (RFC 9110 §5.1) and are looked up case-insensitively. Values are bytes, without the blanks around
/// them, free of CR, LF, NUL and every other control byte but the tab.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    bytes: Vec<u8>,
    start: Start,
    fields: Vec<FieldSpan>,
}

impl Head {
    /// Returns how many bytes of memory are held, beyond its own size.
    pub const fn memory(&self) -> usize {
        self.bytes.capacity() + self.fields.capacity() * size_of::<FieldSpan>()
    }
}

/// The first line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// The request line (RFC 9112 §3).
    Request {
        /// The method, a token; methods are case-sensitive.
        method: &'a str,
        /// The request target as sent: visible ASCII, at least one byte.
        target: &'a str,
        /// The version.
        version: HttpVersion,
    },
    /// The status line (RFC 9112 §4).
    Response {
        /// The version.
        version: HttpVersion,
        /// The status code, 100 to 999.
        status: u16,
        /// The reason phrase. It may be empty and need not be UTF-8.
        reason: &'a [u8],
    },
}

/// The version digits of a start line (RFC 9112 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpVersion {
    /// The digit before the dot: 1 in 1.0.
    pub major: u8,
    /// The digit after the dot: 0 in 1.0.
    pub minor: u8,
}

/// A field that may appear once appeared in several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldSpan {
    name: Range<usize>,
    value: Range<usize>,
}

impl Head {
    /// Parses the `lines` field lines of a whole head with `httparse`.
    pub(super) fn parse(bytes: Vec<u8>, start: Start, lines: usize) -> Result<Self, HeadError> {
        let fields = parse_fields(&bytes, start.end, lines)?;
        Ok(Self { bytes, start, fields })
    }

    /// Returns the first line.
    pub fn start_line(&self) -> StartLine<'_> {
        match &self.start.line {
            Line::Request { method, target } => StartLine::Request {
                method: self.text(method),
                target: self.text(target),
                version: self.start.version,
            },
            Line::Response { status, reason } => StartLine::Response {
                version: self.start.version,
                status: *status,
                reason: &self.bytes[reason.clone()],
            },
        }
    }

    /// Returns the version of the start line.
    pub fn version(&self) -> HttpVersion {
        self.start.version
    }

    /// Returns all bytes of the head, including the blank line.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns every field line, in order, as name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.fields.iter().map(|field| (self.text(&field.name), &self.bytes[field.value.clone()]))
    }

    /// Returns the values of all lines with this name, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> + Clone {
        let is_named =
            |field: &&FieldSpan| self.bytes[field.name.clone()].eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|field| &self.bytes[field.value.clone()])
    }

    /// Returns the token that each line with this name begins with, in order, such as the scheme of a challenge (RFC
    /// 9110 §11.3). The token is empty if the line begins with none.
    #[cfg(feature = "client")]
    pub(crate) fn first_tokens(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name).map(|value| {
            let end = value.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(value.len());
            core::str::from_utf8(&value[..end]).unwrap_or_default() // tokens are ASCII
        })
    }

    /// Returns the value of the line with this name, if there is one.
    ///
    /// # Errors
    ///
    /// [`Repeated`] if several lines have the name, whether or not they agree.
    pub fn only(&self, name: &str) -> Result<Option<&[u8]>, Repeated> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated),
            (first, None) => Ok(first),
        }
    }

    /// Returns whether there is a line with this name.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Returns the members of the comma-separated list that all lines with this name form (RFC 9110 §5.3), without the
    /// blanks around them. Empty members are skipped (§5.6.1.2).
    ///
    /// A comma inside a quoted string separates as well: this is for lists of tokens.
    pub fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(trim_blanks)
            .filter(|member| !member.is_empty())
    }

    /// Returns the text of a span that was found to be ASCII when the head was parsed.
    fn text(&self, span: &Range<usize>) -> &str {
        str::from_utf8(&self.bytes[span.clone()]).unwrap_or_default()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = f.debug_struct("Head");
        head.field("start_line", &self.start_line());
        for (name, value) in self.headers() {
            let value = if is_secret(name) { b"..." } else { value };
            head.field(name, &format_args!("\"{}\"", value.escape_ascii()));
        }
        head.finish()
    }
}

/// What is wrong with the bytes of a head, one variant for each rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// The first bytes cannot start a head: no method token, or no `HTTP/`. A TLS ClientHello, a WebSocket frame.
    NotHttp,
    /// More than one empty line in front of the request line.
    LeadingBlankLines,
    /// The request line is not method, space, target, space, `HTTP/` digit `.` digit in visible ASCII.
    RequestLine,
    /// The status line is not `HTTP/` digit `.` digit, space, three digits from 100, and a reason behind a space.
    StatusLine,
    /// The start line does not end within [`HeadLimits::max_bytes`](super::HeadLimits::max_bytes).
    StartLineTooLong,
    /// The head does not end within [`HeadLimits::max_bytes`](super::HeadLimits::max_bytes).
    TooLong,
    /// More field lines than [`HeadLimits::max_headers`](super::HeadLimits::max_headers).
    TooManyHeaders,
    /// A line ends in LF without CR.
    BareLf,
    /// A CR without LF.
    BareCr,
    /// NUL or another control byte.
    ControlByte,
    /// A line that starts with a blank: a folded value, or white space behind the start line.
    FoldedLine,
    /// A field line without a colon.
    MissingColon,
    /// A field name that is empty, is followed by a blank, or holds a byte that no token may hold.
    FieldName,
}

impl HeadError {
    /// Returns the section that the rule comes from.
    pub const fn section(self) -> Section {
        self.facts().1
    }

    /// Returns the HTTP status that a server answers with.
    pub const fn status(self) -> u16 {
        self.facts().0
    }

    const fn facts(self) -> (u16, Section, &'static str) {
        use HeadError::*;
        match self {
            NotHttp => {
                (400, Section::new(9112, "3"), "This is not HTTP: speak HTTP/1.1 without TLS on this port.")
            }
            LeadingBlankLines => {
                (400, Section::new(9112, "2.2"), "Send the request line without empty lines in front.")
            }
            RequestLine => (
                400,
                Section::new(9112, "3"),
                "Send a request line of method, target and HTTP/1.1 with single spaces.",
            ),
            StatusLine => (
                400,
                Section::new(9112, "4"),
                "Send a status line of HTTP/1.1, a status of three digits and a reason.",
            ),
            StartLineTooLong => (414, Section::new(9110, "15.5.15"), "Send a shorter request target."),
            TooLong => (431, Section::new(6585, "5"), "Send fewer or shorter header fields."),
            TooManyHeaders => (431, Section::new(6585, "5"), "Send fewer header fields."),
            BareLf => (400, Section::new(9112, "2.2"), "End every line in CR LF, not in LF alone."),
            BareCr => (400, Section::new(9112, "2.2"), "Send a CR only where LF follows and ends the line."),
            ControlByte => (400, Section::new(9110, "5.5"), "Send no control bytes in the head."),
            FoldedLine => (
                400,
                Section::new(9112, "5.2"),
                "Send each header field in one line that starts with its name.",
            ),
            MissingColon => (400, Section::new(9112, "5"), "Send each header field as name, colon, value."),
            FieldName => {
                (400, Section::new(9112, "5.1"), "Send a token as header name, right in front of the colon.")
            }
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().2)
    }
}

impl core::error::Error for HeadError {}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP/{}.{}", self.major, self.minor)
    }
}

/// Which of the two start lines a head has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// A parsed start line, as spans of the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    line: Line,
    version: HttpVersion,
    /// Where the field lines start.
    end: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Request { method: Range<usize>, target: Range<usize> },
    Response { status: u16, reason: Range<usize> },
}

impl Start {
    /// Parses a line that the reader let through: it contains no CR LF but the last.
    pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Self, HeadError> {
        let end = bytes.len();
        let line = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
        match kind {
            Kind::Request => {
                let mut parts = line.split(|&byte| byte == b' ');
                let (Some(method), Some(target), Some(version), None) =
                    (parts.next(), parts.next(), parts.next(), parts.next())
                else {
                    return Err(HeadError::RequestLine);
                };
                let version = parse_version(version).ok_or(HeadError::RequestLine)?;
                if target.is_empty() {
                    return Err(HeadError::RequestLine);
                }
                let method = 0..method.len();
                let target = method.end + 1..method.end + 1 + target.len();
                Ok(Self { line: Line::Request { method, target }, version, end })
            }
            Kind::Response => {
                let (version, rest) = line.split_at_checked(HTTP.len() + 3).ok_or(HeadError::StatusLine)?;
                let version = parse_version(version).ok_or(HeadError::StatusLine)?;
                let [b' ', digits @ ..] = rest else { return Err(HeadError::StatusLine) };
                let (code, reason) = digits.split_at_checked(3).ok_or(HeadError::StatusLine)?;
                let &[b'1'..=b'9', _, _] = code else { return Err(HeadError::StatusLine) };
                let status = decimal(code).ok_or(HeadError::StatusLine)?;
                let reason = match reason {
                    [] => line.len()..line.len(),
                    [b' ', ..] => line.len() - (reason.len() - 1)..line.len(),
                    _ => return Err(HeadError::StatusLine),
                };
                Ok(Self { line: Line::Response { status, reason }, version, end })
            }
        }
    }
}

fn parse_version(bytes: &[u8]) -> Option<HttpVersion> {
    match bytes.strip_prefix(HTTP)? {
        &[major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => {
            Some(HttpVersion { major: major - b'0', minor: minor - b'0' })
        }
        _ => None,
    }
}

fn decimal(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |sum, &digit| match digit {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add((digit - b'0').into()),
        _ => None,
    })
}

/// Parses the field lines of a whole head. They start at `from`, and there are `lines` of them.
fn parse_fields(bytes: &[u8], from: usize, lines: usize) -> Result<Vec<FieldSpan>, HeadError> {
    let mut headers = vec![httparse::EMPTY_HEADER; lines];
    match httparse::parse_headers(&bytes[from..], &mut headers) {
        Ok(httparse::Status::Complete((_, headers))) => {
            let span = |part: &[u8]| {
                let at = part.as_ptr() as usize - bytes.as_ptr() as usize;
                at..at + part.len()
            };
            Ok(headers
                .iter()
                .map(|header| FieldSpan { name: span(header.name.as_bytes()), value: span(header.value) })
                .collect())
        }
        _ => Err(diagnose(&bytes[from..])),
    }
}

/// Returns which rule the field lines break that `httparse` refused.
fn diagnose(lines: &[u8]) -> HeadError {
    let colonless = |line: &[u8]| !line.contains(&b':');
    // The blank line leaves two empty pieces after the last field line.
    let names_end = lines.strip_suffix(b"\r\n\r\n").unwrap_or(lines);
    for line in names_end.split(|&byte| byte == b'\n') {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        if !name.is_empty() && colonless(line) {
            return HeadError::MissingColon;
        }
        if name.is_empty() || !name.iter().copied().all(is_token_byte) {
            return HeadError::FieldName;
        }
    }
    HeadError::FieldName
}

/// The start of every version.
pub(super) const HTTP: &[u8] = b"HTTP/";
