//! What connections need only while they read or send. They borrow it from here, so that an idle one owns none of it.
//!
//! To read for a connection, create a [`ReadLoan`]: a buffer for a message, an inflater, and a queue that may refer to
//! what was read. When it [ends](ReadLoan::end), everything that is not in use goes back. To send something, call
//! [`send`](Pool::send), which lends a queue and a compressor.

use std::mem;
use std::time::{Duration, Instant};

use crate::connection::driver::{InboundExt as _, OutboundExt as _, SendQueue};
use crate::connection::{Inbound, Outbound};
use crate::extension::deflate::DeflatePool;
use crate::message::MessageBuffer;

/// What can be lent.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "they move into connections that hold one pointer")]
pub(super) struct Pool {
    /// Queues, each with the memory that it holds.
    queues: Vec<(Box<SendQueue>, usize)>,
    /// Memory that all queues hold.
    queues_memory: usize,
    buffers: Vec<Box<MessageBuffer>>,
    /// Memory that all buffers hold.
    buffers_memory: usize,
    /// The least value of that since the last check: memory that nobody has needed.
    buffers_unused: usize,
    /// When to check again.
    trim_at: Option<Instant>,
    pub(super) deflate: DeflatePool,
}

/// How many empty queues are kept for the next connection that sends something, and how much memory they may hold
/// together. What a crowd of slow readers has needed is freed.
const SPARE_QUEUES: usize = 4096;
const SPARE_QUEUES_MEMORY: usize = 4 << 20;

/// How many message buffers are kept for the next message, and how much memory they may hold together. Each connection
/// that is answered with what came in fragments has one until the end of the turn.
const SPARE_BUFFERS: usize = 1024;
const SPARE_BUFFERS_MEMORY: usize = 64 << 20;

/// This much of that memory stays though nobody needs it. Beyond it, what nobody has needed for this long is freed.
const UNUSED_BUFFERS_MEMORY: usize = 8 << 20;
const UNUSED_FOR: Duration = Duration::from_secs(1);

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            queues: Vec::new(),
            queues_memory: 0,
            buffers: Vec::new(),
            buffers_memory: 0,
            buffers_unused: 0,
            trim_at: None,
            deflate: DeflatePool::new(),
        }
    }

    #[inline]
    pub(super) fn lend_queue(&mut self, outbound: &mut Outbound) {
        if !outbound.has_queue()
            && let Some((queue, memory)) = self.queues.pop()
        {
            self.queues_memory -= memory;
            outbound.lend_queue(queue);
        }
    }

    #[inline]
    fn take_queue(&mut self, outbound: &mut Outbound) {
        let Some(mut queue) = outbound.reclaim_queue() else { return };
        queue.make_spare();
        let memory = queue.capacity();
        if self.queues.len() < SPARE_QUEUES && self.queues_memory + memory <= SPARE_QUEUES_MEMORY {
            self.queues_memory += memory;
            self.queues.push((queue, memory));
        }
    }

    /// Sends something with a queue and, if it `may_compress`, a compressor. Returns the result, and how many bytes
    /// were compressed.
    #[inline]
    pub(super) fn send<T>(
        &mut self,
        outbound: &mut Outbound,
        may_compress: bool,
        send: impl FnOnce(&mut Outbound) -> T,
    ) -> (T, usize) {
        let had_queue = outbound.has_queue();
        if had_queue && !may_compress {
            return (send(outbound), 0);
        }
        self.lend_queue(outbound);
        if may_compress {
            outbound.lend_compressor(&mut self.deflate);
        }
        let before = self.deflate.work();
        let sent = send(outbound);
        if may_compress {
            outbound.reclaim_compressor(&mut self.deflate);
        }
        if !had_queue && outbound.queued() == 0 {
            self.take_queue(outbound); // nothing was sent
        }
        (sent, (self.deflate.work() - before) as usize)
    }

    /// Lends what a message needs that does not come as one whole frame: a buffer and an inflater.
    #[inline]
    pub(super) fn lend_assembly(&mut self, inbound: &mut Inbound) {
        if !inbound.has_buffer()
            && let Some(buffer) = self.buffers.pop()
        {
            self.count_lent(&buffer);
            inbound.lend(buffer);
        }
        inbound.lend_inflater(&mut self.deflate);
    }

    const fn count_lent(&mut self, buffer: &MessageBuffer) {
        self.buffers_memory -= buffer.capacity();
        if self.buffers_memory < self.buffers_unused {
            self.buffers_unused = self.buffers_memory;
        }
    }

    /// Frees what nobody has needed for a while.
    #[inline]
    pub(super) fn trim(&mut self, now: Instant) {
        if self.trim_at.is_some() || self.buffers_memory > UNUSED_BUFFERS_MEMORY {
            self.trim_buffers(now);
        }
    }

    /// Returns when [`trim`](Self::trim) is needed even if nothing happens.
    pub(super) const fn trim_at(&self) -> Option<Instant> {
        self.trim_at
    }

    #[inline(never)]
    fn trim_buffers(&mut self, now: Instant) {
        if self.trim_at.is_some_and(|at| now < at) {
            return;
        }
        if self.trim_at.is_some() {
            // The most recently used ones are at the end.
            let (mut unused, mut all) = (self.buffers_unused, self.buffers_memory);
            self.buffers.retain(|buffer| {
                let memory = buffer.capacity();
                let stays = memory > unused || all <= UNUSED_BUFFERS_MEMORY;
                if !stays {
                    unused -= memory;
                    all -= memory;
                }
                stays
            });
            self.buffers_memory = all;
        }
        self.buffers_unused = self.buffers_memory;
        let is_much = self.buffers_memory > UNUSED_BUFFERS_MEMORY;
        self.trim_at = if is_much { now.checked_add(UNUSED_FOR) } else { None };
    }

    /// Takes back what [`lend_assembly`](Self::lend_assembly) lent, as far as it is not in use.
    #[inline]
    pub(super) fn take_assembly(&mut self, inbound: &mut Inbound) {
        if inbound.has_buffer()
            && let Some(buffer) = inbound.reclaim()
        {
            self.take_buffer(buffer);
        }
        inbound.reclaim_inflater(&mut self.deflate);
    }

    /// Lends a queue and with it a buffer for a message of `len` bytes, unless all buffers are far larger.
    pub(super) fn lend_for_masking(&mut self, outbound: &mut Outbound, len: usize) {
        self.lend_queue(outbound);
        let buffer =
            self.buffers.pop_if(|buffer| buffer.capacity() <= MessageBuffer::fair(len)).unwrap_or_default();
        self.count_lent(&buffer);
        outbound.queue().lend_buffer(buffer);
    }

    /// Takes back what was lent for masking, as far as it is not in use. A queue that the connection `had` may refer to
    /// what is being read for it, until that ends.
    pub(super) fn take_masked(&mut self, outbound: &mut Outbound, had: bool) {
        if had {
            if let Some(buffer) = outbound.take_spent() {
                self.take_buffer(buffer);
            }
        } else {
            self.take_sent(outbound);
        }
    }

    /// Takes back what a connection has sent with, or was lent for sending, as far as it is not in use.
    #[inline(always)]
    pub(super) fn take_sent(&mut self, outbound: &mut Outbound) {
        if let Some(buffer) = outbound.take_spent() {
            self.take_buffer(buffer);
        }
        self.take_queue(outbound);
    }

    /// Returns how many bytes of memory it holds.
    pub(super) fn memory(&self) -> usize {
        let buffers = self.buffers.len() * size_of::<MessageBuffer>() + self.buffers_memory;
        buffers + self.queues_memory + self.queues.len() * size_of::<SendQueue>() + self.deflate.memory()
    }

    /// Frees all memory.
    pub(super) fn drain(&mut self) {
        self.queues = Vec::new();
        self.queues_memory = 0;
        self.buffers = Vec::new();
        (self.buffers_memory, self.buffers_unused, self.trim_at) = (0, 0, None);
        self.deflate.drop_spare();
    }

    #[inline(never)]
    pub(super) fn take_buffer(&mut self, buffer: Box<MessageBuffer>) {
        let memory = buffer.capacity();
        if self.buffers.len() < SPARE_BUFFERS && self.buffers_memory + memory <= SPARE_BUFFERS_MEMORY {
            self.buffers_memory += memory;
            self.buffers.push(buffer);
        }
    }
}

