//! How a connection writes to its socket.

use std::io::{self, IoSlice};

use super::fanout::{Fanout, Stretch};
use super::peer::Peer;
use super::pool::Pool;
use super::settings::Settings;
use super::transport::{self, Transport};
use crate::connection::driver::{OutboundExt as _, SendQueue};

/// How many slices one gathered write has. Systems take 1,024; more than these gain nothing.
const MAX_SLICES: usize = 64;

impl<D> Peer<D> {
    /// Returns whether it may get a message from a shared copy: nothing waits before it.
    #[inline]
    pub(super) const fn takes_published(&self) -> bool {
        self.is_open() && self.writable && !self.congested && self.outbound.is_idle()
    }

    /// Returns whether something may be queued for it with nothing before it but what is queued.
    #[inline]
    pub(super) const fn takes_plain(&self) -> bool {
        self.is_open() && !self.congested && self.stretch.is_empty()
    }

    /// Returns whether `len` more bytes may wait for it without making it a slow reader.
    #[inline]
    pub(super) fn has_room(&self, settings: &Settings, len: usize) -> bool {
        let most = self.pressure(settings).high_watermark.min(self.outbound.config().max_queued);
        self.stretch.len() + len <= most
    }

    /// Returns whether more waits for it than for a peer that reads in time.
    #[inline]
    pub(super) fn passes_watermark(&self, settings: &Settings) -> bool {
        self.outbound.queued() > self.pressure(settings).high_watermark
    }

    /// Moves its part of published frames to its queue, because something is to go out after it.
    #[inline(always)]
    pub(super) fn settle(&mut self, fanout: &mut Fanout, pool: &mut Pool) {
        if !self.stretch.is_empty() {
            self.settle_stretch(fanout, pool);
        }
    }

    #[inline(never)]
    fn settle_stretch(&mut self, fanout: &mut Fanout, pool: &mut Pool) {
        pool.lend_queue(&mut self.outbound);
        let published = fanout.take(&mut self.stretch);
        fanout.queue(published, 0, self.outbound.queue());
    }

    /// Writes what is queued until the socket takes no more. `lent` is the buffer that the queue may refer to; `count`
    /// is increased by what was written.
    #[inline(always)]
    pub(super) fn flush(&mut self, lent: &[u8], count: &mut u64) -> io::Result<()> {
        while self.writable && self.outbound.queued() > 0 {
            let queue = self.outbound.queue();
            let front = queue.front();
            let (result, offered) = if front.len() == queue.len() {
                (self.transport.write(front), front.len())
            } else {
                gather(&mut self.transport, queue, lent)
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    *count += written as u64;
                    self.writable = written == offered || !self.transport.short_write_fills();
                    self.outbound.advance(written);
                }
                Err(error) if transport::is(&error, io::ErrorKind::WouldBlock) => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes published frames to a connection for which nothing else is queued. What the socket does not take goes to
    /// a queue from the pool.
    #[inline]
    pub(super) fn flush_published(
        &mut self,
        fanout: &Fanout,
        published: Stretch,
        pool: &mut Pool,
        count: &mut u64,
    ) -> io::Result<()> {
        let bytes = fanout.bytes(published);
        let written = match self.transport.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if transport::is(&error, io::ErrorKind::WouldBlock) => 0,
            Err(error) => return Err(error),
        };
        *count += written as u64;
        if written == bytes.len() {
            return Ok(());
        }
        self.writable = written > 0 && !self.transport.short_write_fills();
        pool.lend_queue(&mut self.outbound);
        fanout.queue(published, written, self.outbound.queue());
        self.flush(&[], count)
    }

    /// Ends our direction, once nothing is queued any more.
    pub(super) fn finish_writing(&mut self) {
        if !self.fin_sent && self.outbound.queued() == 0 {
            self.fin_sent = true;
            // It fails if the peer is gone already, which the next read finds.
            let _ = self.transport.shutdown_write();
        }
    }
}

/// Writes from several places at once. Returns the result, and how much was offered.
#[inline(never)]
fn gather(transport: &mut Transport, queue: &SendQueue, lent: &[u8]) -> (io::Result<usize>, usize) {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let used = queue.slices(lent, &mut slices);
    let offered = slices[..used].iter().map(|slice| slice.len()).sum();
    let written = match &slices[..used] {
        [all] => transport.write(all),
        several => transport.write_vectored(several),
    };
    (written, offered)
}
