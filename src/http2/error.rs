//! The rules of HTTP/2 that a peer can break, and their error codes.

use core::fmt;

use super::hpack::HpackError;
use crate::error::Section;

/// A code of RST_STREAM and GOAWAY (RFC 9113 §7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0);
    /// A rule without a code of its own is broken.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// The fault is ours.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// More was sent than a window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(4);
    /// A frame for a stream that its sender has ended.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame of a wrong length.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// The request was not looked at and may be sent again.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The stream is not needed any more; what a reset of TCP is to a WebSocket (RFC 8441 §5).
    pub const CANCEL: Self = Self(8);
    /// A field section that cannot be decoded.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// The connection that a CONNECT has made has broken.
    pub const CONNECT_ERROR: Self = Self(10);
    /// The peer makes more work than anybody needs.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
    /// TLS is too weak.
    pub const INADEQUATE_SECURITY: Self = Self(12);
    /// The server requires HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: Self = Self(13);
}

const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A kind of excess, each part of it legal by itself. See [`Limits`](super::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flood {
    /// PING frames, each of which asks for an answer: CVE-2019-9512.
    Ping,
    /// SETTINGS frames, each of which asks for an answer: CVE-2019-9515.
    Settings,
    /// Streams that were opened and reset, or broken so that we reset them: CVE-2023-44487, CVE-2025-8671.
    Reset,
    /// DATA frames that carry nothing and end nothing: CVE-2019-9518.
    EmptyData,
    /// PRIORITY frames, and those of unknown types: CVE-2019-9513.
    Priority,
    /// WINDOW_UPDATE frames far beyond what is sent: CVE-2019-9511 is that, byte by byte.
    WindowUpdate,
    /// HEADERS and CONTINUATION frames of one field section: CVE-2024-27316.
    Continuation,
    /// Bytes of one field section.
    FieldSection,
    /// Answers that the peer asks for and does not read: CVE-2019-9517.
    Unread,
}

impl Flood {
    const fn what(self) -> &'static str {
        match self {
            Flood::Ping => "PING frames",
            Flood::Settings => "SETTINGS frames",
            Flood::Reset => "streams that come to nothing",
            Flood::EmptyData => "empty DATA frames",
            Flood::Priority => "PRIORITY frames or frames of unknown types",
            Flood::WindowUpdate => "WINDOW_UPDATE frames",
            Flood::Continuation => "CONTINUATION frames in one field section",
            Flood::FieldSection => "bytes in one field section",
            Flood::Unread => "answers that are not read",
        }
    }
}

/// The peer broke a rule of the whole connection, which has failed (RFC 9113 §5.4.1).
///
/// By the time a caller sees one, the GOAWAY that tells the peer is queued, and all further input is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Http2Error {
    /// The client does not begin with the connection preface.
    Preface,
    /// The first frame is not SETTINGS.
    SettingsMissing,
    /// A frame longer than the 16,384 bytes that everybody must accept, and that we accept.
    FrameTooLong,
    /// A frame whose length is not that of its type.
    FrameLength,
    /// A frame on stream 0 that belongs to a stream, or vice versa.
    StreamMisplaced,
    /// Padding as long as its frame, or longer.
    Padding,
    /// A frame for a stream that nobody has opened.
    StreamIdle,
    /// A new stream whose number is even, or not above that of the one before.
    StreamNumber,
    /// HEADERS for a stream that is over.
    StreamClosed,
    /// Another frame inside a field section, or CONTINUATION outside of one.
    FieldSectionInterrupted,
    /// A field section that cannot be decoded.
    Compression(HpackError),
    /// PUSH_PROMISE, from a client or although we have disabled it.
    Push,
    /// A setting with a value that it may not have.
    Setting,
    /// A setting that makes a window larger than 2^31 - 1.
    SettingWindow,
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL that goes back to 0.
    ConnectProtocolWithdrawn,
    /// A window of the connection that is opened by 0.
    WindowIncrement,
    /// A window of the connection that is opened beyond 2^31 - 1.
    WindowOverflow,
    /// More DATA than the connection's window allows.
    WindowOverrun,
    /// More of something than anybody needs.
    Flood(Flood),
}

