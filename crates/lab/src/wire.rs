//! The peer's bytes cut into frames, and the log of everything that crossed the wire.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use bowsprit::frame::{Parsed, RawHeader};

/// The longest frame that is kept: four times what any case sends.
pub const MAX_FRAME: u64 = 64 << 20;
/// How many bytes of a payload the log keeps.
pub const EXCERPT: usize = 256;
/// How many lines the log of one case keeps from its start.
const HEAD: usize = 200;
/// How many lines the log of one case keeps from its end.
const TAIL: usize = 100;
/// How many lines of Close frames the log keeps between its start and its end.
const MOST_KEPT: usize = 4;

/// Cuts bytes into whole frames without judging them.
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

/// A header that declares a longer payload than the reader keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub RawHeader);

impl FrameReader {
    /// Creates a reader that keeps frames of up to `most` bytes.
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

    /// Returns the next frame once it is whole.
    ///
    /// # Errors
    ///
    /// Returns [`TooLong`] once a header declares too much, and again on every later call.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, TooLong> {
        let view = self.next_view()?;
        Ok(view.map(|(header, payload)| RawFrame { header, payload: payload.to_vec() }))
    }

    /// Returns the next frame once it is whole, with its payload borrowed from the buffer.
    ///
    /// # Errors
    ///
    /// Fails as [`next_frame`](Self::next_frame) does.
    pub(super) fn next_view(&mut self) -> Result<Option<(RawHeader, &[u8])>, TooLong> {
        let rest = &mut self.bytes[self.at..];
        let Parsed::Done(header, used) = RawHeader::parse(rest) else { return Ok(None) };
        if header.length > self.most {
            return Err(TooLong(header));
        }
        // The cast keeps the value, which is at most `MAX_FRAME`.
        let end = used + header.length as usize;
        let Some(payload) = rest.get_mut(used..end) else { return Ok(None) };
        if let Some(key) = header.mask {
            key.apply(payload);
        }
        self.at += end;
        Ok(Some((header, payload)))
    }

    /// Returns the bytes of the next frame that have come.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

/// The first bytes of something, and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The length of the whole.
    pub len: usize,
    /// At most [`EXCERPT`] of the bytes (of heads: all).
    pub bytes: Vec<u8>,
}

impl Excerpt {
    /// Creates an excerpt of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), bytes: bytes[..bytes.len().min(EXCERPT)].to_vec() }
    }

    /// Creates an excerpt that holds all of these bytes.
    pub fn whole(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), bytes: bytes.to_vec() }
    }
}

/// The direction of something on the wire.
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
    /// The time, counted from the start of the case.
    pub at: Duration,
    /// What happened.
    pub item: Item,
    /// The lines left out before this one.
    pub skipped: Skipped,
}

/// Lines that were not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub lines: usize,
    /// Whether all of them are frames like those on either side: same opcode, same bits, same length.
    pub alike: bool,
}

/// The content of a line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A head of the opening handshake.
    Head(Way, Excerpt),
    /// A frame.
    Frame(Way, RawHeader, Excerpt),
    /// Bytes that are not a frame.
    Bytes(Way, Excerpt),
    /// Something that is not a WebSocket frame, in words.
    Words(Way, String),
    /// Something that happened.
    Note(String),
}

impl Skipped {
    /// Returns whether every line was kept.
    pub fn is_none(&self) -> bool {
        self.lines == 0
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "... {} more{}", self.lines, if self.alike { " like them" } else { "" })
    }
}

/// A line of a log, in any form.
pub(super) trait Shorten: Clone {
    /// Returns what was skipped in front of the line.
    fn skipped(&mut self) -> &mut Skipped;
    /// Returns whether the line is kept wherever it stands.
    fn is_kept(&self) -> bool;
}

impl Shorten for Line {
    fn skipped(&mut self) -> &mut Skipped {
        &mut self.skipped
    }

    fn is_kept(&self) -> bool {
        self.item.is_kept()
    }
}

/// Returns at most `most` lines and those that are always kept: two thirds of them from the start, the others from the
/// end.
pub(super) fn shortened<T: Shorten>(lines: &[T], most: usize) -> Vec<T> {
    let (head, tail) = (most - most / 3, most / 3);
    let mut out: Vec<T> = Vec::with_capacity(most.min(lines.len()));
    let mut skipped = Skipped::default();
    let mut kept = 0;
    for (at, line) in lines.iter().enumerate() {
        let mut line = line.clone();
        let stays = at < head || at + tail >= lines.len();
        if !stays && (!line.is_kept() || kept == MOST_KEPT) {
            skipped.lines += line.skipped().lines + 1;
            continue;
        }
        kept += usize::from(!stays);
        if !skipped.is_none() {
            line.skipped().lines += skipped.lines;
            line.skipped().alike = false;
        }
        skipped = Skipped::default();
        out.push(line);
    }
    out
}

impl Item {
    /// Returns whether both are frames in the same direction whose headers differ only in the masking key.
    fn is_like(&self, other: &Self) -> bool {
        let (Self::Frame(way, header, _), Self::Frame(other_way, other, _)) = (self, other) else {
            return false;
        };
        is_like(*way, *header, *other_way, *other)
    }

