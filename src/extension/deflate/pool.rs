//! The memory that connections share while none of them is inside a message.

use super::compress::Compressor;
use super::inflate::Inflater;
use super::settings::{DeflateConfig, Half, SendContext, Traffic};
use super::window::WindowBits;

/// Compressors and inflaters for connections on one thread.
///
/// A driver lends them before a connection works and takes them back after that. A connection that got none makes its
/// own and keeps it; one that is inside a message keeps what it has until the message ends.
#[derive(Debug, Default)]
pub struct DeflatePool {
    inflater: Option<Box<Inflater>>,
    /// One compressor for each window.
    compressors: [Option<Box<Compressor>>; 8],
    received: Traffic,
    sent: Traffic,
}

impl DeflatePool {
    /// Creates an empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what connections that borrowed from this pool received compressed.
    pub fn received(&self) -> Traffic {
        self.received
    }

    /// Returns what connections that borrowed from this pool sent compressed. A broadcast message counts once.
    pub fn sent(&self) -> Traffic {
        self.sent
    }

    /// Returns about how many bytes of memory are held.
    pub fn memory(&self) -> usize {
        let compressors = self.compressors.iter().flatten().map(|compressor| compressor.memory());
        self.inflater.as_ref().map_or(0, |inflater| inflater.memory()) + compressors.sum::<usize>()
    }

    /// Returns how many bytes were compressed, including those that were sent uncompressed after all.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) const fn work(&self) -> u64 {
        self.sent.plain
    }

    /// Frees all memory that is not lent.
    #[cfg(feature = "event-loop")]
    pub(crate) fn drop_spare(&mut self) {
        self.inflater = None;
        self.compressors = Default::default();
    }

    pub(crate) fn lend_inflater(&mut self, slot: &mut Option<Box<Inflater>>) {
        match (slot, &mut self.inflater) {
            (slot @ None, spare) => *slot = spare.take(),
            (Some(inflater), Some(spare)) if inflater.engine.is_none() => {
                inflater.engine = spare.engine.take();
            }
            _ => {}
        }
    }

    /// Takes an inflater back. Not to be called inside a compressed message of which something has arrived.
    pub(crate) fn reclaim_inflater(&mut self, slot: &mut Option<Box<Inflater>>, agreed: Half) {
        let Some(inflater) = slot else { return };
        self.received += inflater.take_traffic();
        let spare = self.inflater.get_or_insert_default();
        if let Some(engine) = inflater.engine.take() {
            spare.engine = Some(engine);
        }
        if !agreed.takeover {
            spare.take_memory(inflater);
            // One that waits for the first bytes of a message knows which message that is.
            slot.take_if(|inflater| inflater.has_begun());
        }
    }

    pub(crate) fn lend_compressor(&mut self, slot: &mut Option<Box<Compressor>>, agreed: Half) {
        match (slot, self.compressor(agreed.window)) {
            (slot @ None, spare) => *slot = spare.take(),
            (Some(compressor), Some(spare)) => {
                if compressor.engine.is_none() {
                    compressor.engine = spare.engine.take();
                }
                if compressor.short.is_none() {
                    compressor.short = spare.short.take();
                }
                std::mem::swap(&mut compressor.out, &mut spare.out);
            }
            _ => {}
        }
    }

    /// Takes a compressor back. Not to be called inside a compressed message.
    pub(crate) fn reclaim_compressor(
        &mut self,
        slot: &mut Option<Box<Compressor>>,
        config: Option<DeflateConfig>,
        agreed: Half,
    ) {
        let Some(compressor) = slot else { return };
        self.sent += compressor.take_traffic();
        let spare = self.compressor(agreed.window);
        if !agreed.takeover {
            let compressor = slot.take();
            if spare.is_none() {
                *spare = compressor;
            }
            return;
        }
        let spare = spare.get_or_insert_default();
        spare.out = std::mem::take(&mut compressor.out);
        if let Some(short) = compressor.short.take() {
            spare.short = Some(short);
        }
        if config.unwrap_or_default().send_context == SendContext::Window
            && let Some(engine) = compressor.engine.take()
        {
            spare.engine = Some(engine);
        }
    }

    fn compressor(&mut self, window: WindowBits) -> &mut Option<Box<Compressor>> {
        &mut self.compressors[usize::from(window.bits() - WindowBits::MIN.bits())]
    }
}
