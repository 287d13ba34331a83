//! Messages that are sent back unchanged: the frame is made where the message lies.
//!
//! What a server sends for a message that it has just received differs from what it received only by the mask (RFC 6455
//! §5.3). So the driver leaves the whole frame, unmasked, in the receive buffer behind the last such frame, and
//! *offers* it. If the program sends that message and nothing comes between, the queue only notes that its lent range
//! has grown, and all answers to a read go out as one piece, without a copy.

use core::ops::Range;

use super::{Offer, Segment, SendQueue};
use crate::frame::{DataKind, RawHeader};
use crate::message::Message;

impl SendQueue {
    /// A shorter message is as cheap to copy as to offer (benches/NOTES.md, "lend").
    pub(crate) const IN_PLACE_FROM: usize = 2048;

    /// Returns where the last offered frame ends, if a further frame of the receive buffer can be offered: nothing else
    /// may be queued. What lies before that place is lent.
    #[inline]
    pub(crate) fn end_of_offered(&self) -> Option<usize> {
        let is_next = self.tail == 0 && self.segments.len() <= 1;
        match self.segments.front() {
            None if is_next && self.scratch.is_some() => Some(0),
            Some(Segment::Lent(place)) if is_next => Some(place.end),
            _ => None,
        }
    }

    /// Offers the range `frame` of the receive buffer as a frame ready to be sent, with a message of this kind behind
    /// its first `head` bytes.
    #[inline]
    pub(crate) fn offer(&mut self, kind: DataKind, frame: Range<usize>, head: usize) {
        self.offer = Offer { kind: Some(kind), frame, head };
    }

    /// Withdraws the offer: the receive buffer now holds something else.
    #[inline]
    pub(crate) const fn withdraw_offer(&mut self) {
        self.offer.kind = None;
    }

    /// Appends a message as one frame without a mask, as an [offered](Self::offer) frame or as a copy. Returns whether
    /// it did: a long message that is not offered takes another path.
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

    /// Appends the offered frame if it carries this message and follows what is queued. Returns whether it did.
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
