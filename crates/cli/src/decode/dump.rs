//! Bytes out of what people have: dumps of xxd, hexdump, od and Wireshark, literals of programming languages, base64.
//!
//! Each form is understood or refused with what was expected; none is taken for another in silence. Offsets of a dump
//! have to fit the bytes beside them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bowsprit_lab::hex;

use super::tcpdump;

/// What is understood.
const FORMS: &str = "hexadecimal digits (81 85 37), a dump of xxd, hexdump -C, od -t x1 or Wireshark, a list of decimal \
numbers in brackets ([129, 133]), a Node Buffer, Python bytes (b'\\x81'), a C array, or base64; for the bytes themselves \
use --raw";

/// No dump stands for more.
const MOST: usize = 256 << 20;

/// The bytes that a text stands for.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim().trim_start_matches('\u{feff}');
    // As printf takes them, or C.
    let escapes = text.trim_matches('"');
    let result = if let Some(rest) = text.strip_prefix("<Buffer") {
        buffer(rest)
    } else if let Some(literal) = python(text) {
        unescape(literal)
    } else if escapes.starts_with("\\x") {
        unescape(escapes)
    } else if let Some(list) = list(text) {
        numbers(list)
    } else if tcpdump::is_in(text) {
        Err("this is a dump of tcpdump: give it as a --file or on standard input".to_owned())
    } else if let Some(rows) = rows(text) {
        dump(&rows)
    } else if escapes.contains("\\x") {
        unescape(escapes) // behind what may show it beside its bytes
    } else if let Some(decoded) = base64(text) {
        Ok(decoded)
    } else if is_unclear(text) {
        Err("these may be decimal or hexadecimal: put decimal numbers in brackets ([81, 12]), or 0x in front of \
             hexadecimal ones"
            .to_owned())
    } else {
        hex::parse(text)
    };
    result.map_err(|why| format!("{why}; what is understood: {FORMS}"))
}

/// What follows `<Buffer`.
fn buffer(rest: &str) -> Result<Vec<u8>, String> {
    let inner = rest.split('>').next().unwrap_or_default();
    if inner.contains("more byte") {
        return Err("Node has left bytes out of this Buffer: print it with buffer.toString('hex')".to_owned());
    }
    hex::parse(inner)
}

/// The inside of `b'…'` or `bytearray(b'…')`.
fn python(text: &str) -> Option<&str> {
    let text = text.strip_prefix("bytearray(").and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix('b')?.strip_prefix(quote)?.strip_suffix(quote))
}

fn unescape(literal: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(literal.len());
    let mut rest = literal.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            let byte = u8::try_from(c).ok().filter(u8::is_ascii);
            bytes.push(
                byte.ok_or_else(|| format!("'{}' is no character of Python bytes", c.escape_default()))?,
            );
            continue;
        }
        let byte = match rest.next() {
            Some('x') => hex::next_byte(&mut rest),
            Some('n') => Some(b'\n'),
            Some('r') => Some(b'\r'),
            Some('t') => Some(b'\t'),
            Some('0') => Some(0),
            Some('a') => Some(7),
            Some('b') => Some(8),
            Some('v') => Some(11),
            Some('f') => Some(12),
            Some(c @ ('\\' | '\'' | '"')) => Some(c as u8),
            _ => None,
        };
        bytes.push(byte.ok_or("an escape in these Python bytes is none")?);
    }
    Ok(bytes)
}

/// What stands between the first bracket or brace and the last.
fn list(text: &str) -> Option<&str> {
    // `[]byte{1, 2}`, `Uint8Array(2) [1, 2]`, `char x[2] = { 1, 2 };`
    // `{"type":"Buffer","data":[1,2]}` is what Node makes of a Buffer in JSON.
    let is_json = text.starts_with('{') && text.contains("\"data\":");
    let (open, close) = if text.contains('{') && !is_json { ('{', '}') } else { ('[', ']') };
    let (start, end) = (text.find(open)?, text.rfind(close)?);
    // A dump may show brackets among its text, behind digits.
    let lead = text[..start].trim();
    let is_lead = is_json || lead.is_empty() || !lead.starts_with(|c: char| c.is_ascii_digit());
    (is_lead && start < end && (is_json || !lead.contains("Buffer")) && rows(text).is_none())
        .then(|| &text[start + 1..end])
}

