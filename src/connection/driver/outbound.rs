//! The sending half, for drivers.

use alloc::boxed::Box;

use super::super::outbound::Outbound;
use super::super::send_queue::SendQueue;
use super::sealed::Half;
use crate::extension::deflate::{DeflateParams, DeflatePool};
use crate::message::MessageBuffer;

/// What a driver lends to an [`Outbound`], and the queue that it writes from.
pub trait OutboundExt: Half {
    /// Uses permessage-deflate as agreed, for what we send.
    fn use_deflate(&mut self, agreed: DeflateParams);

    /// Returns the queue, to gather writes from and to lend it the buffers that payloads lie in. Report what was
    /// written to [`Outbound::advance`].
    fn queue(&mut self) -> &mut SendQueue;

    /// Returns whether there is a queue, empty or not.
    fn has_queue(&self) -> bool;

    /// Lends an empty queue, so that connections that have nothing to send own none.
    fn lend_queue(&mut self, queue: Box<SendQueue>);

    /// Takes the queue back once it is empty.
    fn reclaim_queue(&mut self) -> Option<Box<SendQueue>>;

    /// Takes the buffer of a message that the queue took and has written.
    fn take_spent(&mut self) -> Option<Box<MessageBuffer>>;

    /// Lends a compressor, if permessage-deflate was agreed.
    fn lend_compressor(&mut self, pool: &mut DeflatePool);

    /// Takes the compressor back, unless a compressed message is being sent in parts.
    fn reclaim_compressor(&mut self, pool: &mut DeflatePool);
}

impl OutboundExt for Outbound {
    fn use_deflate(&mut self, agreed: DeflateParams) {
        self.deflate = agreed.sending(self.role(), self.config().deflate);
    }

    #[inline]
    fn queue(&mut self) -> &mut SendQueue {
        self.queue.get_or_insert_default()
    }

    #[inline]
    fn has_queue(&self) -> bool {
        self.queue.is_some()
    }

    #[inline]
    fn lend_queue(&mut self, queue: Box<SendQueue>) {
        debug_assert!(queue.is_empty());
        if self.queue.is_none() {
            self.queue = Some(queue);
        }
    }

    #[inline]
    fn reclaim_queue(&mut self) -> Option<Box<SendQueue>> {
        self.queue.take_if(|queue| queue.is_empty())
    }

    #[inline]
    fn take_spent(&mut self) -> Option<Box<MessageBuffer>> {
        self.queue.as_mut()?.take_spent()
    }

    #[inline]
    fn lend_compressor(&mut self, pool: &mut DeflatePool) {
        if let Some(agreed) = self.idle_deflate() {
            pool.lend_compressor(&mut self.compressor, agreed);
        }
    }

    #[inline]
    fn reclaim_compressor(&mut self, pool: &mut DeflatePool) {
        if let Some(agreed) = self.idle_deflate() {
            let config = self.config().deflate;
            pool.reclaim_compressor(&mut self.compressor, config, agreed);
        }
    }
}
