//! Escapes, as C, Python, Rust, Go, JavaScript and shells write them: `\x81`, `\201`, `\n`.

use super::found::Found;

/// The language that escapes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Python: all characters are ASCII, and `\x` has two digits.
    Python,
    /// C and similar languages: `\x` has one or two digits; in C, only those escapes stand for a byte.
    C,
}

/// How a literal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It ends with a quote.
    Closed,
    /// It ends with the text, so its last escape may be cut.
    Open,
}

/// The bytes that a literal stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unescaped {
    pub(super) bytes: Vec<u8>,
    /// Whether the literal ends inside an escape, which is left out.
    pub(super) is_cut: bool,
}

/// An escape after its backslash.
enum Escape {
    /// A byte, written with this many characters.
    Byte(u8, usize),
    /// The literal continues on the next line, after this many characters.
    Nothing(usize),
    /// The escape is cut.
    Cut,
    /// There is no such escape.
    None,
    /// `\u…`.
    Character,
    /// `\0ooo`.
    Echo,
}

/// Reads escapes without quotes around them.
pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    let at = text.find('\\')?;
    let is_escape = text[at + 1..].starts_with(|c: char| c == 'x' || c.is_digit(8));
    if !is_escape {
        return None;
    }
    if !text[..at].trim().is_empty() {
        return Some(Err("something stands in front of the escapes: put quotes around the bytes".to_owned()));
    }
    // Lines are wrapped anywhere; a line feed among the bytes is written as \n or \x0a.
    let is_continued = |line: &str| line.ends_with('\\') && !line.ends_with("\\\\");
    let line = |line: &str| {
        let line = line.trim();
        if is_continued(line) { line[..line.len() - 1].to_owned() } else { line.to_owned() }
    };
    let whole: String = text.lines().map(line).collect();
    let text = if is_separated(&whole) { whole.replace([' ', '\t', ','], "") } else { whole };
    // Without a quote, only the length shows whether the last escape is whole: \x has two digits, and octal escapes all
    // have the same length.
    let last = text.rfind('\\').map_or("", |at| &text[at + 1..]);
    let is_short = last.starts_with('x') && last.len() < 3;
    let has_octal = text.match_indices('\\').any(|(at, _)| {
        text.get(at + 1..at + 4)
            .is_some_and(|digits| digits.bytes().all(|digit| matches!(digit, b'0'..=b'7')))
    });
    let end = if is_short || has_octal { End::Open } else { End::Closed };
    Some(unescape(&text, Language::C, end).map(|read| {
        let cut = read.is_cut.then(|| "it ends inside an escape".to_owned());
        Found { cut, ..Found::of(read.bytes) }
    }))
}

/// Returns whether blanks or commas, and nothing else, separate all escapes.
fn is_separated(text: &str) -> bool {
    let mut escapes = text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).peekable();
    escapes.peek().is_some()
        && escapes.all(|word| {
            let digits = word.strip_prefix("\\x").or_else(|| word.strip_prefix('\\'));
            digits.is_some_and(|digits| {
                (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            })
        })
}

/// Returns the bytes of the text between quotes.
pub(super) fn unescape(literal: &str, language: Language, end: End) -> Result<Unescaped, String> {
    let mut bytes = Vec::with_capacity(literal.len());
    let mut rest = literal;
    while let Some(c) = rest.chars().next() {
        if c != '\\' {
            if language == Language::Python && !c.is_ascii() {
                return Err(format!("'{}' is no character of Python bytes", c.escape_default()));
            }
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let taken = match escape(&rest[1..], language, end) {
            Escape::Byte(byte, taken) => {
                bytes.push(byte);
                taken
            }
            Escape::Nothing(taken) => taken,
            Escape::Cut if end == End::Open => return Ok(Unescaped { bytes, is_cut: true }),
            Escape::Cut | Escape::None => {
                let shown: String = rest.chars().take(4).flat_map(char::escape_default).collect();
                return Err(format!("'{shown}' begins with an escape that is none"));
            }
            Escape::Character => return Err("\\u is an escape of a character, not of a byte".to_owned()),
            Escape::Echo => {
                return Err(
                    "an escape of \\0 and three octal digits is one byte for echo and two for others: \
                            write \\x and two hexadecimal digits"
                        .to_owned(),
                );
            }
        };
        rest = &rest[1 + taken..];
    }
    Ok(Unescaped { bytes, is_cut: false })
}

fn escape(text: &str, language: Language, end: End) -> Escape {
    let behind = text.as_bytes();
    let is_open = end == End::Open;
    let digits = |from: usize, most: usize, radix: u32| {
        let digits = behind.iter().skip(from).take(most);
        digits.take_while(|digit| char::from(**digit).is_digit(radix)).count()
    };
    let value = |from: usize, count: usize, radix: u32| {
        u8::from_str_radix(text.get(from..from + count).unwrap_or_default(), radix)
    };
    match behind {
        [] => Escape::Cut,
        [b'x', ..] => {
            let count = digits(1, 2, 16);
            let is_at_end = behind.len() == 1 + count;
            match (count, language) {
                (0 | 1, _) if is_at_end && is_open => Escape::Cut,
                (2, _) | (1, Language::C) => {
                    value(1, count, 16).map_or(Escape::None, |byte| Escape::Byte(byte, 1 + count))
                }
                _ => Escape::None,
            }
        }
        [b'0'..=b'7', ..] => {
            let count = digits(0, 3, 8);
            if count < 3 && behind.len() == count && is_open {
                return Escape::Cut;
            }
            if language == Language::C && behind[0] == b'0' && digits(0, 4, 8) == 4 {
                return Escape::Echo;
            }
            value(0, count, 8).map_or(Escape::None, |byte| Escape::Byte(byte, count))
        }
        [b'\r', b'\n', ..] => Escape::Nothing(2),
        [b'\n', ..] => Escape::Nothing(1),
        [b'u' | b'U', ..] => Escape::Character,
        [c, ..] => match (c, language) {
            (b'n', _) => Escape::Byte(b'\n', 1),
            (b'r', _) => Escape::Byte(b'\r', 1),
            (b't', _) => Escape::Byte(b'\t', 1),
            (b'a', _) => Escape::Byte(7, 1),
            (b'b', _) => Escape::Byte(8, 1),
            (b'v', _) => Escape::Byte(11, 1),
            (b'f', _) => Escape::Byte(12, 1),
            (b'e', Language::C) => Escape::Byte(27, 1),
            (b'?', Language::C) => Escape::Byte(b'?', 1),
            (b'\\' | b'\'' | b'"', _) => Escape::Byte(*c, 1),
            _ => Escape::None,
        },
    }
}
