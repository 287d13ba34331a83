//! The masking key and its application (RFC 6455 §5.3).
//!
//! In: a key and a buffer. Out: the same buffer, each byte exclusive-ored with the key byte at its
//! position modulo four. Masking and unmasking are the same operation. Promises: any length, any alignment,
//! any starting offset, in place or towards the start of the buffer, no allocation.
//!
//! One loop does the work; where the CPU has AVX2, a copy of the loop compiled for AVX2 runs. The byte-by-byte
//! definition of the RFC stays as [`MaskKey::apply_naive`], the oracle of tests and fuzzers. Under
//! `--cfg bowsprit_no_simd` the crate is compiled without the AVX2 path.

/// A 32-bit masking key, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct MaskKey(pub [u8; 4]);

impl MaskKey {
    /// Masks or unmasks `buf`, whose first byte is at position 0 of the payload.
    ///
    /// ```
    /// use bowsprit::frame::MaskKey;
    ///
    /// // RFC 6455 §5.7: a masked "Hello".
    /// let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    /// MaskKey([0x37, 0xfa, 0x21, 0x3d]).apply(&mut payload);
    /// assert_eq!(&payload, b"Hello");
    /// ```
    #[inline]
    pub fn apply(self, buf: &mut [u8]) {
        if buf.len() < AVX2_FROM {
            pieces(self, buf);
        } else {
            long(self, buf, 0);
        }
    }

    /// Masks or unmasks what follows the first `distance` bytes of `buf`, and moves it to the start. This takes one
    /// pass over the bytes; a move and [`apply`](Self::apply) would take two.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than `distance`.
    #[inline]
    #[cfg(any(feature = "event-loop", test))]
    pub(crate) fn apply_moving(self, buf: &mut [u8], distance: usize) {
        let len = buf.len() - distance;
        if len < AVX2_FROM {
            buf.copy_within(distance.., 0);
            pieces(self, &mut buf[..len]);
        } else {
            long(self, buf, distance);
        }
    }

    /// Returns the key as it stands `offset` bytes into the payload, to apply to a chunk that starts there.
    #[inline]
    #[must_use]
    pub const fn rotated(self, offset: usize) -> Self {
        // Only offset modulo four matters, and the cast keeps that.
        Self(u32::from_le_bytes(self.0).rotate_right((offset as u32 & 3) * 8).to_le_bytes())
    }

    /// Applies the definition of §5.3, one byte at a time.
    pub fn apply_naive(self, buf: &mut [u8]) {
        for (i, byte) in buf.iter_mut().enumerate() {
            *byte ^= self.0[i % 4];
        }
    }

    /// Returns the key twice, as a word whose memory order is that of the wire.
    #[inline(always)]
    const fn word(self) -> u64 {
        let half = u32::from_ne_bytes(self.0) as u64;
        half | half << 32
    }
}

/// Below this length the wider registers do not pay for the check whether the CPU has them.
const AVX2_FROM: usize = 128;

#[inline(never)]
fn long(key: MaskKey, buf: &mut [u8], distance: usize) {
    #[cfg(all(feature = "std", target_arch = "x86_64", not(bowsprit_no_simd)))]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn avx2(key: MaskKey, buf: &mut [u8], distance: usize) {
            blocks(key, buf, distance);
        }
        #[allow(unsafe_code)]
        // SAFETY: the condition above saw this CPU report AVX2. It pays: see benches/NOTES.md, "mask".
        return unsafe { avx2(key, buf, distance) };
    }
    blocks(key, buf, distance);
}

#[inline(always)]
fn blocks(key: MaskKey, buf: &mut [u8], distance: usize) {
    if distance == 0 { blocks_in_place(key, buf) } else { blocks_moving(key, buf, distance) }
}

/// Masks in whole blocks of 128 bytes, which the compiler turns into the widest registers of the target.
#[inline(always)]
fn blocks_in_place(key: MaskKey, buf: &mut [u8]) {
    let (whole, rest) = buf.as_chunks_mut::<128>();
    for block in whole {
        *block = xor_all(*block, key);
    }
    pieces(key, rest);
}

/// Masks in whole blocks, and writes each block `distance` bytes before where it was read. The last bytes are read
/// first, since a block may overwrite them.
#[inline(always)]
fn blocks_moving(key: MaskKey, buf: &mut [u8], distance: usize) {
    let Some(&last) = buf.last_chunk::<16>() else { return };
    let end = buf.len() - distance;
    let mut rest = &mut *buf;
    while let Some(window) = rest.get_mut(..distance + 128) {
        let Some(&block) = window.last_chunk::<128>() else { return };
        window[..128].copy_from_slice(&xor_all(block, key));
        rest = &mut rest[128..];
    }
    while let Some(window) = rest.get_mut(..distance + 16) {
        let Some(&piece) = window.last_chunk() else { return };
        window[..16].copy_from_slice(&xor(piece, key));
        rest = &mut rest[16..];
    }
    buf[end - 16..end].copy_from_slice(&xor(last, key.rotated(end)));
}

