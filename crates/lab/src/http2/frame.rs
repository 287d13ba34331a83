//! HTTP/2 frames as bytes (RFC 9113 §4, §6), right or wrong: nothing here judges.

use std::fmt::Write as _;

/// What a client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame header.
pub const HEADER: usize = 9;
/// The longest payload where no SETTINGS frame says otherwise (RFC 9113 §4.2).
pub const MAX_PAYLOAD: usize = 16_384;
/// The flow-control window where nothing says otherwise (RFC 9113 §6.9.2).
pub const WINDOW: i64 = 65_535;

/// Frame types (RFC 9113 §6).
pub mod kind {
    /// Bytes of a stream.
    pub const DATA: u8 = 0;
    /// A field section, or its start.
    pub const HEADERS: u8 = 1;
    /// Deprecated.
    pub const PRIORITY: u8 = 2;
    /// The end of a stream by an error.
    pub const RST_STREAM: u8 = 3;
    /// What the sender wants or can do.
    pub const SETTINGS: u8 = 4;
    /// A stream of the server's.
    pub const PUSH_PROMISE: u8 = 5;
    /// A sign of life.
    pub const PING: u8 = 6;
    /// The connection is about to end.
    pub const GOAWAY: u8 = 7;
    /// More may be sent.
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
    /// Bytes of the dynamic table.
    pub const HEADER_TABLE_SIZE: u16 = 1;
    /// Whether the server may push.
    pub const ENABLE_PUSH: u16 = 2;
    /// How many streams at once.
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    /// The window that a stream starts with.
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    /// The longest payload of a frame.
    pub const MAX_FRAME_SIZE: u16 = 5;
    /// The longest field section.
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
    /// Extended CONNECT is taken.
    pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Error codes (RFC 9113 §7).
pub mod code {
    /// In good order.
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
    /// Not looked at.
    pub const REFUSED_STREAM: u32 = 7;
    /// No longer wanted.
    pub const CANCEL: u32 = 8;
    /// The field section cannot be read.
    pub const COMPRESSION_ERROR: u32 = 9;
    /// The TCP connection behind a CONNECT was reset.
    pub const CONNECT_ERROR: u32 = 10;
    /// The peer asks too much.
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// The name of a frame type.
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

/// The name of a setting.
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

/// The name of an error code.
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

/// One frame, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream.
    pub stream: u32,
    /// The payload, padding and all.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// A SETTINGS frame.
    pub fn settings(settings: &[(u16, u32)]) -> Self {
        let mut payload = Vec::with_capacity(settings.len() * 6);
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        Self::new(kind::SETTINGS, 0, 0, payload)
    }

    /// An RST_STREAM frame.
    pub fn reset(stream: u32, code: u32) -> Self {
        Self::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// A WINDOW_UPDATE frame.
    pub fn window_update(stream: u32, increment: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
    }

    /// A GOAWAY frame without debug data.
    pub fn goaway(last: u32, code: u32) -> Self {
        Self::new(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
    }

    /// DATA with so many bytes of padding.
    pub fn padded_data(stream: u32, flags: u8, data: &[u8], padding: u8) -> Self {
        let mut payload = Vec::with_capacity(data.len() + 1 + usize::from(padding));
        payload.push(padding);
        payload.extend_from_slice(data);
        payload.resize(payload.len() + usize::from(padding), 0);
        Self::new(kind::DATA, flags | flag::PADDED, stream, payload)
    }

    /// Whether this flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Writes it; a payload beyond 2^24 bytes is cut off.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let payload = &self.payload[..self.payload.len().min(0xff_ffff)];
        // The cast keeps the value, cut off above.
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
        out.extend_from_slice(payload);
    }

    /// The payload without padding, if there is no more of that than the frame has room for.
    pub fn unpadded(&self) -> Option<&[u8]> {
        if !self.has(flag::PADDED) {
            return Some(&self.payload);
        }
        let (padding, rest) = self.payload.split_first()?;
        rest.get(..rest.len().checked_sub(usize::from(*padding))?)
    }

    /// The first four bytes of the payload from this one on, as a number.
    pub fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    /// What a SETTINGS frame says; a rest that is no setting is left out.
    pub fn list_of_settings(&self) -> impl Iterator<Item = (u16, u32)> {
        self.payload.chunks_exact(6).map(|setting| {
            (
                u16::from_be_bytes([setting[0], setting[1]]),
                u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]),
            )
        })
    }

    /// It in a line: `DATA on stream 1, END_STREAM, 7 bytes`.
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
                let _ = write!(out, ", {increment} bytes more");
            }
            _ => {
                let _ = write!(out, ", {} bytes", self.payload.len());
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
    /// What it declares.
    pub length: usize,
}

impl FrameReader {
    /// A reader that keeps payloads of so many bytes and no longer ones.
    pub fn with_most(most: usize) -> Self {
        Self { bytes: Vec::new(), at: 0, most }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 && (self.at == self.bytes.len() || self.at > 64 * 1024) {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, once it is whole. The reserved bit of the stream is left out.
    ///
    /// # Errors
    ///
    /// [`TooLong`], again and again, once a header declares too much.
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

    /// What has come of the next frame.
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