    /// Returns whether this is the peer's Close, which every verdict needs to be understood.
    fn is_kept(&self) -> bool {
        matches!(self, Self::Frame(Way::Received, RawHeader { opcode: 8, .. }, _))
    }
}

/// Returns whether these frames have the same direction and headers that differ only in the masking key.
fn is_like(way: Way, header: RawHeader, other_way: Way, other: RawHeader) -> bool {
    let is_masked = header.mask.is_some() == other.mask.is_some();
    way == other_way && is_masked && RawHeader { mask: None, ..header } == RawHeader { mask: None, ..other }
}

/// Everything that crossed the wire, up to a bound: repeats are folded, and the head, the tail and the peer's Close
/// frames are kept.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Vec<Line>,
    /// How many lines at the end are alike.
    alike: usize,
    /// How many lines between head and tail are kept all the same.
    kept: usize,
}

impl Log {
    /// Adds a line. Of a run of lines that are alike, the first two and the last are kept.
    pub fn add(&mut self, at: Duration, item: impl FnOnce() -> Item) {
        let item = item();
        let is_like = self.lines.last().is_some_and(|last| last.item.is_like(&item));
        self.alike = if is_like { self.alike + 1 } else { 1 };
        match self.lines.last_mut() {
            Some(last) if self.alike > 3 => {
                last.skipped.alike = last.skipped.lines == 0 || last.skipped.alike;
                last.skipped.lines += 1;
                (last.at, last.item) = (at, item);
            }
            _ => self.push(at, item),
        }
    }

    /// Adds the line of a frame.
    pub(super) fn frame(&mut self, at: Duration, way: Way, header: RawHeader, payload: &[u8]) {
        // The excerpt of the line that is dropped is reused for the one that replaces it: there may be 65,536 of them.
        if self.alike >= 3
            && let Some(last) = self.lines.last_mut()
            && let Item::Frame(last_way, last_header, excerpt) = &mut last.item
            && is_like(*last_way, *last_header, way, header)
        {
            self.alike += 1;
            last.skipped.alike = last.skipped.lines == 0 || last.skipped.alike;
            last.skipped.lines += 1;
            (last.at, *last_header) = (at, header);
            excerpt.len = payload.len();
            excerpt.bytes.clear();
            excerpt.bytes.extend_from_slice(&payload[..payload.len().min(EXCERPT)]);
            return;
        }
        self.add(at, || Item::Frame(way, header, Excerpt::of(payload)));
    }

    /// Adds a note.
    pub fn note(&mut self, at: Duration, note: impl Into<String>) {
        self.alike = 0;
        self.push(at, Item::Note(note.into()));
    }

    /// Returns the lines that were kept.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    fn push(&mut self, at: Duration, item: Item) {
        self.lines.push(Line { at, item, skipped: Skipped::default() });
        if self.lines.len() <= HEAD + self.kept + TAIL {
            return;
        }
        let first = HEAD + self.kept;
        if self.kept < MOST_KEPT && self.lines[first].item.is_kept() {
            self.kept += 1;
            return;
        }
        let gone = self.lines.remove(first);
        let next = &mut self.lines[first].skipped;
        *next = Skipped { lines: next.lines + gone.skipped.lines + 1, alike: false };
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

    fn frame(way: Way, header: RawHeader, payload: &[u8]) -> Item {
        Item::Frame(way, header.with_length(payload.len() as u64), Excerpt::of(payload))
    }

    #[test]
    fn repeats_are_folded_and_both_ends_stay() {
        let mut log = Log::default();
        log.note(Duration::ZERO, "start");
        for number in 0..65_536_u32 {
            let header = RawHeader::TEXT.with_length(4);
            log.frame(Duration::ZERO, Way::Sent, header, &number.to_be_bytes());
        }
        log.add(Duration::ZERO, || frame(Way::Received, RawHeader::CLOSE, b"\x03\xf0"));
        let skipped: Vec<usize> = log.lines().iter().map(|line| line.skipped.lines).collect();
        assert_eq!(skipped, [0, 0, 0, 65_533, 0]);
        assert!(log.lines()[3].skipped.alike);
        assert!(
            matches!(&log.lines()[3].item, Item::Frame(_, _, last) if last.bytes == 65_535_u32.to_be_bytes())
        );
    }

    #[test]
    fn the_peers_close_is_never_lost() {
        let mut log = Log::default();
        for number in 0..10_000 {
            if number == 5_000 {
                log.add(Duration::ZERO, || frame(Way::Received, RawHeader::CLOSE, b"\x03\xf0"));
            }
            log.note(Duration::ZERO, format!("{number}"));
        }
        let lines = log.lines();
        assert!(lines.len() <= HEAD + TAIL + MOST_KEPT);
        assert_eq!(lines.len() + lines.iter().map(|line| line.skipped.lines).sum::<usize>(), 10_001);
        assert!(lines.iter().any(|line| line.item.is_kept()));
        let note = |at: usize| Item::Note(at.to_string());
        assert_eq!((&lines[0].item, &lines[lines.len() - 1].item), (&note(0), &note(9_999)));
        let short = shortened(lines, 30);
        assert_eq!(short.len(), 31);
        assert_eq!(short.len() + short.iter().map(|line| line.skipped.lines).sum::<usize>(), 10_001);
        assert!(short.iter().any(|line| line.item.is_kept()));
    }
}