fn numbers(list: &str) -> Result<Vec<u8>, String> {
    let mut plain = String::new();
    let mut rest = list;
    // Comments of C, in which Wireshark shows the text.
    while let Some((before, comment)) = rest.split_once("/*") {
        plain += before;
        rest = comment.split_once("*/").ok_or("a comment has no end")?.1;
    }
    plain += rest;
    plain
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let number = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
                Some(digits) => i16::from_str_radix(digits, 16),
                None => word.parse(),
            };
            let number = number.ok().filter(|number| (-128..=255).contains(number));
            // Java's bytes have signs.
            number.map(|number| number as u8).ok_or_else(|| format!("'{}' is no byte", word.escape_default()))
        })
        .collect()
}

/// A row of a dump: its offset as it stands there, and what follows.
struct Row<'a> {
    offset: &'a str,
    rest: &'a str,
    /// The row above again, up to the next offset.
    repeats: bool,
}

/// The rows, if this is a dump: its first row has an offset of its own.
fn rows(text: &str) -> Option<Vec<Row<'_>>> {
    let lines = || text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    let row = |line| -> Option<Row<'_>> {
        let line: &str = line;
        if line.trim() == "*" {
            return Some(Row { offset: "", rest: "", repeats: true });
        }
        let line = line.trim_start();
        let end = line.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(line.len());
        let (offset, rest) = line.split_at(end);
        (offset.len() >= 4).then_some(Row { offset, rest, repeats: false })
    };
    let first = row(lines().next()?)?;
    let is_zero = first.offset.bytes().all(|digit| digit == b'0');
    let is_offset = first.rest.starts_with(':')
        || (first.rest.starts_with("  ") || first.rest.starts_with('\t'))
        || (is_zero && first.offset.len() >= 6 && first.rest.starts_with(' '));
    if first.repeats || !is_offset {
        return None;
    }
    lines().map(row).collect()
}

fn dump(rows: &[Row<'_>]) -> Result<Vec<u8>, String> {
    let words = rows.iter().find_map(|row| row.rest.trim_start_matches(':').split_whitespace().next());
    let has_colon = rows[0].rest.starts_with(':');
    if words.is_some_and(|word| word.len() > 2) && !has_colon {
        return Err("this dump shows words of two bytes or more, in an order that it does not tell: use hexdump -C, or \
                    od -t x1"
            .to_owned());
    }
    // Those of seven digits are of od, in octal or decimal.
    let radices: &[u32] = if rows[0].offset.len() == 7 { &[8, 10] } else { &[16] };
    let mut found: Vec<Vec<u8>> = radices.iter().filter_map(|radix| dump_with(rows, *radix)).collect();
    found.dedup();
    match &found[..] {
        [only] => Ok(only.clone()),
        [] => Err("this looks like a dump, but its offsets do not fit the bytes beside them".to_owned()),
        _ => Err("this dump can be read in two ways: leave its offsets out".to_owned()),
    }
}

fn dump_with(rows: &[Row<'_>], radix: u32) -> Option<Vec<u8>> {
    let offset = |row: &Row<'_>| usize::from_str_radix(row.offset, radix).ok();
    let start = offset(&rows[0])?;
    let mut bytes: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let next = rows.get(at + 1).filter(|next| !next.repeats).map(|next| offset(next)?.checked_sub(start));
        let next = match next {
            Some(None) => return None,
            Some(Some(next)) if next > MOST => return None,
            Some(next) => next,
            None => None,
        };
        if row.repeats {
            // Up to the offset behind it.
            while bytes.len() < next? {
                let missing = next? - bytes.len();
                bytes.extend_from_slice(&last[..last.len().min(missing)]);
                if last.is_empty() {
                    return None;
                }
            }
            continue;
        }
        if offset(row)? - start != bytes.len() {
            return None;
        }
        let wanted = next.map(|next| next.checked_sub(bytes.len()));
        last = match wanted {
            Some(wanted) => row_bytes(row.rest, wanted?, true)?,
            // The next row repeats this one, or nothing tells where the bytes end: no row is longer than others.
            None if bytes.is_empty() => row_bytes(row.rest, 16, false)?,
            None => row_bytes(row.rest, last.len().max(1), false)?,
        };
        bytes.extend_from_slice(&last);
    }
    Some(bytes)
}

/// The bytes of a row: exactly so many, or at most, up to a gap or to what is no digit.
fn row_bytes(rest: &str, count: usize, exactly: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut text = rest.strip_prefix(':').unwrap_or(rest);
    let mut is_first = true;
    while bytes.len() < count {
        let word = text.trim_start();
        let gap = text.len() - word.len();
        let end = word.find(char::is_whitespace).unwrap_or(word.len());
        let digits = &word[..end];
        let is_bytes = !digits.is_empty()
            && digits.len().is_multiple_of(2)
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        // hexdump and Wireshark leave two blanks in the middle; xxd has two in front of the text.
        if !is_bytes || (!is_first && (gap > 2 || (gap == 2 && !bytes.len().is_multiple_of(8)))) {
            break;
        }
        bytes.extend(hex::parse(digits).ok()?);
        (text, is_first) = (&word[end..], false);
    }
    let fits = if exactly { bytes.len() == count } else { bytes.len() <= count };
    // What follows is the text of these bytes, behind a gap.
    (fits && (text.trim().is_empty() || text.starts_with(' '))).then_some(bytes)
}

/// Base64, if it is nothing that hexadecimal digits could be.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (says_so, text) = match text.rsplit_once(";base64,") {
        Some((_, data)) => (true, data),
        None => (false, text),
    };
    let packed: String = text.split_whitespace().collect();
    let engine = if packed.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let is_other = says_so || !looks_hexadecimal(text, &packed);
    (is_other && packed.len().is_multiple_of(4)).then(|| engine.decode(packed).ok())?
}

