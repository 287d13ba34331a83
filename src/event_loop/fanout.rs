//! Messages to many, with one copy for all receivers.
//!
//! What is published is copied once, to here, and each receiver notes which stretch of it is its own. A turn touches no
//! queue of theirs, and writes to all of them from the same few cache lines (benches/NOTES.md, "fanout"). Before
//! anything else is sent to a receiver, and if its socket does not take the stretch whole, the stretch moves to its
//! queue. So the order is the same as if it had been there from the start.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::connection::driver::SendQueue;

/// Published frames that at least one receiver has not written yet.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    /// The frames from position `base` on, which is the start of a block.
    frames: Vec<u8>,
    base: u32,
    /// For each [`BLOCK`] of positions, by its number modulo their count, how many stretches begin there that are not
    /// taken yet.
    begun: [u32; MOST / BLOCK],
    /// How many connections have a stretch.
    waiting: usize,
    /// The frames among them that queues share, and where they begin.
    shared: VecDeque<(u32, Arc<[u8]>)>,
}

/// A connection's part of the frames, by position; positions wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    from: u32,
    to: u32,
}

/// Where the copies of one message are: of its plain frame and of a compressed one, identified by their addresses.
#[derive(Debug)]
pub(super) struct Copies {
    copies: [(usize, Stretch); 2],
    /// The longest frame that is copied.
    longest: usize,
}

/// How many bytes are kept for receivers that have not written them. What comes beyond goes to the queues, until the
/// first bytes are written.
const MOST: usize = 512 * 1024;

/// What is kept is released in blocks of this many bytes.
const BLOCK: usize = 32 * 1024;

/// Queues share frames of this length, and a copy costs as much as writing it. So it is made only for at least [`MANY`]
/// receivers, which then write it together with what precedes and follows it.
const LONG: usize = SendQueue::SHARE_FROM;

/// Longer frames are never copied.
const LONGEST: usize = 64 * 1024;

/// See [`LONG`].
const MANY: usize = 8;

impl Stretch {
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.from == self.to
    }

    #[inline]
    pub(super) const fn len(self) -> usize {
        self.to.wrapping_sub(self.from) as usize
    }
}

impl Fanout {
    /// Begins a new message, for at most `receivers` connections.
    pub(super) fn begin(&mut self, receivers: usize) -> Copies {
        if self.waiting == 0 {
            self.base = self.base.wrapping_add(self.frames.len().next_multiple_of(BLOCK) as u32);
            self.frames.clear();
            self.shared.clear();
        } else if self.frames.len() > MOST / 2 {
            self.drop_written();
        }
        let longest = if receivers < MANY { LONG - 1 } else { LONGEST };
        Copies { copies: Default::default(), longest }
    }

    /// Releases the written front, once it is the larger part: a byte moves at most once for each that is released.
    #[cold]
    fn drop_written(&mut self) {
        let first = self.base as usize / BLOCK;
        let all = self.frames.len() / BLOCK;
        let is_written = |block: &usize| self.begun[(first + block) % self.begun.len()] == 0;
        let written = (0..all).take_while(is_written).count() * BLOCK;
        if written < self.frames.len() / 2 {
            return;
        }
        self.frames.drain(..written);
        self.base = self.base.wrapping_add(written as u32);
        while self.shared.front().is_some_and(|(from, _)| self.place(*from) > MOST) {
            self.shared.pop_front(); // its position is before the first one
        }
    }

    /// Returns the copy of a frame that is being published, for any number of connections to [join](Self::join). It is
    /// empty if there is no room for it.
    #[inline(always)]
    pub(super) fn copy(&mut self, copies: &mut Copies, frame: &Arc<[u8]>) -> Stretch {
        let (first, stretch) = copies.copies[0];
        if first == frame.as_ptr() as usize { stretch } else { self.other_copy(copies, frame) }
    }

    #[inline(never)]
    fn other_copy(&mut self, copies: &mut Copies, frame: &Arc<[u8]>) -> Stretch {
        let place = frame.as_ptr() as usize;
        for (of, stretch) in &mut copies.copies {
            if *of == 0 {
                (*of, *stretch) = (place, self.add(frame, copies.longest));
            }
            if *of == place {
                return *stretch;
            }
        }
        Stretch::default()
    }

    fn add(&mut self, frame: &Arc<[u8]>, longest: usize) -> Stretch {
        let start = self.frames.len();
        if frame.len() > longest || start + frame.len() > MOST {
            return Stretch::default();
        }
        self.frames.extend_from_slice(frame);
        let from = self.base.wrapping_add(start as u32);
        if frame.len() >= LONG {
            self.shared.push_back((from, Arc::clone(frame)));
        }
        Stretch { from, to: from.wrapping_add(frame.len() as u32) }
    }

    /// Adds a copied frame to a connection's stretch. Returns whether there is a copy and it follows that stretch.
    #[inline]
    pub(super) fn join(&mut self, own: &mut Stretch, frame: Stretch) -> bool {
        if frame.is_empty() {
            return false;
        } else if own.is_empty() {
            self.waiting += 1;
            *self.begun_with(frame) += 1;
            *own = frame;
        } else if own.to == frame.from {
            own.to = frame.to;
        } else {
            return false;
        }
        true
    }

