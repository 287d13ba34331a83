//! One list of everything that can go wrong, for this program and for the peer.

#![allow(unsafe_code, reason = "exports a symbol")]

use std::ffi::{CStr, c_char};

use bowsprit::ProtocolError;
use bowsprit::connection::SendError;
use bowsprit::handshake::{AcceptError, RefusalError, RequestBuildError};

/// What went wrong.
///
/// Functions return errors of this program (below 100); the call has then done nothing, and the connection continues.
/// Errors of the peer come in events (100 and up).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bow_error {
    /// No error.
    BOW_OK = 0,
    /// A pointer that must not be NULL is NULL, or is not aligned.
    BOW_ERROR_NULL = 1,
    /// The `size` of a struct is not one that this library knows, or fields beyond those it knows are not zero.
    BOW_ERROR_SIZE = 2,
    /// A value is not among those allowed.
    BOW_ERROR_ARGUMENT = 3,
    /// The connection is not open: its handshake is not complete, or has failed.
    BOW_ERROR_NOT_OPEN = 4,
    /// No request waits for an answer.
    BOW_ERROR_NO_REQUEST = 5,
    /// A Close frame was sent, or the connection has ended; nothing may follow.
    BOW_ERROR_CLOSING = 6,
    /// The peer does not read, and as much as allowed is waiting.
    BOW_ERROR_QUEUE_FULL = 7,
    /// A message is being sent in parts: end it first.
    BOW_ERROR_MESSAGE_OPEN = 8,
    /// No message is being sent in parts: start one first.
    BOW_ERROR_NO_MESSAGE_OPEN = 9,
    /// Text is not UTF-8.
    BOW_ERROR_NOT_UTF8 = 10,
    /// A Ping or Pong carries at most 125 bytes.
    BOW_ERROR_CONTROL_TOO_LONG = 11,
    /// The close code may not be sent.
    BOW_ERROR_CLOSE_CODE = 12,
    /// A close reason has at most 123 bytes.
    BOW_ERROR_REASON_TOO_LONG = 13,
    /// The host or its port is invalid.
    BOW_ERROR_HOST = 14,
    /// The resource does not start with a slash, or holds characters that have to be percent-encoded.
    BOW_ERROR_RESOURCE = 15,
    /// The origin is invalid.
    BOW_ERROR_ORIGIN = 16,
    /// A subprotocol is not a token, occurs twice, or is accepted without having been offered.
    BOW_ERROR_SUBPROTOCOL = 17,
    /// A header field is malformed, or is one that the handshake writes itself.
    BOW_ERROR_HEADER = 18,
    /// The status of a refusal is not from 200 to 599.
    BOW_ERROR_STATUS = 19,
    /// The content type does not fit in a header field.
    BOW_ERROR_CONTENT_TYPE = 20,
    /// The library itself failed; the object that it failed in can only be freed. Please report it.
    BOW_ERROR_INTERNAL = 21,
    /// The system has no entropy for a nonce or a masking key. A connection without a masking key has failed.
    BOW_ERROR_NO_ENTROPY = 22,

    /// The peer broke a rule of a later version of the protocol or of this library.
    BOW_PEER_RULE = 100,
    /// A client's frame without a masking key.
    BOW_PEER_MASK_MISSING = 101,
    /// A server's frame with a masking key.
    BOW_PEER_MASK_FORBIDDEN = 102,
    /// RSV1, RSV2 or RSV3 is set, and no extension gives it a meaning.
    BOW_PEER_RESERVED_BIT = 103,
    /// An undefined opcode.
    BOW_PEER_RESERVED_OPCODE = 104,
    /// A length written in more bytes than it needs.
    BOW_PEER_LENGTH_NOT_MINIMAL = 105,
    /// A length with its top bit set.
    BOW_PEER_LENGTH_TOP_BIT = 106,
    /// A control frame with more than 125 bytes.
    BOW_PEER_CONTROL_TOO_LONG = 107,
    /// A fragmented control frame.
    BOW_PEER_CONTROL_FRAGMENTED = 108,
    /// A continuation frame without a message to continue.
    BOW_PEER_CONTINUATION_WITHOUT_MESSAGE = 109,
    /// A message that starts before the last one has ended.
    BOW_PEER_MESSAGE_INSIDE_MESSAGE = 110,
    /// A frame longer than `max_frame`.
    BOW_PEER_FRAME_TOO_LONG = 111,
    /// A message longer than `max_message`.
    BOW_PEER_MESSAGE_TOO_LONG = 112,
    /// More fragments in a message than `max_fragments`.
    BOW_PEER_TOO_MANY_FRAGMENTS = 113,
    /// More empty fragments in a message than `max_empty_fragments`.
    BOW_PEER_TOO_MANY_EMPTY_FRAGMENTS = 114,
    /// A text message that is not UTF-8.
    BOW_PEER_TEXT_NOT_UTF8 = 115,
    /// A Close frame with only half a code.
    BOW_PEER_CLOSE_PAYLOAD_TRUNCATED = 116,
    /// A Close frame with a code that may not be sent.
    BOW_PEER_CLOSE_CODE_INVALID = 117,
    /// A Close frame whose reason is not UTF-8.
    BOW_PEER_CLOSE_REASON_NOT_UTF8 = 118,
    /// RSV1 on a frame that does not start a message.
    BOW_PEER_COMPRESSED_BIT_MISPLACED = 119,
    /// A compressed message that is not valid DEFLATE.
    BOW_PEER_DEFLATE_INVALID = 120,

    /// A request that breaks a rule; the answer has a status that says so.
    BOW_PEER_REQUEST = 200,
    /// A page of an origin that may not connect, or a name that is not one of this server's (`origins`).
    BOW_PEER_ORIGIN = 201,
    /// A response that breaks a rule.
    BOW_PEER_RESPONSE = 202,
    /// The server answered with a status other than 101.
    BOW_PEER_REFUSED = 203,
    /// The handshake took longer than `handshake_timeout`.
    BOW_PEER_HANDSHAKE_TIMEOUT = 204,
    /// The transport ended without a Close frame.
    BOW_PEER_GONE = 205,
    /// Nothing came for `pong_timeout` after a Ping.
    BOW_PEER_DEAD = 206,
    /// Nothing came for `idle_timeout`.
    BOW_PEER_IDLE = 207,
    /// Nothing came for `message_timeout` while a message was incomplete.
    BOW_PEER_STALLED = 208,
    /// The closing handshake took longer than `close_timeout`.
    BOW_PEER_CLOSE_TIMEOUT = 209,
}

