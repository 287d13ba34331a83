//! How connections end.

use crate::close::{CloseCode, OwnedClose};
use crate::error::ProtocolError;

/// How a connection ended (§7.1.4-7.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the peer's Close frame said; the outer `None` where none came.
    pub received: Option<Option<OwnedClose>>,
    /// What our Close frame said; the outer `None` where none was sent.
    pub sent: Option<Option<OwnedClose>>,
    /// The rule that the peer broke, if it did.
    pub error: Option<ProtocolError>,
}

impl Outcome {
    /// Both sides have sent a Close frame and nobody broke a rule (§7.1.4).
    pub const fn is_clean(&self) -> bool {
        self.received.is_some() && self.sent.is_some() && self.error.is_none()
    }

    /// The close code as §7.1.5 defines it: the peer's, 1005 where its Close frame had none, 1006 where no Close
    /// frame came.
    pub fn code(&self) -> CloseCode {
        match &self.received {
            None => CloseCode::ABNORMAL,
            Some(None) => CloseCode::NO_STATUS,
            Some(Some(close)) => close.code,
        }
    }

    /// The reason that the peer gave; empty where it gave none.
    pub fn reason(&self) -> &str {
        self.received.as_ref().and_then(|close| close.as_ref()).map_or("", |close| &close.reason)
    }
}
