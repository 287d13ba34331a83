//! The part of the NATS client protocol that a backplane speaks: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.
//!
//! In: bytes in any cut. Out: messages that borrow from them. Promises, as in [`resp`](super::resp): an announced
//! length reserves nothing, and only the front of a message that is too long is needed.

use super::FRONT;

/// A message of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// `INFO {json}`: the server and its requirements; at the start, and again when they change.
    Info(&'a [u8]),
    /// `MSG subject sid [reply-to] bytes`.
    Message {
        /// The subject that it was published to.
        subject: &'a [u8],
        /// Its payload.
        payload: &'a [u8],
    },
    /// A message longer than the limit.
    TooLong {
        /// The subject that it was published to.
        subject: &'a [u8],
        /// Its first [`FRONT`] bytes.
        front: &'a [u8],
        /// Its length.
        len: usize,
    },
    /// `PING`, which has to be answered with `PONG`.
    Ping,
    /// `PONG`.
    Pong,
    /// `+OK`, which we do not ask for.
    Ok,
    /// `-ERR 'text'`, without the quotation marks.
    Error(&'a [u8]),
}

/// The result of [`parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A message, and how many bytes it takes: more than there are if it is [too long](Said::TooLong). The bytes that
    /// come later have to be skipped.
    Done(Said<'a>, usize),
    /// Parsing again is useless before there are this many bytes.
    NeedMore(usize),
}

/// Bytes that no server of this protocol sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NatsError {
    /// A line that does not start with a word of the protocol.
    Word,
    /// A line of more than [`MAX_LINE`] bytes, or one that does not end in CR LF.
    Line,
    /// A `MSG` without a subject, a number or a length.
    Message,
    /// A message longer than [`MAX_MESSAGE`].
    TooLong,
}

impl std::fmt::Display for NatsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Word => "no line of NATS starts like that",
            Self::Line => "a line of NATS is too long or does not end in CR LF",
            Self::Message => "a MSG of NATS lacks its subject, number or length",
            Self::TooLong => "a message of NATS is longer than any may be",
        })
    }
}

impl std::error::Error for NatsError {}

/// The most bytes of a line: `INFO` lists every server of a cluster.
pub const MAX_LINE: usize = 64 * 1024;
/// The maximum message size that a server can be configured for.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Parses the front of `bytes`. A message may have `longest` bytes.
///
/// # Errors
///
/// Bytes that no server of this protocol sends. Parsing cannot continue after that.
pub fn parse(bytes: &[u8], longest: usize) -> Result<Parsed<'_>, NatsError> {
    let within = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
        return if within.len() == MAX_LINE {
            Err(NatsError::Line)
        } else {
            Ok(Parsed::NeedMore(bytes.len() + 1))
        };
    };
    let line = within[..end].strip_suffix(b"\r").ok_or(NatsError::Line)?;
    let used = end + 1;
    let (word, rest) = match line.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
        Some(at) => (&line[..at], line[at..].trim_ascii()),
        None => (line, &b""[..]),
    };
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    let said = if is(b"MSG") {
        return message(bytes, used, rest, longest);
    } else if is(b"PING") {
        Said::Ping
    } else if is(b"PONG") {
        Said::Pong
    } else if is(b"+OK") {
        Said::Ok
    } else if is(b"INFO") {
        Said::Info(rest)
    } else if is(b"-ERR") {
        Said::Error(rest.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'")).unwrap_or(rest))
    } else {
        return Err(NatsError::Word);
    };
    Ok(Parsed::Done(said, used))
}

fn message<'a>(
    bytes: &'a [u8],
    used: usize,
    rest: &'a [u8],
    longest: usize,
) -> Result<Parsed<'a>, NatsError> {
    let mut words = rest.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let (Some(subject), Some(_sid)) = (words.next(), words.next()) else { return Err(NatsError::Message) };
    let len = words.next_back().ok_or(NatsError::Message)?;
    let len =
        std::str::from_utf8(len).ok().and_then(|len| len.parse::<usize>().ok()).ok_or(NatsError::Message)?;
    if len > MAX_MESSAGE {
        return Err(NatsError::TooLong);
    }
    if len > longest {
        let front = used + len.min(FRONT);
        return Ok(match bytes.get(used..front) {
            None => Parsed::NeedMore(front),
            Some(front) => Parsed::Done(Said::TooLong { subject, front, len }, used + len + 2),
        });
    }
    match bytes.get(used..used + len + 2) {
        None => Ok(Parsed::NeedMore(used + len + 2)),
        Some(text) if text[len..] == *b"\r\n" => {
            Ok(Parsed::Done(Said::Message { subject, payload: &text[..len] }, used + len + 2))
        }
        Some(_) => Err(NatsError::Line),
    }
}

