//! What connections need only while they read or send. They borrow it from here, so that an idle one owns none of it.
//!
//! To read for a connection, create a [`ReadLoan`]: a buffer for a message, an inflater, and a queue that may refer to
//! what was read. When it [ends](ReadLoan::end), everything that is not in use goes back. To send something, call
//! [`send`](Pool::send), which lends a queue and a compressor.

use std::mem;
use std::time::{Duration, Instant};

use super::spares::{Limits, Spares};
use crate::connection::driver::{InboundExt as _, OutboundExt as _, SendQueue};
use crate::connection::{Inbound, Outbound};
use crate::extension::deflate::DeflatePool;
use crate::message::MessageBuffer;

/// What can be lent.
#[derive(Debug)]
pub(super) struct Pool {
    queues: Spares<SendQueue>,
    buffers: Spares<MessageBuffer>,
    /// When to check again what nobody has needed.
    trim_at: Option<Instant>,
    pub(super) deflate: DeflatePool,
}

/// How many empty queues are kept for the next connection that sends something, and how much memory they may hold
/// together. What a crowd of slow readers has needed is freed.
const SPARE_QUEUES: Limits = Limits { count: 4096, memory: 4 << 20, unused: 1 << 20 };

/// How many message buffers are kept for the next message, and how much memory they may hold together. Each connection
/// that is answered with what came in fragments has one until the end of the turn.
const SPARE_BUFFERS: Limits = Limits { count: 1024, memory: 64 << 20, unused: 8 << 20 };

/// What nobody has needed for this long is freed.
const UNUSED_FOR: Duration = Duration::from_secs(1);

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            queues: Spares::new(SPARE_QUEUES),
            buffers: Spares::new(SPARE_BUFFERS),
            trim_at: None,
            deflate: DeflatePool::new(),
        }
    }

    #[inline]
    pub(super) fn lend_queue(&mut self, outbound: &mut Outbound) {
        if !outbound.has_queue()
            && let Some(queue) = self.queues.pop()
        {
            outbound.lend_queue(queue);
        }
    }

    #[inline]
    fn take_queue(&mut self, outbound: &mut Outbound) {
        let Some(mut queue) = outbound.reclaim_queue() else { return };
        queue.make_spare();
        let memory = queue.capacity();
        self.queues.push(queue, memory);
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
            inbound.lend(buffer);
        }
        inbound.lend_inflater(&mut self.deflate);
    }

    /// Frees what nobody has needed for a while.
    #[inline]
    pub(super) fn trim(&mut self, now: Instant) {
        if self.trim_at.is_some() || self.queues.are_many() || self.buffers.are_many() {
            self.trim_spares(now);
        }
    }

    /// Returns when [`trim`](Self::trim) is needed even if nothing happens.
    pub(super) const fn trim_at(&self) -> Option<Instant> {
        self.trim_at
    }

    #[inline(never)]
    fn trim_spares(&mut self, now: Instant) {
        match self.trim_at {
            Some(at) if now < at => return,
            Some(_) => {
                self.queues.trim();
                self.buffers.trim();
            }
            None => {
                self.queues.watch();
                self.buffers.watch();
            }
        }
        let are_many = self.queues.are_many() || self.buffers.are_many();
        self.trim_at = if are_many { now.checked_add(UNUSED_FOR) } else { None };
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
        let buffer = self.buffers.pop_within(MessageBuffer::fair(len)).unwrap_or_default();
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
        self.queues.memory() + self.buffers.memory() + self.deflate.memory()
    }

    /// Frees all memory.
    pub(super) fn drain(&mut self) {
        self.queues.drain();
        self.buffers.drain();
        self.trim_at = None;
        self.deflate.drop_spare();
    }

    #[inline(never)]
    pub(super) fn take_buffer(&mut self, buffer: Box<MessageBuffer>) {
        let memory = buffer.capacity();
        self.buffers.push(buffer, memory);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Config;

    #[test]
    fn what_a_crowd_has_sent_with_goes_once_it_is_gone() {
        let (mut pool, start) = (Pool::new(), Instant::now());
        let mut crowd: Vec<_> = (0..100).map(|_| Outbound::server(Config::default().into())).collect();
        let mut speak = |pool: &mut Pool, who: usize| {
            for outbound in &mut crowd[..who] {
                pool.lend_queue(outbound);
                outbound.queue().push(&[b'x'; 32 << 10]);
            }
            for outbound in &mut crowd[..who] {
                outbound.advance(outbound.queued());
                pool.take_sent(outbound);
            }
        };
        let at = |tenths| start + UNUSED_FOR * tenths / 10;
        speak(&mut pool, 100);
        pool.trim(at(0));
        // All of it is in use.
        speak(&mut pool, 100);
        pool.trim(at(10));
        let all = pool.memory();
        assert!(all > 3 << 20, "{all}");
        speak(&mut pool, 1);
        pool.trim(at(19));
        assert_eq!((pool.memory(), pool.trim_at()), (all, Some(at(20))));
        pool.trim(at(20));
        assert!(pool.memory() < (1 << 20) + (64 << 10), "{}", pool.memory());
        assert_eq!(pool.trim_at(), None);
    }
}
