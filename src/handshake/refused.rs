//! What a server says in place of 101 (RFC 6455 §4.1, RFC 9112 §6).
//!
//! In: the head of the answer, then bytes in any cut. Out: the [`RefusedResponse`] with its body, up to a bound.
//! A refusal is worth reading, so a chunked body is decoded: that is how most servers send an error page. What
//! an HTTP client would have to refuse, a faulty length or chunk, only cuts the body short or reads it to the end
//! of the connection, which ends with the refusal anyway.

use alloc::vec::Vec;
use core::fmt;

use super::head::{Head, StartLine};
use crate::token::trim_blanks;

/// The most bytes kept of the body of a refusal, unless set otherwise: room for any error page that somebody
/// will read.
pub const MAX_REFUSAL_BODY: usize = 64 * 1024;

/// What a server says in place of 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedResponse {
    head: Head,
    body: Vec<u8>,
    truncated: bool,
}

impl RefusedResponse {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.line().0
    }

    /// The reason phrase.
    pub fn reason(&self) -> &[u8] {
        self.line().1
    }

    /// The value of the first header line with this name, such as `Location` or `WWW-Authenticate`.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// Every header line, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.head.headers()
    }

    /// The whole head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The body, or its start; without the chunks that it may have come in.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the server had more to say: the body is cut at the limit, where the connection ended too early, or
    /// where its chunks are faulty.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn line(&self) -> (u16, &[u8]) {
        match self.head.start_line() {
            StartLine::Response { status, reason, .. } => (status, reason),
            StartLine::Request { .. } => (0, b""),
        }
    }
}

impl fmt::Display for RefusedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The server refuses the upgrade with status {}", self.status())?;
        if !self.reason().is_empty() {
            // The peer's bytes are for a terminal or a log: nothing but visible ASCII.
            write!(f, " {}", self.reason().escape_ascii())?;
        }
        f.write_str(".")
    }
}

/// Collects the body of a refusal.
#[derive(Clone, Debug)]
pub(super) struct BodyReader {
    response: RefusedResponse,
    max: usize,
    framing: Framing,
}

/// How the end of a body is told (RFC 9112 §6.3).
#[derive(Clone, Debug)]
enum Framing {
    /// This many bytes are missing.
    Length(u64),
    /// The connection ends.
    Eof,
    /// In a line that gives the size of a chunk.
    ChunkSize(Vec<u8>),
    /// This many bytes of a chunk are missing.
    Chunk(u64),
    /// Behind the bytes of a chunk: the rest of its CR LF.
    ChunkEnd(&'static [u8]),
    /// There is nothing more to read.
    Done,
}

impl BodyReader {
    pub(super) fn new(head: Head, max: usize) -> Self {
        let framing = Self::framing(&head);
        Self { response: RefusedResponse { head, body: Vec::new(), truncated: false }, max, framing }
    }

    fn framing(head: &Head) -> Framing {
        if let StartLine::Response { status: 204 | 304, .. } = head.start_line() {
            return Framing::Done;
        }
        if head.has("transfer-encoding") {
            return match head.tokens("transfer-encoding").last() {
                Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => Framing::ChunkSize(Vec::new()),
                _ => Framing::Eof,
            };
        }
        let length = head.only("content-length").ok().flatten().and_then(|value| number(value, 10));
        length.map_or(Framing::Eof, Framing::Length)
    }

    /// Takes bytes; says whether the body is complete or cut.
    pub(super) fn receive(&mut self, mut input: &[u8]) -> bool {
        loop {
            match &mut self.framing {
                Framing::Done | Framing::Length(0) => {
                    self.framing = Framing::Done;
                    return true;
                }
                Framing::Chunk(0) => self.framing = Framing::ChunkEnd(b"\r\n"),
                Framing::ChunkEnd([]) => self.framing = Framing::ChunkSize(Vec::new()),
                _ if input.is_empty() => return false,
                Framing::Length(left) | Framing::Chunk(left) => {
                    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    *left -= part as u64;
                    let (part, rest) = input.split_at(part);
                    input = rest;
                    self.keep(part);
                }
                Framing::Eof => {
                    self.keep(input);
                    input = &[];
                }
                Framing::ChunkEnd(expected) => match (input, *expected) {
                    ([byte, rest @ ..], [first, left @ ..]) if byte == first => {
                        input = rest;
                        *expected = left;
                    }
                    _ => self.cut(),
                },
                Framing::ChunkSize(line) => {
                    let (&byte, rest) = match input.split_first() {
                        Some(split) => split,
                        None => return false,
                    };
                    input = rest;
                    line.push(byte);
                    if byte == b'\n' {
                        match chunk_size(line) {
                            Some(0) => self.framing = Framing::Done,
                            Some(size) => self.framing = Framing::Chunk(size),
                            None => self.cut(),
                        }
                    } else if line.len() == MAX_CHUNK_LINE {
                        self.cut();
                    }
                }
            }
        }
    }

    pub(super) fn receive_eof(&mut self) {
        if !matches!(self.framing, Framing::Eof | Framing::Done) {
            self.cut();
        }
    }

    pub(super) const fn response(&self) -> &RefusedResponse {
        &self.response
    }

    pub(super) fn into_response(self) -> RefusedResponse {
        self.response
    }

    /// Keeps what the limit leaves room for.
    fn keep(&mut self, part: &[u8]) {
        let room = self.max - self.response.body.len();
        self.response.body.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            self.cut();
        }
    }

    /// Wants no more of it.
    pub(super) fn cut(&mut self) {
        self.response.truncated = true;
        self.framing = Framing::Done;
    }
}

/// The size in a chunk's first line (RFC 9112 §7.1), whose extensions are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r\n")?;
    let digits = line.split(|&byte| byte == b';').next()?;
    number(trim_blanks(digits), 16)
}

/// Digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(|&byte| char::from(byte).is_digit(radix));
    all_digits
        .then(|| str::from_utf8(digits).ok())
        .flatten()
        .and_then(|text| u64::from_str_radix(text, radix).ok())
}

/// The longest line in front of a chunk: a size and room for an extension.
pub(super) const MAX_CHUNK_LINE: usize = 256;
