//! Frames: a message as one or several of them, a client's masked (RFC 6455 §5.2 to §5.4).

use super::Outbound;
use super::error::SendError;
use crate::frame::{MAX_HEADER, RawHeader};

impl Outbound {
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

    /// Queues a frame. For want of entropy it cannot, and then the connection has failed.
    #[inline]
    pub(super) fn frame(&mut self, header: RawHeader, payload: &[u8]) -> Result<(), SendError> {
        let header = header.with_length(payload.len() as u64);
        if self.masks.is_some() {
            return self.masked_frame(header, payload);
        }
        let queue = self.queue.get_or_insert_default();
        if payload.len() <= 125 {
            queue.push_short_frame([header.first_byte(), payload.len() as u8], payload);
        } else {
            let mut bytes = [0; MAX_HEADER];
            let used = header.encode(&mut bytes);
            queue.push_frame(&bytes, used, payload);
        }
        Ok(())
    }

    #[inline(never)]
    fn masked_frame(&mut self, header: RawHeader, payload: &[u8]) -> Result<(), SendError> {
        let Some(masks) = &mut self.masks else { return Ok(()) };
        // §5.3: a fresh key for every frame
        let Ok(key) = masks.0.mask_key() else { return Err(self.fail_for_want_of_entropy()) };
        let mut bytes = [0; MAX_HEADER];
        let used = header.with_mask(key).encode(&mut bytes);
        let queue = self.queue.get_or_insert_default();
        queue.push_frame(&bytes, used, b"");
        key.apply(queue.push_mut(payload));
        Ok(())
    }
}
