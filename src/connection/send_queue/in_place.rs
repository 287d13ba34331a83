//! Messages that go back as they came: the frame is made where the message lies.
//!
//! What a server sends for a message that it has just received differs from what it got by the mask alone (RFC 6455 §5.3). So
//! the driver leaves the whole frame without its mask in the receive buffer, behind the last such one, and *offers* it. Where
//! the program sends that message and nothing comes between, the queue only notes that what it has lent is longer now, and all
//! answers to a read go out as one piece, without a copy.

use core::ops::Range;

use super::{Offer, Segment, SendQueue};
use crate::frame::{DataKind, RawHeader};
use crate::message::Message;

impl SendQueue {
    /// A shorter message is as cheap to copy as it is to offer (benches/NOTES.md, "lend").
    pub(crate) const IN_PLACE_FROM: usize = 2048;

    /// Whether a frame of the receive buffer can be offered: nothing is queued but such ones. If so, where the last one ends,
    /// if there is any; what lies before that is lent.
    #[inline]
    pub(crate) fn end_of_offered(&self) -> Option<usize> {
        let is_next = self.tail == 0 && self.segments.len() <= 1;
        match self.segments.front() {
            None if is_next && self.scratch.is_some() => Some(0),
            Some(Segment::Lent(place)) if is_next => Some(place.end),
            _ => None,
        }
    }

    /// The bytes `frame` of the receive buffer are a frame as it would be sent, with a message of this kind behind its
    /// first `head` bytes.
    #[inline]
    pub(crate) fn offer(&mut self, kind: DataKind, frame: Range<usize>, head: usize) {
        self.offer = Offer { kind: Some(kind), frame, head };
    }

    /// The receive buffer holds something else now.
    #[inline]
    pub(crate) const fn withdraw_offer(&mut self) {
        self.offer.kind = None;
    }

    /// Appends a message as one frame without a mask, as an [offered](Self::offer) one or by a copy; says whether it did, as a
    /// long one that is not offered goes another way.
    #[inline(never)]
    pub(crate) fn push_plain(&mut self, message: Message<'_>) -> bool {
        let (kind, payload) = (message.kind(), message.as_bytes());
        if self.push_offered(kind, payload) {
            return true;
        }
        let is_short = payload.len() < Self::LEND_FROM;
        if is_short {
            self.push_short_frame(RawHeader::of(kind.opcode()).first_byte(), payload);
        }
        is_short
    }

    /// Appends the offered frame, if it is one of this message and follows what is queued; says whether it did.
    #[inline]
    fn push_offered(&mut self, kind: DataKind, payload: &[u8]) -> bool {
        let Offer { kind: offered, ref frame, head } = self.offer;
        if offered != Some(kind) || self.scratch.place(payload) != Some(frame.start + head..frame.end) {
            return false;
        }
        match (self.tail, self.segments.len(), self.segments.back_mut()) {
            (0, 0, _) => self.segments.push_back(Segment::Lent(frame.clone())),
            (0, 1, Some(Segment::Lent(place))) if place.end == frame.start => place.end = frame.end,
            _ => return false,
        }
        self.len += frame.len();
        true
    }
}
