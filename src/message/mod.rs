//! Messages: what frames add up to (RFC 6455 §5.4, §5.6).

mod assembler;
mod buffer;
mod prepared;

use alloc::string::String;

pub use assembler::{Assembler, Limits, Passed};
pub use buffer::MessageBuffer;
pub use prepared::Prepared;

use crate::frame::DataKind;

/// A whole message, borrowed from where it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Text or binary.
    #[inline]
    pub const fn kind(&self) -> DataKind {
        match self {
            Message::Text(_) => DataKind::Text,
            Message::Binary(_) => DataKind::Binary,
        }
    }

    /// The payload.
    #[inline]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    /// Bytes of payload.
    #[inline]
    pub const fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there is no payload.
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
