//! One direction of a stream: compares what was sent with what comes out.

use std::collections::VecDeque;

/// How many bytes are kept from the start of a difference, to tell its kind.
const KEPT: usize = 4096;
/// How many bytes must agree for a difference to be over.
const AGREE: usize = 16;

/// The bytes that were sent and have not come out, and how far the output agrees with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    sent: u64,
    came: u64,
    /// The bytes that were sent and have not come out.
    pending: VecDeque<u8>,
    /// The bytes that came out from the first differing one on; empty if none differs.
    odd: Vec<u8>,
}

/// How the output differs from what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has this many bytes that were not sent; `None` means an unknown number.
    Inserted(Option<usize>),
    /// It lacks this many bytes.
    Missing(usize),
    /// It is neither of these.
    Changed,
}

impl Flow {
    /// Records bytes that are sent.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.sent += bytes.len() as u64;
        self.pending.extend(bytes);
    }

    /// Records bytes that come out.
    pub(super) fn come(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while self.odd.is_empty() && !bytes.is_empty() {
            let (front, _) = self.pending.as_slices();
            let most = front.len().min(bytes.len());
            let same = if front[..most] == bytes[..most] {
                most
            } else {
                front.iter().zip(bytes).take_while(|(sent, came)| sent == came).count()
            };
            self.pending.drain(..same);
            self.came += same as u64;
            bytes = &bytes[same..];
            if same < most || most == 0 {
                break;
            }
        }
        let room = KEPT.saturating_sub(self.odd.len());
        self.odd.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Returns how many bytes were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns how many of them came out unchanged.
    pub(super) fn came(&self) -> u64 {
        self.came
    }

    /// Returns how many bytes were sent and have not come out.
    pub(super) fn under_way(&self) -> usize {
        self.pending.len()
    }

    /// Returns whether everything has come out, and nothing else.
    pub(super) fn is_level(&self) -> bool {
        self.pending.is_empty() && self.odd.is_empty()
    }

    /// Returns whether something came out that was not sent like this.
    pub(super) fn differs(&self) -> bool {
        !self.odd.is_empty()
    }

    /// Returns what was sent and what came, from the first difference on.
    pub(super) fn difference(&self) -> (Vec<u8>, &[u8]) {
        (self.pending.iter().take(KEPT).copied().collect(), &self.odd)
    }

    /// Returns the kind of the difference.
    pub(super) fn kind(&self) -> Kind {
        let (sent, came) = self.difference();
        if sent.is_empty() {
            return Kind::Inserted(None);
        }
        let agrees = |sent: &[u8], came: &[u8]| {
            let most = AGREE.min(sent.len());
            most > 0 && came.get(..most) == Some(&sent[..most])
        };
        for shift in 1..came.len() {
            if agrees(&sent, &came[shift..]) {
                return Kind::Inserted(Some(shift));
            }
        }
        // At the very end there may be fewer bytes.
        let tail = AGREE.min(came.len());
        for shift in 1..sent.len() {
            if sent.get(shift..shift + tail) == Some(&came[..tail]) {
                return Kind::Missing(shift);
            }
        }
        Kind::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(sent: &[u8], came: &[u8], cut: usize) -> Flow {
        let mut flow = Flow::default();
        flow.send(sent);
        came.chunks(cut).for_each(|chunk| flow.come(chunk));
        flow
    }

    #[test]
    fn every_kind_is_told_with_its_offset_whatever_the_cuts() {
        let sent: Vec<u8> = (0..=255).collect();
        let cut_out = [&sent[..100], &sent[101..]].concat();
        let put_in = [&sent[..100], b"xyz", &sent[100..]].concat();
        let mut changed = sent.clone();
        changed[100] ^= 1;
        let more = [&sent[..], b"!"].concat();
        for cut in [1, 7, 1000] {
            for (came, at, kind) in [
                (&cut_out, 100, Kind::Missing(1)),
                (&put_in, 100, Kind::Inserted(Some(3))),
                (&changed, 100, Kind::Changed),
                (&more, 256, Kind::Inserted(None)),
            ] {
                let flow = flow(&sent, came, cut);
                assert!(flow.differs() && !flow.is_level());
                assert_eq!((flow.came(), flow.kind()), (at, kind), "cut {cut}");
            }
        }
        assert!(flow(&sent, &sent, 3).is_level());
        assert_eq!(flow(&sent, &sent[..200], 3).under_way(), 56);
    }
}