use bow_error::*;

/// Returns what an error means, in a few words of English, also for numbers that are not an error. The text lives as
/// long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn bow_error_text(error: u32) -> *const c_char {
    facts(error).1.as_ptr()
}

/// Returns the section of an RFC that states the rule, such as `RFC 6455 §5.1`, in UTF-8. It is NULL if no rule was
/// broken, and also if several sections are possible: the event then has the right one. The text lives as long as the
/// program.
#[unsafe(no_mangle)]
pub extern "C" fn bow_error_section(error: u32) -> *const c_char {
    facts(error).2.map_or(std::ptr::null(), CStr::as_ptr)
}

/// Returns the version of the library, such as `0.1.0`. The text lives as long as the program.
#[unsafe(no_mangle)]
pub extern "C" fn bow_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

impl bow_error {
    pub(crate) fn text(self) -> &'static str {
        facts(self as u32).1.to_str().unwrap_or_default()
    }
}

type Facts = (bow_error, &'static CStr, Option<&'static CStr>);

fn facts(error: u32) -> Facts {
    TABLE.iter().find(|(known, ..)| *known as u32 == error).copied().unwrap_or((
        BOW_OK,
        c"no error of this library",
        None,
    ))
}

/// All errors, each with its text and the section of its rule.
const TABLE: &[Facts] = &[
    (BOW_OK, c"no error", None),
    (BOW_ERROR_NULL, c"a pointer that must not be NULL is NULL or not aligned", None),
    (BOW_ERROR_SIZE, c"the size of a struct is none that this library knows", None),
    (BOW_ERROR_ARGUMENT, c"a value is none of those that it may be", None),
    (BOW_ERROR_NOT_OPEN, c"the connection is not open", None),
    (BOW_ERROR_NO_REQUEST, c"no request waits for an answer", None),
    (BOW_ERROR_CLOSING, c"the connection is closing: nothing follows a Close frame", None),
    (BOW_ERROR_QUEUE_FULL, c"the peer does not read: the send queue is full", None),
    (BOW_ERROR_MESSAGE_OPEN, c"a message is being sent in parts: end it first", None),
    (BOW_ERROR_NO_MESSAGE_OPEN, c"no message is being sent in parts: start one first", None),
    (BOW_ERROR_NOT_UTF8, c"text is not UTF-8", None),
    (BOW_ERROR_CONTROL_TOO_LONG, c"a control frame carries at most 125 bytes", None),
    (BOW_ERROR_CLOSE_CODE, c"this close code may not be sent", None),
    (BOW_ERROR_REASON_TOO_LONG, c"a close reason has at most 123 bytes", None),
    (BOW_ERROR_HOST, c"use a host such as example.com or [::1]:9001", None),
    (BOW_ERROR_RESOURCE, c"use a resource such as /chat?room=7, percent-encoded", None),
    (BOW_ERROR_ORIGIN, c"use an origin such as https://example.com", None),
    (BOW_ERROR_SUBPROTOCOL, c"use tokens as subprotocols, each once, and accept one that was offered", None),
    (BOW_ERROR_HEADER, c"a header field is malformed or one that the handshake writes itself", None),
    (BOW_ERROR_STATUS, c"use a status from 200 to 599", None),
    (BOW_ERROR_CONTENT_TYPE, c"use a content type such as text/html; charset=utf-8", None),
    (BOW_ERROR_INTERNAL, c"the library failed: free what it failed in, and report it", None),
    (BOW_ERROR_NO_ENTROPY, c"the system has no entropy for nonces and masking keys", None),
    (BOW_PEER_RULE, c"the peer broke a rule", None),
    (BOW_PEER_MASK_MISSING, c"a client masks every frame", Some(c"RFC 6455 §5.1")),
    (BOW_PEER_MASK_FORBIDDEN, c"a server masks no frame", Some(c"RFC 6455 §5.1")),
    (BOW_PEER_RESERVED_BIT, c"a reserved bit is set that no extension uses", Some(c"RFC 6455 §5.2")),
    (BOW_PEER_RESERVED_OPCODE, c"the opcode is reserved", Some(c"RFC 6455 §5.2")),
    (BOW_PEER_LENGTH_NOT_MINIMAL, c"the payload length is not in its shortest form", Some(c"RFC 6455 §5.2")),
    (BOW_PEER_LENGTH_TOP_BIT, c"the top bit of a 64-bit payload length is set", Some(c"RFC 6455 §5.2")),
    (BOW_PEER_CONTROL_TOO_LONG, c"a control frame carries more than 125 bytes", Some(c"RFC 6455 §5.5")),
    (BOW_PEER_CONTROL_FRAGMENTED, c"a control frame is fragmented", Some(c"RFC 6455 §5.5")),
    (
        BOW_PEER_CONTINUATION_WITHOUT_MESSAGE,
        c"a continuation frame continues nothing",
        Some(c"RFC 6455 §5.4"),
    ),
    (
        BOW_PEER_MESSAGE_INSIDE_MESSAGE,
        c"a message starts before the last one has ended",
        Some(c"RFC 6455 §5.4"),
    ),
    (BOW_PEER_FRAME_TOO_LONG, c"the frame is longer than accepted here", Some(c"RFC 6455 §10.4")),
    (BOW_PEER_MESSAGE_TOO_LONG, c"the message is longer than accepted here", Some(c"RFC 6455 §10.4")),
    (
        BOW_PEER_TOO_MANY_FRAGMENTS,
        c"the message has more fragments than accepted here",
        Some(c"RFC 6455 §10.4"),
    ),
    (
        BOW_PEER_TOO_MANY_EMPTY_FRAGMENTS,
        c"the message has more empty fragments than accepted here",
        Some(c"RFC 6455 §10.4"),
    ),
    (BOW_PEER_TEXT_NOT_UTF8, c"a text message is not UTF-8", Some(c"RFC 6455 §8.1")),
    (BOW_PEER_CLOSE_PAYLOAD_TRUNCATED, c"a close code takes two bytes", Some(c"RFC 6455 §5.5.1")),
    (BOW_PEER_CLOSE_CODE_INVALID, c"the close code may not be sent", Some(c"RFC 6455 §7.4")),
    (BOW_PEER_CLOSE_REASON_NOT_UTF8, c"a close reason is not UTF-8", Some(c"RFC 6455 §5.5.1")),
    (
        BOW_PEER_COMPRESSED_BIT_MISPLACED,
        c"RSV1 is set on a frame that does not start a message",
        Some(c"RFC 7692 §6"),
    ),
    (BOW_PEER_DEFLATE_INVALID, c"a compressed message is not valid DEFLATE", Some(c"RFC 7692 §7.2.2")),
    (BOW_PEER_REQUEST, c"the request breaks a rule", None),
    (BOW_PEER_ORIGIN, c"pages of this origin or under this name may not connect", Some(c"RFC 6455 §10.2")),
    (BOW_PEER_RESPONSE, c"the response breaks a rule", None),
    (BOW_PEER_REFUSED, c"the server refuses the upgrade", Some(c"RFC 6455 §4.1")),
    (BOW_PEER_HANDSHAKE_TIMEOUT, c"the handshake took too long", None),
    (BOW_PEER_GONE, c"the connection ended without a Close frame", None),
    (BOW_PEER_DEAD, c"no answer to a Ping", None),
    (BOW_PEER_IDLE, c"idle for too long", None),
    (BOW_PEER_STALLED, c"nothing of the message for too long", None),
    (BOW_PEER_CLOSE_TIMEOUT, c"no answer to the Close frame for too long", None),
];

