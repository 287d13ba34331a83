//! A queue of bytes to be written: owned, shared and lent ones, in order.
//!
//! Small frames are copied one behind the other, so that one write sends them all. A large payload is not copied: it is
//! *lent* from a buffer of the driver, or *shared* as a prepared message, and the driver writes it from there with a
//! gathered write. If a short write leaves lent bytes unwritten, they are copied, as the driver needs its buffer back.
//! In a loop, a message that is sent back unchanged is lent together with its header (`in_place`).

mod frames;
#[cfg(feature = "event-loop")]
mod in_place;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
#[cfg(any(feature = "std", test))]
use std::io::IoSlice;

#[cfg(feature = "event-loop")]
use crate::frame::DataKind;
use crate::message::MessageBuffer;

/// Bytes waiting to be written.
// Small frames need only what lies in the first cache line: a broadcast touches it in the queue of every receiver.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct SendQueue {
    /// The bytes of all [`Segment::Copied`] in order, then those of the tail, from `start`.
    copied: Vec<u8>,
    start: usize,
    len: usize,
    /// How many of the last bytes of `copied` come after all segments. Small frames are only ever part of this tail and
    /// make no segment.
    tail: usize,
    spent: Option<Box<MessageBuffer>>,
    /// Bytes of memory that the segments hold alone.
    owned: usize,
    /// How many of the segments at the front have been [noted](Self::note_shared).
    noted: usize,
    segments: VecDeque<Segment>,
    /// The driver's receive buffer.
    scratch: Lender,
    /// The buffer of the message that is being delivered.
    message: Lender,
    /// One of the spare queues of a driver, which bounds what they hold together.
    #[cfg(any(feature = "event-loop", test))]
    is_spare: bool,
    /// The part of the receive buffer that already is a frame.
    #[cfg(feature = "event-loop")]
    offer: Offer,
}

#[derive(Debug)]
enum Segment {
    /// This many of the next bytes of `copied`.
    Copied(usize),
    /// Bytes in a buffer of their own.
    Owned { bytes: Vec<u8>, from: usize },
    /// A range in the buffer of a message that was delivered.
    Message { buffer: Box<MessageBuffer>, place: Range<usize> },
    /// Bytes that other queues share.
    Shared { bytes: Arc<[u8]>, from: usize },
    /// A range in the driver's receive buffer.
    Lent(Range<usize>),
    /// A range in the buffer of the message that is being delivered.
    LentMessage(Range<usize>),
}

impl Segment {
    /// Returns how many bytes of memory the segment holds alone.
    fn memory(&self) -> usize {
        match self {
            Segment::Owned { bytes, .. } => bytes.capacity(),
            Segment::Message { buffer, .. } => size_of::<MessageBuffer>() + buffer.capacity(),
            Segment::Copied(_) | Segment::Shared { .. } | Segment::Lent(_) | Segment::LentMessage(_) => 0,
        }
    }

    fn share(&self) -> usize {
        match self {
            Segment::Shared { bytes, .. } => bytes.len().div_ceil(Arc::strong_count(bytes)),
            _ => 0,
        }
    }
}

/// The addresses of a buffer from which payload may be taken without a copy.
#[derive(Clone, Debug, Default)]
struct Lender(Range<usize>);

impl Lender {
    fn of(buffer: &[u8]) -> Self {
        let addresses = buffer.as_ptr_range();
        Self(addresses.start as usize..addresses.end as usize)
    }

    /// Returns whether there is a buffer.
    #[cfg(feature = "event-loop")]
    const fn is_some(&self) -> bool {
        self.0.end > 0
    }

    /// Returns where in the lender's buffer `bytes` lie, if they do. Addresses are compared, never followed.
    fn place(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = bytes.as_ptr() as usize;
        let inside = start >= self.0.start && start + bytes.len() <= self.0.end;
        inside.then(|| start - self.0.start..start - self.0.start + bytes.len())
    }
}

/// A frame in the receive buffer, exactly as it would be sent.
#[cfg(feature = "event-loop")]
#[derive(Clone, Debug, Default)]
struct Offer {
    kind: Option<DataKind>,
    frame: Range<usize>,
    /// Bytes of the frame before its payload.
    head: usize,
}

/// An empty queue keeps room for no more copied bytes than this.
const KEEP: usize = 64 * 1024;

