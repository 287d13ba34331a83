//! Replacing buffers that are larger than what has arrived needs; see `oversized`.

use super::handler::Handler;
use super::turn::Turn;
use crate::connection::driver::InboundExt as _;

/// A buffer of less than this is replaced whenever it is too large.
const LONG: usize = 64 * 1024;

/// What all longer ones may hold together.
const MOST: usize = 64 << 20;

impl<H: Handler> Turn<'_, H> {
    /// Handles a connection that has been read completely and holds part of a message in a buffer.
    #[inline(never)]
    pub(super) fn fit_buffer(&mut self, slot: usize) {
        let Some(memory) = self.inbounds.get(slot).and_then(|inbound| inbound.oversized()) else { return };
        if memory < LONG {
            return self.exchange_buffer(slot);
        }
        let id = self.id(slot);
        self.cx.oversized.note(id, memory);
        self.fit_buffers_beyond(MOST);
    }

    /// Makes sure that the oversized buffers hold no more than `most` bytes.
    pub(super) fn fit_buffers_beyond(&mut self, most: usize) {
        while let Some(id) = self.cx.oversized.next_beyond(most) {
            if self.cx.peer(id).is_some() {
                self.exchange_buffer(id.slot as usize);
                self.count(id.slot as usize);
            }
        }
    }

    fn exchange_buffer(&mut self, slot: usize) {
        if let Some(inbound) = self.inbounds.get_mut(slot)
            && let Some(buffer) = inbound.reclaim_oversized()
        {
            self.cx.pool.take_buffer(buffer);
        }
    }
}
