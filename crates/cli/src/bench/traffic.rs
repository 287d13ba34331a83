//! What is sent: one payload, in frames that are masked and encoded before the run.

use std::ops::Range;

use bowsprit::entropy::{Entropy as _, SystemEntropy};
use bowsprit::frame::{DataKind, RawHeader};
use clap::ValueEnum;

/// What the text consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Script {
    Ascii,
    Cyrillic,
}

/// Frames one behind the other, each with the same payload under a key of its own.
///
/// They are sent again and again, which reuses keys: §5.3 wants fresh ones against pages in a browser that attack
/// proxies with payload of their choice. Nobody chooses this payload, and the server cannot tell.
pub(super) struct Traffic {
    pub(super) kind: DataKind,
    pub(super) payload: Vec<u8>,
    pub(super) sample: u32,
    bytes: Vec<u8>,
    frame: usize,
    frames: usize,
}

/// The most bytes of encoded frames, unless a single one is longer: what is written again and again stays in the cache.
const RING: usize = 2 << 20;

/// More distinct keys add nothing.
const FRAMES: usize = 1024;

/// The longest message, so that it and its frame fit into memory together.
const LONGEST: usize = 1 << 30;

impl Traffic {
    pub(super) fn new(
        kind: DataKind,
        script: Script,
        size: usize,
        in_flight: u32,
        sample: u32,
    ) -> Result<Self, &'static str> {
        if size > LONGEST {
            return Err("--size is at most 1G");
        }
        let payload = match kind {
            DataKind::Binary => (0..size).map(|at| (at % 251) as u8).collect(),
            DataKind::Text => text(script, size),
        };
        // Twice what is in flight, so that a run of messages can start at half of them without a seam.
        let wanted = (2 * in_flight as usize).clamp(16, FRAMES);
        let frames = wanted.min(RING / (size + 14)).max(1);
        let header = RawHeader::of(kind.opcode()).with_length(size as u64);
        let mut keys = SystemEntropy::new();
        let mut bytes = Vec::with_capacity(frames * (size + 14));
        for _ in 0..frames {
            let key = keys.mask_key().map_err(|_| "the system has no entropy")?;
            header.with_mask(key).encode_into(&mut bytes);
            let start = bytes.len();
            bytes.extend_from_slice(&payload);
            key.apply(&mut bytes[start..]);
        }
        let frame = bytes.len() / frames;
        Ok(Self { kind, payload, sample, bytes, frame, frames })
    }

    /// Where up to `count` frames lie in one piece, from number `next` on; how many they are.
    pub(super) fn run(&self, next: usize, count: usize) -> (Range<usize>, usize) {
        let first = next % self.frames;
        let count = count.min(self.frames - first);
        (first * self.frame..(first + count) * self.frame, count)
    }

    /// Encoded bytes.
    pub(super) fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.bytes[place]
    }
}

/// Exactly `size` bytes of text.
fn text(script: Script, size: usize) -> Vec<u8> {
    let pattern = match script {
        Script::Ascii => "The quick brown fox jumps over the lazy dog. ",
        Script::Cyrillic => "Съешь ещё этих мягких французских булок, да выпей чаю. ",
    };
    let mut text = Vec::with_capacity(size);
    for character in pattern.chars().cycle() {
        if text.len() + character.len_utf8() > size {
            break;
        }
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    text.resize(size, b'.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bowsprit::Role;
    use bowsprit::frame::{FrameDecoder, Part, Rules};

    #[test]
    fn every_frame_of_the_ring_carries_the_payload() {
        for (kind, script, size) in [
            (DataKind::Binary, Script::Ascii, 0),
            (DataKind::Binary, Script::Ascii, 70_000),
            (DataKind::Text, Script::Ascii, 126),
            (DataKind::Text, Script::Cyrillic, 1001),
        ] {
            let mut traffic = Traffic::new(kind, script, size, 3, 1).unwrap();
            assert_eq!(traffic.payload.len(), size);
            assert!(kind == DataKind::Binary || std::str::from_utf8(&traffic.payload).is_ok());
            let rules = Rules { role: Role::Server, compression: false, max_frame: 1 << 20 };
            let mut input = &mut traffic.bytes[..];
            let mut decoder = FrameDecoder::new();
            let mut frames = 0;
            while let Some(part) = decoder.next(&mut input, &rules).unwrap() {
                if let Part::Payload { chunk, last } = part {
                    assert!(chunk == traffic.payload && last);
                    frames += 1;
                }
            }
            assert_eq!(frames, traffic.frames);
        }
    }

    #[test]
    fn a_run_ends_at_the_seam() {
        let traffic = Traffic::new(DataKind::Binary, Script::Ascii, 10, 8, 1).unwrap();
        assert_eq!(traffic.frames, 16);
        let (place, count) = traffic.run(14, 8);
        assert_eq!((place.end, count), (traffic.bytes.len(), 2));
        let (place, count) = traffic.run(16, 8);
        assert_eq!((place.start, count), (0, 8));
    }
}
