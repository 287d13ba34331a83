//! The rules that a peer can break after the handshake, one variant each.
//!
//! A conformance tester may read this list as the list of what is enforced. Each rule knows its
//! [`section`](ProtocolError::section) and the [`close_code`](ProtocolError::close_code) with which the
//! connection fails (RFC 6455 §7.1.7).

use core::fmt;

use crate::close_code::CloseCode;

/// A section of an RFC that states a rule.
///
/// ```
/// use bowsprit::error::Section;
///
/// let section = Section::rfc6455("4.2.1").item("3");
/// assert_eq!(section.to_string(), "RFC 6455 §4.2.1 item 3");
/// assert_eq!(format!("{section:#}"), "§4.2.1 item 3");
/// assert_eq!((section.rfc, section.number), (6455, "4.2.1"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Section {
    /// The number of the RFC.
    pub rfc: u16,
    /// The section in it, such as `5.5.1`.
    pub number: &'static str,
    /// The item of a list in that section, such as `3`, or `response 5` if there are several lists. Empty for the whole
    /// section.
    pub item: &'static str,
}

impl Section {
    /// Creates a section of any RFC.
    pub const fn new(rfc: u16, number: &'static str) -> Self {
        Self { rfc, number, item: "" }
    }

    /// Creates a section of RFC 6455, The WebSocket Protocol.
    pub const fn rfc6455(number: &'static str) -> Self {
        Self::new(6455, number)
    }

    /// Creates a section of RFC 7692, Compression Extensions for WebSocket.
    pub const fn rfc7692(number: &'static str) -> Self {
        Self::new(7692, number)
    }

    /// Narrows the section to an item of a list in it.
    #[must_use]
    pub const fn item(self, item: &'static str) -> Self {
        Self { item, ..self }
    }
}

/// Includes the number of the RFC; `{:#}` omits it, for text that has named the RFC already.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            write!(f, "RFC {} ", self.rfc)?;
        }
        write!(f, "§{}", self.number)?;
        match self.item.split_once(' ') {
            Some((list, item)) => write!(f, " {list} item {item}"),
            None if self.item.is_empty() => Ok(()),
            None => write!(f, " item {}", self.item),
        }
    }
}

/// The peer broke a rule; the connection has failed.
///
/// By the time a caller sees one, the Close frame that tells the peer is queued and all further input is ignored, so
/// that no caller carries on by accident (§7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client's frame without a masking key: mask bit 0 at a server.
    MaskMissing,
    /// A server's frame with a masking key: mask bit 1 at a client.
    MaskForbidden,
    /// RSV1, RSV2 or RSV3 set without an extension that gives it a meaning there.
    ReservedBit,
    /// An opcode from 0x3-0x7 or 0xB-0xF.
    ReservedOpcode(u8),
    /// A length written in more bytes than it needs, such as 126 followed by 0x0005.
    LengthNotMinimal,
    /// A 64-bit length with its most significant bit set.
    LengthTopBit,
    /// A Close, Ping or Pong frame with more than 125 bytes of payload.
    ControlTooLong,
    /// A Close, Ping or Pong frame without the FIN bit.
    ControlFragmented,
    /// A continuation frame while no message is open.
    ContinuationWithoutMessage,
    /// A text or binary frame while the message before it has not ended.
    MessageInsideMessage,
    /// A frame longer than [`Config::max_frame`](crate::connection::Config::max_frame).
    FrameTooLong,
    /// A message, inflated where it was compressed, that would pass
    /// [`Config::max_message`](crate::connection::Config::max_message).
    MessageTooLong,
    /// More fragments in a message than [`Config::max_fragments`](crate::connection::Config::max_fragments).
    TooManyFragments,
    /// More fragments without payload in a message than
    /// [`Config::max_empty_fragments`](crate::connection::Config::max_empty_fragments).
    TooManyEmptyFragments,
    /// A text message that is not UTF-8.
    TextNotUtf8,
    /// A Close frame with one byte of payload: half a close code.
    ClosePayloadTruncated,
    /// A Close frame with a code that must not travel: 0-999, 1004-1006, 1015, 1016-2999, 5000 and up.
    CloseCodeInvalid(u16),
    /// A Close frame whose reason is not UTF-8.
    CloseReasonNotUtf8,
    /// RSV1 on a frame that does not start a message.
    CompressedBitMisplaced,
    /// A compressed message that is not a DEFLATE stream of the agreed window.
    DeflateInvalid,
}

