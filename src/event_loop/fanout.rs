//! Small messages to many: one copy for all who get them.
//!
//! What is published is copied once, to here, and each receiver notes which stretch of it is its own: a turn touches no queue
//! of theirs, and writes to all of them from the same few cache lines (benches/NOTES.md, "fanout"). Before anything else is
//! sent to a receiver, and where its socket does not take the stretch whole, that is settled: it goes to its queue. So the
//! order is the same as if it had been there from the start.

use std::sync::Arc;

use crate::connection::driver::SendQueue;

/// Frames that were published and that somebody has not written yet.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    frames: Vec<u8>,
    /// Connections that have a stretch of them.
    waiting: usize,
}

/// A connection's part of the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    from: u32,
    to: u32,
}

/// Where the copies of one message are: of its frame as it is and of a compressed one, which are known by where they lie.
#[derive(Debug, Default)]
pub(super) struct Copies([(usize, Stretch); 2]);

/// So many bytes are kept for those that have not written them; what comes then goes to the queues, until all have.
const MOST: usize = 64 * 1024;

impl Stretch {
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.from == self.to
    }

    #[inline]
    pub(super) const fn len(self) -> usize {
        (self.to - self.from) as usize
    }
}

impl Fanout {
    /// Something new is published.
    pub(super) fn begin(&mut self) -> Copies {
        if self.waiting == 0 {
            self.frames.clear();
        }
        Copies::default()
    }

    /// The copy of a frame of what is being published, for any number of connections to [join](Self::join). Empty where there
    /// is no room for it.
    #[inline(always)]
    pub(super) fn copy(&mut self, copies: &mut Copies, frame: &Arc<[u8]>) -> Stretch {
        let Copies([(first, stretch), _]) = copies;
        if *first == frame.as_ptr() as usize { *stretch } else { self.other_copy(copies, frame) }
    }

    #[inline(never)]
    fn other_copy(&mut self, copies: &mut Copies, frame: &Arc<[u8]>) -> Stretch {
        let place = frame.as_ptr() as usize;
        for (of, stretch) in &mut copies.0 {
            if *of == 0 {
                (*of, *stretch) = (place, self.add(frame));
            }
            if *of == place {
                return *stretch;
            }
        }
        Stretch::default()
    }

    fn add(&mut self, frame: &[u8]) -> Stretch {
        let from = self.frames.len();
        // The queues themselves share longer ones.
        if frame.len() >= SendQueue::SHARE_FROM || from + frame.len() > MOST {
            return Stretch::default();
        }
        self.frames.extend_from_slice(frame);
        Stretch { from: from as u32, to: self.frames.len() as u32 }
    }

    /// Lets a connection have a frame of which there is a copy; says whether there is, and follows what it has.
    #[inline]
    pub(super) const fn join(&mut self, own: &mut Stretch, frame: Stretch) -> bool {
        if frame.is_empty() {
            return false;
        } else if own.is_empty() {
            self.waiting += 1;
            *own = frame;
        } else if own.to == frame.from {
            own.to = frame.to;
        } else {
            return false;
        }
        true
    }

    /// Takes a connection's stretch from it. Its bytes are there until something new [begins](Self::begin).
    #[inline]
    pub(super) fn take(&mut self, own: &mut Stretch) -> &[u8] {
        if own.is_empty() {
            return &[];
        }
        self.waiting -= 1;
        let Stretch { from, to } = std::mem::take(own);
        &self.frames[from as usize..to as usize]
    }

    /// Bytes of memory that it holds.
    pub(super) const fn memory(&self) -> usize {
        self.frames.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_follow_each_other_are_one_stretch() {
        let mut fanout = Fanout::default();
        let (mut one, mut other) = (Stretch::default(), Stretch::default());
        let frames = [&b"ab"[..], b"cde", b"f"].map(|frame| {
            let frame = fanout.add(frame);
            assert!(fanout.join(&mut one, frame));
            frame
        });
        assert!(fanout.join(&mut other, frames[0]) && !fanout.join(&mut other, frames[2]));
        assert_eq!((one.len(), other.len()), (6, 2));
        assert_eq!(fanout.take(&mut one), b"abcdef");
        assert_eq!(fanout.take(&mut one), b"");
        assert_eq!((one, fanout.waiting), (Stretch::default(), 1));
        fanout.begin();
        assert!(!fanout.add(b"g").is_empty());
        assert_eq!(fanout.take(&mut other), b"ab");
        assert_eq!((fanout.frames.len(), fanout.waiting), (7, 0));
        fanout.begin();
        fanout.add(b"new");
        assert_eq!(fanout.frames, b"new");
    }

    #[test]
    fn what_is_long_or_too_much_finds_no_room_until_all_have_written() {
        let mut fanout = Fanout::default();
        assert!(fanout.add(&[0; SendQueue::SHARE_FROM]).is_empty());
        let mut own = Stretch::default();
        let first = fanout.add(&[0; SendQueue::SHARE_FROM - 1]);
        assert!(fanout.join(&mut own, first));
        while !fanout.add(&[0; SendQueue::SHARE_FROM - 1]).is_empty() {}
        assert!(fanout.memory() <= 2 * MOST);
        fanout.take(&mut own);
        fanout.begin();
        assert!(!fanout.add(&[0; SendQueue::SHARE_FROM - 1]).is_empty());
    }

    #[test]
    fn each_form_of_a_message_is_copied_once() {
        let mut fanout = Fanout::default();
        let mut copies = fanout.begin();
        let forms: [Arc<[u8]>; 3] = [Arc::from(*b"plain"), Arc::from(*b"small"), Arc::from(*b"other")];
        for _ in 0..3 {
            let places = [0, 1, 2].map(|form: usize| fanout.copy(&mut copies, &forms[form]));
            assert_eq!(places.map(Stretch::len), [5, 5, 0]);
        }
        assert_eq!(fanout.frames, b"plainsmall");
    }
}
