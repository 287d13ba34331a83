//! How connections end.

use crate::close::{CloseCode, CloseReason, OwnedClose};
use crate::error::ProtocolError;

/// How a connection ended (§7.1.4-7.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The peer's Close frame.
    pub received: CloseFrame,
    /// Our Close frame.
    pub sent: CloseFrame,
    /// The rule that the peer broke, if it broke one.
    pub error: Option<ProtocolError>,
}

/// The Close frame of one side (§5.5.1), if there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseFrame {
    /// There was none.
    None,
    /// It had no status code, and so no reason.
    NoStatus,
    /// It had a status code, and a reason that may be empty.
    Status(OwnedClose),
}

impl Outcome {
    /// Returns whether both sides have sent a Close frame and nobody broke a rule (§7.1.4).
    pub const fn is_clean(&self) -> bool {
        !self.received.is_none() && !self.sent.is_none() && self.error.is_none()
    }

    /// Returns the close code as §7.1.5 defines it: that of the peer's Close frame.
    pub const fn code(&self) -> CloseCode {
        self.received.code()
    }

    /// Returns the reason that the peer gave; empty if it gave none.
    pub fn reason(&self) -> &str {
        self.received.reason()
    }
}

impl CloseFrame {
    /// Converts the payload of a Close frame; `came` is whether there was a frame.
    pub(super) fn of(came: bool, said: Option<CloseReason<'_>>) -> Self {
        match said {
            Some(close) => CloseFrame::Status(close.to_owned()),
            None if came => CloseFrame::NoStatus,
            None => CloseFrame::None,
        }
    }

    /// Returns whether there was no Close frame.
    pub const fn is_none(&self) -> bool {
        matches!(self, CloseFrame::None)
    }

    /// Returns the status code; 1005 if the frame had none, 1006 if there was no Close frame (§7.1.5).
    pub const fn code(&self) -> CloseCode {
        match self {
            CloseFrame::None => CloseCode::ABNORMAL,
            CloseFrame::NoStatus => CloseCode::NO_STATUS,
            CloseFrame::Status(close) => close.code,
        }
    }

    /// Returns the reason; empty if there was none.
    pub fn reason(&self) -> &str {
        match self {
            CloseFrame::None | CloseFrame::NoStatus => "",
            CloseFrame::Status(close) => &close.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_and_what_it_says() {
        let status = CloseReason { code: CloseCode::NORMAL, reason: "bye" };
        for (came, said, frame, code, reason) in [
            (false, None, CloseFrame::None, CloseCode::ABNORMAL, ""),
            (true, None, CloseFrame::NoStatus, CloseCode::NO_STATUS, ""),
            (true, Some(status), CloseFrame::Status(status.to_owned()), CloseCode::NORMAL, "bye"),
        ] {
            let read = CloseFrame::of(came, said);
            assert_eq!((read.is_none(), read.code(), read.reason()), (!came, code, reason));
            assert_eq!(read, frame);
        }
    }
}
