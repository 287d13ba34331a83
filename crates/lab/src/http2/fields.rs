//! Field sections: HPACK, and the rules for the fields of a response (RFC 7541; RFC 9113 §8.2, §8.3).
//!
//! Sections are read with `loona-hpack`, the only HPACK decoder we found that is maintained, brings no runtime and has
//! an error for whatever a peer may send. We write literals that use no table, because our fields have to be able to be
//! wrong.

use loona_hpack::Decoder;

use bowsprit::error::Section;

use crate::rule::Violation;

/// How many bytes of a section's fields are kept, as RFC 9113 §6.5.2 counts them.
pub const MOST: usize = 64 * 1024;
/// The bytes that RFC 9113 §6.5.2 adds for each field.
const OVERHEAD: usize = 32;
/// The size of the dynamic table that a peer may use, since we announce no other.
const TABLE: usize = 4096;

/// One field: name and value.
pub type Field = (Vec<u8>, Vec<u8>);

/// Writes fields, each as a literal without indexing (RFC 7541 §6.2.2).
pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: impl IntoIterator<Item = (N, V)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        string(&mut out, name.as_ref());
        string(&mut out, value.as_ref());
    }
    out
}

/// Writes a string without Huffman coding (RFC 7541 §5.1, §5.2).
fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() < 127 {
        // The cast keeps the value.
        out.push(bytes.len() as u8);
    } else {
        out.push(127);
        let mut rest = bytes.len() - 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(bytes);
}

/// Reads the field sections of one direction of a connection, which share a table.
pub struct Reader(Decoder<'static>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Default for Reader {
    fn default() -> Self {
        let mut decoder = Decoder::new();
        decoder.set_max_allowed_table_size(TABLE);
        Self(decoder)
    }
}

impl Reader {
    /// Reads the fields of a section.
    ///
    /// # Errors
    ///
    /// Fails if the block is not HPACK, or holds more than [`MOST`] bytes: a block may name a large table entry again
    /// and again.
    pub fn read(&mut self, block: &[u8]) -> Result<Vec<Field>, Violation> {
        let (mut fields, mut size) = (Vec::new(), 0usize);
        let read = self.0.decode_with_cb(block, |name, value| {
            size = size.saturating_add(name.len() + value.len() + OVERHEAD);
            if size <= MOST {
                fields.push((name.into_owned(), value.into_owned()));
            }
        });
        match read {
            Err(error) => {
                let what = format!("Its field section cannot be read: {error}");
                Err(Violation::new(Section::new(9113, "4.3"), what))
            }
            Ok(()) if size > MOST => {
                let what = format!("Its field section holds more than {MOST} bytes");
                Err(Violation::new(Section::new(9113, "10.5.1"), what))
            }
            Ok(()) => Ok(fields),
        }
    }
}

/// Fields that belong to an HTTP/1.1 connection (RFC 9113 §8.2.2).
const OF_THE_CONNECTION: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// Returns the status of a response, after judging its fields by themselves; trailers have no status.
///
/// # Errors
///
/// Returns the rule that they break.
pub fn judge_response(fields: &[Field], trailers: bool) -> Result<u16, Violation> {
    let err = |number, what: String| Err(Violation::new(Section::new(9113, number), what));
    let mut status = None;
    let mut regular = false;
    for (name, value) in fields {
        let shown = name.escape_ascii();
        if let Some(pseudo) = name.strip_prefix(b":") {
            if trailers {
                return err("8.1", format!("Its trailers hold the pseudo-header field \"{shown}\""));
            }
            if pseudo != b"status" {
                return err("8.3.2", format!("Its response holds the pseudo-header field \"{shown}\""));
            }
            if regular {
                return err("8.3", "A pseudo-header field stands behind a regular one".to_owned());
            }
            if status.is_some() {
                return err("8.3", "There are several :status fields".to_owned());
            }
            let digits = value.len() == 3 && value.iter().all(u8::is_ascii_digit);
            let number = str::from_utf8(value).ok().and_then(|value| value.parse::<u16>().ok());
            match number.filter(|number| digits && *number >= 100) {
                Some(number) => status = Some(number),
                None => return err("8.3.2", format!("Its :status is \"{}\"", value.escape_ascii())),
            }
            continue;
        }
        regular = true;
        judge_field(name, value, "response")?;
    }
    match status {
        Some(101) => err("8.6", "Its :status is 101".to_owned()),
        Some(status) => Ok(status),
        None if trailers => Ok(0),
        None => err("8.3.2", "Its response has no :status".to_owned()),
    }
}

/// Judges a field other than a pseudo-header field, in a response or a request.
///
/// # Errors
///
/// Returns the rule that it breaks.
pub(super) fn judge_field(name: &[u8], value: &[u8], of: &str) -> Result<(), Violation> {
    let err = |number, what: String| Err(Violation::new(Section::new(9113, number), what));
    let shown = name.escape_ascii();
    if name.is_empty() || name.iter().any(|byte| matches!(byte, 0..=0x20 | b'A'..=b'Z' | b':' | 0x7f..)) {
        return err("8.2.1", format!("A field is called \"{shown}\""));
    }
    let edges = [value.first(), value.last()];
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
        || edges.iter().any(|edge| matches!(edge, Some(b' ' | b'\t')))
    {
        return err("8.2.1", format!("The value of the field \"{shown}\" is \"{}\"", value.escape_ascii()));
    }
    if OF_THE_CONNECTION.contains(&name) {
        return err("8.2.2", format!("Its {of} holds the connection-specific field \"{shown}\""));
    }
    Ok(())
}

