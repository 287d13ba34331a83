//! The payload of a Close frame: a code and a reason (RFC 6455 §5.5.1, §7.4).

use alloc::boxed::Box;

pub use crate::close_code::CloseCode;

use crate::error::ProtocolError;
use crate::utf8;

/// The longest reason: a control frame carries 125 bytes, the code takes two (§5.5).
pub const MAX_REASON: usize = 123;

/// The payload of a Close frame that is not empty: a code, and a reason that may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason<'a> {
    /// The status code.
    pub code: CloseCode,
    /// At most 123 bytes of text, for people who debug rather than for users (§5.5.1).
    pub reason: &'a str,
}

impl<'a> CloseReason<'a> {
    /// Reads the payload of a Close frame. Returns `None` if it is empty, which is allowed.
    ///
    /// # Errors
    ///
    /// [`ClosePayloadTruncated`](ProtocolError::ClosePayloadTruncated),
    /// [`CloseCodeInvalid`](ProtocolError::CloseCodeInvalid) and
    /// [`CloseReasonNotUtf8`](ProtocolError::CloseReasonNotUtf8).
    pub fn parse(payload: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(ProtocolError::ClosePayloadTruncated),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !CloseCode(code).may_travel() {
            return Err(ProtocolError::CloseCodeInvalid(code));
        }
        let reason = utf8::validate(reason).map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
        Ok(Some(Self { code: CloseCode(code), reason }))
    }

    /// Writes the payload to the start of `out` and returns its length.
    ///
    /// A reason beyond [`MAX_REASON`] bytes is cut at the last character that fits.
    pub fn encode(&self, out: &mut [u8; MAX_REASON + 2]) -> usize {
        let reason = &self.reason[..self.reason.floor_char_boundary_at(MAX_REASON)];
        out[..2].copy_from_slice(&self.code.0.to_be_bytes());
        out[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
        2 + reason.len()
    }

    /// Returns an owned copy.
    pub fn to_owned(&self) -> OwnedClose {
        OwnedClose { code: self.code, reason: self.reason.into() }
    }
}

/// An owned [`CloseReason`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedClose {
    /// The status code.
    pub code: CloseCode,
    /// The reason; may be empty.
    pub reason: Box<str>,
}

impl OwnedClose {
    /// Returns a borrowed view of this reason.
    pub fn as_reason(&self) -> CloseReason<'_> {
        CloseReason { code: self.code, reason: &self.reason }
    }
}

/// `str::floor_char_boundary` is newer than this crate's minimum supported Rust version.
trait FloorCharBoundary {
    fn floor_char_boundary_at(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, index: usize) -> usize {
        if index >= self.len() {
            return self.len();
        }
        (0..=index).rev().find(|&i| self.is_char_boundary(i)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_either_sendable_or_refused() {
        let mut allowed = Vec::new();
        for code in 0..=u16::MAX {
            let payload = code.to_be_bytes();
            match CloseReason::parse(&payload) {
                Ok(Some(close)) => allowed.push(close.code.0),
                other => assert_eq!(other, Err(ProtocolError::CloseCodeInvalid(code))),
            }
        }
        let expected: Vec<u16> = (1000..=1003).chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(allowed, expected);
    }

    #[test]
    fn parses() {
        let normal = |reason| Ok(Some(CloseReason { code: CloseCode::NORMAL, reason }));
        for (payload, expected) in [
            (&b""[..], Ok(None)),
            (b"\x03", Err(ProtocolError::ClosePayloadTruncated)),
            (b"\x03\xe8", normal("")),
            (b"\x03\xe8bye", normal("bye")),
            ("\u{3}\u{e8}".as_bytes(), Err(ProtocolError::CloseCodeInvalid(0x03c3))),
            (b"\x03\xe8\xff", Err(ProtocolError::CloseReasonNotUtf8)),
            (b"\x03\xe8\xe2\x82", Err(ProtocolError::CloseReasonNotUtf8)),
            (b"\x03\xe8\xed\xa0\x80", Err(ProtocolError::CloseReasonNotUtf8)),
        ] {
            assert_eq!(CloseReason::parse(payload), expected, "{payload:x?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        for extra in 0..4 {
            let reason = format!("{}{}", "x".repeat(120 + extra), "€".repeat(4));
            let mut out = [0; MAX_REASON + 2];
            let used = CloseReason { code: CloseCode::NORMAL, reason: &reason }.encode(&mut out);
            assert!(used <= 125);
            let back = CloseReason::parse(&out[..used]).unwrap().unwrap();
            assert!(reason.starts_with(back.reason) && back.reason.len() > 120 - 3 + extra.min(3));
        }
    }
}