/// Writes the bytes of a name as one token of a subject: letters, digits, `-` and `_` unchanged, all others as `%` and
/// two digits. (`.`, `*`, `>` and blanks have a meaning in a subject.)
pub fn escape(out: &mut Vec<u8>, name: &[u8]) {
    for &byte in name {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            out.push(byte);
        } else {
            const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use fluent_uri::pct_enc::EStr;
    use fluent_uri::pct_enc::encoder::Path;

    use super::*;

    #[test]
    fn what_a_server_says() {
        for (bytes, expected) in [
            (&b"INFO {\"max_payload\":1048576} \r\n"[..], Said::Info(b"{\"max_payload\":1048576}")),
            (b"MSG a.b 1 5\r\nhe\r\no\r\n", Said::Message { subject: b"a.b", payload: b"he\r\no" }),
            (b"MSG a 1 reply.to 0\r\n\r\n", Said::Message { subject: b"a", payload: b"" }),
            (b"msg\ta\t1\t0\r\n\r\n", Said::Message { subject: b"a", payload: b"" }),
            (b"PING\r\n", Said::Ping),
            (b"PONG\r\n", Said::Pong),
            (b"+OK\r\n", Said::Ok),
            (b"-ERR 'Slow Consumer'\r\n", Said::Error(b"Slow Consumer")),
        ] {
            assert_eq!(parse(bytes, 10), Ok(Parsed::Done(expected, bytes.len())), "{}", bytes.escape_ascii());
            for cut in 0..bytes.len() {
                let Ok(Parsed::NeedMore(len)) = parse(&bytes[..cut], 10) else { panic!("at {cut}") };
                assert!(cut < len && len <= bytes.len(), "at {cut}: {len}");
            }
        }
    }

    #[test]
    fn what_no_server_sends() {
        use NatsError::*;
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Word),
            (b"PING\n", Line),
            (b"MSG a 1\r\n", Message),
            (b"MSG a 1 -1\r\n", Message),
            (b"MSG a 1 99999999999999999999\r\n", Message),
            (b"MSG a 1 67108865\r\n", TooLong),
            (b"MSG a 1 1\r\nabc", Line),
            (&[b'x'; MAX_LINE], Line),
        ] {
            assert_eq!(parse(bytes, 10), Err(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn of_a_message_that_is_too_long_the_front_is_enough() {
        let bytes = [b"MSG a 1 67108864\r\n", &[b'x'; FRONT][..]].concat();
        let needed = bytes.len();
        let said = Said::TooLong { subject: b"a", front: &[b'x'; FRONT], len: MAX_MESSAGE };
        assert_eq!(parse(&bytes, 10), Ok(Parsed::Done(said, needed - FRONT + MAX_MESSAGE + 2)));
        for cut in 0..needed {
            let Ok(Parsed::NeedMore(len)) = parse(&bytes[..cut], 10) else { panic!("at {cut}") };
            assert!(cut < len && len <= needed, "at {cut}: {len}");
        }
        let said = Said::TooLong { subject: b"a", front: b"0123456789a", len: 11 };
        assert_eq!(parse(b"MSG a 1 11\r\n0123456789a\r\nPING\r\n", 10), Ok(Parsed::Done(said, 25)));
    }

    #[test]
    fn names_survive_as_tokens() {
        let all: Vec<u8> = (0..=255).collect();
        for name in [&all[..], b"", b"a.b", b"*", b">", b"50%", b"two words"] {
            let mut token = Vec::new();
            escape(&mut token, name);
            assert!(!token.iter().any(|byte| b".*> \t\r\n".contains(byte)));
            // The result is RFC 3986 §2.1 percent-encoding, checked with a decoder that we did not write.
            let token = String::from_utf8(token).unwrap();
            let decoded = EStr::<Path>::new(&token).expect("it is percent-encoded").decode();
            assert_eq!(*decoded.to_bytes(), *name);
        }
    }
}
