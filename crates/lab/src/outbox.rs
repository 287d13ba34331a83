//! Bytes waiting to be written, with the cuts between writes that a case asks for.

use std::collections::VecDeque;

use bowsprit::frame::{MaskKey, RawHeader};

use super::case::Pace;

/// A queue of pieces. Each write takes bytes from one piece, and no more than its cut allows.
#[derive(Debug)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    pace: Pace,
    /// The key of the frame pushed last, and how many bytes it has masked.
    mask: Option<(MaskKey, usize)>,
}

#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    at: usize,
    /// A write ends at each multiple of this.
    cut: usize,
    /// Whether to pause after each write.
    breathes: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), pace: Pace::Whole, mask: None }
    }
}

impl Outbox {
    /// Sets how pushed bytes are cut from now on.
    pub(super) fn pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.piece(bytes.len()).extend_from_slice(bytes);
    }

    /// Adds a frame, masked as its header says.
    pub(super) fn push_frame(&mut self, header: RawHeader, payload: &[u8]) {
        self.push_frame_of(header, payload.len(), |out| out.extend_from_slice(payload));
    }

    /// Adds a frame whose payload, of `len` bytes, `append` writes in place.
    pub(super) fn push_frame_of(&mut self, header: RawHeader, len: usize, append: impl FnOnce(&mut Vec<u8>)) {
        let out = self.piece(len + bowsprit::frame::MAX_HEADER);
        header.encode_into(out);
        let start = out.len();
        append(out);
        if let Some(key) = header.mask {
            key.apply(&mut out[start..]);
        }
        self.mask = header.mask.map(|key| (key, len));
    }

    /// Adds more payload to the frame pushed last.
    pub(super) fn push_part(&mut self, payload: &[u8]) {
        let mut bytes = payload.to_vec();
        if let Some((key, masked)) = &mut self.mask {
            key.rotated(*masked).apply(&mut bytes);
            *masked += payload.len();
        }
        self.push(&bytes);
    }

    /// Returns the bytes of the next write.
    pub(super) fn next(&self) -> Option<&[u8]> {
        let piece = self.pieces.front()?;
        let end = (piece.at / piece.cut + 1).saturating_mul(piece.cut).min(piece.bytes.len());
        Some(&piece.bytes[piece.at..end])
    }

    /// Returns whether everything is written.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Records that this many bytes were written. Returns whether to pause before the next write.
    pub(super) fn advance(&mut self, bytes: usize) -> bool {
        let Some(piece) = self.pieces.front_mut() else { return false };
        piece.at += bytes;
        let (breathes, whole) = (piece.breathes, piece.at >= piece.bytes.len());
        if whole {
            self.pieces.pop_front();
        }
        breathes && !self.pieces.is_empty()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }

    /// Returns the piece to append to.
    fn piece(&mut self, room: usize) -> &mut Vec<u8> {
        let cut = match self.pace {
            Pace::Bytes(cut) => cut.max(1),
            Pace::Whole | Pace::PerFrame => usize::MAX,
        };
        // Larger cuts test how bytes are split; these test what the peer does before the next bytes come.
        let breathes = matches!(self.pace, Pace::PerFrame | Pace::Bytes(..=1));
        let joins = self.pace != Pace::PerFrame
            && self.pieces.back().is_some_and(|last| last.cut == cut && last.breathes == breathes);
        if !joins {
            self.pieces.push_back(Piece { bytes: Vec::with_capacity(room), at: 0, cut, breathes });
        }
        let last = self.pieces.len() - 1;
        &mut self.pieces[last].bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(outbox: &mut Outbox) -> Vec<Vec<u8>> {
        let mut writes = Vec::new();
        while let Some(next) = outbox.next() {
            writes.push(next.to_vec());
            let len = next.len();
            outbox.advance(len);
        }
        writes
    }

    #[test]
    fn each_pace_has_its_cuts() {
        let mut outbox = Outbox::default();
        outbox.push(b"ab");
        outbox.push(b"cd");
        outbox.pace(Pace::Bytes(2));
        outbox.push(b"efg");
        outbox.push(b"h");
        assert_eq!(writes(&mut outbox), [&b"abcd"[..], b"ef", b"gh"]);
        outbox.pace(Pace::PerFrame);
        outbox.push_frame(RawHeader::PING, b"");
        outbox.push_frame(RawHeader::PONG, b"");
        assert_eq!(writes(&mut outbox), [&b"\x89\x00"[..], b"\x8a\x00"]);
    }

    #[test]
    fn a_breath_is_taken_between_frames_and_between_bytes() {
        let mut outbox = Outbox::default();
        outbox.push(b"ab");
        outbox.pace(Pace::Bytes(1));
        outbox.push(b"cd");
        outbox.pace(Pace::PerFrame);
        outbox.push_frame(RawHeader::PING, b"");
        outbox.push_frame(RawHeader::PING, b"");
        let breaths: Vec<bool> = [2, 1, 1, 2, 2].map(|bytes| outbox.advance(bytes)).into();
        assert_eq!(breaths, [false, true, true, true, false]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_short_write_goes_on_where_it_stopped() {
        let mut outbox = Outbox::default();
        outbox.pace(Pace::Bytes(4));
        outbox.push(b"abcdef");
        outbox.advance(1);
        assert_eq!(outbox.next(), Some(&b"bcd"[..]));
    }
}
