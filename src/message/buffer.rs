//! Where a message grows that did not arrive whole.

/// Octets so far, and room that is initialised once and then read into again and again.
///
/// Grows with what arrives, never with what a header promises: holds memory for at most twice what is there, or twice
/// [`MIN_ROOM`](Self::MIN_ROOM) once it has offered room.
#[derive(Debug, Default)]
pub struct MessageBuffer {
    /// All of it initialised; the message is what lies between `start` and `filled`.
    octets: Vec<u8>,
    start: usize,
    filled: usize,
}

impl MessageBuffer {
    /// The least that a read is offered.
    pub const MIN_ROOM: usize = 64 * 1024;

    /// Without room.
    pub const fn new() -> Self {
        Self { octets: Vec::new(), start: 0, filled: 0 }
    }

    /// What has arrived.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[self.start..self.filled]
    }

    /// Octets that have arrived.
    #[inline]
    pub const fn len(&self) -> usize {
        self.filled - self.start
    }

    /// Whether nothing has arrived.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.filled == self.start
    }

    /// Octets of memory held.
    pub fn capacity(&self) -> usize {
        self.octets.capacity()
    }

    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.start = 0;
        self.filled = 0;
    }

    /// Appends octets that arrived elsewhere.
    pub fn extend(&mut self, octets: &[u8]) {
        if self.is_empty() {
            // What is read behind these octets lies well for the system to copy to (benches/NOTES.md, "align").
            self.start = octets.len().next_multiple_of(ALIGN) - octets.len();
            self.filled = self.start;
            self.octets.resize(self.octets.len().max(self.start), 0);
        }
        let initialised = self.octets.len() - self.filled;
        let overlap = initialised.min(octets.len());
        self.octets[self.filled..self.filled + overlap].copy_from_slice(&octets[..overlap]);
        self.octets.extend_from_slice(&octets[overlap..]);
        self.filled += octets.len();
    }

    /// Room to read into, not more than `wanted` octets and never empty where `wanted` is not 0.
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        let free = self.octets.len() - self.filled;
        if free == 0 || free < wanted.min(Self::MIN_ROOM) {
            let grown = self.filled + wanted.min(self.len().max(Self::MIN_ROOM));
            if self.len() >= Self::MIN_ROOM {
                // Twice what is there already: a vector that doubled again would hold four times as much.
                self.octets.reserve_exact(grown - self.octets.len());
            }
            self.octets.resize(grown, 0);
        }
        let end = self.octets.len().min(self.filled.saturating_add(wanted));
        &mut self.octets[self.filled..end]
    }

    /// Room to write into that is there already, or [`room`](Self::room) where there is none.
    pub fn spare(&mut self, wanted: usize) -> &mut [u8] {
        if self.filled == self.octets.len() {
            return self.room(wanted);
        }
        let end = self.octets.len().min(self.filled.saturating_add(wanted));
        &mut self.octets[self.filled..end]
    }

    /// Counts `len` octets of the room as arrived and gives them for a last touch.
    pub fn advance(&mut self, len: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled = start.saturating_add(len).min(self.octets.len());
        &mut self.octets[start..self.filled]
    }
}

/// Octets to whose multiples an allocator puts what is large.
const ALIGN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_first_octets_is_aligned() {
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