impl From<ProtocolError> for bow_error {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::MaskMissing => BOW_PEER_MASK_MISSING,
            ProtocolError::MaskForbidden => BOW_PEER_MASK_FORBIDDEN,
            ProtocolError::ReservedBit => BOW_PEER_RESERVED_BIT,
            ProtocolError::ReservedOpcode(_) => BOW_PEER_RESERVED_OPCODE,
            ProtocolError::LengthNotMinimal => BOW_PEER_LENGTH_NOT_MINIMAL,
            ProtocolError::LengthTopBit => BOW_PEER_LENGTH_TOP_BIT,
            ProtocolError::ControlTooLong => BOW_PEER_CONTROL_TOO_LONG,
            ProtocolError::ControlFragmented => BOW_PEER_CONTROL_FRAGMENTED,
            ProtocolError::ContinuationWithoutMessage => BOW_PEER_CONTINUATION_WITHOUT_MESSAGE,
            ProtocolError::MessageInsideMessage => BOW_PEER_MESSAGE_INSIDE_MESSAGE,
            ProtocolError::FrameTooLong => BOW_PEER_FRAME_TOO_LONG,
            ProtocolError::MessageTooLong => BOW_PEER_MESSAGE_TOO_LONG,
            ProtocolError::TooManyFragments => BOW_PEER_TOO_MANY_FRAGMENTS,
            ProtocolError::TooManyEmptyFragments => BOW_PEER_TOO_MANY_EMPTY_FRAGMENTS,
            ProtocolError::TextNotUtf8 => BOW_PEER_TEXT_NOT_UTF8,
            ProtocolError::ClosePayloadTruncated => BOW_PEER_CLOSE_PAYLOAD_TRUNCATED,
            ProtocolError::CloseCodeInvalid(_) => BOW_PEER_CLOSE_CODE_INVALID,
            ProtocolError::CloseReasonNotUtf8 => BOW_PEER_CLOSE_REASON_NOT_UTF8,
            ProtocolError::CompressedBitMisplaced => BOW_PEER_COMPRESSED_BIT_MISPLACED,
            ProtocolError::DeflateInvalid => BOW_PEER_DEFLATE_INVALID,
            _ => BOW_PEER_RULE,
        }
    }
}