/// A spare queue, which a driver lends to one connection after the other, keeps room for no more copied bytes than
/// this: as much as the answers to one read may take.
#[cfg(any(feature = "event-loop", test))]
const KEEP_SPARE: usize = 512 * 1024;

/// An empty queue keeps room for no more segments than this.
const KEEP_SEGMENTS: usize = 256;

impl SendQueue {
    /// From this length on, lending a payload is cheaper than copying it (benches/NOTES.md, "lend").
    pub(crate) const LEND_FROM: usize = 4096;

    /// From this length on, sharing a prepared frame is cheaper than copying it.
    pub(crate) const SHARE_FROM: usize = 4096;

    /// Returns how many bytes wait to be written.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether nothing waits.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many bytes of memory are held, beyond its own size and shared bytes.
    #[inline]
    pub fn capacity(&self) -> usize {
        debug_assert_eq!(self.owned, self.segments.iter().map(Segment::memory).sum::<usize>());
        let spent = self.spent.as_ref().map_or(0, |buffer| size_of::<MessageBuffer>() + buffer.capacity());
        self.copied.capacity() + self.segments.capacity() * size_of::<Segment>() + self.owned + spent
    }

    /// Passes the shared bytes that were added since the last call to `note`.
    #[cfg(feature = "event-loop")]
    pub(crate) fn note_shared(&mut self, mut note: impl FnMut(&Arc<[u8]>)) {
        for segment in self.segments.range(self.noted..) {
            if let Segment::Shared { bytes, .. } = segment {
                note(bytes);
            }
        }
        self.noted = self.segments.len();
    }

    /// Returns its part of the shared bytes: the size of each divided by the number of those that share it now.
    pub fn shared(&self) -> usize {
        self.segments.iter().map(Segment::share).sum()
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
        self.count_copied(bytes.len());
    }

    /// Appends a payload: as a range if it lies in a lender's buffer and is long, otherwise as a copy.
    #[inline(never)]
    pub(crate) fn push_payload(&mut self, bytes: &[u8]) {
        if bytes.len() < Self::LEND_FROM {
            return self.push(bytes);
        }
        let segment = if let Some(place) = self.scratch.place(bytes) {
            Segment::Lent(place)
        } else if let Some(place) = self.message.place(bytes) {
            Segment::LentMessage(place)
        } else {
            return self.push(bytes);
        };
        self.push_segment(segment, bytes.len());
    }

    /// Appends bytes that other queues share.
    #[inline]
    pub(crate) fn push_shared(&mut self, bytes: &Arc<[u8]>) {
        if bytes.len() < Self::SHARE_FROM {
            return self.push(bytes);
        }
        self.push_segment(Segment::Shared { bytes: Arc::clone(bytes), from: 0 }, bytes.len());
    }

    #[inline]
    const fn count_copied(&mut self, len: usize) {
        self.len += len;
        self.tail += len;
    }

    fn push_segment(&mut self, segment: Segment, len: usize) {
        if self.tail > 0 {
            self.segments.push_back(Segment::Copied(core::mem::take(&mut self.tail)));
        }
        self.len += len;
        self.segments.push_back(segment);
    }

    /// Lets payloads that lie in `buffer`, the driver's receive buffer, be lent until [`settle`](Self::settle).
    pub fn borrow_from(&mut self, buffer: &[u8]) {
        self.scratch = Lender::of(buffer);
    }

    /// Returns whether bytes of the receive buffer wait.
    #[inline]
    pub fn has_lent(&self) -> bool {
        !self.segments.is_empty() && self.segments.iter().any(|segment| matches!(segment, Segment::Lent(_)))
    }

    /// Ends the loan of the receive buffer: bytes of `buffer` that still wait are copied.
    #[inline]
    pub fn settle(&mut self, buffer: &[u8]) {
        self.scratch = Lender::default();
        if !self.segments.is_empty() {
            self.copy_lent(buffer);
        }
    }

    #[inline(never)]
    fn copy_lent(&mut self, buffer: &[u8]) {
        for segment in &mut self.segments {
            if let Segment::Lent(place) = segment {
                *segment = Segment::Owned { bytes: lent(buffer, place).to_vec(), from: 0 };
                self.owned += segment.memory();
            }
        }
    }

    /// Lets payloads that lie in `message`, which has a buffer of its own, be lent until
    /// [`end_message_loan`](Self::end_message_loan) or [`settle_with`](Self::settle_with).
    pub fn borrow_message(&mut self, message: &[u8]) {
        self.message = Lender::of(message);
    }

