//! Bytes as hexadecimal digits, and back.

use std::fmt::Write as _;

/// Writes two digits for each byte, with nothing between bytes.
///
/// ```
/// assert_eq!(bowsprit_lab::hex::digits(b"\x00\xff"), "00ff");
/// ```
pub fn digits(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Writes two digits for each byte, with a space between bytes.
pub fn spaced(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Parses hex digits; blanks, line ends, `0x`, `\x`, `:`, `,`, `-` and `_` between them are ignored.
///
/// # Errors
///
/// Returns what is not a hex digit, or a digit without a second one.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let text = text.replace("0x", " ").replace("\\x", " ");
    let is_between = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-' | '_');
    let mut digits = Vec::new();
    for c in text.chars().filter(|c| !is_between(*c)) {
        let digit = c.to_digit(16).ok_or_else(|| format!("'{}' is no hex digit", c.escape_default()))?;
        digits.push(digit as u8);
    }
    match digits.as_chunks() {
        (pairs, []) => Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect()),
        _ => Err("the number of hex digits is odd".to_owned()),
    }
}

/// Reads the next two digits, as they follow `\x`, as a byte.
pub fn next_byte(text: &mut impl Iterator<Item = char>) -> Option<u8> {
    let [high, low] = [text.next()?, text.next()?].map(|digit| digit.to_digit(16));
    Some((high? << 4 | low?) as u8)
}

/// Serializes bytes in files as hex digits.
pub(crate) mod field {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::digits(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        super::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_many_forms() {
        for text in ["810548", "81 05 48", "0x81, 0x05, 0x48", "\\x81\\x05\\x48", "81:05:48\n", "81_05_48"] {
            assert_eq!(parse(text).unwrap(), [0x81, 5, 0x48], "{text}");
        }
        assert!(parse("8").is_err() && parse("xy").is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&digits(&bytes)).as_deref(), Ok(&bytes[..]));
        assert_eq!(parse(&spaced(&bytes)).as_deref(), Ok(&bytes[..]));
    }

    #[test]
    fn a_byte_takes_two_digits() {
        let mut text = "1eZ".chars();
        assert_eq!(next_byte(&mut text), Some(0x1e));
        assert_eq!(next_byte(&mut text), None);
        assert_eq!(next_byte(&mut "+1".chars()), None);
    }
}
