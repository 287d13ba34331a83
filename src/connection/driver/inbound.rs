//! The receiving half, for drivers.

use alloc::boxed::Box;

use super::super::config::{Config, Delivery};
use super::super::inbound::{Current, End, Event, Inbound, MessageProgress, fail};
use super::super::outbound::Outbound;
use super::sealed::Half;
use crate::error::ProtocolError;
use crate::extension::deflate::{DeflateParams, DeflatePool};
use crate::message::{Message, MessageBuffer};
use crate::role::Role;

/// What a driver lends to an [`Inbound`], and what it asks of it.
pub trait InboundExt: Half {
    /// Uses permessage-deflate as agreed for what the peer sends to us. Our side is `side`.
    fn use_deflate(&mut self, agreed: DeflateParams, side: Role);

    /// Returns whether there is a buffer already.
    fn has_buffer(&self) -> bool;

    /// Lends a buffer for the next message that does not arrive whole.
    fn lend(&mut self, buffer: Box<MessageBuffer>);

    /// Takes back the buffer if it is not in use. It holds the last message.
    fn reclaim(&mut self) -> Option<Box<MessageBuffer>>;

    /// Returns the memory of a lent buffer if it has far more than the message so far needs.
    fn oversized(&self) -> Option<usize>;

    /// Takes back a lent buffer that has far more memory than the message so far needs; the message continues in a
    /// fitting one. Drivers call this once nothing more is left to read.
    fn reclaim_oversized(&mut self) -> Option<Box<MessageBuffer>>;

    /// Lends an inflater, if permessage-deflate was agreed.
    fn lend_inflater(&mut self, pool: &mut DeflatePool);

    /// Takes the inflater back, unless a compressed message is open.
    fn reclaim_inflater(&mut self, pool: &mut DeflatePool);

    /// Returns room for the rest of a long frame, so that it can be read straight to where it is needed. Returns `None`
    /// if fewer than `least` bytes follow or the frame is not assembled.
    fn room(&mut self, least: usize, config: &Config) -> Option<&mut [u8]>;

    /// Counts the first `len` bytes of the [`room`](Self::room) as arrived.
    ///
    /// # Errors
    ///
    /// See [`Inbound::next`].
    fn filled(&mut self, len: usize, outbound: &mut Outbound) -> Result<Option<Event<'_>>, ProtocolError>;

    /// Returns whether the next bytes may begin a frame for which there will be [`room`](Self::room): whether the last
    /// message was at least `least` bytes long.
    fn may_want_room(&self, least: usize, config: &Config) -> bool;

    /// Returns the message that ended last, if it was assembled from pieces. For drivers that cannot return the last
    /// event itself.
    fn assembled(&self) -> Option<Message<'_>>;

    /// Returns whether bytes of the open message have arrived since the last call, for
    /// [`Deadlines::progress`](super::super::Deadlines::progress).
    fn take_progress(&mut self) -> MessageProgress;

    /// Returns what [`take_progress`](Self::take_progress) would, without resetting it.
    fn progress(&self) -> MessageProgress;

    /// Records that `len` bytes came after the end and were not looked at.
    fn ignore(&mut self, len: usize);

    /// Returns whether the peer's Close frame has arrived and nothing came after it. Everything read must have been
    /// taken ([`Inbound::next`] returned `None`) or [ignored](Self::ignore).
    fn ends_with_close(&self) -> bool;
}

impl InboundExt for Inbound {
    fn use_deflate(&mut self, agreed: DeflateParams, side: Role) {
        self.assembler.use_deflate(agreed.receiving(side));
    }

    #[inline]
    fn has_buffer(&self) -> bool {
        self.assembler.has_buffer()
    }

    #[inline]
    fn lend(&mut self, buffer: Box<MessageBuffer>) {
        self.assembler.lend(buffer);
    }

    #[inline]
    fn reclaim(&mut self) -> Option<Box<MessageBuffer>> {
        if self.message_due { None } else { self.assembler.reclaim() }
    }

    fn oversized(&self) -> Option<usize> {
        self.assembler.oversized()
    }

    fn reclaim_oversized(&mut self) -> Option<Box<MessageBuffer>> {
        self.assembler.reclaim_oversized()
    }

    #[inline]
    fn lend_inflater(&mut self, pool: &mut DeflatePool) {
        if let Some((slot, _)) = self.assembler.idle_inflater() {
            pool.lend_inflater(slot);
        }
    }

    #[inline]
    fn reclaim_inflater(&mut self, pool: &mut DeflatePool) {
        if let Some((slot, agreed)) = self.assembler.idle_inflater() {
            pool.reclaim_inflater(slot, agreed);
        }
    }

    #[inline]
    fn room(&mut self, least: usize, config: &Config) -> Option<&mut [u8]> {
        let wanted = usize::try_from(self.decoder.remaining()).unwrap_or(usize::MAX);
        if self.wants_room(least, config) { Some(self.assembler.room(wanted)) } else { None }
    }

    fn filled(&mut self, len: usize, outbound: &mut Outbound) -> Result<Option<Event<'_>>, ProtocolError> {
        let decoder = &mut self.decoder;
        let len = usize::try_from(decoder.remaining()).map_or(len, |left| left.min(len));
        if len == 0 {
            return Ok(None);
        }
        self.moved = true;
        match self.assembler.filled(len, |chunk| decoder.advance(chunk)) {
            Ok(message) => Ok(message.map(Event::Message)),
            Err(error) => Err(fail(&mut self.end, error, outbound)),
        }
    }

    #[inline]
    fn may_want_room(&self, least: usize, config: &Config) -> bool {
        self.assembler.last_message() >= Some(least)
            && self.decoder.is_between_frames()
            && config.delivery == Delivery::Messages
    }

    fn assembled(&self) -> Option<Message<'_>> {
        self.assembler.kept()
    }

    #[inline]
    fn take_progress(&mut self) -> MessageProgress {
        let progress = self.progress();
        self.moved = false;
        progress
    }

    #[inline]
    fn progress(&self) -> MessageProgress {
        if !self.assembler.is_open() {
            MessageProgress::Between
        } else if self.moved {
            MessageProgress::Moved
        } else {
            MessageProgress::Stalled
        }
    }

    fn ignore(&mut self, len: usize) {
        self.follow(len);
    }

    #[inline]
    fn ends_with_close(&self) -> bool {
        matches!(&self.end, Some(end) if matches!(**end, End::Close(_, false)))
    }
}

impl Inbound {
    /// Returns whether there is [`room`](InboundExt::room).
    #[inline]
    pub(crate) fn wants_room(&self, least: usize, config: &Config) -> bool {
        self.decoder.remaining() >= least.max(1) as u64
            && self.current == Current::Data
            && config.delivery == Delivery::Messages
            && !self.assembler.is_compressed()
            && !self.is_over()
    }

    /// Returns whether a message has begun that is not whole yet.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) const fn is_in_message(&self) -> bool {
        self.assembler.is_open()
    }
}

/// Returns the chunk of a compressed message that was the last event, `len` bytes long. For drivers that cannot keep
/// the event itself.
#[cfg(feature = "blocking")]
pub(crate) fn inflated_last(inbound: &Inbound, len: usize) -> &[u8] {
    inbound.assembler.inflated_last(len)
}
