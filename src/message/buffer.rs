//! Where a message grows that did not arrive whole.

/// Bytes so far, and room that is initialised once and then read into again and again.
///
/// Grows with what arrives, never with what a header promises: holds memory for at most twice what is there, or twice
/// [`MIN_ROOM`](Self::MIN_ROOM) once it has offered room.
#[derive(Debug, Default)]
pub struct MessageBuffer {
    /// All of it initialised; the message is what lies between `start` and `filled`.
    bytes: Vec<u8>,
    start: usize,
    filled: usize,
}

impl MessageBuffer {
    /// The least that a read is offered.
    pub const MIN_ROOM: usize = 64 * 1024;

    /// Without room.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, filled: 0 }
    }

    /// What has arrived.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.filled]
    }

    /// Bytes that have arrived.
    #[inline]
    pub const fn len(&self) -> usize {
        self.filled - self.start
    }

    /// Whether nothing has arrived.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.filled == self.start
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.start = 0;
        self.filled = 0;
    }

    /// Appends bytes that arrived elsewhere.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.is_empty() {
            // What is read behind these bytes lies well for the system to copy to (benches/NOTES.md, "align").
            self.start = bytes.len().next_multiple_of(ALIGN) - bytes.len();
            self.filled = self.start;
            self.bytes.resize(self.bytes.len().max(self.start), 0);
        }
        let initialised = self.bytes.len() - self.filled;
        let overlap = initialised.min(bytes.len());
        self.bytes[self.filled..self.filled + overlap].copy_from_slice(&bytes[..overlap]);
        self.bytes.extend_from_slice(&bytes[overlap..]);
        self.filled += bytes.len();
    }

    /// Room to read into, not more than `wanted` bytes and never empty where `wanted` is not 0.
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        let free = self.bytes.len() - self.filled;
        if free == 0 || free < wanted.min(Self::MIN_ROOM) {
            let grown = self.filled + wanted.min(self.len().max(Self::MIN_ROOM));
            if self.len() >= Self::MIN_ROOM {
                // Twice what is there already: a vector that doubled again would hold four times as much.
                self.bytes.reserve_exact(grown - self.bytes.len());
            }
            self.bytes.resize(grown, 0);
        }
        let end = self.bytes.len().min(self.filled.saturating_add(wanted));
        &mut self.bytes[self.filled..end]
    }

    /// Room to write into that is there already, or [`room`](Self::room) where there is none.
    pub fn spare(&mut self, wanted: usize) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            return self.room(wanted);
        }
        let end = self.bytes.len().min(self.filled.saturating_add(wanted));
        &mut self.bytes[self.filled..end]
    }

    /// Counts `len` bytes of the room as arrived and gives them for a last touch.
    pub fn advance(&mut self, len: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled = start.saturating_add(len).min(self.bytes.len());
        &mut self.bytes[start..self.filled]
    }
}

/// Bytes to whose multiples an allocator puts what is large.
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
        assert_eq!(buffer.room(usize::MAX).len(), MessageBuffer::MIN_ROOM);
        buffer.advance(MessageBuffer::MIN_ROOM);
        buffer.extend(&[7; 10]);
        let held = buffer.len();
        assert_eq!(buffer.room(usize::MAX).len(), held);
        assert_eq!(buffer.room(3).len(), 3);
        buffer.clear();
        buffer.extend(b"abc");
        assert_eq!(buffer.as_slice(), b"abc");
        buffer.room(2).copy_from_slice(b"de");
        assert_eq!(buffer.advance(2), b"de");
        buffer.extend(&[b'x'; 200_000]);
        assert_eq!(&buffer.as_slice()[..7], b"abcdexx");
    }
}
