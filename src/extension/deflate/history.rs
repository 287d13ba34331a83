//! The last octets of one direction: what a message may refer back to (RFC 7692 §7.2.3.2).

/// The end of a stream of octets. Holds at most twice what it is asked to keep, and exactly that after
/// [`settle`](Self::settle).
#[derive(Debug, Default)]
pub(super) struct History {
    octets: Vec<u8>,
}

impl History {
    /// Appends octets; of all so far, at least the last `keep` stay.
    pub(super) fn push(&mut self, octets: &[u8], keep: usize) {
        if octets.len() >= keep {
            self.octets.clear();
            self.octets.extend_from_slice(&octets[octets.len() - keep..]);
            return;
        }
        // Each octet moves at most once for every octet that comes.
        if self.octets.len() + octets.len() > 2 * keep {
            let stay = keep - octets.len();
            self.octets.drain(..self.octets.len() - stay);
        }
        self.octets.extend_from_slice(octets);
    }

    /// The last octets, at most `keep`.
    pub(super) fn recent(&self, keep: usize) -> &[u8] {
        &self.octets[self.octets.len().saturating_sub(keep)..]
    }

    /// Forgets what is beyond the last `keep` octets, and gives its memory back.
    pub(super) fn settle(&mut self, keep: usize) {
        let beyond = self.octets.len().saturating_sub(keep);
        self.octets.drain(..beyond);
        if self.octets.capacity() > keep {
            self.octets.shrink_to(keep);
        }
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
    }

    /// Octets of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.octets.capacity()
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
                    assert!(history.octets.len() <= 2 * keep);
                }
                history.settle(keep);
                assert_eq!(history.recent(usize::MAX), &stream[stream.len() - keep..]);
                assert!(history.capacity() <= keep);
            }
        }
    }
}
