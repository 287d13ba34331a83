//! Appending whole frames, header and payload in one go.

#[cfg(any(feature = "event-loop", test))]
use alloc::boxed::Box;

use super::{Segment, SendQueue};
use crate::frame::{MAX_HEADER, MaskKey};
#[cfg(any(feature = "event-loop", test))]
use crate::message::MessageBuffer;

/// A multiple of four, so that the key is the same for each piece.
const MASKED_AT_ONCE: usize = 8 * 1024;

impl SendQueue {
    /// Appends a frame: the first `used` bytes of `header`, and a payload as [`push_payload`](Self::push_payload)
    /// does.
    #[inline]
    pub(crate) fn push_frame(&mut self, header: &[u8; MAX_HEADER], used: usize, payload: &[u8]) {
        // Appending a fixed length takes two moves; appending a few bytes would be a call.
        let start = self.copied.len();
        self.copied.extend_from_slice(header);
        self.copied.truncate(start + used);
        if payload.len() < Self::LEND_FROM {
            self.copied.extend_from_slice(payload);
            self.count_copied(used + payload.len());
        } else {
            self.count_copied(used);
            self.push_payload(payload);
        }
    }

    /// Appends a frame without a mask that is shorter than [`LEND_FROM`](Self::LEND_FROM), from its first byte and its
    /// payload.
    // If this is inlined, the copies in it become calls.
    #[inline(never)]
    pub(crate) fn push_short_frame(&mut self, first: u8, payload: &[u8]) {
        debug_assert!(payload.len() < Self::LEND_FROM);
        let [high, low] = (payload.len() as u16).to_be_bytes();
        self.copied.reserve(4 + payload.len());
        let used = if payload.len() <= 125 {
            self.copied.extend_from_slice(&[first, low]);
            2
        } else {
            self.copied.extend_from_slice(&[first, 126, high, low]);
            4
        };
        self.copied.extend_from_slice(payload);
        self.count_copied(used + payload.len());
    }

    /// Appends a masked frame whose header has no extended length or a 16-bit one, from its first byte, its key and its
    /// payload, of which it masks a copy.
    #[inline]
    pub(crate) fn push_short_masked_frame(&mut self, first: u8, key: MaskKey, payload: &[u8]) {
        debug_assert!(payload.len() < Self::LEND_FROM);
        let len = payload.len() as u16;
        let ([high, low], [a, b, c, d]) = (len.to_be_bytes(), key.0);
        let (header, used) = if len <= 125 {
            ([first, 0x80 | low, a, b, c, d, 0, 0], 6)
        } else {
            ([first, 0x80 | 126, high, low, a, b, c, d], 8)
        };
        self.copied.reserve(header.len() + payload.len());
        let start = self.copied.len();
        self.copied.extend_from_slice(&header);
        self.copied.truncate(start + used);
        self.copied.extend_from_slice(payload);
        key.apply(&mut self.copied[start + used..]);
        self.count_copied(used + payload.len());
    }

    /// Appends a masked frame: the first `used` bytes of `header`, and a masked copy of the payload. The copy goes to a
    /// buffer of its own if one was [lent](Self::lend_buffer).
    #[inline]
    pub(crate) fn push_masked_frame(
        &mut self,
        header: &[u8; MAX_HEADER],
        used: usize,
        key: MaskKey,
        payload: &[u8],
    ) {
        if let Some(mut buffer) = self.spent.take() {
            self.push(&header[..used]);
            buffer.clear();
            for piece in payload.chunks(MASKED_AT_ONCE) {
                key.apply(buffer.extend(piece));
            }
            let segment = Segment::Message { buffer, place: 0..payload.len() };
            self.owned += segment.memory();
            return self.push_segment(segment, payload.len());
        }
        self.copied.reserve(header.len() + payload.len());
        let start = self.copied.len();
        self.copied.extend_from_slice(header);
        self.copied.truncate(start + used);
        // Each piece is masked while it is in the nearest cache.
        for piece in payload.chunks(MASKED_AT_ONCE) {
            let start = self.copied.len();
            self.copied.extend_from_slice(piece);
            key.apply(&mut self.copied[start..]);
        }
        self.count_copied(used + payload.len());
    }

    /// Lends a buffer for the next long payload that is masked. It can be [taken back](Self::take_spent) unused, or
    /// once that payload is written.
    #[cfg(any(feature = "event-loop", test))]
    pub(crate) fn lend_buffer(&mut self, buffer: Box<MessageBuffer>) {
        self.spent = Some(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::RawHeader;

    #[test]
    fn a_long_payload_is_masked_as_a_whole() {
        let key = MaskKey([1, 2, 3, 4]);
        for len in [0, 7, MASKED_AT_ONCE, 2 * MASKED_AT_ONCE + 3] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
            let mut masked = payload.clone();
            key.apply_naive(&mut masked);
            let mut queue = SendQueue::default();
            queue.push_masked_frame(&[9; MAX_HEADER], 6, key, &payload);
            let expected = [&[9; 6][..], &masked].concat();
            assert!(queue.front() == expected, "{len} bytes");
            queue.advance(expected.len());
            if len >= SendQueue::LEND_FROM {
                queue.lend_buffer(Box::default());
                queue.push_masked_frame(&[9; MAX_HEADER], 6, key, &payload);
                assert!(
                    super::super::tests::content(&queue, &[]) == expected,
                    "{len} bytes in a buffer of their own"
                );
                assert!(queue.take_spent().is_none() && queue.capacity() >= len);
                queue.advance(expected.len());
                assert!(queue.take_spent().is_some());
            }
        }
    }

    #[test]
    fn a_short_masked_frame_is_the_one_that_any_header_makes() {
        let key = MaskKey([1, 2, 3, 4]);
        for len in [0, 1, 125, 126, 127, 255, 256, SendQueue::LEND_FROM - 1] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
            let mut expected = Vec::new();
            let header = RawHeader { rsv1: true, ..RawHeader::TEXT }.with_length(len as u64);
            header.with_mask(key).encode_into(&mut expected);
            let start = expected.len();
            expected.extend_from_slice(&payload);
            key.apply_naive(&mut expected[start..]);
            let mut queue = SendQueue::default();
            queue.push_short_masked_frame(header.first_byte(), key, &payload);
            assert!(queue.front() == expected && queue.len() == expected.len(), "{len} bytes");
        }
    }
}
