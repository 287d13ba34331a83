//! The part of RESP, the protocol of Redis, that a backplane speaks: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
//!
//! In: bytes in any cut. Out: values that borrow from them. Promises: an announced length reserves nothing, a value
//! deeper than the limits is an error at the byte that shows it, only the front of a string that is too long is needed,
//! and a value is parsed again only once the bytes that it lacked are there.

use super::FRONT;

/// A value of RESP2 or RESP3, of the kinds that a server sends to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `+`, and RESP3's `(`, `,` and `=`, whose text is not interpreted here.
    Simple(&'a [u8]),
    /// `-` and `!`.
    Error(&'a [u8]),
    /// `:`.
    Integer(i64),
    /// `$`.
    Bulk(&'a [u8]),
    /// A string longer than the limit, at the end of a value; anywhere else it is an error.
    TooLong {
        /// Its first [`FRONT`] bytes.
        front: &'a [u8],
        /// Its length.
        len: usize,
    },
    /// `_`, `$-1`, `*-1`.
    Null,
    /// `#`.
    Bool(bool),
    /// `*` and `~`, and `%` as keys and values in turn.
    Array(Vec<Value<'a>>),
    /// `>`: unsolicited data. It comes between answers, and inside of arrays as well.
    Push(Vec<Value<'a>>),
}

/// The result of parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A value, and how many bytes it takes: more than there are if it ends with a string that is [too
    /// long](Value::TooLong). The bytes that come later have to be skipped.
    Done(T, usize),
    /// Parsing again is useless before there are this many bytes.
    NeedMore(usize),
}

/// Bytes that no server of this protocol sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespError {
    /// A value that starts with an unknown sign.
    Sign(u8),
    /// A line of more than [`MAX_LINE`] bytes, or a line feed without a carriage return.
    Line,
    /// A number that is malformed or out of range.
    Number,
    /// A string longer than the limit that is not at the end, or is also longer than [`MAX_STRING`].
    TooLong,
    /// A value with more than [`MAX_MEMBERS`] values in it, or nested deeper than [`MAX_DEPTH`].
    TooMany,
}

impl std::fmt::Display for RespError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sign(sign) => write!(f, "no value of RESP starts with {}", [*sign].escape_ascii()),
            Self::Line => f.write_str("a line of RESP is too long or does not end in CR LF"),
            Self::Number => f.write_str("a number of RESP is none"),
            Self::TooLong => f.write_str("a string of RESP is longer than any message may be"),
            Self::TooMany => f.write_str("a value of RESP holds too many others"),
        }
    }
}

impl std::error::Error for RespError {}

/// The longest string that Redis accepts unless `proto-max-bulk-len` says otherwise.
pub const MAX_STRING: usize = 512 << 20;
/// The most bytes of a line: errors and simple strings are far shorter.
pub const MAX_LINE: usize = 4096;
/// The most values in one value: the answer to `HELLO` has some twenty.
pub const MAX_MEMBERS: usize = 1024;
/// The deepest nesting: the answer to `HELLO` has three levels.
pub const MAX_DEPTH: usize = 8;

/// Parses the value at the front of `bytes`. Strings may have `longest` bytes.
///
/// # Errors
///
/// Bytes that no server of this protocol sends. The next value cannot be found after that.
pub fn parse(bytes: &[u8], longest: usize) -> Result<Parsed<Value<'_>>, RespError> {
    let mut reader = Reader { bytes, at: 0, longest, members: 0, is_too_long: false };
    match reader.value(0) {
        Ok(value) => Ok(Parsed::Done(value, reader.at)),
        Err(Stop::NeedMore(len)) => Ok(Parsed::NeedMore(len)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Parses a message that a channel pushes, if it is complete: its channel, its content, and how many bytes it takes.
/// Nearly everything that a subscriber gets is such a message, so a path without a list of values pays. `None` means
/// nothing: it may be another value, a part of one, or an error; [`parse`] decides.
pub fn pushed_message(bytes: &[u8], longest: usize) -> Option<(&[u8], &[u8], usize)> {
    let rest = bytes.strip_prefix(b">3\r\n$7\r\nmessage\r\n")?;
    let (channel, rest) = whole_bulk(rest, longest)?;
    let (payload, rest) = whole_bulk(rest, longest)?;
    Some((channel, payload, bytes.len() - rest.len()))
}

/// Splits a bulk string from the front of `bytes`.
fn whole_bulk(bytes: &[u8], longest: usize) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"$")?;
    let digits = rest.iter().take(10).position(|byte| *byte == b'\r')?;
    let len = usize::try_from(number(&rest[..digits]).ok()?).ok().filter(|len| *len <= longest)?;
    let (text, rest) = rest[digits..].strip_prefix(b"\r\n")?.split_at_checked(len)?;
    Some((text, rest.strip_prefix(b"\r\n")?))
}