impl ProtocolError {
    /// Every rule once. Variants that carry what was seen have an example value.
    ///
    /// ```
    /// use bowsprit::error::ProtocolError;
    ///
    /// for rule in ProtocolError::ALL {
    ///     println!("{}: {} ({})", rule.section(), rule.rule(), rule.close_code().0);
    /// }
    /// ```
    pub const ALL: &[Self] = &[
        Self::MaskMissing,
        Self::MaskForbidden,
        Self::ReservedBit,
        Self::ReservedOpcode(3),
        Self::LengthNotMinimal,
        Self::LengthTopBit,
        Self::ControlTooLong,
        Self::ControlFragmented,
        Self::ContinuationWithoutMessage,
        Self::MessageInsideMessage,
        Self::FrameTooLong,
        Self::MessageTooLong,
        Self::TooManyFragments,
        Self::TooManyEmptyFragments,
        Self::TextNotUtf8,
        Self::ClosePayloadTruncated,
        Self::CloseCodeInvalid(1005),
        Self::CloseReasonNotUtf8,
        Self::CompressedBitMisplaced,
        Self::DeflateInvalid,
    ];

    /// Returns the section that states the rule.
    pub const fn section(self) -> Section {
        use ProtocolError::*;
        match self {
            MaskMissing | MaskForbidden => Section::rfc6455("5.1"),
            ReservedBit | ReservedOpcode(_) | LengthNotMinimal | LengthTopBit => Section::rfc6455("5.2"),
            ContinuationWithoutMessage | MessageInsideMessage => Section::rfc6455("5.4"),
            ControlTooLong | ControlFragmented => Section::rfc6455("5.5"),
            ClosePayloadTruncated | CloseReasonNotUtf8 => Section::rfc6455("5.5.1"),
            CloseCodeInvalid(_) => Section::rfc6455("7.4"),
            TextNotUtf8 => Section::rfc6455("8.1"),
            FrameTooLong | MessageTooLong | TooManyFragments | TooManyEmptyFragments => {
                Section::rfc6455("10.4")
            }
            CompressedBitMisplaced => Section::rfc7692("6"),
            DeflateInvalid => Section::rfc7692("7.2.2"),
        }
    }

    /// Returns the code of the Close frame that is sent.
    pub const fn close_code(self) -> CloseCode {
        use ProtocolError::*;
        match self {
            TextNotUtf8 | CloseReasonNotUtf8 | DeflateInvalid => CloseCode::INVALID_PAYLOAD,
            FrameTooLong | MessageTooLong => CloseCode::TOO_BIG,
            TooManyFragments | TooManyEmptyFragments => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Returns the rule in a few words: the reason in the Close frame.
    pub const fn rule(self) -> &'static str {
        use ProtocolError::*;
        match self {
            MaskMissing => "a client masks every frame",
            MaskForbidden => "a server masks no frame",
            ReservedBit => "a reserved bit is set that no extension uses",
            ReservedOpcode(_) => "the opcode is reserved",
            LengthNotMinimal => "the payload length is not in its shortest form",
            LengthTopBit => "the top bit of a 64-bit payload length is set",
            ControlTooLong => "a control frame carries more than 125 bytes",
            ControlFragmented => "a control frame is fragmented",
            ContinuationWithoutMessage => "a continuation frame continues nothing",
            MessageInsideMessage => "a message starts before the last one has ended",
            FrameTooLong => "the frame is longer than accepted here",
            MessageTooLong => "the message is longer than accepted here",
            TooManyFragments => "the message has more fragments than accepted here",
            TooManyEmptyFragments => "the message has more empty fragments than accepted here",
            TextNotUtf8 => "a text message is not UTF-8",
            ClosePayloadTruncated => "a close code takes two bytes",
            CloseCodeInvalid(_) => "the close code may not be sent",
            CloseReasonNotUtf8 => "a close reason is not UTF-8",
            CompressedBitMisplaced => "RSV1 is set on a frame that does not start a message",
            DeflateInvalid => "a compressed message is not valid DEFLATE",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())?;
        match self {
            ProtocolError::ReservedOpcode(opcode) => write!(f, ": {opcode:#x}")?,
            ProtocolError::CloseCodeInvalid(code) => write!(f, ": {code}")?,
            _ => {}
        }
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_sentence_with_its_section() {
        assert_eq!(
            ProtocolError::ReservedOpcode(3).to_string(),
            "the opcode is reserved: 0x3 (RFC 6455 §5.2)"
        );
    }
}
