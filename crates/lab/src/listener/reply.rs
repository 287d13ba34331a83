//! Replies of the control protocol: at most one message, then the closing handshake.

use bowsprit::frame::RawHeader;
use bowsprit::handshake::Head;

use crate::case::Opening;
use crate::http2::Cut;
use crate::opening::{self, Fill};
use crate::options::Carrier;
use crate::wire::FrameReader;

/// A message of the control protocol, followed by the closing handshake.
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

    /// Creates the reply with its opening handshake, if the request is a valid one.
    pub(super) fn new(head: &Head) -> Option<Self> {
        let carrier = if opening::is_of_http2(head) { Carrier::Http2(Cut::Whole) } else { Carrier::Http1 };
        let key = opening::judge_request_over(head, carrier).ok()?;
        let fill = Fill { key, ..Fill::default() };
        let out = opening::response_over(&Opening::GOOD, &fill, None, carrier);
        Some(Self { out, ..Self::empty() })
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
