//! What a client is told by the control protocol: one message at most, and the closing handshake.

use bowsprit::frame::RawHeader;
use bowsprit::handshake::Head;

use crate::opening;
use crate::wire::FrameReader;

/// A message of the control protocol, and the closing handshake behind it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) out: Vec<u8>,
    pub(super) written: usize,
    pub(super) frames: FrameReader,
    pub(super) waits_for: Option<(String, &'static str)>,
    pub(super) finished: Option<String>,
    /// The origin that was refused.
    pub(super) refused: Option<String>,
    pub(super) peer_closed: bool,
    pub(super) over: bool,
}

impl Reply {
    pub(super) fn empty() -> Self {
        Self {
            out: Vec::new(),
            written: 0,
            frames: FrameReader::with_most(1 << 16),
            waits_for: None,
            finished: None,
            refused: None,
            peer_closed: false,
            over: false,
        }
    }

    /// The opening handshake, if the request deserves it.
    pub(super) fn new(head: &Head) -> Option<Self> {
        let key = opening::judge_request(head).ok()?;
        let accept = opening::accept_for(key.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        Some(Self { out: response.into_bytes(), ..Self::empty() })
    }

    pub(super) fn say(&mut self, message: &str) {
        RawHeader::TEXT.with_length(message.len() as u64).encode_into(&mut self.out);
        self.out.extend_from_slice(message.as_bytes());
        self.close();
    }

    pub(super) fn close(&mut self) {
        RawHeader::CLOSE.with_length(2).encode_into(&mut self.out);
        self.out.extend_from_slice(&1000u16.to_be_bytes());
    }
}