impl Http2Error {
    /// Returns the section that states the rule.
    pub const fn section(self) -> Section {
        use Http2Error::*;
        Section::new(
            match self {
                Compression(_) => 7541,
                ConnectProtocolWithdrawn => 8441,
                _ => 9113,
            },
            match self {
                Preface | SettingsMissing => "3.4",
                FrameTooLong | FrameLength => "4.2",
                StreamMisplaced => "5.1.1",
                Padding => "6.1",
                StreamIdle | StreamClosed => "5.1",
                StreamNumber => "5.1.1",
                FieldSectionInterrupted => "4.3",
                Compression(error) => error.section(),
                Push => "8.4",
                Setting | SettingWindow => "6.5.2",
                ConnectProtocolWithdrawn => "3",
                WindowIncrement => "6.9",
                WindowOverflow | WindowOverrun => "6.9.1",
                Flood(_) => "10.5",
            },
        )
    }

    /// Returns the error code for the peer.
    pub const fn code(self) -> ErrorCode {
        use Http2Error::*;
        match self {
            Preface
            | SettingsMissing
            | StreamMisplaced
            | Padding
            | StreamIdle
            | StreamNumber
            | FieldSectionInterrupted
            | Push
            | Setting
            | ConnectProtocolWithdrawn
            | WindowIncrement => ErrorCode::PROTOCOL_ERROR,
            FrameTooLong | FrameLength => ErrorCode::FRAME_SIZE_ERROR,
            StreamClosed => ErrorCode::STREAM_CLOSED,
            Compression(_) => ErrorCode::COMPRESSION_ERROR,
            SettingWindow | WindowOverflow | WindowOverrun => ErrorCode::FLOW_CONTROL_ERROR,
            Flood(_) => ErrorCode::ENHANCE_YOUR_CALM,
        }
    }
}

impl fmt::Display for Http2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Http2Error::*;
        match self {
            Preface => f.write_str("the client does not begin with the preface of HTTP/2")?,
            SettingsMissing => f.write_str("the first frame is not SETTINGS")?,
            FrameTooLong => f.write_str("a frame is longer than 16384 bytes")?,
            FrameLength => f.write_str("a frame has not the length of its type")?,
            StreamMisplaced => f.write_str("a frame stands on a stream that its type does not belong to")?,
            Padding => f.write_str("a frame holds more padding than it has room for")?,
            StreamIdle => f.write_str("a frame is for a stream that nobody has opened")?,
            StreamNumber => f.write_str("a new stream does not have a higher number of its side")?,
            StreamClosed => f.write_str("HEADERS are for a stream that is over")?,
            FieldSectionInterrupted => f.write_str("a field section is not one run of frames")?,
            Compression(error) => error.fmt(f)?,
            Push => f.write_str("PUSH_PROMISE was not allowed")?,
            Setting => f.write_str("a setting has a value that it may not have")?,
            SettingWindow => f.write_str("a setting makes a window larger than 2^31 - 1")?,
            ConnectProtocolWithdrawn => f.write_str("extended CONNECT was allowed and then forbidden")?,
            WindowIncrement => f.write_str("the connection's window is opened by 0")?,
            WindowOverflow => f.write_str("the connection's window is opened beyond 2^31 - 1")?,
            WindowOverrun => f.write_str("more DATA has come than the connection's window allows")?,
            Flood(flood) => write!(f, "there are too many {}", flood.what())?,
        }
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for Http2Error {}

/// What is wrong with one stream: it is reset, and the others go on (RFC 9113 §5.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StreamFault {
    /// §8.1.1.
    Malformed,
    /// §5.1: DATA after END_STREAM.
    Closed,
    /// §6.9.1: more than its window allows, or a window beyond 2^31 - 1.
    FlowControl,
    /// §6.9: a window that is opened by 0.
    Increment,
    /// §5.1.2: more streams than we allow.
    Refused,
}

impl StreamFault {
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            StreamFault::Malformed | StreamFault::Increment => ErrorCode::PROTOCOL_ERROR,
            StreamFault::Closed => ErrorCode::STREAM_CLOSED,
            StreamFault::FlowControl => ErrorCode::FLOW_CONTROL_ERROR,
            StreamFault::Refused => ErrorCode::REFUSED_STREAM,
        }
    }
}
