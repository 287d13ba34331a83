//! Positions in the history of a topic.

use std::fmt;
use std::str::FromStr;

/// A position in the history of a topic, after the messages up to `offset`.
///
/// Its text is `EPOCH:OFFSET`, 16 hexadecimal digits and a decimal number, which need no escape in a URL.
///
/// ```
/// use bowsprit::backplane::Position;
///
/// let position: Position = "00c0ffee00c0ffee:17".parse().unwrap();
/// assert_eq!(position.offset, 17);
/// assert_eq!(position.to_string(), "00c0ffee00c0ffee:17");
/// assert!("17".parse::<Position>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The history: an engine that has lost its data begins another one, with a random number.
    pub epoch: u64,
    /// How many messages it had. The first has offset 1.
    pub offset: u64,
}

/// The text is not a [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionError;

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is EPOCH:OFFSET, 16 hexadecimal digits and a number")
    }
}

impl std::error::Error for PositionError {}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}:{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (epoch, offset) = text.split_once(':').ok_or(PositionError)?;
        let is_number = |digits: &str, is_digit: fn(&u8) -> bool| {
            !digits.is_empty() && digits.as_bytes().iter().all(is_digit)
        };
        if epoch.len() != 16
            || !is_number(epoch, u8::is_ascii_hexdigit)
            || !is_number(offset, u8::is_ascii_digit)
        {
            return Err(PositionError);
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| PositionError)?;
        Ok(Self { epoch, offset: offset.parse().map_err(|_| PositionError)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_none() {
        for text in [
            "",
            ":",
            "1:1",
            "0123456789abcdef:",
            "0123456789abcdef",
            "0123456789abcdef:-1",
            "0123456789abcdef:+1",
            "+123456789abcdef:1",
            "0123456789abcdef:18446744073709551616",
            "0123456789abcdeg:1",
            "0123456789abcdef: 1",
        ] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
        }
    }
}
