//! The response of a server that refuses the upgrade (RFC 6455 §4.1, RFC 9112 §6).
//!
//! In: the head of the answer, then bytes in any cut. Out: the [`RefusedResponse`] with its body, up to a limit. A
//! refusal is worth reading, so a chunked body is decoded: most servers send error pages that way. A faulty length or
//! chunk, which an HTTP client would have to refuse, only cuts the body short or extends it to the end of the
//! connection, which ends with the refusal anyway.

use alloc::vec::Vec;
use core::fmt;

use super::head::{Head, StartLine};
use crate::token::trim_blanks;

/// The default limit for the body of a refusal, in bytes: room for any error page that somebody will read.
pub const MAX_REFUSAL_BODY: usize = 64 * 1024;

/// The response of a server that refuses the upgrade: any status but 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedResponse {
    head: Head,
    body: Vec<u8>,
    truncated: bool,
}

impl RefusedResponse {
    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.line().0
    }

    /// Returns the reason phrase.
    pub fn reason(&self) -> &[u8] {
        self.line().1
    }

    /// Returns the value of the first header line with this name, such as `Location` or `WWW-Authenticate`.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// Returns every header line, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.head.headers()
    }

    /// Returns the whole head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the body, or its start, without chunked encoding.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns whether the body is incomplete: cut at the limit, ended too early by the connection, or ended by a
    /// faulty chunk.
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
            // The peer's bytes go to a terminal or a log, so only visible ASCII passes.
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

/// What marks the end of a body (RFC 9112 §6.3).
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
    /// After the bytes of a chunk: the rest of its CR LF.
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

    /// Takes bytes. Returns whether the body is complete or cut.
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

    /// Keeps as much of `part` as the limit allows.
    fn keep(&mut self, part: &[u8]) {
        let room = self.max - self.response.body.len();
        self.response.body.extend_from_slice(&part[..part.len().min(room)]);
        if part.len() > room {
            self.cut();
        }
    }

    /// Ends the body here, incomplete.
    pub(super) fn cut(&mut self) {
        self.response.truncated = true;
        self.framing = Framing::Done;
    }
}

/// Returns the size in a chunk's first line (RFC 9112 §7.1). Extensions are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r\n")?;
    let digits = line.split(|&byte| byte == b';').next()?;
    number(trim_blanks(digits), 16)
}

/// Parses a number that consists of digits only.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(|&byte| char::from(byte).is_digit(radix));
    all_digits
        .then(|| str::from_utf8(digits).ok())
        .flatten()
        .and_then(|text| u64::from_str_radix(text, radix).ok())
}

/// The longest line before a chunk: a size and room for an extension.
pub(super) const MAX_CHUNK_LINE: usize = 256;
