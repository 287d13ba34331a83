//! The peer's bytes cut into frames, and the log of everything that crossed the wire.

use std::time::Duration;

use bowsprit::frame::{Parsed, RawHeader};

/// The longest frame we are ready to keep: four times what any case sends.
pub const MAX_FRAME: u64 = 64 << 20;
/// Bytes of a payload that the log keeps.
pub const EXCERPT: usize = 256;
/// Lines that the log of one case keeps.
const MAX_LINES: usize = 400;

/// Cuts bytes into frames, whole ones, whatever they say.
#[derive(Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    at: usize,
    /// The longest frame that is kept.
    most: u64,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::with_most(MAX_FRAME)
    }
}

/// A whole frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// The header.
    pub header: RawHeader,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

/// A header that declares more than the reader keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub RawHeader);

impl FrameReader {
    /// A reader that keeps frames of so many bytes and no longer ones.
    pub fn with_most(most: u64) -> Self {
        Self { bytes: Vec::new(), at: 0, most: most.min(MAX_FRAME) }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 && (self.at == self.bytes.len() || self.at > 64 * 1024) {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame, once it is whole.
    ///
    /// # Errors
    ///
    /// [`TooLong`], again and again, once a header declares too much.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, TooLong> {
        let rest = &self.bytes[self.at..];
        let Parsed::Done(header, used) = RawHeader::parse(rest) else { return Ok(None) };
        if header.length > self.most {
            return Err(TooLong(header));
        }
        // The cast keeps the value: it is at most `MAX_FRAME`.
        let Some(payload) = rest.get(used..used + header.length as usize) else { return Ok(None) };
        let mut payload = payload.to_vec();
        if let Some(key) = header.mask {
            key.apply(&mut payload);
        }
        self.at += used + payload.len();
        Ok(Some(RawFrame { header, payload }))
    }

    /// What has come of the next frame.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

/// The first bytes of something, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// How many bytes in all.
    pub len: usize,
    /// At most [`EXCERPT`] of them (heads: all).
    pub bytes: Vec<u8>,
}

impl Excerpt {
    /// An excerpt of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), bytes: bytes[..bytes.len().min(EXCERPT)].to_vec() }
    }

    /// All of these bytes.
    pub fn whole(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), bytes: bytes.to_vec() }
    }
}

/// Which way something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From us to the peer.
    Sent,
    /// From the peer to us.
    Received,
}

/// One line of the wire log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, counted from the start of the case.
    pub at: Duration,
    /// What.
    pub item: Item,
}

/// What a line of the log tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A head of the opening handshake.
    Head(Way, Excerpt),
    /// A frame.
    Frame(Way, RawHeader, Excerpt),
    /// Bytes that are no frame.
    Bytes(Way, Excerpt),
    /// Something that happened.
    Note(String),
}

/// Everything that crossed the wire, up to a bound.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Vec<Line>,
    left_out: usize,
}

impl Log {
    /// Adds a line, or counts it if the log is full.
    pub fn add(&mut self, at: Duration, item: impl FnOnce() -> Item) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(Line { at, item: item() });
        } else {
            self.left_out += 1;
        }
    }

    /// Adds a note, even to a full log.
    pub fn note(&mut self, at: Duration, note: impl Into<String>) {
        if self.lines.len() < MAX_LINES + 16 {
            self.lines.push(Line { at, item: Item::Note(note.into()) });
        }
    }

    /// The lines kept.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many lines were not kept.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_whatever_the_cuts() {
        let stream = b"\x81\x05Hello\x82\x83\x01\x02\x03\x04\x60\x60\x60\x89\x00";
        for size in 1..stream.len() {
            let mut reader = FrameReader::default();
            let mut frames = Vec::new();
            for chunk in stream.chunks(size) {
                reader.push(chunk);
                while let Ok(Some(frame)) = reader.next_frame() {
                    frames.push(frame.payload);
                }
            }
            assert_eq!(frames, [&b"Hello"[..], b"abc", b""], "cut into {size}");
        }
    }

    #[test]
    fn a_frame_beyond_the_bound_is_refused_at_its_header() {
        let mut reader = FrameReader::default();
        reader.push(&[0x82, 0x7f, 0, 0, 0, 0, 0xff, 0, 0, 0]);
        assert!(matches!(reader.next_frame(), Err(TooLong(header)) if header.length == 0xff00_0000));
    }
}
