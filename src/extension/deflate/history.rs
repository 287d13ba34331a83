//! The last bytes of one direction: what a message may refer back to (RFC 7692 §7.2.3.2).

/// The end of a stream of bytes. Holds at most twice what it is asked to keep, and exactly that after
/// [`settle`](Self::settle).
#[derive(Debug, Default)]
pub(super) struct History {
    bytes: Vec<u8>,
}

impl History {
    /// Appends bytes; of all so far, at least the last `keep` stay.
    pub(super) fn push(&mut self, bytes: &[u8], keep: usize) {
        if bytes.len() >= keep {
            self.bytes.clear();
            self.bytes.extend_from_slice(&bytes[bytes.len() - keep..]);
            return;
        }
        // Each byte moves at most once for every byte that comes.
        if self.bytes.len() + bytes.len() > 2 * keep {
            let stay = keep - bytes.len();
            self.bytes.drain(..self.bytes.len() - stay);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The last bytes, at most `keep`.
    pub(super) fn recent(&self, keep: usize) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(keep)..]
    }

    /// Forgets what is beyond the last `keep` bytes, and gives its memory back.
    pub(super) fn settle(&mut self, keep: usize) {
        let beyond = self.bytes.len().saturating_sub(keep);
        self.bytes.drain(..beyond);
        if self.bytes.capacity() > keep {
            self.bytes.shrink_to(keep);
        }
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_in_any_steps() {
        let stream: Vec<u8> = (0..5000u32).map(|i| (i * 7 % 251) as u8).collect();
        for keep in [1, 256, 300] {
            for step in [1, 7, 255, 256, 257, 2000] {
                let mut history = History::default();
                let mut sent = 0;
                for chunk in stream.chunks(step) {
                    history.push(chunk, keep);
                    sent += chunk.len();
                    assert_eq!(history.recent(keep), &stream[sent - keep.min(sent)..sent]);
                    assert!(history.bytes.len() <= 2 * keep);
                }
                history.settle(keep);
                assert_eq!(history.recent(usize::MAX), &stream[stream.len() - keep..]);
                assert!(history.capacity() <= keep);
            }
        }
    }
}