/// The owner of a pool and of the connections that borrow from it.
pub(super) trait Borrowers {
    /// Returns the pool, and the sending half of the connection in `slot`.
    fn pool_and(&mut self, slot: usize) -> (&mut Pool, &mut Outbound);
}

/// What is lent to read for a connection; given back when this [ends](Self::end). The owner of all connections is
/// borrowed along, as what is read may be sent to any of them.
#[derive(Debug)]
pub(super) struct ReadLoan<'a, B: Borrowers> {
    from: &'a mut B,
    slot: usize,
    inbound: &'a mut Inbound,
    /// The receive buffer, which all connections share.
    scratch: &'a mut [u8],
    /// How much of it the queue may refer to.
    lent: usize,
}

impl<'a, B: Borrowers> ReadLoan<'a, B> {
    /// Creates a loan to read for the connection in `slot`. Nothing is lent yet.
    #[inline]
    pub(super) const fn new(
        from: &'a mut B,
        slot: usize,
        inbound: &'a mut Inbound,
        scratch: &'a mut [u8],
    ) -> Self {
        Self { from, slot, inbound, scratch, lent: 0 }
    }

    /// Records that the first `len` bytes of the receive buffer have been read, so that what is sent may refer to them.
    #[inline(always)]
    pub(super) fn has_read(&mut self, len: usize) {
        let (pool, outbound) = self.from.pool_and(self.slot);
        pool.lend_queue(outbound);
        self.lent = len;
        outbound.queue().borrow_from(&self.scratch[..len]);
    }

    #[inline]
    pub(super) const fn parts(&mut self) -> (&mut B, &mut Inbound, &mut [u8]) {
        (self.from, self.inbound, self.scratch)
    }

    /// Ends the loan: nothing more is read with it.
    #[inline(always)]
    pub(super) fn end(mut self) {
        self.give_back();
        mem::forget(self);
    }

    #[inline(always)]
    fn give_back(&mut self) {
        let (pool, outbound) = self.from.pool_and(self.slot);
        pool.take_assembly(self.inbound);
        if self.lent > 0 && outbound.has_queue() {
            outbound.queue().settle(&self.scratch[..self.lent]);
        }
        if outbound.queued() == 0 {
            pool.take_sent(outbound);
        }
    }
}

/// For callbacks that panic. A drop in each turn would be a call of its own.
impl<B: Borrowers> Drop for ReadLoan<'_, B> {
    #[cold]
    fn drop(&mut self) {
        self.give_back();
    }
}
