//! A `Buffer` (`<Buffer 81 05>`) or `ArrayBuffer` (`[Uint8Contents]: <81 05>`) as Node prints it, anywhere in a text.

use super::found::Found;
const MARKS: [&str; 2] = ["<Buffer", "[Uint8Contents]: <"];

pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    MARKS.iter().any(|mark| text.contains(mark)).then(|| buffers(text))
}

fn buffers(text: &str) -> Result<Found, String> {
    let mut found = Found::default();
    let mut rest = text;
    while let Some(start) = MARKS.iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min() {
        if found.cut.is_some() {
            return Err("Node has left bytes out of a Buffer that is not the last: print each with \
                        buffer.toString('hex')"
                .to_owned());
        }
        let inner = &rest[start..];
        let end = inner.find('>');
        let piece = digits(&inner[..end.unwrap_or(inner.len())], end.is_none(), &mut found.cut)?;
        found.pieces.push(piece);
        rest = end.map_or("", |end| &inner[end..]);
    }
    Ok(found)
}

/// Returns the bytes between the brackets, up to those that Node left out.
fn digits(inner: &str, is_open: bool, cut: &mut Option<String>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if is_open {
        *cut = Some("the Buffer has no closing '>'".to_owned());
    }
    let mut words = inner.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if word.starts_with('.') {
            let left: Vec<&str> = words.collect();
            let count = left.first().map_or("", |count| *count);
            *cut = Some(format!(
                "Node has left {} out of this Buffer; buffer.toString('hex') prints all",
                if left.len() == 3 {
                    format!("{count} {}", left[2].trim_end_matches('>'))
                } else {
                    "bytes".to_owned()
                }
            ));
            break;
        }
        let is_byte = word.len() == 2 && word.bytes().all(|digit| digit.is_ascii_hexdigit());
        match u8::from_str_radix(word, 16) {
            Ok(byte) if is_byte => bytes.push(byte),
            _ if is_open && word.len() == 1 && words.peek().is_none() => break,
            _ => return Err(format!("'{}' is no byte of a Buffer", word.escape_default())),
        }
    }
    Ok(bytes)
}