/// Parses how many values the array at the front of `bytes` has, for callers that take them one by one. There may be
/// more than in a value that is taken as a whole.
///
/// # Errors
///
/// The errors of [`parse`], and if it is not an array.
pub fn array_head(bytes: &[u8]) -> Result<Parsed<usize>, RespError> {
    match bytes.first() {
        None => return Ok(Parsed::NeedMore(1)),
        Some(b'*') => {}
        Some(sign) => return Err(RespError::Sign(*sign)),
    }
    let mut reader = Reader { bytes, at: 1, longest: 0, members: 0, is_too_long: false };
    match reader.line() {
        Ok(line) => {
            let count = usize::try_from(number(line)?).map_err(|_| RespError::Number)?;
            Ok(Parsed::Done(count, reader.at))
        }
        Err(Stop::NeedMore(len)) => Ok(Parsed::NeedMore(len)),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Writes a command: an array of bulk strings.
pub fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    head(out, b'*', words.len());
    for word in words {
        bulk(out, &[word]);
    }
}

/// Writes the head of an array or a string.
pub fn head(out: &mut Vec<u8>, sign: u8, len: usize) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = len;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.push(sign);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Writes a bulk string that is given in parts.
pub fn bulk(out: &mut Vec<u8>, parts: &[&[u8]]) {
    head(out, b'$', parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

enum Stop {
    NeedMore(usize),
    Error(RespError),
}

impl From<RespError> for Stop {
    fn from(error: RespError) -> Self {
        Self::Error(error)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    longest: usize,
    members: usize,
    /// A string was too long, and `at` is after it, even beyond the bytes.
    is_too_long: bool,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, Stop> {
        if self.is_too_long {
            return Err(RespError::TooLong.into());
        }
        let Some(&sign) = self.bytes.get(self.at) else { return Err(Stop::NeedMore(self.at + 1)) };
        if !b"+-:$!=_#,(*~%>".contains(&sign) {
            return Err(RespError::Sign(sign).into());
        }
        self.at += 1;
        let line = self.line()?;
        Ok(match sign {
            b'+' | b',' | b'(' => Value::Simple(line),
            b'-' => Value::Error(line),
            b':' => Value::Integer(number(line)?),
            b'_' if line.is_empty() => Value::Null,
            b'#' if line == b"t" || line == b"f" => Value::Bool(line == b"t"),
            b'_' | b'#' => return Err(RespError::Number.into()),
            b'$' | b'!' | b'=' => match self.string(line)? {
                None => Value::Null,
                Some((front, len)) if self.is_too_long => Value::TooLong { front, len },
                Some((text, _)) if sign == b'!' => Value::Error(text),
                Some((text, _)) if sign == b'=' => Value::Simple(text),
                Some((text, _)) => Value::Bulk(text),
            },
            _ => match self.members(line, sign, depth)? {
                None => Value::Null,
                Some(members) if sign == b'>' => Value::Push(members),
                Some(members) => Value::Array(members),
            },
        })
    }

    /// Takes up to the next CR LF, inclusive.
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let within = &rest[..rest.len().min(MAX_LINE)];
        match within.iter().position(|&byte| byte == b'\n') {
            Some(end) if end > 0 && within[end - 1] == b'\r' => {
                self.at += end + 1;
                Ok(&within[..end - 1])
            }
            Some(_) => Err(RespError::Line.into()),
            None if within.len() == MAX_LINE => Err(RespError::Line.into()),
            None => Err(Stop::NeedMore(self.bytes.len() + 1)),
        }
    }

    /// Returns a string, or the front of one that is too long, and its length.
    fn string(&mut self, line: &[u8]) -> Result<Option<(&'a [u8], usize)>, Stop> {
        let len = number(line)?;
        if len == -1 {
            return Ok(None);
        }
        let len = usize::try_from(len).map_err(|_| RespError::Number)?;
        if len > self.longest.max(MAX_STRING) {
            return Err(RespError::TooLong.into());
        }
        let end = self.at + len;
        if len > self.longest {
            let front = self.at + len.min(FRONT);
            let front = self.bytes.get(self.at..front).ok_or(Stop::NeedMore(front))?;
            self.is_too_long = true;
            self.at = end + 2;
            return Ok(Some((front, len)));
        }
        match self.bytes.get(self.at..end + 2) {
            None => Err(Stop::NeedMore(end + 2)),
            Some(text) if text[len..] == *b"\r\n" => {
                self.at = end + 2;
                Ok(Some((&text[..len], len)))
            }
            Some(_) => Err(RespError::Line.into()),
        }
    }

    fn members(&mut self, line: &[u8], sign: u8, depth: usize) -> Result<Option<Vec<Value<'a>>>, Stop> {
        let count = number(line)?;
        if count == -1 {
            return Ok(None);
        }
        let count = usize::try_from(count).map_err(|_| RespError::Number)?;
        let count = count.saturating_mul(if sign == b'%' { 2 } else { 1 });
        self.members = self.members.saturating_add(count);
        if self.members > MAX_MEMBERS || depth >= MAX_DEPTH {
            return Err(RespError::TooMany.into());
        }
        let mut members = Vec::new(); // grows with what is there
        for _ in 0..count {
            members.push(self.value(depth + 1)?);
        }
        Ok(Some(members))
    }
}

fn number(line: &[u8]) -> Result<i64, RespError> {
    if (1..=9).contains(&line.len()) && line.iter().all(u8::is_ascii_digit) {
        return Ok(line.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')));
    }
    let text = std::str::from_utf8(line).map_err(|_| RespError::Number)?;
    text.parse().map_err(|_| RespError::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(bytes: &[u8]) -> Value<'_> {
        match parse(bytes, 100) {
            Ok(Parsed::Done(value, used)) if used == bytes.len() => value,
            other => panic!("{}: {other:?}", bytes.escape_ascii()),
        }
    }

    #[test]
    fn values() {
        use Value::*;
        for (bytes, expected) in [
            (&b"+OK\r\n"[..], Simple(b"OK")),
            (b"-ERR no\r\n", Error(b"ERR no")),
            (b"!6\r\nERR no\r\n", Error(b"ERR no")),
            (b":-7\r\n", Integer(-7)),
            (b"$3\r\na\r\n\r\n", Bulk(b"a\r\n")),
            (b"$0\r\n\r\n", Bulk(b"")),
            (b"$-1\r\n", Null),
            (b"*-1\r\n", Null),
            (b"_\r\n", Null),
            (b"#t\r\n", Bool(true)),
            (b",1.5\r\n", Simple(b"1.5")),
            (b"=6\r\ntxt:hi\r\n", Simple(b"txt:hi")),
            (b"*2\r\n:1\r\n~0\r\n", Array(vec![Integer(1), Array(vec![])])),
            (b"%1\r\n+a\r\n:1\r\n", Array(vec![Simple(b"a"), Integer(1)])),
            (b">2\r\n+message\r\n$1\r\nx\r\n", Push(vec![Simple(b"message"), Bulk(b"x")])),
            // Redis 7.0 puts pushes into the array that answers EXEC.
            (b"*2\r\n>1\r\n+m\r\n:1\r\n", Array(vec![Push(vec![Simple(b"m")]), Integer(1)])),
        ] {
            assert_eq!(done(bytes), expected);
        }
    }

    #[test]
    fn a_value_in_any_cut_asks_for_no_more_than_it_needs() {
        let bytes = b"*3\r\n$7\r\nmessage\r\n%1\r\n+a\r\n#f\r\n$12\r\nhello, world\r\n";
        for cut in 0..bytes.len() {
            let Ok(Parsed::NeedMore(len)) = parse(&bytes[..cut], 100) else { panic!("at {cut}") };
            assert!(cut < len && len <= bytes.len(), "at {cut}: {len}");
        }
    }

    #[test]
    fn a_pushed_message_is_read_as_the_value_that_it_is() {
        let value = |bytes: &[u8]| match parse(bytes, 12) {
            Ok(Parsed::Done(Value::Push(members), used)) => match members[..] {
                [Value::Bulk(b"message"), Value::Bulk(channel), Value::Bulk(payload)] => {
                    Some((channel.to_vec(), payload.to_vec(), used))
                }
                _ => None,
            },
            _ => None,
        };
        let owned =
            |(channel, payload, used): (&[u8], &[u8], usize)| (channel.to_vec(), payload.to_vec(), used);
        let bytes = b">3\r\n$7\r\nmessage\r\n$2\r\na\n\r\n$12\r\nhello, world\r\n:1\r\n";
        assert_eq!(pushed_message(bytes, 12), Some((&b"a\n"[..], &b"hello, world"[..], bytes.len() - 4)));
        assert_eq!(pushed_message(bytes, 11), None, "longer than the limit");
        // In any cut, and with any byte changed: the fast path and the general parser agree.
        for cut in 0..=bytes.len() {
            assert_eq!(pushed_message(&bytes[..cut], 12).map(owned), value(&bytes[..cut]), "at {cut}");
        }
        for at in 0..bytes.len() {
            for byte in *b"\r\n0129$>:-+*x" {
                let mut bytes = *bytes;
                bytes[at] = byte;
                if let Some(read) = pushed_message(&bytes, 12) {
                    assert_eq!(Some(owned(read)), value(&bytes), "{}", bytes.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn what_no_server_sends() {
        use RespError::*;
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Sign(b'G')),
            (b"+a\n", Line),
            (b"$1\r\nab\r\n", Line),
            (b"$x\r\n", Number),
            (b"$-2\r\n", Number),
            (b":99999999999999999999\r\n", Number),
            (b"#x\r\n", Number),
            (b"$536870913\r\n", TooLong),
            (b"$9223372036854775807\r\n", TooLong),
            (&[b"*2\r\n$101\r\n", &[b'x'; 101][..], b"\r\n"].concat(), TooLong), // and something after it
            (b"*1025\r\n", TooMany),
            (b"%9223372036854775807\r\n", TooMany),
            (&b"*1\r\n".repeat(9), TooMany),
            (&[b'+'; MAX_LINE + 1], Line),
        ] {
            assert_eq!(parse(bytes, 100), Err(expected), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn of_a_string_that_is_too_long_the_front_is_enough() {
        let bytes = [b">2\r\n+message\r\n$536870912\r\n", &[b'x'; FRONT][..]].concat();
        let needed = bytes.len();
        let value = Value::Push(vec![
            Value::Simple(b"message"),
            Value::TooLong { front: &[b'x'; FRONT], len: MAX_STRING },
        ]);
        assert_eq!(parse(&bytes, 100), Ok(Parsed::Done(value, needed - FRONT + MAX_STRING + 2)));
        for cut in 0..needed {
            let Ok(Parsed::NeedMore(len)) = parse(&bytes[..cut], 100) else { panic!("at {cut}") };
            assert!(cut < len && len <= needed, "at {cut}: {len}");
        }
        let front = Value::TooLong { front: b"ab", len: 2 };
        assert_eq!(parse(b"$2\r\nab\r\n:1\r\n", 1), Ok(Parsed::Done(front, 8)));
    }

    #[test]
    fn arrays_that_are_taken_one_by_one() {
        assert_eq!(array_head(b"*12\r\n:1\r\n"), Ok(Parsed::Done(12, 5)));
        for cut in 0..5 {
            assert!(matches!(array_head(&b"*12\r\n"[..cut]), Ok(Parsed::NeedMore(_))), "at {cut}");
        }
        for bytes in [&b"$1\r\n"[..], b"*-1\r\n", b"*x\r\n", b"*1\n"] {
            assert!(array_head(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn commands() {
        let mut out = Vec::new();
        command(&mut out, &[b"PUBLISH", b"chat", b"a\r\nb"]);
        assert_eq!(out, b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nchat\r\n$4\r\na\r\nb\r\n");
        out.clear();
        head(&mut out, b'$', 16_777_216);
        bulk(&mut out, &[b"", b"x", b""]);
        assert_eq!(out, b"$16777216\r\n$1\r\nx\r\n");
    }
}
