//! HTTP/2 frames as bytes (RFC 9113 §4, §6), right or wrong: nothing here judges them.

use crate::counted;

use std::fmt::Write as _;

/// The client connection preface (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The size of a frame header in bytes.
pub const HEADER: usize = 9;
/// The longest payload unless a SETTINGS frame says otherwise (RFC 9113 §4.2).
pub const MAX_PAYLOAD: usize = 16_384;
/// The flow-control window unless something says otherwise (RFC 9113 §6.9.2).
pub const WINDOW: i64 = 65_535;

/// Frame types (RFC 9113 §6).
pub mod kind {
    /// Bytes of a stream.
    pub const DATA: u8 = 0;
    /// A field section, or its start.
    pub const HEADERS: u8 = 1;
    /// The priority of a stream; deprecated.
    pub const PRIORITY: u8 = 2;
    /// The end of a stream by an error.
    pub const RST_STREAM: u8 = 3;
    /// The settings of the sender.
    pub const SETTINGS: u8 = 4;
    /// A stream that the server opens.
    pub const PUSH_PROMISE: u8 = 5;
    /// A sign of life.
    pub const PING: u8 = 6;
    /// The connection is about to end.
    pub const GOAWAY: u8 = 7;
    /// More bytes may be sent.
    pub const WINDOW_UPDATE: u8 = 8;
    /// More of a field section.
    pub const CONTINUATION: u8 = 9;
}

/// Frame flags.
pub mod flag {
    /// The last frame of its sender on the stream.
    pub const END_STREAM: u8 = 0x1;
    /// A SETTINGS or PING frame that answers one.
    pub const ACK: u8 = 0x1;
    /// The field section ends here.
    pub const END_HEADERS: u8 = 0x4;
    /// There is padding.
    pub const PADDED: u8 = 0x8;
    /// There are five bytes of priority.
    pub const PRIORITY: u8 = 0x20;
}

/// Names of settings (RFC 9113 §6.5.2, RFC 8441 §3).
pub mod setting {
    /// The size of the dynamic table in bytes.
    pub const HEADER_TABLE_SIZE: u16 = 1;
    /// Whether the server may push.
    pub const ENABLE_PUSH: u16 = 2;
    /// How many streams may be open at once.
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    /// The window that a stream starts with.
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    /// The longest payload of a frame.
    pub const MAX_FRAME_SIZE: u16 = 5;
    /// The longest field section.
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    /// Whether extended CONNECT is accepted.
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Error codes (RFC 9113 §7).
pub mod code {
    /// Nothing is wrong.
    pub const NO_ERROR: u32 = 0;
    /// A rule of the protocol was broken.
    pub const PROTOCOL_ERROR: u32 = 1;
    /// The fault is the sender's own.
    pub const INTERNAL_ERROR: u32 = 2;
    /// More came than the window allows.
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    /// A frame on a stream that is over.
    pub const STREAM_CLOSED: u32 = 5;
    /// A frame of the wrong size.
    pub const FRAME_SIZE_ERROR: u32 = 6;
    /// The stream was not processed.
    pub const REFUSED_STREAM: u32 = 7;
    /// The stream is no longer wanted.
    pub const CANCEL: u32 = 8;
    /// The field section cannot be read.
    pub const COMPRESSION_ERROR: u32 = 9;
    /// The TCP connection behind a CONNECT was reset.
    pub const CONNECT_ERROR: u32 = 10;
    /// The peer demands too much.
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// Returns the name of a frame type.
pub fn kind_name(kind: u8) -> &'static str {
    const NAMES: [&str; 10] = [
        "DATA",
        "HEADERS",
        "PRIORITY",
        "RST_STREAM",
        "SETTINGS",
        "PUSH_PROMISE",
        "PING",
        "GOAWAY",
        "WINDOW_UPDATE",
        "CONTINUATION",
    ];
    NAMES.get(usize::from(kind)).unwrap_or(&"frame of an unknown type")
}

/// Returns the name of a setting.
pub fn setting_name(name: u16) -> String {
    match name {
        setting::HEADER_TABLE_SIZE => "HEADER_TABLE_SIZE".to_owned(),
        setting::ENABLE_PUSH => "ENABLE_PUSH".to_owned(),
        setting::MAX_CONCURRENT_STREAMS => "MAX_CONCURRENT_STREAMS".to_owned(),
        setting::INITIAL_WINDOW_SIZE => "INITIAL_WINDOW_SIZE".to_owned(),
        setting::MAX_FRAME_SIZE => "MAX_FRAME_SIZE".to_owned(),
        setting::MAX_HEADER_LIST_SIZE => "MAX_HEADER_LIST_SIZE".to_owned(),
        setting::ENABLE_CONNECT_PROTOCOL => "ENABLE_CONNECT_PROTOCOL".to_owned(),
        other => format!("setting {other:#x}"),
    }
}

/// Returns the name of an error code.
pub fn code_name(code: u32) -> String {
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
    let name = usize::try_from(code).ok().and_then(|code| NAMES.get(code));
    name.map_or_else(|| format!("error {code:#x}"), |name| (*name).to_owned())
}

/// One frame with any content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream.
    pub stream: u32,
    /// The payload, including padding.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Creates a frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// Creates a SETTINGS frame.
    pub fn settings(settings: &[(u16, u32)]) -> Self {
        let mut payload = Vec::with_capacity(settings.len() * 6);
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        Self::new(kind::SETTINGS, 0, 0, payload)
    }