    /// Takes a connection's stretch from it. Its bytes stay until something new [begins](Self::begin).
    #[inline]
    pub(super) fn take(&mut self, own: &mut Stretch) -> Stretch {
        if own.is_empty() {
            return *own;
        }
        self.waiting -= 1;
        *self.begun_with(*own) -= 1;
        std::mem::take(own)
    }

    /// Returns the bytes of a stretch that was just taken.
    #[inline]
    pub(super) fn bytes(&self, stretch: Stretch) -> &[u8] {
        let start = self.place(stretch.from);
        &self.frames[start..start + stretch.len()]
    }

    /// Appends a stretch that was just taken to a queue, except its first `written` bytes. Long frames are shared with
    /// it.
    pub(super) fn queue(&self, stretch: Stretch, written: usize, queue: &mut SendQueue) {
        let start = self.place(stretch.from);
        let (mut at, end) = (start + written, start + stretch.len());
        for (from, frame) in &self.shared {
            let from = self.place(*from);
            if from >= at && from + frame.len() <= end {
                queue.push(&self.frames[at..from]);
                queue.push_shared(frame);
                at = from + frame.len();
            }
        }
        queue.push(&self.frames[at..end]);
    }

    /// Returns how many stretches begin in the same block as this one.
    #[inline]
    const fn begun_with(&mut self, stretch: Stretch) -> &mut u32 {
        &mut self.begun[stretch.from as usize / BLOCK % (MOST / BLOCK)]
    }

    #[inline]
    const fn place(&self, position: u32) -> usize {
        position.wrapping_sub(self.base) as usize
    }