impl From<SendError> for bow_error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closing => BOW_ERROR_CLOSING,
            SendError::QueueFull => BOW_ERROR_QUEUE_FULL,
            SendError::MessageOpen => BOW_ERROR_MESSAGE_OPEN,
            SendError::NoMessageOpen => BOW_ERROR_NO_MESSAGE_OPEN,
            SendError::NotUtf8 => BOW_ERROR_NOT_UTF8,
            SendError::ControlTooLong => BOW_ERROR_CONTROL_TOO_LONG,
            SendError::CloseCode => BOW_ERROR_CLOSE_CODE,
            SendError::ReasonTooLong => BOW_ERROR_REASON_TOO_LONG,
            SendError::NoEntropy => BOW_ERROR_NO_ENTROPY,
            _ => BOW_ERROR_ARGUMENT,
        }
    }
}

impl From<RequestBuildError> for bow_error {
    fn from(error: RequestBuildError) -> Self {
        match error {
            RequestBuildError::Host => BOW_ERROR_HOST,
            RequestBuildError::Resource => BOW_ERROR_RESOURCE,
            RequestBuildError::Origin => BOW_ERROR_ORIGIN,
            RequestBuildError::Subprotocol | RequestBuildError::SubprotocolRepeated => BOW_ERROR_SUBPROTOCOL,
            RequestBuildError::ReservedHeader(_) => BOW_ERROR_HEADER,
            _ => BOW_ERROR_ARGUMENT,
        }
    }
}

