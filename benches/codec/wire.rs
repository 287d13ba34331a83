//! Frames to read, as clients send them.

use bowsprit::frame::{DataKind, MaskKey, RawHeader};

/// How many bytes of frames are read in one pass: a read does not bring more than the second-level cache of most
/// machines holds.
const PASS: usize = 128 * 1024;

/// Returns how many frames with `size` bytes of payload make one pass.
pub(crate) fn frames_in_a_pass(size: usize) -> usize {
    (PASS / (size + 8)).clamp(1, 4096)
}

/// Returns that many frames. If `key` is zero, the payload stays the same when it is unmasked repeatedly.
pub(crate) fn frames(kind: DataKind, payload: &[u8], key: MaskKey) -> Vec<u8> {
    let header = RawHeader::of(kind.opcode()).with_length(payload.len() as u64).with_mask(key);
    let mut masked = payload.to_vec();
    key.apply(&mut masked);
    let mut wire = Vec::new();
    for _ in 0..frames_in_a_pass(payload.len()) {
        header.encode_into(&mut wire);
        wire.extend_from_slice(&masked);
    }
    wire
}

/// The masking key of RFC 6455 §5.7.
pub(crate) const KEY: MaskKey = MaskKey([0x37, 0xfa, 0x21, 0x3d]);

/// A key that changes nothing and costs as much as any key.
pub(crate) const ZERO: MaskKey = MaskKey([0; 4]);

/// Returns text of about `size` bytes that ends with a whole character.
pub(crate) fn text(pattern: &str, size: usize) -> String {
    let mut text = String::with_capacity(size + pattern.len());
    while text.len() < size {
        text.push_str(pattern);
    }
    while text.len() > size {
        text.pop();
    }
    text
}

pub(crate) const ASCII: &str = "the quick brown fox jumps over the lazy dog. ";
pub(crate) const CYRILLIC: &str = "широкая электрификация южных губерний ";
pub(crate) const CJK_AND_EMOJI: &str = "日本語テキスト😀漢字";