    /// Creates an RST_STREAM frame.
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// Creates a WINDOW_UPDATE frame.
    pub fn window_update(stream: u32, increment: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
    }

    /// Creates a GOAWAY frame without debug data.
    pub fn goaway(last: u32, code: u32) -> Self {
        Self::new(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    /// Creates a DATA frame with this many bytes of padding.
    pub fn padded_data(stream: u32, flags: u8, data: &[u8], padding: u8) -> Self {
        let mut payload = Vec::with_capacity(data.len() + 1 + usize::from(padding));
        payload.push(padding);
        payload.extend_from_slice(data);
        payload.resize(payload.len() + usize::from(padding), 0);
        Self::new(kind::DATA, flags | flag::PADDED, stream, payload)
    }

    /// Returns whether this flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Writes the frame; a payload is cut off at 2^24 - 1 bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let payload = &self.payload[..self.payload.len().min(0xff_ffff)];
        // The cast keeps the value, which is cut off above.
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
        out.extend_from_slice(payload);
    }

    /// Returns the payload without padding, unless the padding is longer than the frame.
    pub fn unpadded(&self) -> Option<&[u8]> {
        if !self.has(flag::PADDED) {
            return Some(&self.payload);
        }
        let (padding, rest) = self.payload.split_first()?;
        rest.get(..rest.len().checked_sub(usize::from(*padding))?)
    }

    /// Reads four bytes of the payload, from this offset on, as a number.
    pub fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    /// Returns the settings of a SETTINGS frame; trailing bytes that are not a setting are left out.
    pub fn list_of_settings(&self) -> impl Iterator<Item = (u16, u32)> {
        self.payload.chunks_exact(6).map(|setting| {
            (
                u16::from_be_bytes([setting[0], setting[1]]),
                u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]),
            )
        })
    }

    /// Describes the frame in a line: `DATA on stream 1, END_STREAM, 7 bytes`.
    pub fn line(&self) -> String {
        let mut out = match self.kind {
            0..=9 => kind_name(self.kind).to_owned(),
            other => format!("frame of the unknown type {other:#x}"),
        };
        if self.stream != 0 {
            let _ = write!(out, " on stream {}", self.stream);
        }
        let named: &[(u8, &str)] = match self.kind {
            kind::SETTINGS | kind::PING => &[(flag::ACK, "ACK")],
            kind::DATA => &[(flag::END_STREAM, "END_STREAM"), (flag::PADDED, "PADDED")],
            kind::HEADERS => &[
                (flag::END_STREAM, "END_STREAM"),
                (flag::END_HEADERS, "END_HEADERS"),
                (flag::PADDED, "PADDED"),
                (flag::PRIORITY, "PRIORITY"),
            ],
            kind::CONTINUATION => &[(flag::END_HEADERS, "END_HEADERS")],
            _ => &[],
        };
        for (_, name) in named.iter().filter(|(flag, _)| self.has(*flag)) {
            let _ = write!(out, ", {name}");
        }
        match (self.kind, self.number(0), self.number(4)) {
            (kind::SETTINGS, ..) => {
                for (name, value) in self.list_of_settings().take(16) {
                    let _ = write!(out, ", {} {value}", setting_name(name));
                }
            }
            (kind::RST_STREAM, Some(code), _) => {
                let _ = write!(out, ", {}", code_name(code));
            }
            (kind::GOAWAY, Some(last), Some(code)) => {
                let _ = write!(out, ", last stream {last}, {}", code_name(code));
            }
            (kind::WINDOW_UPDATE, Some(increment), _) => {
                let _ = write!(out, ", {} more", counted(increment, "byte"));
            }
            _ => {
                let _ = write!(out, ", {}", counted(self.payload.len(), "byte"));
            }
        }
        out
    }
}

