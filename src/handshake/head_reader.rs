//! Collects one HTTP head: a start line, field lines, a blank line (RFC 9112 §2).
//!
//! In: bytes in any cut. Out: a [`Head`] and how many bytes of the last input belonged to it. Promises: the result does
//! not depend on the cuts; every byte is looked at once while the head is collected, and the head is parsed once, when
//! it is whole; no more than [`HeadLimits::max_bytes`] is ever held. What no head can start with or contain is refused
//! at the byte that shows it, so that a peer that sends us TLS or WebSocket frames does not wait for a timeout.
//!
//! Nothing here knows WebSocket: others judge which method, status or field is right.
//!
//! The reader is stricter than HTTP requires of a recipient (RFC 9112 §2.2, §5): lines end in CR LF and nothing else;
//! no byte below 0x20 but a tab inside a field line, and no DEL; no folded lines; no blank before the colon; exactly
//! one space between the parts of a start line. Two things are forgiven: one empty line before a request line (RFC 9112
//! §2.2) and a status line that ends right after the code (§4), since a missing reason phrase is often written that
//! way.

use alloc::vec::Vec;

use super::head::{HTTP, Head, HeadError, Kind, Start};
use crate::secret::Secret;
use crate::token::is_token_byte;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// The most bytes of a head, from its first byte to the end of its blank line.
    ///
    /// 16 KiB: browsers send up to 4 KiB for each cookie and well under 2 KiB of everything else; common
    /// servers stop at 8 to 16 KiB.
    pub max_bytes: usize,
    /// The most field lines.
    ///
    /// 100: what common servers allow. A browser sends about 15, and a chain of proxies adds as many.
    pub max_headers: usize,
}

impl HeadLimits {
    /// Limits a head to `max_bytes` and `max_headers` field lines.
    pub const fn new(max_bytes: usize, max_headers: usize) -> Self {
        Self { max_bytes, max_headers }
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { max_bytes: 16 * 1024, max_headers: 100 }
    }
}

/// The progress of a reader of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// All of the input is taken, and it ends before the value is complete.
    NeedMore,
    /// The value is complete.
    Done {
        /// What was read.
        value: T,
        /// How many bytes of this input belong to it; what follows is the rest.
        used: usize,
    },
}

/// Reads heads from bytes that come in any cut.
///
/// ```
/// use bowsprit::handshake::{HeadLimits, HeadReader, Progress, StartLine};
///
/// let mut reader = HeadReader::request(HeadLimits::default());
/// assert_eq!(reader.receive(b"GET /chat HTTP/1.1\r\nHo"), Ok(Progress::NeedMore));
/// let Ok(Progress::Done { value: head, used }) = reader.receive(b"st: example.com\r\n\r\n\x81") else { panic!() };
/// assert_eq!(used, 19);
/// assert!(matches!(head.start_line(), StartLine::Request { method: "GET", target: "/chat", .. }));
/// assert_eq!(head.only("host"), Ok(Some(&b"example.com"[..])));
/// ```
///
/// After a complete head the reader is ready for the next one; after an error it repeats that error.
#[derive(Clone, Debug)]
pub struct HeadReader {
    kind: Kind,
    limits: HeadLimits,
    /// What has arrived of this head.
    bytes: Secret<Vec<u8>>,
    state: State,
    /// Whether an empty line before the request line was skipped.
    skipped_blank_line: bool,
    start: Option<Start>,
    field_lines: usize,
    failed: Option<HeadError>,
    #[cfg(test)]
    steps: usize,
}

/// The place of the next byte in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first byte.
    Begin,
    /// After a CR before the request line.
    LeadingCr,
    /// This many bytes into the method of a request line, or into the `HTTP/` of a status line.
    Opening(usize),
    /// In the rest of the start line.
    StartLine,
    /// After the CR of the start line.
    StartLineCr,
    /// At the first byte of a line.
    LineBegin,
    /// In a field line.
    Line,
    /// After the CR of a field line.
    LineCr,
    /// After the CR of the blank line.
    BlankLineCr,
    /// After the blank line.
    End,
}

