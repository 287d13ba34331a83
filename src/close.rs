//! Close codes and the payload of a Close frame (RFC 6455 §5.5.1, §7.4).

use std::fmt;

use crate::error::ProtocolError;
use crate::utf8;

/// The longest reason: a control frame carries 125 octets, the code takes two (§5.5).
pub const MAX_REASON: usize = 123;

/// Why a connection was closed (§7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: only ever reported, never sent: the Close frame had no code.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: only ever reported, never sent: the connection ended without a Close frame.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that do not match their type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy is violated.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the server did not agree to an extension that the client needs.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got a bad answer (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: only ever reported, never sent: the TLS handshake failed.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Whether the code may stand in a Close frame.
    ///
    /// §7.4.1 and the IANA registry assign 1000-1003 and 1007-1014; §7.4.2 gives 3000-3999 to libraries and
    /// 4000-4999 to applications. All others are reserved or forbidden on the wire.
    pub const fn may_travel(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> u16 {
        code.0
    }
}

/// The payload of a Close frame that has one: a code, and a reason that may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason<'a> {
    /// The status code.
    pub code: CloseCode,
    /// At most 123 octets of text, for people who debug rather than for users (§5.5.1).
    pub reason: &'a str,
}

impl<'a> CloseReason<'a> {
    /// Reads the payload of a Close frame; `None` where it is empty, which is allowed.
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

    /// Writes the payload to the start of `out` and says how long it is.
    ///
    /// A reason beyond [`MAX_REASON`] octets is cut at the last character that fits.
    pub fn encode(&self, out: &mut [u8; MAX_REASON + 2]) -> usize {
        let reason = &self.reason[..self.reason.floor_char_boundary_at(MAX_REASON)];
        out[..2].copy_from_slice(&self.code.0.to_be_bytes());
        out[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
        2 + reason.len()
    }

    /// A copy that borrows nothing.
    pub fn to_owned(&self) -> OwnedClose {
        OwnedClose { code: self.code, reason: self.reason.into() }
    }
}

/// [`CloseReason`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedClose {
    /// The status code.
    pub code: CloseCode,
    /// The reason; may be empty.
    pub reason: Box<str>,
}

impl OwnedClose {
    /// A view of it.
    pub fn as_reason(&self) -> CloseReason<'_> {
        CloseReason { code: self.code, reason: &self.reason }
    }
}

/// `str::floor_char_boundary` is younger than this crate's oldest compiler.
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
