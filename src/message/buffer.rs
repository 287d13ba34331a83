//! The buffer in which a message grows that did not arrive whole.

use alloc::vec::Vec;

/// The bytes so far, and room that is initialised once and then read into again and again.
///
/// Grows with what arrives, never with what a header promises. For `n` bytes that have arrived it takes no more memory
/// than [`fair`](Self::fair) returns, including the room that it has offered. A buffer that was used before may have
/// more.
#[derive(Debug, Default)]
pub struct MessageBuffer {
    /// All of it is initialised; the message lies between `start` and `filled`.
    bytes: Vec<u8>,
    start: usize,
    filled: usize,
}

impl MessageBuffer {
    /// The least room that a read is offered once this much has arrived; before that, a read is offered
    /// [`LESS`](Self::LESS) times what has arrived.
    pub const MIN_ROOM: usize = 64 * 1024;

    /// See [`MIN_ROOM`](Self::MIN_ROOM).
    pub const LESS: usize = 7;

    /// How much room is initialised at a time. The system provides memory page by page on the first write, which for a
    /// whole long message would take milliseconds at once.
    const READY: usize = 256 * 1024;

    /// The room offered before anything has arrived.
    const FIRST_ROOM: usize = 128;

    /// Returns the most memory that may be held for a message of which `len` bytes have arrived. For a short message
    /// this is eight times as much and a few bytes; for a long one, up to 64 KiB more than twice as much.
    pub const fn fair(len: usize) -> usize {
        len.saturating_add(Self::step(len)).saturating_add(Self::FIRST_ROOM)
    }

    /// Returns how much room is added to `len` bytes.
    const fn step(len: usize) -> usize {
        if len >= Self::MIN_ROOM {
            return len; // doubles what is there
        }
        let step = Self::LESS * len;
        if step < Self::FIRST_ROOM {
            Self::FIRST_ROOM
        } else if step > Self::MIN_ROOM {
            Self::MIN_ROOM
        } else {
            step
        }
    }

    /// Creates a buffer without room.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, filled: 0 }
    }

    /// Returns what has arrived.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.filled]
    }

    /// Returns how many bytes have arrived.
    #[inline]
    pub const fn len(&self) -> usize {
        self.filled - self.start
    }

    /// Returns whether nothing has arrived.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.filled == self.start
    }

    /// Returns how many bytes of memory are held.
    #[inline]
    pub const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.start = 0;
        self.filled = 0;
    }

    /// Appends bytes that arrived elsewhere, and returns the copy to be modified.
    pub fn extend(&mut self, bytes: &[u8]) -> &mut [u8] {
        if self.is_empty() {
            // This aligns what is read after these bytes for the system's copy (benches/NOTES.md, "align").
            self.start = bytes.len().next_multiple_of(ALIGN) - bytes.len();
            self.filled = self.start;
            self.bytes.resize(self.bytes.len().max(self.start), 0);
        }
        let initialised = self.bytes.len() - self.filled;
        let overlap = initialised.min(bytes.len());
        self.bytes[self.filled..self.filled + overlap].copy_from_slice(&bytes[..overlap]);
        self.bytes.extend_from_slice(&bytes[overlap..]);
        let start = self.filled;
        self.filled += bytes.len();
        &mut self.bytes[start..self.filled]
    }

    /// Returns room to read into: at most `wanted` bytes, and never empty unless `wanted` is 0. The buffer grows to
    /// twice what has arrived, though not all of that is offered at once.
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        let free = self.bytes.len() - self.filled;
        let step = Self::step(self.len());
        if free == 0 || free < wanted.min(step).min(Self::MIN_ROOM) {
            let grown = self.filled + wanted.min(step);
            let ready = self.filled + wanted.min(step).min(Self::READY);
            if self.bytes.capacity() < ready {
                // A vector that grew by its own rule would hold twice as much.
                self.bytes.reserve_exact(grown - self.bytes.len());
            }
            self.bytes.resize(ready, 0);
        }
        let end = self.bytes.len().min(self.filled.saturating_add(wanted));
        &mut self.bytes[self.filled..end]
    }

    /// Returns the room that is left, or [`room`](Self::room) if none is.
    pub fn spare(&mut self, wanted: usize) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            return self.room(wanted);
        }
        let end = self.bytes.len().min(self.filled.saturating_add(wanted));
        &mut self.bytes[self.filled..end]
    }

    /// Returns whether it has more memory than is [fair](Self::fair) for its content, as a reused buffer may.
    #[inline]
    pub const fn is_oversized(&self) -> bool {
        self.capacity() > Self::fair(self.filled)
    }

    /// Returns a copy with no more memory than the bytes need.
    pub fn fitted(&self) -> Self {
        let mut fitted = Self { bytes: Vec::with_capacity(self.len() + ALIGN), start: 0, filled: 0 };
        fitted.extend(self.as_slice());
        fitted
    }

    /// Counts `len` bytes of the room as arrived and returns them to be modified.
    pub fn advance(&mut self, len: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled = start.saturating_add(len).min(self.bytes.len());
        &mut self.bytes[start..self.filled]
    }
}

/// Allocators align large blocks to multiples of this.
const ALIGN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_first_bytes_is_aligned() {
        let mut buffer = MessageBuffer::new();
        for len in [1, 14, 15, 16, 17, 65_522] {
            buffer.clear();
            buffer.extend(&vec![7; len]);
            assert_eq!((buffer.len(), buffer.as_slice().len(), buffer.filled % ALIGN), (len, len, 0));
        }
    }

    #[test]
    fn room_follows_what_arrived() {
        let mut buffer = MessageBuffer::new();
        for offered in [128, 896, 7 * 1024, 56 * 1024, MessageBuffer::MIN_ROOM, 2 * MessageBuffer::MIN_ROOM] {
            assert_eq!(buffer.room(usize::MAX).len(), offered);
            buffer.advance(offered);
            assert!(!buffer.is_oversized());
        }
        buffer.extend(&[7; 10]);
        assert!(buffer.len() > MessageBuffer::READY);
        assert_eq!(buffer.room(usize::MAX).len(), MessageBuffer::READY);
        assert_eq!(buffer.room(3).len(), 3);
        buffer.clear();
        buffer.extend(b"abc");
        assert_eq!(buffer.as_slice(), b"abc");
        buffer.room(2).copy_from_slice(b"de");
        assert_eq!(buffer.advance(2), b"de");
        buffer.extend(&[b'x'; 200_000]);
        assert_eq!(&buffer.as_slice()[..7], b"abcdexx");
    }

    #[test]
    fn memory_is_fair_to_what_arrived() {
        for step in [1, 5, 16, 100, 4096, 70_000] {
            let mut buffer = MessageBuffer::new();
            while buffer.len() < 500_000 {
                if buffer.len().is_multiple_of(2) {
                    buffer.extend(&vec![7; step]);
                } else {
                    let len = buffer.room(1 << 20).len().min(step);
                    buffer.advance(len);
                }
                let (len, capacity) = (buffer.len(), buffer.capacity());
                assert!(capacity <= MessageBuffer::fair(len), "{capacity} for {len}");
                assert!(capacity <= 8 * len + 256 && (len < 65_536 || capacity <= 4 * len));
            }
            buffer.clear();
            buffer.extend(b"short");
            assert!(buffer.is_oversized());
            let fitted = buffer.fitted();
            assert_eq!(fitted.as_slice(), b"short");
            assert!(fitted.capacity() <= 32);
        }
    }
}