/// Cuts bytes into frames.
#[derive(Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    at: usize,
    most: usize,
}

/// A frame header that declares a longer payload than the reader keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The type of the frame.
    pub kind: u8,
    /// The length that it declares.
    pub length: usize,
}

impl FrameReader {
    /// Creates a reader that keeps payloads of up to `most` bytes.
    pub fn with_most(most: usize) -> Self {
        Self { bytes: Vec::new(), at: 0, most }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 && (self.at == self.bytes.len() || self.at > 64 * 1024) {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next frame once it is whole, with the reserved bit of the stream cleared.
    ///
    /// # Errors
    ///
    /// Returns [`TooLong`] once a header declares too much, and again on every later call.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, TooLong> {
        let rest = &self.bytes[self.at..];
        let Some(&[a, b, c, kind, flags, d, e, f, g]) = rest.first_chunk::<HEADER>() else { return Ok(None) };
        // The cast widens.
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if length > self.most {
            return Err(TooLong { kind, length });
        }
        let Some(payload) = rest.get(HEADER..HEADER + length) else { return Ok(None) };
        let stream = u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff;
        let frame = Frame::new(kind, flags, stream, payload);
        self.at += HEADER + length;
        Ok(Some(frame))
    }

    /// Returns the bytes of the next frame that have come.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_whatever_the_cuts() {
        let frames = [
            Frame::settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 1)]),
            Frame::padded_data(1, flag::END_STREAM, b"ab", 3),
            Frame::goaway(7, code::CANCEL),
            Frame::new(0xfa, 0xff, 0x7fff_ffff, b""),
        ];
        let mut stream = Vec::new();
        frames.iter().for_each(|frame| frame.encode_into(&mut stream));
        for size in 1..stream.len() {
            let mut reader = FrameReader::with_most(MAX_PAYLOAD);
            let mut out = Vec::new();
            for chunk in stream.chunks(size) {
                reader.push(chunk);
                while let Ok(Some(frame)) = reader.next_frame() {
                    out.push(frame);
                }
            }
            assert_eq!(out, frames, "cut into {size}");
        }
    }

    #[test]
    fn a_frame_beyond_the_bound_is_refused_at_its_header() {
        let mut reader = FrameReader::with_most(8);
        reader.push(&[0, 0, 9, 0, 0, 0, 0, 0, 1]);
        assert_eq!(reader.next_frame(), Err(TooLong { kind: kind::DATA, length: 9 }));
    }

    #[test]
    fn padding_is_no_more_than_there_is_room_for() {
        for (payload, data) in
            [(&b"\x02abcd"[..], Some(&b"ab"[..])), (b"\x04abcd", Some(b"")), (b"\x05abcd", None), (b"", None)]
        {
            assert_eq!(Frame::new(kind::DATA, flag::PADDED, 1, payload).unpadded(), data);
        }
    }

    #[test]
    fn a_frame_has_a_line() {
        for (frame, line) in [
            (
                Frame::padded_data(1, flag::END_STREAM, b"ab", 3),
                "DATA on stream 1, END_STREAM, PADDED, 6 bytes",
            ),
            (Frame::settings(&[(8, 1), (0xaa, 2)]), "SETTINGS, ENABLE_CONNECT_PROTOCOL 1, setting 0xaa 2"),
            (Frame::new(kind::SETTINGS, flag::ACK, 0, b""), "SETTINGS, ACK"),
            (Frame::reset(3, 8), "RST_STREAM on stream 3, CANCEL"),
            (Frame::goaway(3, 99), "GOAWAY, last stream 3, error 0x63"),
            (Frame::window_update(0, 5), "WINDOW_UPDATE, 5 bytes more"),
            (Frame::new(0x42, 0, 0, b"abc"), "frame of the unknown type 0x42, 3 bytes"),
        ] {
            assert_eq!(frame.line(), line);
        }
    }
}
