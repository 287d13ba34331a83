//! Headers of frames (RFC 9113 §4.1), and writing frames.

use alloc::vec::Vec;

/// The types of §6.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// The flags of §6; ACK is that of SETTINGS and PING.
pub(super) mod flag {
    pub(in super::super) const ACK: u8 = 0x1;
    pub(in super::super) const END_STREAM: u8 = 0x1;
    pub(in super::super) const END_HEADERS: u8 = 0x4;
    pub(in super::super) const PADDED: u8 = 0x8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// What a client sends first (§3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest payload that we accept and send: what everybody must accept (§4.2).
pub(super) const MAX_FRAME: usize = 16_384;

/// The length of a header in bytes.
pub(super) const HEADER: usize = 9;

/// The largest window (§6.9.1).
pub(super) const MAX_WINDOW: i64 = (1 << 31) - 1;

/// The initial window of a stream or a connection (§6.9.2).
pub(super) const FIRST_WINDOW: i64 = 65_535;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHeader {
    pub(super) const fn parse(bytes: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = bytes;
        Self {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            // §4.1: the reserved bit is ignored.
            stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
        }
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes the header of a frame whose payload, of at most [`MAX_FRAME`] bytes, follows.
pub(super) fn begin(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    debug_assert!(len <= MAX_FRAME);
    let [_, length @ ..] = (len as u32).to_be_bytes();
    out.extend(length);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
}

/// Writes a frame.
pub(super) fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    begin(out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
}

/// Writes a field section as HEADERS and as many CONTINUATION frames as it needs (§4.3).
pub(super) fn field_section(out: &mut Vec<u8>, stream: u32, block: &[u8], end_stream: bool) {
    let mut parts = block.chunks(MAX_FRAME).peekable();
    let mut kind = kind::HEADERS;
    let mut flags = if end_stream { flag::END_STREAM } else { 0 };
    let mut part = parts.next().unwrap_or_default();
    loop {
        let next = parts.next();
        if next.is_none() {
            flags |= flag::END_HEADERS;
        }
        frame(out, kind, flags, stream, part);
        let Some(next) = next else { return };
        (kind, flags, part) = (kind::CONTINUATION, 0, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        for (len, kind, flags, stream) in [(0, 0, 0, 0), (5, 9, 0xff, 1), (MAX_FRAME, 0xff, 4, 0x7fff_ffff)] {
            let mut out = Vec::new();
            begin(&mut out, len, kind, flags, stream);
            let header = FrameHeader::parse(*out.first_chunk().unwrap());
            assert_eq!(header, FrameHeader { len, kind, flags, stream });
        }
        // The reserved bit.
        assert_eq!(FrameHeader::parse([0, 0, 0, 0, 0, 0x80, 0, 0, 1]).stream, 1);
        assert_eq!(FrameHeader::parse([0xff; 9]).len, 0xff_ffff);
    }

    #[test]
    fn a_long_field_section_goes_on_in_continuations() {
        for (len, frames) in [(0, 1), (1, 1), (MAX_FRAME, 1), (MAX_FRAME + 1, 2), (3 * MAX_FRAME, 3)] {
            let block = alloc::vec![7; len];
            let mut out = Vec::new();
            field_section(&mut out, 3, &block, true);
            let (mut rest, mut seen, mut joined) = (&out[..], 0, Vec::new());
            while let Some(header) = rest.first_chunk() {
                let header = FrameHeader::parse(*header);
                seen += 1;
                assert_eq!(header.kind, if seen == 1 { kind::HEADERS } else { kind::CONTINUATION });
                assert_eq!(header.has(flag::END_HEADERS), seen == frames);
                joined.extend_from_slice(&rest[HEADER..HEADER + header.len]);
                rest = &rest[HEADER + header.len..];
            }
            assert_eq!((seen, joined), (frames, block));
        }
    }
}