/// Whether hexadecimal digits are meant: there are no others, or 0x stands in front of all or of a byte.
fn looks_hexadecimal(text: &str, packed: &str) -> bool {
    let is_byte = |word: &str| word.len() <= 4 && word.starts_with("0x");
    packed.bytes().all(|digit| digit.is_ascii_hexdigit())
        || packed.starts_with("0x")
        || text.split_whitespace().any(is_byte)
}

/// Numbers of two digits between commas.
fn is_unclear(text: &str) -> bool {
    let mut words = text.split(',').map(str::trim).filter(|word| !word.is_empty()).peekable();
    text.contains(',')
        && words.peek().is_some()
        && words.all(|word| word.len() <= 3 && word.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x81\x857\xfa!=\x7f\x9fMQX";

    #[test]
    fn forms() {
        for text in [
            "81 85 37 fa 21 3d 7f 9f 4d 51 58",
            "818537fa213d7f9f4d5158",
            "81:85:37:fa:21:3d:7f:9f:4d:51:58",
            "0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58",
            r"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            "00000000: 8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX",
            "00000000: 81 85 37 fa 21 3d 7f 9f 4d 51 58  ..7.!=..MQX",
            "00000000: 8185 37fa  ..7.\n00000004: 213d 7f9f  !=..\n00000008: 4d51 58    MQX",
            "00000000  81 85 37 fa 21 3d 7f 9f  4d 51 58                 |..7.!=..MQX|\n0000000b",
            "0000000 81 85 37 fa 21 3d 7f 9f 4d 51 58\n0000013",
            "000000 81 85 37 fa 21 3d 7f 9f 4d 51 58\n00000b",
            "0000   81 85 37 fa 21 3d 7f 9f 4d 51 58                  ..7.!=..MQX",
            "0000   81 85 37 fa 21 3d 7f 9f  4d 51 58                 ..7.!=.. MQX",
            "00000010: 8185 37fa 213d 7f9f 4d51 58              ..7.!=..MQX",
            "static const unsigned char pkt[11] = {\n0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, /* ..7.!=.. */\n0x4d, 0x51, 0x58 /* MQX */\n};",
            "unsigned char x[] = {\n  0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58\n};\nunsigned int x_len = 11;",
            "<Buffer 81 85 37 fa 21 3d 7f 9f 4d 51 58>",
            r"b'\x81\x857\xfa!=\x7f\x9fMQX'",
            r#"bytearray(b"\x81\x857\xfa!=\x7f\x9fMQX")"#,
            "[129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88]",
            "Uint8Array(11) [129, 133, 55, 250, 33, 61, 127, 159, 77, 81, 88]",
            "[]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}",
            "[-127, -123, 55, -6, 33, 61, 127, -97, 77, 81, 88]",
            r#"{"type":"Buffer","data":[129,133,55,250,33,61,127,159,77,81,88]}"#,
            "gYU3+iE9f59NUVg=",
            "gYU3-iE9f59NUVg=",
            "data:application/octet-stream;base64,gYU3+iE9f59NUVg=",
        ] {
            assert_eq!(bytes(text).as_deref(), Ok(HELLO), "{text}");
        }
    }

    /// Base64 may hold 0x, and nothing but digits where it says what it is.
    #[test]
    fn escapes_beside_bytes_are_not_those_bytes() {
        for text in [
            "00000000: 5c78 3831  \\x81",
            "00000000  5c 78 38 31  |\\x81|\n00000004",
            "char x[] = { 0x5c, 0x78, 0x38, 0x31 }; /* \\x81 */",
        ] {
            assert_eq!(bytes(text).as_deref(), Ok(&b"\\x81"[..]), "{text}");
        }
        for text in [r"a\x81", r#""a\x81""#] {
            assert_eq!(bytes(text).as_deref(), Ok(&b"a\x81"[..]), "{text}");
        }
    }

    #[test]
    fn base64_is_told_from_hexadecimal_digits() {
        assert_eq!(bytes("data:;base64,0xyz"), Ok(vec![0xd3, 0x1c, 0xb3]));
        assert_eq!(bytes("zz0x"), Ok(vec![0xcf, 0x3d, 0x31]));
        assert_eq!(bytes("data:;base64,beef"), Ok(vec![0x6d, 0xe7, 0x9f]));
        assert_eq!(bytes("beef"), Ok(vec![0xbe, 0xef]));
        assert_eq!(bytes("0xbeef01"), Ok(vec![0xbe, 0xef, 1]));
        assert_eq!(bytes("0x81 0x85 0x37 0xfa"), Ok(vec![0x81, 0x85, 0x37, 0xfa]));
        assert!(bytes("0x81 0x8g").is_err() && bytes("81 0x8g 37").is_err() && bytes("0x81858g").is_err());
    }

    #[test]
    fn rows_that_repeat() {
        let text = "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n\
                    00000030  01                                                |.|\n00000031";
        assert_eq!(bytes(text), Ok([vec![0; 48], vec![1]].concat()));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, why) in [
            ("0000000 8581 fa37 3d21 9f7f 514d 0058\n000000b", "hexdump -C"),
            ("0000000 102601 175067 036441 117577 050515 000130\n0000013", "od -t x1"),
            ("\t0x0000:  4500 0034 0001 0000 4006 0000 7f00 0001", "tcpdump"),
            ("00000000: 8185 37fa  ..7.\n00000009: 213d 7f9f  !=..", "offsets do not fit"),
            ("<Buffer 81 85 ... 950 more bytes>", "toString('hex')"),
            ("[129, 256]", "'256' is no byte"),
            ("81, 85, 37", "decimal or hexadecimal"),
            ("129,133", "decimal or hexadecimal"),
            (r"b'\q'", "escape"),
            ("8g", "hexadecimal digits"),
            ("818", "odd"),
            ("00000000  ffffffffffffffff\nffffffffffffffff  00", "dump"),
            ("00000000  81\n*\nfffffff0  85", "dump"),
        ] {
            let refused = bytes(text).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    /// Whatever is thrown at it.
    #[test]
    fn nothing_panics() {
        let parts = [
            "00000000", ": ", "  ", "\n", "*", "81", "8185", "|..|", "[", "]", "{", "}", "<Buffer", "b'",
            "'", "\\x", "é", "0x", ",", "gY==", "/*",
        ];
        let mut random = bowsprit_lab::random::Random::new(1);
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                text += parts[random.below(parts.len())];
            }
            let _ = bytes(&text);
        }
    }
}