    /// Returns whether bytes of the lent message wait.
    pub fn has_lent_message(&self) -> bool {
        self.segments.iter().any(|segment| matches!(segment, Segment::LentMessage(_)))
    }

    /// Ends the loan of a message of which no bytes wait.
    pub fn end_message_loan(&mut self) {
        debug_assert!(!self.has_lent_message());
        self.message = Lender::default();
    }

    /// Ends the loan of a message by taking its buffer: the first use of it moves the buffer in whole, further uses are
    /// copied. The buffer can be [taken back](Self::take_spent) once it is written.
    pub fn settle_with(&mut self, buffer: Box<MessageBuffer>) {
        self.message = Lender::default();
        let mut first = None;
        for segment in &mut self.segments {
            if let Segment::LentMessage(place) = segment {
                if first.is_none() {
                    first = Some(segment);
                } else {
                    *segment = Segment::Owned { bytes: lent(buffer.as_slice(), place).to_vec(), from: 0 };
                    self.owned += segment.memory();
                }
            }
        }
        if let Some(segment) = first
            && let Segment::LentMessage(place) = segment
        {
            let place = place.clone();
            *segment = Segment::Message { buffer, place };
            self.owned += segment.memory();
        }
    }

    /// Takes the buffer of a message that has been written completely.
    #[inline]
    pub const fn take_spent(&mut self) -> Option<Box<MessageBuffer>> {
        self.spent.take()
    }

    /// Fills `out` with what is to be written, from the front. Returns how many slices that makes.
    ///
    /// `buffer` is the receive buffer, or empty if nothing of it was lent. The loan of a message has to be settled
    /// before.
    #[cfg(any(feature = "std", test))]
    pub fn slices<'a>(&'a self, buffer: &'a [u8], out: &mut [IoSlice<'a>]) -> usize {
        let mut at = self.start;
        let mut used = 0;
        for (segment, slot) in self.segments.iter().zip(&mut *out) {
            *slot = IoSlice::new(match segment {
                Segment::Copied(run) => {
                    at += run;
                    &self.copied[at - run..at]
                }
                Segment::Owned { bytes, from } => &bytes[*from..],
                Segment::Shared { bytes, from } => &bytes[*from..],
                Segment::Message { buffer, place } => lent(buffer.as_slice(), place),
                Segment::Lent(place) => lent(buffer, place),
                Segment::LentMessage(_) => return used,
            });
            used += 1;
        }
        if self.tail > 0
            && let Some(slot) = out.get_mut(used)
        {
            *slot = IoSlice::new(&self.copied[at..]);
            used += 1;
        }
        used
    }

    /// Returns the bytes at the front that lie in one piece, except lent ones.
    #[inline]
    pub fn front(&self) -> &[u8] {
        if self.is_tail() { &self.copied[self.start..] } else { self.front_segment() }
    }

    #[inline(never)]
    fn front_segment(&self) -> &[u8] {
        match self.segments.front() {
            Some(Segment::Copied(run)) => &self.copied[self.start..self.start + run],
            Some(Segment::Owned { bytes, from }) => &bytes[*from..],
            Some(Segment::Shared { bytes, from }) => &bytes[*from..],
            Some(Segment::Message { buffer, place }) => lent(buffer.as_slice(), place),
            Some(Segment::Lent(_) | Segment::LentMessage(_)) | None => &[],
        }
    }

    /// Returns whether all that waits lies in one piece, so that [`front`](Self::front) returns all of it.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.is_tail() || self.front().len() == self.len
    }

    /// Returns whether nothing waits but the tail.
    #[inline]
    const fn is_tail(&self) -> bool {
        self.tail == self.len
    }

    /// Drops `len` bytes that have been written. [`Outbound::advance`](super::Outbound::advance) does this for its
    /// queue.
    #[inline]
    pub fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.len);
        if self.is_tail() && len == self.len {
            return self.clear_tail();
        }
        self.len = self.len.saturating_sub(len);
        if self.len == 0 {
            return self.clear();
        }
        self.advance_segments(len);
    }

    fn advance_segments(&mut self, mut len: usize) {
        while let Some(front) = self.segments.front_mut() {
            let (size, from) = match front {
                Segment::Copied(run) => {
                    let done = len.min(*run);
                    *run -= done;
                    self.start += done;
                    len -= done;
                    if *run > 0 {
                        break;
                    }
                    self.drop_front();
                    continue;
                }
                Segment::Owned { bytes, from } => (bytes.len(), from),
                Segment::Shared { bytes, from } => (bytes.len(), from),
                Segment::Message { place: Range { start, end }, .. }
                | Segment::Lent(Range { start, end })
                | Segment::LentMessage(Range { start, end }) => (*end, start),
            };
            let done = len.min(size - *from);
            *from += done;
            len -= done;
            if *from < size {
                break;
            }
            self.drop_front();
        }
        if self.segments.is_empty() {
            self.keep_few_segments();
            let done = len.min(self.tail);
            self.tail -= done;
            self.start += done;
        }
        // The written part of the copies is dropped once it is the larger part: each byte moves at most once for every
        // byte written.
        if self.start > self.copied.len() / 2 {
            self.copied.drain(..self.start);
            self.start = 0;
        }
    }

    #[inline]
    fn clear_tail(&mut self) {
        self.len = 0;
        self.start = 0;
        self.tail = 0;
        let used = self.copied.len();
        self.copied.clear();
        if self.copied.capacity() > KEEP {
            self.give_back(used);
        }
    }

    /// Frees memory that an empty queue has beyond what it keeps; `used` bytes of it were needed last.
    #[inline(never)]
    fn give_back(&mut self, used: usize) {
        if used <= KEEP {
            self.copied.shrink_to(KEEP);
        } else if self.copied.capacity() > self.keeps() {
            // Shrinking would return most of its pages to the system, and the next long message would need them again.
            self.copied = Vec::new();
        }
    }

    const fn keeps(&self) -> usize {
        #[cfg(any(feature = "event-loop", test))]
        if self.is_spare {
            return KEEP_SPARE;
        }
        KEEP
    }

    /// Makes this a spare queue, kept for any connection together with others.
    #[cfg(any(feature = "event-loop", test))]
    pub(crate) const fn make_spare(&mut self) {
        self.is_spare = true;
    }

    fn drop_front(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.noted = self.noted.saturating_sub(1);
        self.owned -= segment.memory();
        if let Segment::Message { buffer, .. } = segment {
            self.spent = Some(buffer);
        }
    }

    /// Drops all content, and keeps a moderate amount of memory.
    pub(crate) fn clear(&mut self) {
        self.clear_tail();
        while !self.segments.is_empty() {
            self.drop_front();
        }
        self.keep_few_segments();
    }

    fn keep_few_segments(&mut self) {
        if self.segments.capacity() > KEEP_SEGMENTS {
            self.segments.shrink_to(KEEP_SEGMENTS);
        }
    }
}