    /// Returns how many bytes of memory it holds.
    pub(super) fn memory(&self) -> usize {
        self.frames.capacity() + self.shared.iter().map(|(_, frame)| frame.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize) -> Arc<[u8]> {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    fn short(bytes: &[u8]) -> Arc<[u8]> {
        Arc::from(bytes)
    }

    fn content(fanout: &mut Fanout, own: &mut Stretch) -> Vec<u8> {
        let taken = fanout.take(own);
        fanout.bytes(taken).to_vec()
    }

    #[test]
    fn frames_that_follow_each_other_are_one_stretch() {
        let mut fanout = Fanout::default();
        let (mut one, mut other) = (Stretch::default(), Stretch::default());
        let frames = [&b"ab"[..], b"cde", b"f"].map(|frame| {
            let frame = fanout.add(&short(frame), LONGEST);
            assert!(fanout.join(&mut one, frame));
            frame
        });
        assert!(fanout.join(&mut other, frames[0]) && !fanout.join(&mut other, frames[2]));
        assert_eq!((one.len(), other.len()), (6, 2));
        assert_eq!(content(&mut fanout, &mut one), b"abcdef");
        assert_eq!(content(&mut fanout, &mut one), b"");
        assert_eq!((one, fanout.waiting), (Stretch::default(), 1));
        fanout.begin(1);
        assert!(!fanout.add(&short(b"g"), LONGEST).is_empty());
        assert_eq!(content(&mut fanout, &mut other), b"ab");
        assert_eq!((fanout.frames.len(), fanout.waiting), (7, 0));
        fanout.begin(1);
        fanout.add(&short(b"new"), LONGEST);
        assert_eq!(fanout.frames, b"new");
    }

    #[test]
    fn what_is_long_is_copied_for_many_and_what_is_longer_never() {
        let mut fanout = Fanout::default();
        for (receivers, len, is_copied) in [
            (1, LONG - 1, true),
            (MANY - 1, LONG, false),
            (MANY, LONG, true),
            (MANY, LONGEST, true),
            (1000, LONGEST + 1, false),
        ] {
            let mut copies = fanout.begin(receivers);
            assert_eq!(!fanout.copy(&mut copies, &frame(len)).is_empty(), is_copied, "{receivers} {len}");
        }
    }

    #[test]
    fn where_there_is_no_room_there_is_again_once_the_first_have_written() {
        let mut fanout = Fanout::default();
        let mut owns = VecDeque::new();
        loop {
            let copy = fanout.add(&frame(LONG - 1), LONGEST);
            let mut own = Stretch::default();
            if !fanout.join(&mut own, copy) {
                break;
            }
            owns.push_back(own);
        }
        assert!(owns.len() * LONG > MOST - LONG && fanout.memory() <= 2 * MOST);
        fanout.begin(1);
        assert!(fanout.add(&frame(LONG - 1), LONGEST).is_empty(), "all still wait");
        for mut own in owns.drain(..owns.len() * 2 / 3) {
            assert_eq!(content(&mut fanout, &mut own), *frame(LONG - 1));
        }
        fanout.begin(1);
        assert!(!fanout.add(&frame(LONG - 1), LONGEST).is_empty());
        for mut own in owns {
            assert_eq!(content(&mut fanout, &mut own), *frame(LONG - 1));
        }
        assert!(fanout.waiting == 0 && fanout.begun.iter().all(|begun| *begun == 0));
    }

    /// A receiver that is always behind by two, over all positions.
    #[test]
    fn positions_wrap_around() {
        let mut fanout = Fanout { base: (BLOCK as u32).wrapping_neg(), ..Fanout::default() };
        let mut owns = VecDeque::new();
        let (long, short) = (frame(LONG + 7), frame(100));
        for round in 0..100 {
            fanout.begin(MANY);
            let frame = if round % 3 == 0 { &short } else { &long };
            let mut own = Stretch::default();
            let copy = fanout.add(frame, LONGEST);
            assert!(fanout.join(&mut own, copy), "{round}");
            owns.push_back((own, frame.clone()));
            if owns.len() > 2
                && let Some((mut own, frame)) = owns.pop_front()
            {
                let taken = fanout.take(&mut own);
                assert_eq!(fanout.bytes(taken), &*frame);
                for written in [0, 1, frame.len()] {
                    let mut queue = SendQueue::default();
                    fanout.queue(taken, written, &mut queue);
                    assert_eq!(queue.len(), frame.len() - written);
                    assert!(queue.is_contiguous() && queue.front() == &frame[written..]);
                }
            }
        }
        assert!(fanout.frames.len() <= MOST && fanout.shared.len() * LONG <= MOST);
    }

    #[test]
    fn a_queue_shares_what_is_long_and_copies_the_rest() {
        let mut fanout = Fanout::default();
        let long = frame(LONG);
        let mut own = Stretch::default();
        for frame in [short(b"before"), Arc::clone(&long), short(b"between"), Arc::clone(&long)] {
            let copy = fanout.add(&frame, LONGEST);
            assert!(fanout.join(&mut own, copy));
        }
        let stretch = fanout.take(&mut own);
        for (written, shares) in [(0, 2), (6, 2), (7, 1), (stretch.len() - 1, 0)] {
            let mut queue = SendQueue::default();
            let before = Arc::strong_count(&long);
            fanout.queue(stretch, written, &mut queue);
            assert_eq!(Arc::strong_count(&long) - before, shares);
            let mut sent = Vec::new();
            while !queue.is_empty() {
                let front = queue.front().to_vec();
                queue.advance(front.len());
                sent.extend(front);
            }
            assert!(sent == fanout.bytes(stretch)[written..], "{written}");
        }
    }

    /// Receivers that write whenever they like, over messages of all lengths, where positions wrap around.
    #[test]
    fn each_has_what_it_joined_until_it_writes() {
        let mut random = fastrand::Rng::with_seed(1);
        for round in 0..if cfg!(miri) { 2 } else { 25 } {
            let base = (random.u32(..40) * BLOCK as u32).wrapping_neg();
            let mut fanout = Fanout { base, ..Fanout::default() };
            let receivers = random.usize(1..40);
            let mut owns = vec![(Stretch::default(), Vec::new()); receivers];
            let (patience, longest) = (random.usize(2..400), [100, 5_000, 70_000][random.usize(..3)]);
            let mut refused = 0;
            for number in 0..500 {
                let mut copies = fanout.begin(receivers);
                let frame: Arc<[u8]> = (0..random.usize(2..longest)).map(|at| (at + number) as u8).collect();
                let copy = fanout.copy(&mut copies, &frame);
                for (own, expected) in &mut owns {
                    if random.usize(..4) > 0 && fanout.join(own, copy) {
                        expected.extend_from_slice(&frame);
                    } else {
                        refused += usize::from(copy.is_empty());
                    }
                }
                for (own, expected) in &mut owns {
                    if !own.is_empty() && random.usize(..patience) == 0 {
                        let taken = fanout.take(own);
                        assert!(fanout.bytes(taken) == expected, "{round}, {number}");
                        let mut queue = SendQueue::default();
                        let written = random.usize(..=expected.len());
                        fanout.queue(taken, written, &mut queue);
                        let mut sent = expected[..written].to_vec();
                        while !queue.is_empty() {
                            let front = queue.front().len();
                            sent.extend_from_slice(queue.front());
                            queue.advance(front);
                        }
                        assert!(sent == *expected, "{round}, {number}");
                        expected.clear();
                    }
                }
                let waiting = owns.iter().filter(|(own, _)| !own.is_empty()).count();
                assert_eq!((fanout.waiting, fanout.begun.iter().sum::<u32>() as usize), (waiting, waiting));
                assert!(fanout.frames.len() <= MOST && (fanout.base as usize).is_multiple_of(BLOCK));
            }
            assert!(refused > 0 || longest < 70_000 || patience < 50, "{round}: there was always room");
        }
    }

    #[test]
    fn each_form_of_a_message_is_copied_once() {
        let mut fanout = Fanout::default();
        let mut copies = fanout.begin(1);
        let forms: [Arc<[u8]>; 3] = [Arc::from(*b"plain"), Arc::from(*b"small"), Arc::from(*b"other")];
        for _ in 0..3 {
            let places = [0, 1, 2].map(|form: usize| fanout.copy(&mut copies, &forms[form]));
            assert_eq!(places.map(Stretch::len), [5, 5, 0]);
        }
        assert_eq!(fanout.frames, b"plainsmall");
    }
}
