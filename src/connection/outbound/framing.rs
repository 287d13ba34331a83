//! Framing: a message becomes one or several frames, masked by a client (RFC 6455 §5.2 to §5.4).

#[cfg(feature = "event-loop")]
use core::ops::Range;

use super::Outbound;
use super::error::SendError;
use crate::connection::send_queue::SendQueue;
use crate::entropy::{Entropy as _, EntropyError};
#[cfg(feature = "event-loop")]
use crate::frame::WholeFrame;
use crate::frame::{MAX_HEADER, MaskKey, RawHeader};
#[cfg(feature = "event-loop")]
use crate::message::Message;

impl Outbound {
    /// Queues a message that goes out unchanged, as one short frame behind others, as most messages of a server do.
    /// Returns whether it did; if not, [`send`](Self::send) has to.
    #[inline(always)]
    #[cfg(feature = "event-loop")]
    pub(crate) fn send_plain(&mut self, message: Message<'_>) -> bool {
        let payload = message.as_bytes();
        let is_plain = self.sends_as_it_is() && self.closing.is_none() && self.open.is_none();
        match &mut self.queue {
            Some(queue) if is_plain && queue.len() < self.config.max_queued => {
                if payload.len() < SendQueue::IN_PLACE_FROM {
                    queue.push_short_frame(RawHeader::of(message.kind().opcode()).first_byte(), payload);
                    return true;
                }
                queue.push_plain(message)
            }
            _ => false,
        }
    }

    /// Returns whether a message goes out unchanged, as one frame.
    #[inline(always)]
    #[cfg(feature = "event-loop")]
    fn sends_as_it_is(&self) -> bool {
        self.masks.is_none() && self.deflate.is_none() && self.config.fragment_size.is_none()
    }

    /// Unmasks a frame that starts at `from` in the receive buffer, and returns where its payload is. If the queue can
    /// take the frame as it then stands, the frame is moved behind those that the queue has, and offered.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) fn offer(&mut self, frame: &WholeFrame, buffer: &mut [u8], from: usize) -> Range<usize> {
        self.withdraw_offer();
        let can_be = self.sends_as_it_is() && frame.key.is_some();
        let queue = self.queue.as_mut().filter(|_| can_be);
        let Some((queue, end)) = queue.and_then(|queue| queue.end_of_offered().map(|end| (queue, end)))
        else {
            return frame.unmask(buffer, from);
        };
        let payload = frame.unmask_to(buffer, from, end);
        queue.offer(frame.kind, end..payload.end, payload.start - end);
        payload
    }

    /// Withdraws the offer: the receive buffer now holds something else.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) fn withdraw_offer(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.withdraw_offer();
        }
    }

    #[inline]
    pub(super) fn message(&mut self, header: RawHeader, payload: &[u8]) -> Result<(), SendError> {
        match self.config.fragment_size {
            Some(size) if payload.len() > size.get() => self.fragments(header, payload, size.get()),
            _ => self.frame(header, payload),
        }
    }

    #[inline(never)]
    fn fragments(&mut self, mut header: RawHeader, payload: &[u8], size: usize) -> Result<(), SendError> {
        let mut parts = payload.chunks(size).peekable();
        while let Some(part) = parts.next() {
            self.frame(RawHeader { fin: parts.peek().is_none(), ..header }, part)?;
            header = RawHeader::CONTINUATION;
        }
        Ok(())
    }

    /// Queues a frame. Without entropy for a mask it cannot, and the connection has failed.
    #[inline]
    pub(super) fn frame(&mut self, header: RawHeader, payload: &[u8]) -> Result<(), SendError> {
        let header = header.with_length(payload.len() as u64);
        if self.masks.is_some() {
            return self.masked_frame(header, payload);
        }
        let queue = self.queue.get_or_insert_default();
        if payload.len() < SendQueue::LEND_FROM {
            queue.push_short_frame(header.first_byte(), payload);
        } else {
            let mut bytes = [0; MAX_HEADER];
            let used = header.encode(&mut bytes);
            queue.push_frame(&bytes, used, payload);
        }
        Ok(())
    }

    #[inline(never)]
    fn masked_frame(&mut self, header: RawHeader, payload: &[u8]) -> Result<(), SendError> {
        let key = self.mask_key()?;
        let queue = self.queue.get_or_insert_default();
        if payload.len() < SendQueue::LEND_FROM {
            queue.push_short_masked_frame(header.first_byte(), key, payload);
        } else {
            let mut bytes = [0; MAX_HEADER];
            let used = header.with_mask(key).encode(&mut bytes);
            queue.push_masked_frame(&bytes, used, key, payload);
        }
        Ok(())
    }

    /// §5.3: returns a fresh key for every frame of a client.
    #[inline]
    fn mask_key(&mut self) -> Result<MaskKey, SendError> {
        let key = self.masks.as_mut().map_or(Ok(MaskKey::default()), |masks| masks.0.mask_key());
        key.map_err(|EntropyError| self.fail_for_want_of_entropy())
    }
}
