//! The position in the stream that we write: between two frames, or inside a frame whose rest must come first.

use bowsprit::frame::{Parsed, RawHeader};

/// Follows the written bytes, frame by frame.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    /// The first bytes of an incomplete header.
    header: Vec<u8>,
    /// How many bytes of payload are missing from the frame.
    owed: u64,
}

impl Boundary {
    /// Returns whether a frame has begun and is not complete.
    pub(super) fn is_inside(&self) -> bool {
        self.owed > 0 || !self.header.is_empty()
    }

    /// Records a frame of ours that declares a length and the number of its payload bytes that were written.
    pub(super) fn frame(&mut self, declared: u64, written: usize) {
        if !self.is_inside() {
            self.owed = declared.saturating_sub(written as u64);
        }
    }

    /// Records bytes of ours that may be anything.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.owed > 0 {
                let of_payload = self.owed.min(bytes.len() as u64);
                self.owed -= of_payload;
                // The cast keeps the value, which is at most the length of a slice.
                bytes = &bytes[of_payload as usize..];
                continue;
            }
            self.header.push(*first);
            bytes = rest;
            if let Parsed::Done(header, _) = RawHeader::parse(&self.header) {
                self.owed = header.length;
                self.header.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_pieces_are_followed_to_their_end() {
        let mut boundary = Boundary::default();
        boundary.frame(5, 2);
        assert!(boundary.is_inside());
        boundary.pass(b"llo");
        assert!(!boundary.is_inside());
        for (at, inside) in [(b"\x81", true), (b"\x82", true), (b"\0", true), (b"\0", true), (b"\0", true)] {
            boundary.pass(at);
            assert_eq!(boundary.is_inside(), inside);
        }
        // The last byte of the masking key, the payload, and the first byte of the next header.
        boundary.pass(b"\0ab\x81");
        assert!(boundary.is_inside());
        boundary.pass(b"\0");
        assert!(!boundary.is_inside());
        boundary.frame(1 << 40, 0);
        boundary.pass(&[0; 4096]);
        assert!(boundary.is_inside());
    }
}