/// Returns the fields of a response in the form of HTTP/1.1, without those that belong to a connection there.
pub(super) fn of_response(head: &[u8]) -> Vec<Field> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default();
    let kept = of_lines(lines).filter(|(name, _)| !OF_THE_CONNECTION.contains(&&name[..]));
    std::iter::once((b":status".to_vec(), status.as_bytes().to_vec())).chain(kept).collect()
}

/// Writes a response in the form of HTTP/1.1, which the judges of heads read.
pub fn as_head(status: u16, fields: &[Field]) -> Vec<u8> {
    let start = format!("HTTP/2.0 {status} \r\n").into_bytes();
    head(start, fields.iter().filter(|(name, _)| !name.starts_with(b":")))
}

/// Writes these fields after the start of a head, in the form of HTTP/1.1.
pub(super) fn head<'f>(start: Vec<u8>, fields: impl Iterator<Item = &'f Field>) -> Vec<u8> {
    let mut out = start;
    for (name, value) in fields {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Returns the fields of a request in the form of HTTP/1.1: `CONNECT /path HTTP/2.0`, Host, others.
pub fn of_head(head: &[u8], scheme: &str) -> Vec<Field> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut pseudo: Vec<Field> =
        [(":method", method), (":protocol", "websocket"), (":scheme", scheme), (":path", target)]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec();
    let mut fields = Vec::new();
    for (name, value) in of_lines(lines) {
        // A second Host is a field beside the pseudo-header field.
        if name == b"host" && pseudo.len() == 4 {
            pseudo.push((b":authority".to_vec(), value));
        } else {
            fields.push((name, value));
        }
    }
    [pseudo, fields].concat()
}

/// Returns the fields of the lines of a head in the form of HTTP/1.1, with names in lower case.
fn of_lines<'l>(lines: impl Iterator<Item = &'l str>) -> impl Iterator<Item = Field> {
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| {
        (name.to_ascii_lowercase().into_bytes(), value.trim_matches([' ', '\t']).as_bytes().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> Field {
        (name.as_bytes().to_vec(), value.as_bytes().to_vec())
    }

    #[test]
    fn what_is_written_is_read() {
        let long = "x".repeat(100_000);
        for length in [0, 1, 126, 127, 128, 254, 255, 256, 20_000] {
            let fields = vec![field(":status", "200"), field("a", &long[..length])];
            assert_eq!(Reader::default().read(&encode(fields.clone())), Ok(fields), "{length}");
        }
    }

    /// RFC 7541 appendix C.6.1, first and second response: a table and Huffman coding.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let mut reader = Reader::default();
        let first = b"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff\x6e\x91\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3";
        let fields = reader.read(first).unwrap();
        assert_eq!(fields[0], field(":status", "302"));
        assert_eq!(fields[3], field("location", "https://www.example.com"));
        let second = reader.read(b"\x48\x83\x64\x0e\xff\xc1\xc0\xbf").unwrap();
        assert_eq!(second[0], field(":status", "307"));
        assert_eq!(second[1..], fields[1..]);
    }

    #[test]
    fn cut_and_wrong_blocks_are_errors_and_no_panics() {
        let good = encode([("a", "b".repeat(300))]);
        for at in 1..good.len() {
            assert!(Reader::default().read(&good[..at]).is_err(), "cut at {at}");
        }
        for wrong in [
            &b"\x80"[..],
            b"\xff",
            b"\xff\xff\xff\xff\xff\xff",
            b"\x00",
            b"\x40",
            b"\x3f\xe2\x1f",
            b"\x00\x81\xff",
        ] {
            assert!(Reader::default().read(wrong).is_err(), "{}", wrong.escape_ascii());
        }
        // An entry of 4 KiB that is named ten thousand times.
        let mut bomb = vec![0x40, 1, b'a'];
        string(&mut bomb, &[b'b'; 4000]);
        bomb.extend_from_slice(&[0xbe; 10_000]);
        assert!(Reader::default().read(&bomb).is_err());
    }

    #[test]
    fn responses_are_judged() {
        let judge = |fields: &[(&str, &str)]| {
            let fields: Vec<Field> = fields.iter().map(|(name, value)| field(name, value)).collect();
            judge_response(&fields, false).map_err(|violation| violation.section.number)
        };
        assert_eq!(judge(&[(":status", "200"), ("date", "x")]), Ok(200));
        for (fields, section) in [
            (&[("date", "x")][..], "8.3.2"),
            (&[(":status", "20")], "8.3.2"),
            (&[(":status", "+20")], "8.3.2"),
            (&[(":status", "200"), (":status", "200")], "8.3"),
            (&[("date", "x"), (":status", "200")], "8.3"),
            (&[(":status", "200"), (":path", "/")], "8.3.2"),
            (&[(":status", "101")], "8.6"),
            (&[(":status", "200"), ("Date", "x")], "8.2.1"),
            (&[(":status", "200"), ("upgrade", "websocket")], "8.2.2"),
            (&[(":status", "200"), ("connection", "close")], "8.2.2"),
            (&[(":status", "200"), ("a", "b\r\nc: d")], "8.2.1"),
            (&[(":status", "200"), ("a", " b")], "8.2.1"),
        ] {
            assert_eq!(judge(fields), Err(section), "{fields:?}");
        }
    }

    #[test]
    fn heads_are_turned_both_ways() {
        let fields =
            of_head(b"CONNECT /a?b HTTP/2.0\r\nHost: h:1\r\nSec-WebSocket-Version: 13\r\n\r\n", "http");
        let expected = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", "/a?b"),
            (":authority", "h:1"),
            ("sec-websocket-version", "13"),
        ];
        assert_eq!(fields, expected.map(|(name, value)| field(name, value)));
        let head = as_head(200, &[field(":status", "200"), field("a", "b")]);
        assert_eq!(head, b"HTTP/2.0 200 \r\na: b\r\n\r\n");
    }
}