#[inline(always)]
fn xor_all<const N: usize>(mut bytes: [u8; N], key: MaskKey) -> [u8; N] {
    let word = key.word();
    for chunk in bytes.as_chunks_mut::<8>().0 {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    bytes
}

/// Masks in pieces of sixteen bytes. The rest is done as the last sixteen bytes of the buffer, as they were before:
/// where they overlap finished bytes, the same value is written again. (Reading them afterwards would wait for the
/// writes before.)
#[inline(always)]
fn pieces(key: MaskKey, buf: &mut [u8]) {
    let Some(&last) = buf.last_chunk::<16>() else { return short(key, buf) };
    let end = buf.len() - 16;
    for piece in buf.as_chunks_mut::<16>().0 {
        *piece = xor(*piece, key);
    }
    if let Some(piece) = buf.last_chunk_mut::<16>() {
        *piece = xor(last, key.rotated(end));
    }
}

#[inline(always)]
fn xor(bytes: [u8; 16], key: MaskKey) -> [u8; 16] {
    let word = u128::from(key.word());
    (u128::from_ne_bytes(bytes) ^ (word | word << 64)).to_ne_bytes()
}

/// Masks fewer than sixteen bytes in the same overlapping manner as [`pieces`].
#[inline(always)]
fn short(key: MaskKey, buf: &mut [u8]) {
    if let (Some(&first), Some(&last)) = (buf.first_chunk::<8>(), buf.last_chunk::<8>()) {
        let end = buf.len() - 8;
        let word = |bytes, key: MaskKey| (u64::from_ne_bytes(bytes) ^ key.word()).to_ne_bytes();
        buf[..8].copy_from_slice(&word(first, key));
        buf[end..].copy_from_slice(&word(last, key.rotated(end)));
    } else {
        buf.iter_mut().zip(key.word().to_ne_bytes()).for_each(|(byte, key)| *byte ^= key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Miri is slow, so it runs only a part of long loops.
    const STEP: usize = if cfg!(miri) { 29 } else { 1 };

    /// Every length to 300 at every alignment to 64 and every rotation of the key.
    #[test]
    fn agrees_with_the_definition() {
        let key = MaskKey([0x37, 0xfa, 0x21, 0x3d]);
        let plain: Vec<u8> = (0..400u32).map(|i| (i * 31 % 251) as u8).collect();
        for len in (0..=300).step_by(STEP) {
            for start in (0..64).step_by(STEP) {
                for offset in 0..4 {
                    let mut fast = plain.clone();
                    let mut slow = plain.clone();
                    key.rotated(offset).apply(&mut fast[start..start + len]);
                    key.rotated(offset).apply_naive(&mut slow[start..start + len]);
                    assert!(fast == slow, "length {len}, alignment {start}, offset {offset}");
                }
            }
        }
    }

    #[test]
    fn every_path_agrees_with_the_definition() {
        let key = MaskKey([1, 2, 4, 8]);
        for len in [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 127, 128, 129, 1000, 65_537] {
            if cfg!(miri) && len > 1000 {
                continue;
            }
            let mut expected = vec![0xa5; len];
            key.apply_naive(&mut expected);
            let wide = |key, buf: &mut [u8]| long(key, buf, 0);
            for path in [pieces, blocks_in_place, wide] {
                let mut buf = vec![0xa5; len];
                path(key, &mut buf);
                assert!(buf == expected, "length {len}");
            }
        }
    }

    /// What lies before the place that it is moved from, and after its end, is unchanged.
    #[test]
    fn what_is_moved_on_the_way_is_the_same() {
        let key = MaskKey([0x37, 0xfa, 0x21, 0x3d]);
        let masked: Vec<u8> = (0..1200u32).map(|i| (i * 31 % 251) as u8).collect();
        for len in (0..=300).step_by(STEP).chain([511, 512, 1000]) {
            let mut expected = masked[200..200 + len].to_vec();
            key.apply_naive(&mut expected);
            for distance in [0, 1, 3, 4, 8, 15, 16, 17, 60, 127, 128, 129, 200] {
                let mut buf = masked.clone();
                key.apply_moving(&mut buf[200 - distance..200 + len], distance);
                let to = 200 - distance;
                assert!(buf[to..to + len] == expected, "length {len}, moved by {distance}");
                assert!(buf[..to] == masked[..to] && buf[200 + len..] == masked[200 + len..]);
            }
        }
    }

    #[test]
    fn a_chunk_continues_where_the_last_one_ended() {
        let key = MaskKey([9, 8, 7, 6]);
        let mut whole: Vec<u8> = (0..=255).collect();
        let mut parts = whole.clone();
        key.apply(&mut whole);
        for cut in (0..=255).step_by(STEP) {
            let mut parts = parts.clone();
            let (a, b) = parts.split_at_mut(cut);
            key.apply(a);
            key.rotated(cut).apply(b);
            assert_eq!(parts, whole, "cut at {cut}");
        }
        key.apply(&mut parts);
        assert_eq!(parts, whole);
    }

    #[test]
    fn offsets_beyond_four_gibibytes_rotate_right() {
        let key = MaskKey([1, 2, 3, 4]);
        assert_eq!(key.rotated(usize::MAX), key.rotated(3));
        assert_eq!(key.rotated(3), MaskKey([4, 1, 2, 3]));
    }
}
