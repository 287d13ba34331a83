//! A message that is encoded once and sent many times.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Message;
use crate::extension::deflate::SharedForms;
use crate::frame::{DataKind, MAX_HEADER, RawHeader};

/// A message encoded as one finished frame. Clones share the bytes.
///
/// Connections with permessage-deflate send it compressed. The first of them compresses it once for all connections
/// that agreed to the same window.
///
/// ```
/// use bowsprit::message::{Message, Prepared};
///
/// let news = Prepared::new(Message::Text("Hello"));
/// assert_eq!(news.frame()[..], *b"\x81\x05Hello");
/// assert_eq!(news.payload(), b"Hello");
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    kind: DataKind,
    header: u8,
    frame: Arc<[u8]>,
    compressed: SharedForms,
}

impl Prepared {
    /// Encodes `message` as a server sends it: one frame, without a mask.
    pub fn new<'a>(message: impl Into<Message<'a>>) -> Self {
        let message = message.into();
        let kind = message.kind();
        let (frame, header) = encode(RawHeader::of(kind.opcode()), message.as_bytes());
        Self { kind, header, frame, compressed: SharedForms::default() }
    }

    /// Returns whether the message is text or binary.
    pub const fn kind(&self) -> DataKind {
        self.kind
    }

    /// Returns the frame.
    pub const fn frame(&self) -> &Arc<[u8]> {
        &self.frame
    }

    /// Returns the compressed frames.
    pub(crate) const fn compressed(&self) -> &SharedForms {
        &self.compressed
    }

    /// Encodes a frame around `payload`, which is this message compressed.
    pub(crate) fn compressed_frame(&self, payload: &[u8]) -> Arc<[u8]> {
        encode(RawHeader { rsv1: true, ..RawHeader::of(self.kind.opcode()) }, payload).0
    }

    /// Returns the message.
    pub fn as_message(&self) -> Message<'_> {
        match (self.kind, core::str::from_utf8(self.payload())) {
            (DataKind::Text, Ok(text)) => Message::Text(text),
            _ => Message::Binary(self.payload()),
        }
    }

    /// Returns the payload.
    pub fn payload(&self) -> &[u8] {
        &self.frame[usize::from(self.header)..]
    }
}

impl From<Message<'_>> for Prepared {
    fn from(message: Message<'_>) -> Self {
        Self::new(message)
    }
}

/// A clone, which shares the bytes.
impl From<&Prepared> for Prepared {
    fn from(prepared: &Prepared) -> Self {
        prepared.clone()
    }
}

impl From<&str> for Prepared {
    fn from(text: &str) -> Self {
        Self::new(Message::Text(text))
    }
}

impl From<&String> for Prepared {
    fn from(text: &String) -> Self {
        Self::new(Message::Text(text))
    }
}

impl From<&[u8]> for Prepared {
    fn from(bytes: &[u8]) -> Self {
        Self::new(Message::Binary(bytes))
    }
}

impl From<&Vec<u8>> for Prepared {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::new(Message::Binary(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Prepared {
    fn from(bytes: &[u8; N]) -> Self {
        Self::new(Message::Binary(bytes))
    }
}

/// Frames up to this length are built on the stack, which saves an allocation.
const SMALL: usize = 256;

/// Returns the frame and the length of its header.
fn encode(header: RawHeader, payload: &[u8]) -> (Arc<[u8]>, u8) {
    let mut bytes = [0; MAX_HEADER];
    let used = header.with_length(payload.len() as u64).encode(&mut bytes);
    if let Some(room) = [0; SMALL].get_mut(..used + payload.len()) {
        room[..used].copy_from_slice(&bytes[..used]);
        room[used..].copy_from_slice(payload);
        return ((&*room).into(), used as u8);
    }
    let mut frame = Vec::with_capacity(used + payload.len());
    frame.extend_from_slice(&bytes[..used]);
    frame.extend_from_slice(payload);
    (frame.into(), used as u8)
}
