//! What connections need only while they read or send: they borrow it from here, so that an idle one owns none of it.
//!
//! Whoever reads or sends for a connection holds a [`Loan`]. It lends a queue, a message's buffer, what inflates and what
//! compresses; when it is dropped, everything that is not in use goes back.

use crate::connection::{Inbound, Outbound, SendQueue};
use crate::extension::deflate::DeflatePool;
use crate::message::MessageBuffer;

/// What is there to be lent.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "they move into connections that hold one pointer")]
pub(super) struct Pool {
    queues: Vec<Box<SendQueue>>,
    /// Memory that those queues hold.
    queues_memory: usize,
    buffers: Vec<Box<MessageBuffer>>,
    pub(super) deflate: DeflatePool,
}

/// Empty queues that are kept for the next connection that has something to send, and the memory that all of them may
/// hold. What a crowd of slow readers has needed goes back.
const SPARE_QUEUES: usize = 4096;
const SPARE_QUEUES_MEMORY: usize = 4 << 20;

/// Message buffers that are kept for the next message, and the memory that all of them may hold.
const SPARE_BUFFERS: usize = 16;
const SPARE_BUFFERS_MEMORY: usize = 8 << 20;

impl Pool {
    pub(super) fn new() -> Self {
        Self { queues: Vec::new(), queues_memory: 0, buffers: Vec::new(), deflate: DeflatePool::new() }
    }

    #[inline]
    pub(super) fn lend_queue(&mut self, outbound: &mut Outbound) {
        if !outbound.has_queue()
            && let Some(queue) = self.queues.pop()
        {
            self.queues_memory -= queue.capacity();
            outbound.lend_queue(queue);
        }
    }

    #[inline]
    fn take_queue(&mut self, outbound: &mut Outbound) {
        if let Some(queue) = outbound.reclaim_queue()
            && self.queues.len() < SPARE_QUEUES
            && self.queues_memory + queue.capacity() <= SPARE_QUEUES_MEMORY
        {
            self.queues_memory += queue.capacity();
            self.queues.push(queue);
        }
    }

    #[inline]
    fn lend_buffer(&mut self, inbound: &mut Inbound) {
        if !inbound.has_buffer()
            && let Some(buffer) = self.buffers.pop()
        {
            inbound.lend(buffer);
        }
    }

    #[inline(never)]
    fn take_buffer(&mut self, buffer: Box<MessageBuffer>) {
        let held: usize = self.buffers.iter().map(|buffer| buffer.capacity()).sum();
        if self.buffers.len() < SPARE_BUFFERS && held + buffer.capacity() <= SPARE_BUFFERS_MEMORY {
            self.buffers.push(buffer);
        }
    }
}

/// Whose connections borrow from a pool.
pub(super) trait Borrowers {
    /// The pool, and the sending half of the connection in `slot`.
    fn pool_and(&mut self, slot: usize) -> (&mut Pool, &mut Outbound);
}

/// What a connection has borrowed; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Loan<'a, B: Borrowers> {
    pub(super) from: &'a mut B,
    slot: usize,
    /// The receiving half, where it is read for.
    reading: Option<Reading<'a>>,
    /// Nobody else has lent the queue and takes it back.
    has_queue: bool,
}

/// What a connection is read with.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) inbound: &'a mut Inbound,
    /// The receive buffer, which all connections share.
    pub(super) scratch: &'a mut [u8],
    /// So much of it the queue may refer to.
    lent: usize,
}

impl<'a, B: Borrowers> Loan<'a, B> {
    /// To read for the connection in `slot`.
    #[inline]
    pub(super) fn to_read(
        from: &'a mut B,
        slot: usize,
        inbound: &'a mut Inbound,
        scratch: &'a mut [u8],
    ) -> Self {
        let (pool, _) = from.pool_and(slot);
        pool.lend_buffer(inbound);
        Self { from, slot, reading: Some(Reading { inbound, scratch, lent: 0 }), has_queue: true }
    }

    /// The first `len` bytes of the receive buffer have been read, and what is sent may refer to them.
    #[inline]
    pub(super) fn has_read(&mut self, len: usize) {
        let (pool, outbound) = self.from.pool_and(self.slot);
        pool.lend_queue(outbound);
        if let Some(reading) = &mut self.reading {
            reading.inbound.lend_inflater(&mut pool.deflate);
            reading.lent = len;
            outbound.queue().borrow_from(&reading.scratch[..len]);
        }
    }

    /// To send something to the connection in `slot`.
    #[inline]
    pub(super) fn to_send(from: &'a mut B, slot: usize) -> Self {
        let (pool, outbound) = from.pool_and(slot);
        let has_queue = !outbound.has_queue();
        pool.lend_queue(outbound);
        outbound.lend_compressor(&mut pool.deflate);
        Self { from, slot, reading: None, has_queue }
    }

    /// To write what the connection in `slot` has queued.
    #[inline]
    pub(super) fn to_write(from: &'a mut B, slot: usize) -> Self {
        Self { from, slot, reading: None, has_queue: true }
    }

    /// The sending half.
    #[inline]
    pub(super) fn outbound(&mut self) -> &mut Outbound {
        self.from.pool_and(self.slot).1
    }

    /// Whose connection it is, and what it is read with.
    #[inline]
    pub(super) fn parts(&mut self) -> Option<(&mut B, &mut Inbound, &mut [u8])> {
        let Reading { inbound, scratch, .. } = self.reading.as_mut()?;
        Some((self.from, inbound, scratch))
    }
}

impl<B: Borrowers> Drop for Loan<'_, B> {
    #[inline]
    fn drop(&mut self) {
        let (pool, outbound) = self.from.pool_and(self.slot);
        match &mut self.reading {
            Some(Reading { inbound, scratch, lent }) => {
                if *lent > 0 && outbound.has_queue() {
                    outbound.queue().settle(&scratch[..*lent]);
                }
                inbound.reclaim_inflater(&mut pool.deflate);
                if let Some(buffer) = inbound.reclaim() {
                    pool.take_buffer(buffer);
                }
            }
            None => outbound.reclaim_compressor(&mut pool.deflate),
        }
        if let Some(buffer) = outbound.take_spent() {
            pool.take_buffer(buffer);
        }
        if self.has_queue {
            pool.take_queue(outbound);
        }
    }
}