fn lent<'a>(buffer: &'a [u8], place: &Range<usize>) -> &'a [u8] {
    debug_assert!(buffer.len() >= place.end, "the lender shows the buffer that it lent");
    buffer.get(place.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEND_FROM: usize = SendQueue::LEND_FROM;

    /// Returns everything that waits, joined.
    pub(super) fn content(queue: &SendQueue, buffer: &[u8]) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let used = queue.slices(buffer, &mut slices);
        slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    fn mixed(buffer: &[u8]) -> (SendQueue, Vec<u8>) {
        let shared: Arc<[u8]> = vec![b's'; SendQueue::SHARE_FROM].into();
        let mut queue = SendQueue::default();
        let mut expected = Vec::new();
        queue.borrow_from(buffer);
        for part in 0..3 {
            queue.push(&[b'a' + part; 7]);
            expected.extend_from_slice(&[b'a' + part; 7]);
            let payload = &buffer[part as usize * 10..][..LEND_FROM + part as usize];
            queue.push_payload(payload);
            expected.extend_from_slice(payload);
            queue.push_shared(&shared);
            expected.extend_from_slice(&shared);
        }
        (queue, expected)
    }

    #[test]
    fn writes_of_any_size_send_everything_in_order() {
        let buffer: Vec<u8> = (0..2 * LEND_FROM).map(|i| (i % 253) as u8).collect();
        for step in [97, 1000, LEND_FROM + 7, usize::MAX] {
            for settle_at in [0, 5, 5000, usize::MAX] {
                let (mut queue, expected) = mixed(&buffer);
                let mut sent = Vec::new();
                let mut settled = false;
                while !queue.is_empty() {
                    if !settled && sent.len() >= settle_at {
                        queue.settle(&buffer);
                        settled = true;
                    }
                    let waiting = content(&queue, if settled { &[] } else { &buffer });
                    assert_eq!(waiting.len(), queue.len());
                    let len = step.min(waiting.len());
                    sent.extend_from_slice(&waiting[..len]);
                    queue.advance(len);
                }
                assert!(sent == expected, "step {step}, settled at {settle_at}");
            }
        }
    }

    #[test]
    fn a_message_moves_in_and_further_uses_are_copied() {
        let message: Vec<u8> = (0..2 * LEND_FROM).map(|i| (i % 253) as u8).collect();
        let mut buffer = Box::new(MessageBuffer::new());
        buffer.extend(&message);
        let mut queue = SendQueue::default();
        let message = buffer.as_slice();
        queue.borrow_message(message);
        queue.push(b"front");
        queue.push_payload(&message[3..]);
        queue.push_payload(&message[..LEND_FROM]);
        assert!(queue.has_lent_message());
        let expected = [b"front", &message[3..], &message[..LEND_FROM]].concat();
        queue.settle_with(buffer);
        assert!(content(&queue, &[]) == expected);
        queue.advance(expected.len() - LEND_FROM);
        assert!(queue.take_spent().is_some());
    }

    #[test]
    fn only_long_payloads_of_the_lender_are_lent() {
        let buffer = vec![1; 2 * LEND_FROM];
        let elsewhere = vec![2; LEND_FROM];
        let mut queue = SendQueue::default();
        queue.push_payload(&buffer);
        assert!(!queue.has_lent(), "nobody lends");
        queue.borrow_from(&buffer);
        queue.push_payload(&elsewhere);
        queue.push_payload(&buffer[..LEND_FROM - 1]);
        assert!(!queue.has_lent());
        queue.push_payload(&buffer[LEND_FROM..]);
        assert!(queue.has_lent());
    }

    /// A segment without bytes would make the front look empty while something waits.
    #[test]
    fn nothing_makes_no_segment() {
        let shared: Arc<[u8]> = vec![b's'; SendQueue::SHARE_FROM].into();
        let mut queue = SendQueue::default();
        queue.push(b"");
        queue.push_shared(&shared);
        queue.push(b"");
        assert_eq!(queue.front(), &shared[..]);
        assert!(queue.is_contiguous());
        queue.advance(SendQueue::SHARE_FROM);
        assert!(queue.is_empty() && queue.front().is_empty());
    }

    #[test]
    fn an_empty_queue_keeps_a_moderate_amount_of_memory() {
        let shared: Arc<[u8]> = vec![b's'; SendQueue::SHARE_FROM].into();
        let mut queue = SendQueue::default();
        for _ in 0..100_000 {
            queue.push(&[0; 10]);
            queue.push_shared(&shared);
        }
        queue.advance(queue.len());
        assert!(queue.capacity() <= KEEP + KEEP_SEGMENTS * size_of::<Segment>());
    }

    /// What one turn needs, the next one finds again; what was needed once, is freed.
    #[test]
    fn one_that_is_lent_keeps_what_answers_to_a_read_take() {
        let mut queue = SendQueue::default();
        let mut kept_after = |len: usize| {
            queue.push(&vec![0; len]);
            queue.advance(len);
            let kept = queue.capacity();
            queue.make_spare();
            kept
        };
        assert_eq!(kept_after(KEEP + 1), 0, "it is not lent yet");
        assert!((4 * KEEP..=KEEP_SPARE).contains(&kept_after(4 * KEEP)));
        assert!(kept_after(4 * KEEP) >= 4 * KEEP);
        assert_eq!(kept_after(1), KEEP);
        assert_eq!(kept_after(KEEP_SPARE + 1), 0);
    }

    #[test]
    fn a_slow_reader_costs_one_copy_for_each_byte_at_most() {
        let mut queue = SendQueue::default();
        let mut waiting = 0usize;
        for _ in 0..10_000 {
            queue.push(&[0; 100]);
            waiting += 100;
            if waiting > 50_000 {
                queue.advance(90);
                waiting -= 90;
            }
        }
        assert_eq!(queue.len(), waiting);
        assert!(queue.copied.len() <= 2 * waiting);
        queue.advance(waiting);
        assert!(queue.capacity() <= KEEP + 1024);
    }
}