impl From<AcceptError> for bow_error {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::SubprotocolNotOffered(_) => BOW_ERROR_SUBPROTOCOL,
            AcceptError::ReservedHeader(_) => BOW_ERROR_HEADER,
            _ => BOW_ERROR_ARGUMENT,
        }
    }
}

impl From<RefusalError> for bow_error {
    fn from(error: RefusalError) -> Self {
        match error {
            RefusalError::Status(_) => BOW_ERROR_STATUS,
            RefusalError::ReservedHeader(_) => BOW_ERROR_HEADER,
            RefusalError::ContentType => BOW_ERROR_CONTENT_TYPE,
            _ => BOW_ERROR_ARGUMENT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_stands_once_in_order_and_has_a_text() {
        let numbers: Vec<u32> = TABLE.iter().map(|(error, ..)| *error as u32).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        let source = include_str!("error.rs");
        let listed =
            source.lines().filter(|line| line.starts_with("    BOW_") && line.contains(" = ")).count();
        assert_eq!(listed, TABLE.len());
        assert!(TABLE.iter().all(|(_, text, _)| !text.is_empty()));
        assert_eq!(facts(99).1, c"no error of this library");
    }

    /// The library's own texts and sections cannot be given to C as they are, because they do not end with a NUL.
    #[test]
    fn rules_say_what_the_library_says() {
        for (at, rule) in ProtocolError::ALL.iter().copied().enumerate() {
            let (error, text, section) = facts(bow_error::from(rule) as u32);
            assert_eq!(error as usize, 101 + at);
            assert_eq!(text.to_str(), Ok(rule.rule()));
            assert_eq!(section.unwrap().to_str(), Ok(rule.section().to_string().as_str()));
        }
    }
}
