//! Control frames: bounded Pings and Pongs, and our Close frame, which is the last frame (RFC 6455 §5.5).

use alloc::boxed::Box;

use super::error::SendError;
use super::{Closing, LatePing, Outbound};
use crate::close::{CloseReason, MAX_REASON};
use crate::connection::outcome::CloseFrame;
use crate::frame::{Control, RawHeader};

/// While more than this many bytes wait, only the latest Ping is answered (§5.5.3 allows it). This bounds the cost of a
/// flood of Pings from a peer that does not read.
const PONG_BACKLOG: usize = 64 * 1024;

impl Outbound {
    /// Queues a Ping (§5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError::Closing`], [`SendError::ControlTooLong`] and [`SendError::NoEntropy`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Control::Ping, payload)
    }

    /// Queues a Pong: an unsolicited one, or the answer to a Ping that was left to the caller (§5.5.3).
    ///
    /// # Errors
    ///
    /// See [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Control::Pong, payload)
    }

    /// Queues a Close frame, with a code and a reason or without (§5.5.1). Nothing can be sent after it; what was
    /// queued before it still goes out.
    ///
    /// # Errors
    ///
    /// [`SendError::Closing`], [`SendError::CloseCode`], [`SendError::ReasonTooLong`] and [`SendError::NoEntropy`].
    pub fn close(&mut self, reason: Option<CloseReason<'_>>) -> Result<(), SendError> {
        self.not_closing()?;
        if let Some(close) = &reason {
            if !close.code.may_travel() {
                return Err(SendError::CloseCode);
            }
            if close.reason.len() > MAX_REASON {
                return Err(SendError::ReasonTooLong);
            }
        }
        if let Some(payload) = self.late_ping.take() {
            self.frame(RawHeader::PONG, &payload.bytes[..payload.len])?; // §5.5.2; after the Close frame it is too late
        }
        self.close_frame(reason, false)
    }

    /// Answers a Ping. Of several that come while much waits, only the last is answered (§5.5.3).
    pub(in super::super) fn answer_ping(&mut self, payload: &[u8]) {
        if self.sent_close() {
            return; // §5.5.1: nothing goes out after a Close frame
        }
        if self.queued() > PONG_BACKLOG {
            let mut late = LatePing { bytes: [0; 125], len: payload.len().min(125) };
            late.bytes[..late.len].copy_from_slice(&payload[..late.len]);
            self.late_ping = Some(Box::new(late));
        } else {
            self.late_ping = None; // older
            let _ = self.frame(RawHeader::PONG, payload); // if that fails, the connection has failed
        }
    }

    #[cold]
    pub(super) fn answer_late_ping(&mut self) {
        if self.queued() <= PONG_BACKLOG
            && let Some(payload) = self.late_ping.take()
        {
            let _ = self.frame(RawHeader::PONG, &payload.bytes[..payload.len]); // if that fails, the connection has failed
        }
    }

    /// Answers the peer's Close frame with the same code (§5.5.1), unless ours has been sent.
    pub(in super::super) fn answer_close(&mut self, received: Option<CloseReason<'_>>) {
        if !self.sent_close() {
            let _ = self.close_frame(received.map(|close| CloseReason { reason: "", ..close }), false);
        }
    }

    /// Fails the connection: sends a Close frame, unless ours has been sent, and nothing after it (§7.1.7).
    pub(in super::super) fn fail(&mut self, reason: CloseReason<'_>) {
        match &mut self.closing {
            Some(closing) => closing.failed = true,
            None => {
                let _ = self.close_frame(Some(reason), true);
            }
        }
    }

    fn close_frame(&mut self, reason: Option<CloseReason<'_>>, failed: bool) -> Result<(), SendError> {
        let mut payload = [0; MAX_REASON + 2];
        let used = reason.as_ref().map_or(0, |close| close.encode(&mut payload));
        self.frame(RawHeader::CLOSE, &payload[..used])?;
        self.over(CloseFrame::of(true, reason), failed);
        Ok(())
    }

    /// Ends our half: nothing is sent after this.
    fn over(&mut self, sent: CloseFrame, failed: bool) {
        self.open = None;
        self.late_ping = None;
        self.closing = Some(Box::new(Closing { sent, failed }));
    }

    /// Fails the connection for want of a masking key (§7.1.7): neither this frame nor anything after it can be sent
    /// (§5.3).
    #[cold]
    pub(super) fn fail_for_want_of_entropy(&mut self) -> SendError {
        self.over(CloseFrame::None, true);
        SendError::NoEntropy
    }

    /// Returns an error if nothing can be sent any more.
    #[inline]
    pub(super) fn not_closing(&self) -> Result<(), SendError> {
        match &self.closing {
            None => Ok(()),
            Some(closing) if closing.sent.is_none() => Err(SendError::NoEntropy),
            Some(_) => Err(SendError::Closing), // §5.5.1: nothing follows a Close frame
        }
    }

    fn control(&mut self, opcode: Control, payload: &[u8]) -> Result<(), SendError> {
        self.not_closing()?;
        if payload.len() > 125 {
            return Err(SendError::ControlTooLong);
        }
        self.frame(RawHeader::of(opcode.opcode()), payload)
    }
}
