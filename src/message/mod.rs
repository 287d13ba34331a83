//! Messages: what frames add up to (RFC 6455 §5.4, §5.6).

mod assembler;
mod buffer;
mod prepared;

use alloc::string::String;
use alloc::vec::Vec;

pub use assembler::{Assembler, Limits, Passed};
pub use buffer::MessageBuffer;
pub use prepared::Prepared;

use crate::frame::DataKind;

/// A whole message, borrowed from where it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, which is UTF-8.
    Text(&'a str),
    /// Binary data: any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Returns whether the message is text or binary.
    #[inline]
    pub const fn kind(&self) -> DataKind {
        match self {
            Message::Text(_) => DataKind::Text,
            Message::Binary(_) => DataKind::Binary,
        }
    }

    /// Returns the payload.
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Returns the length of the payload in bytes.
    #[inline]
    pub const fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Message::Text(text)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Message::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Message::Binary(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Message::Binary(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Message::Binary(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Common types of text and bytes can be sent as they are.
    #[test]
    fn texts_and_bytes_are_messages() {
        let (text, bytes) = (String::from("hi"), vec![1, 2]);
        for message in [Message::from("hi"), (&text).into(), Prepared::new(&text).as_message()] {
            assert_eq!(message, Message::Text("hi"));
        }
        for message in [
            Message::from(&bytes),
            (&bytes[..]).into(),
            (&[1, 2]).into(),
            Prepared::from(&bytes).as_message(),
        ] {
            assert_eq!(message, Message::Binary(&[1, 2]));
        }
    }
}