impl HeadReader {
    /// Creates a reader of request heads.
    pub fn request(limits: HeadLimits) -> Self {
        Self::new(Kind::Request, limits)
    }

    /// Creates a reader of response heads.
    pub fn response(limits: HeadLimits) -> Self {
        Self::new(Kind::Response, limits)
    }

    fn new(kind: Kind, limits: HeadLimits) -> Self {
        Self {
            kind,
            limits,
            bytes: Secret::default(),
            state: State::Begin,
            skipped_blank_line: false,
            start: None,
            field_lines: 0,
            failed: None,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Returns whether nothing of the next head has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.expose().is_empty() && self.state == State::Begin && !self.skipped_blank_line
    }

    /// Returns what has arrived of the head so far, without an empty line before it.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Returns how many bytes of memory are held, beyond its own size.
    pub const fn memory(&self) -> usize {
        self.bytes.expose().capacity()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`HeadError`] as soon as the bytes cannot become a head within the limits.
    pub fn receive(&mut self, input: &[u8]) -> Result<Progress<Head>, HeadError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.scan(input).inspect_err(|&error| {
            self.bytes = Secret::default();
            self.failed = Some(error);
        })
    }

    fn scan(&mut self, input: &[u8]) -> Result<Progress<Head>, HeadError> {
        // Bytes of `input` before this index are not part of the head: they are the empty line before it.
        let mut from = 0;
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            let plain = self.plain(&input[at..], at - from);
            #[cfg(test)]
            {
                self.steps += plain.max(1);
            }
            if plain > 0 {
                at += plain;
                continue;
            }
            let before = self.state;
            self.state = self.step(byte)?;
            if self.state == State::Begin || self.state == State::LeadingCr {
                at += 1;
                from = at;
                continue;
            }
            let taken = self.bytes.expose().len() + (at + 1 - from);
            if taken > self.limits.max_bytes {
                return Err(if self.start.is_none() {
                    HeadError::StartLineTooLong
                } else {
                    HeadError::TooLong
                });
            }
            if before == State::StartLineCr {
                self.bytes.expose_mut().extend_from_slice(&input[from..=at]);
                from = at + 1;
                self.start = Some(Start::parse(self.kind, self.bytes.expose())?);
            }
            if self.state == State::End {
                self.bytes.expose_mut().extend_from_slice(&input[from..=at]);
                return Ok(Progress::Done { value: self.finish()?, used: at + 1 });
            }
            at += 1;
        }
        self.bytes.expose_mut().extend_from_slice(&input[from..]);
        Ok(Progress::NeedMore)
    }

    /// Returns how many bytes at the front of `rest` do not change the state, as most do not: they are in the middle of
    /// a line and within the limit. `pending` bytes come before them.
    #[inline]
    fn plain(&self, rest: &[u8], pending: usize) -> usize {
        if !matches!(self.state, State::StartLine | State::Line) {
            return 0;
        }
        let room = self.limits.max_bytes.saturating_sub(self.bytes.expose().len() + pending);
        let rest = &rest[..rest.len().min(room)];
        // Sixteen at a time, which takes few instructions.
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
        let are_plain = |bytes: &&[u8; 16]| bytes.iter().fold(true, |all, byte| all & is_plain(byte));
        let whole = rest.as_chunks().0.iter().take_while(are_plain).count() * 16;
        let rest_of_it = rest[whole..].iter().position(|byte| !is_plain(byte));
        rest_of_it.map_or(rest.len(), |at| whole + at)
    }

    /// Returns the state that the byte leads to. Only this function judges bytes.
    fn step(&mut self, byte: u8) -> Result<State, HeadError> {
        match (self.state, byte) {
            // RFC 9112 §2.2: a server ignores at least one empty line before the request line.
            (State::Begin, b'\r') if self.kind == Kind::Request => match self.skipped_blank_line {
                false => Ok(State::LeadingCr),
                true => Err(HeadError::LeadingBlankLines),
            },
            (State::LeadingCr, b'\n') => {
                self.skipped_blank_line = true;
                Ok(State::Begin)
            }
            (State::LeadingCr, _) => Err(HeadError::BareCr),

            (State::Begin, _) => self.opening(0, byte),
            (State::Opening(so_far), _) => self.opening(so_far, byte),
            (State::StartLine, b'\r') => Ok(State::StartLineCr),
            (State::StartLine, b'\n') => Err(HeadError::BareLf),
            (State::StartLine, b' '..=b'~') => Ok(State::StartLine),
            // RFC 9112 §4: a reason phrase may hold tabs and obs-text; a request line may not.
            (State::StartLine, b'\t' | 0x80..) if self.kind == Kind::Response => Ok(State::StartLine),
            (State::StartLine, b'\t' | 0x80..) => Err(HeadError::RequestLine),
            (State::StartLineCr, b'\n') => Ok(State::LineBegin),

            (State::LineBegin, b'\r') => Ok(State::BlankLineCr),
            // RFC 9112 §5.2 and §2.2: no folded lines, no white space after the start line.
            (State::LineBegin, b' ' | b'\t') => Err(HeadError::FoldedLine),
            (State::LineBegin, b'\n') => Err(HeadError::BareLf),
            (State::LineBegin, _) if self.field_lines == self.limits.max_headers => {
                Err(HeadError::TooManyHeaders)
            }
            (State::LineBegin, b'!'..=b'~' | 0x80..) => {
                self.field_lines += 1;
                Ok(State::Line)
            }
            (State::Line, b'\r') => Ok(State::LineCr),
            (State::Line, b'\n') => Err(HeadError::BareLf),
            (State::Line, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::Line),
            (State::LineCr, b'\n') => Ok(State::LineBegin),
            (State::BlankLineCr, b'\n') => Ok(State::End),

            // RFC 9112 §2.2: a CR without LF is neither a line end nor a blank.
            (State::StartLineCr | State::LineCr | State::BlankLineCr, _) => Err(HeadError::BareCr),
            (State::StartLine | State::LineBegin | State::Line | State::End, _) => {
                Err(HeadError::ControlByte)
            }
        }
    }

    /// Checks the first bytes, which tell HTTP from everything else.
    fn opening(&self, so_far: usize, byte: u8) -> Result<State, HeadError> {
        match self.kind {
            Kind::Request if byte == b' ' && so_far > 0 => Ok(State::StartLine),
            Kind::Request if is_token_byte(byte) => Ok(State::Opening(so_far + 1)),
            Kind::Response if HTTP.get(so_far) == Some(&byte) && so_far + 1 == HTTP.len() => {
                Ok(State::StartLine)
            }
            Kind::Response if HTTP.get(so_far) == Some(&byte) => Ok(State::Opening(so_far + 1)),
            _ => Err(HeadError::NotHttp),
        }
    }

    fn finish(&mut self) -> Result<Head, HeadError> {
        let start = self.start.take().ok_or(HeadError::NotHttp)?;
        let head = Head::parse(core::mem::take(self.bytes.expose_mut()), start, self.field_lines)?;
        self.state = State::Begin;
        self.skipped_blank_line = false;
        self.field_lines = 0;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{HttpVersion, Repeated, StartLine};

    type Outcome = Result<Option<(Head, usize)>, HeadError>;

    /// Returns the outcome, which has to be the same for one read, for one byte at a time and for every cut in two.
    fn read(reader: &HeadReader, input: &[u8]) -> Outcome {
        let whole = in_parts(reader, &[input]);
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(in_parts(reader, &bytes), whole, "byte by byte: {}", input.escape_ascii());
        if input.len() < 300 {
            for cut in 0..=input.len() {
                let (a, b) = input.split_at(cut);
                assert_eq!(in_parts(reader, &[a, b]), whole, "cut at {cut}: {}", input.escape_ascii());
            }
        }
        whole
    }

    fn in_parts(reader: &HeadReader, parts: &[&[u8]]) -> Outcome {
        let mut reader = reader.clone();
        let mut before = 0;
        for part in parts {
            match reader.receive(part) {
                Ok(Progress::Done { value, used }) => return Ok(Some((value, before + used))),
                Ok(Progress::NeedMore) => before += part.len(),
                Err(error) => {
                    assert_eq!(reader.receive(b"more"), Err(error));
                    return Err(error);
                }
            }
            assert!(reader.bytes.expose().len() <= reader.limits.max_bytes);
        }
        Ok(None)
    }

    fn request() -> HeadReader {
        HeadReader::request(HeadLimits::default())
    }

    fn response() -> HeadReader {
        HeadReader::response(HeadLimits::default())
    }

    fn head_of(reader: &HeadReader, input: &[u8]) -> (Head, usize) {
        match read(reader, input) {
            Ok(Some(done)) => done,
            other => panic!("{}: {other:?}", input.escape_ascii()),
        }
    }

    #[test]
    fn start_lines_of_requests() {
        for (line, method, target, major, minor) in [
            ("GET / HTTP/1.1", "GET", "/", 1, 1),
            ("get /a?b=c HTTP/1.0", "get", "/a?b=c", 1, 0),
            ("OPTIONS * HTTP/1.2", "OPTIONS", "*", 1, 2),
            ("CONNECT host:80 HTTP/1.1", "CONNECT", "host:80", 1, 1),
            ("GET http://host/#%00\"<>\\^`{|} HTTP/1.9", "GET", "http://host/#%00\"<>\\^`{|}", 1, 9),
            ("PRI * HTTP/2.0", "PRI", "*", 2, 0),
            ("!#$%&'*+-.^_`|~09 x HTTP/0.9", "!#$%&'*+-.^_`|~09", "x", 0, 9),
        ] {
            let input = format!("{line}\r\n\r\n\x01");
            let (head, used) = head_of(&request(), input.as_bytes());
            let version = HttpVersion { major, minor };
            assert_eq!(head.start_line(), StartLine::Request { method, target, version }, "{line}");
            assert_eq!(used, input.len() - 1);
            assert_eq!(head.headers().count(), 0);
        }
    }

    #[test]
    fn start_lines_that_are_none() {
        use HeadError::*;
        for (input, error) in [
            ("GET  / HTTP/1.1\r\n", RequestLine),
            ("GET /  HTTP/1.1\r\n", RequestLine),
            ("GET / HTTP/1.1 \r\n", RequestLine),
            ("GET /a b HTTP/1.1\r\n", RequestLine),
            ("GET\t/ HTTP/1.1\r\n", NotHttp),
            ("GET /\tHTTP/1.1\r\n", RequestLine),
            ("GET  HTTP/1.1\r\n", RequestLine),
            ("GET /\r\n", RequestLine),
            ("GET / \r\n", RequestLine),
            ("GET \r\n", RequestLine),
            ("GET\r\n", NotHttp),
            (" GET / HTTP/1.1\r\n", NotHttp),
            ("GE(T / HTTP/1.1\r\n", NotHttp),
            ("GET / HTTP/1.1x\r\n", RequestLine),
            ("GET / http/1.1\r\n", RequestLine),
            ("GET / HTTP/11\r\n", RequestLine),
            ("GET / HTTP/1.10\r\n", RequestLine),
            ("GET / HTTP/1\r\n", RequestLine),
            ("GET / HTTP/1.\r\n", RequestLine),
            ("GET / HTTP/+1.1\r\n", RequestLine),
            ("GET / HTTPS/1.1\r\n", RequestLine),
            ("GET /\u{e9} HTTP/1.1\r\n", RequestLine),
            ("GET /\x7f HTTP/1.1\r\n", ControlByte),
            ("GET /\0 HTTP/1.1\r\n", ControlByte),
            ("GET / HTTP/1.1\n", BareLf),
            ("GET /\rx HTTP/1.1\r\n", BareCr),
            ("GET / HTTP/1.1\r\r\n", BareCr),
        ] {
            assert_eq!(read(&request(), input.as_bytes()), Err(error), "{input:?}");
        }
        for line in ["SSH-2.0-OpenSSH_9.6", "EHLO example.com", "QUIT", "*1", "HTTP/1.1 200 OK"] {
            assert!(read(&request(), format!("{line}\r\n").as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn what_is_no_http_is_told_at_once() {
        // A TLS ClientHello, masked frames, unmasked frames, an old-style frame, a bare line end.
        for first in
            [&b"\x16"[..], b"\x81", b"\x82", b"\x88", b"\x89", b"\x01", b"\0", b"\n", b"\xff", b" ", b"{"]
        {
            assert_eq!(read(&request(), first), Err(HeadError::NotHttp), "{}", first.escape_ascii());
        }
        for first in
            [&b"\x15"[..], b"\x81", b"\x88", b"\0", b"\n", b"\r", b"h", b"GET", b"HTTP1", b"HTTP-", b"<"]
        {
            assert_eq!(read(&response(), first), Err(HeadError::NotHttp), "{}", first.escape_ascii());
        }
    }

    #[test]
    fn start_lines_of_responses() {
        for (line, status, reason, minor) in [
            ("HTTP/1.1 101 Switching Protocols", 101, "Switching Protocols", 1),
            ("HTTP/1.1 101 ", 101, "", 1),
            ("HTTP/1.1 101", 101, "", 1),
            ("HTTP/1.0 200 OK", 200, "OK", 0),
            ("HTTP/1.1 999 \u{e9}\ta  ", 999, "\u{e9}\ta  ", 1),
            ("HTTP/1.1 404  x", 404, " x", 1),
        ] {
            let (head, _) = head_of(&response(), format!("{line}\r\n\r\n").as_bytes());
            let version = HttpVersion { major: 1, minor };
            let reason = reason.as_bytes();
            assert_eq!(head.start_line(), StartLine::Response { version, status, reason }, "{line}");
        }
        for line in [
            "HTTP/1.1",
            "HTTP/1.1 ",
            "HTTP/1.1 1",
            "HTTP/1.1 10",
            "HTTP/1.1 1 01",
            "HTTP/1.1 0101",
            "HTTP/1.1 1010",
            "HTTP/1.1 101x",
            "HTTP/1.1 099 OK",
            "HTTP/1.1 000 OK",
            "HTTP/1.1 +10 OK",
            "HTTP/1.1 1.1 OK",
            "HTTP/1.1  101 OK",
            "HTTP/1.1\t101 OK",
            "HTTP/1.1 101\tOK",
            "HTTP/1.1101 OK",
            "HTTP/1.1x101 OK",
            "HTTP/2 200",
            "HTTP/1.12 200 OK",
            "HTTP/ 1.1 200 OK",
            "HTTP/x.y 200 OK",
        ] {
            let input = format!("{line}\r\n");
            assert_eq!(read(&response(), input.as_bytes()), Err(HeadError::StatusLine), "{line}");
        }
        assert_eq!(read(&response(), b"\r\nHTTP/1.1 101 X\r\n"), Err(HeadError::NotHttp));
        assert_eq!(read(&response(), b"HTTP/1.1 101 X\0\r\n"), Err(HeadError::ControlByte));
        assert_eq!(read(&response(), b"HTTP/1.1 101 X\n"), Err(HeadError::BareLf));
    }

    #[test]
    fn field_lines() {
        let (head, _) = head_of(
            &request(),
            b"GET / HTTP/1.1\r\nHost: a\r\nx-odd:\t \xff\x80 \"b\"\t\r\nEmpty:\r\nBlank: \t \r\nHOST:b:c\r\n\
              !#$%&'*+-.^_`|~1:1\r\n\r\n",
        );
        let all: Vec<(&str, &[u8])> = head.headers().collect();
        let expected: [(&str, &[u8]); 6] = [
            ("Host", b"a"),
            ("x-odd", b"\xff\x80 \"b\""),
            ("Empty", b""),
            ("Blank", b""),
            ("HOST", b"b:c"),
            ("!#$%&'*+-.^_`|~1", b"1"),
        ];
        assert_eq!(all, expected);
        assert_eq!(head.only("host"), Err(Repeated));
        assert_eq!(head.only("EMPTY"), Ok(Some(&b""[..])));
        assert_eq!(head.only("absent"), Ok(None));
        assert!(head.values("hOsT").eq([&b"a"[..], b"b:c"]));
        assert!(head.has("X-Odd") && !head.has("X-Od"));
    }

    #[test]
    fn faulty_field_lines() {
        use HeadError::*;
        for (lines, error) in [
            (&b"Host: a\n"[..], BareLf),
            (b"\n", BareLf),
            (b"Host\n: a\r\n", BareLf),
            (b"Host: a\rb\r\n", BareCr),
            (b"Host: a\r\r\n", BareCr),
            (b"\rHost: a\r\n", BareCr),
            (b"Host: a\0\r\n", ControlByte),
            (b"Ho\0st: a\r\n", ControlByte),
            (b"Host: \x0b\r\n", ControlByte),
            (b"Host: \x7f\r\n", ControlByte),
            (b"\0\r\n", ControlByte),
            (b" Host: a\r\n", FoldedLine),
            (b"\tHost: a\r\n", FoldedLine),
            (b" \r\n", FoldedLine),
            (b"Host: a\r\n b\r\n", FoldedLine),
            (b"Host:\r\n\ta\r\n", FoldedLine),
            (b"Host\r\n\r\n", MissingColon),
            (b"A: b\r\nHost a\r\n\r\n", MissingColon),
            (b"Host : a\r\n\r\n", FieldName),
            (b"Host\t: a\r\n\r\n", FieldName),
            (b": a\r\n\r\n", FieldName),
            (b":\r\n\r\n", FieldName),
            (b"Ho st: a\r\n\r\n", FieldName),
            (b"Ho(st: a\r\n\r\n", FieldName),
            (b"A: b\r\nH\xf6st: a\r\n\r\n", FieldName),
            (b"\"Host\": a\r\n\r\n", FieldName),
        ] {
            let input = [b"GET / HTTP/1.1\r\n", lines].concat();
            assert_eq!(read(&request(), &input), Err(error), "{}", input.escape_ascii());
            let input = [b"HTTP/1.1 101 X\r\n", lines].concat();
            assert_eq!(read(&response(), &input), Err(error), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn one_empty_line_in_front_is_skipped() {
        let (head, used) = head_of(&request(), b"\r\nGET / HTTP/1.1\r\n\r\nrest");
        assert_eq!((used, head.bytes()), (20, &b"GET / HTTP/1.1\r\n\r\n"[..]));
        assert_eq!(read(&request(), &b"\r\n".repeat(1000)), Err(HeadError::LeadingBlankLines));
        assert_eq!(read(&request(), b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Err(HeadError::LeadingBlankLines));
        assert_eq!(read(&request(), b"\rGET / HTTP/1.1\r\n\r\n"), Err(HeadError::BareCr));
    }

    #[test]
    fn size_and_number_are_limited() {
        let input = b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
        let reader = |max_bytes, max_headers| HeadReader::request(HeadLimits { max_bytes, max_headers });
        assert!(matches!(read(&reader(input.len(), 2), input), Ok(Some(_))));
        assert_eq!(read(&reader(input.len() - 1, 2), input), Err(HeadError::TooLong));
        assert_eq!(read(&reader(17, 2), input), Err(HeadError::TooLong));
        assert_eq!(read(&reader(15, 2), input), Err(HeadError::StartLineTooLong));
        assert_eq!(read(&reader(0, 2), input), Err(HeadError::StartLineTooLong));
        assert_eq!(read(&reader(input.len(), 1), input), Err(HeadError::TooManyHeaders));
        assert_eq!(read(&reader(input.len(), 0), input), Err(HeadError::TooManyHeaders));
        assert!(matches!(read(&reader(18, 0), b"GET / HTTP/1.1\r\n\r\n"), Ok(Some(_))));
        let many = [&b"GET / HTTP/1.1\r\n"[..], &b"A:\r\n".repeat(10_000)].concat();
        assert_eq!(read(&request(), &many), Err(HeadError::TooManyHeaders));
        let long = [&b"GET /"[..], &b"a".repeat(20_000)].concat();
        assert_eq!(read(&request(), &long), Err(HeadError::StartLineTooLong));
        let long = [&b"GET / HTTP/1.1\r\nA: "[..], &b"a".repeat(20_000)].concat();
        assert_eq!(read(&request(), &long), Err(HeadError::TooLong));
    }

    /// Re-reading from the start at each read would be quadratic (RUSTSEC-2023-0065).
    #[test]
    fn each_byte_is_looked_at_once() {
        for size in [1_000, 10_000, 100_000] {
            let limits = HeadLimits { max_bytes: size, ..Default::default() };
            let mut reader = HeadReader::request(limits);
            let mut head = b"GET / HTTP/1.1\r\nA: ".to_vec();
            head.resize(size - 4, b'a');
            head.extend_from_slice(b"\r\n\r\n");
            let done =
                head.chunks(1).map(|byte| reader.receive(byte)).filter(|r| *r != Ok(Progress::NeedMore));
            assert_eq!(done.count(), 1);
            assert_eq!(reader.steps, size);
        }
    }

    #[test]
    fn the_next_head_can_follow() {
        let mut reader = response();
        let input = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        let Ok(Progress::Done { used, .. }) = reader.receive(input) else { panic!() };
        assert!(reader.is_empty());
        let Ok(Progress::Done { value: head, .. }) = reader.receive(&input[used..]) else { panic!() };
        assert_eq!(head.only("a"), Ok(Some(&b"b"[..])));
    }

    #[test]
    fn lists_run_over_all_lines() {
        let (head, _) = head_of(
            &request(),
            b"GET / HTTP/1.1\r\nC: a, b ,,\t\r\nX: n\r\nc:\r\nC: , c\td , \"e,f\"\r\n\r\n",
        );
        let tokens: Vec<&[u8]> = head.tokens("C").collect();
        let expected: [&[u8]; 5] = [b"a", b"b", b"c\td", b"\"e", b"f\""];
        assert_eq!(tokens, expected);
        assert_eq!(head.tokens("absent").count(), 0);
    }

    #[test]
    fn secrets_are_not_logged() {
        let (head, _) = head_of(&request(), b"GET / HTTP/1.1\r\nCookie: 1f2e\r\nHost: a\r\n\r\n");
        let text = format!("{head:?}");
        assert!(text.contains("Host") && text.contains("Cookie") && !text.contains("1f2e"), "{text}");
        let mut reader = request();
        reader.receive(b"GET / HTTP/1.1\r\nCookie: 1f2e\r\n").unwrap();
        let text = format!("{reader:?}");
        assert!(!text.contains(format!("{:?}", b"1f2e").trim_matches(['[', ']'])), "{text}");
    }
}
