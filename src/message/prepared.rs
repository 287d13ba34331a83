//! A message that is encoded once and sent many times.

use std::sync::Arc;

use super::Message;
use crate::frame::{DataKind, MAX_HEADER, RawHeader};

/// A message as one finished frame. A clone shares the octets.
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
}

impl Prepared {
    /// Encodes `message` as a server sends it: one frame, without a mask.
    pub fn new(message: Message<'_>) -> Self {
        let payload = message.as_bytes();
        let mut header = [0; MAX_HEADER];
        let used =
            RawHeader::of(message.kind().opcode()).with_length(payload.len() as u64).encode(&mut header);
        let mut frame = Vec::with_capacity(used + payload.len());
        frame.extend_from_slice(&header[..used]);
        frame.extend_from_slice(payload);
        Self { kind: message.kind(), header: used as u8, frame: frame.into() }
    }

    /// Text or binary.
    pub const fn kind(&self) -> DataKind {
        self.kind
    }

    /// The frame.
    pub const fn frame(&self) -> &Arc<[u8]> {
        &self.frame
    }

    /// The payload in it.
    pub fn payload(&self) -> &[u8] {
        &self.frame[usize::from(self.header)..]
    }
}
