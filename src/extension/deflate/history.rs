//! The last bytes of one direction: what a message may refer back to (RFC 7692 §7.2.3.2).

/// The end of a stream of bytes, where new bytes replace the oldest. It holds at most what it is asked to keep.
#[derive(Debug, Default)]
pub(super) struct History {
    bytes: Vec<u8>,
    /// The index of the oldest byte; those before it are the newest.
    oldest: usize,
}

impl History {
    /// Appends bytes. Only the last `keep` of all so far stay.
    pub(super) fn push(&mut self, bytes: &[u8], keep: usize) {
        if bytes.len() >= keep {
            self.clear();
            self.append(&bytes[bytes.len() - keep..], keep);
            return;
        }
        self.forget(keep);
        let (more, instead) = bytes.split_at(bytes.len().min(keep - self.bytes.len()));
        if !more.is_empty() {
            self.append(more, keep);
        }
        let (end, start) = instead.split_at(instead.len().min(self.bytes.len() - self.oldest));
        self.bytes[self.oldest..self.oldest + end.len()].copy_from_slice(end);
        self.bytes[..start.len()].copy_from_slice(start);
        self.oldest = if start.is_empty() { self.oldest + end.len() } else { start.len() };
        if self.oldest == self.bytes.len() {
            self.oldest = 0;
        }
    }

    /// Returns the last bytes, at most `keep`, in two parts, the older one first.
    pub(super) fn recent(&self, keep: usize) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.oldest);
        let newer = &newer[newer.len().saturating_sub(keep)..];
        [&older[older.len().saturating_sub(keep - newer.len())..], newer]
    }

    /// Drops all but the last `keep` bytes, and frees their memory.
    pub(super) fn settle(&mut self, keep: usize) {
        self.forget(keep);
        if self.bytes.capacity() > keep {
            self.bytes.shrink_to(keep);
        }
    }

    fn forget(&mut self, keep: usize) {
        if self.bytes.len() > keep {
            self.straighten();
            self.bytes.drain(..self.bytes.len() - keep);
        }
    }

    /// Appends after the newest; the bytes fit into `keep` with what is there.
    fn append(&mut self, bytes: &[u8], keep: usize) {
        self.straighten();
        let len = self.bytes.len() + bytes.len();
        if len > self.bytes.capacity() {
            // A vector that grew by its own rule could hold more than is to be kept.
            self.bytes.reserve_exact((2 * self.bytes.len()).clamp(len, keep.max(len)) - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn straighten(&mut self) {
        self.bytes.rotate_left(self.oldest);
        self.oldest = 0;
    }

    /// Drops everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.oldest = 0;
    }

    /// Returns how many bytes of memory are held.
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
            for step in [1, 7, 255, 256, 257, 299, 300, 2000] {
                let mut history = History::default();
                let mut sent = 0;
                for chunk in stream.chunks(step) {
                    history.push(chunk, keep);
                    sent += chunk.len();
                    for recent in [0, 1, keep / 2, keep, 2 * keep] {
                        let expected = &stream[sent - recent.min(keep).min(sent)..sent];
                        assert_eq!(
                            history.recent(recent).concat(),
                            expected,
                            "{recent} of {keep}, by {step}"
                        );
                    }
                    assert!(history.capacity() <= keep);
                }
                history.settle(keep);
                assert_eq!(history.recent(usize::MAX).concat(), &stream[stream.len() - keep..]);
                assert!(history.capacity() <= keep);
            }
        }
    }

    #[test]
    fn keeps_the_end_while_what_is_kept_changes() {
        let mut random = fastrand::Rng::with_seed(4);
        let (mut history, mut sent, mut kept) = (History::default(), Vec::new(), 0);
        for _ in 0..3000 {
            let bytes: Vec<u8> = (0..random.usize(..90)).map(|_| random.u8(..)).collect();
            let keep = [40, 100, 256, 1000][random.usize(..4)];
            sent.extend_from_slice(&bytes);
            history.push(&bytes, keep);
            kept = keep.min(kept + bytes.len());
            assert_eq!(history.recent(usize::MAX).concat(), &sent[sent.len() - kept..]);
            if random.usize(..9) == 0 {
                history.settle(keep);
                assert!(history.capacity() <= keep);
            }
        }
    }
}
