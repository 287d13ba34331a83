//! Compression of the messages we send (RFC 7692 §7.2.1): one by one, or as a series that many cases share.
//!
//! This uses zlib-rs, because no other compressor in Rust keeps to a window of less than 32 KiB; inflating is up to the
//! peer. Most cases about compression send the same messages and differ in what they ask of the peer, so these
//! messages are compressed once: a series begins in a fresh context, and its output depends on nothing else.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress};

use super::case::Echo;
use super::payload::{Data, Payload};

/// The bytes that a sender cuts off and a receiver puts back (RFC 7692 §7.2.1).
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The longest series that is kept, in bytes before compression.
const MOST: usize = 1 << 20;

/// Our compression context of a connection.
pub(super) struct Deflater {
    /// Bits of the window.
    bits: u8,
    /// Whether the window is forgotten after each message.
    resets: bool,
    /// Made for the first message, because many connections send none.
    engine: Option<Compress>,
}

impl Deflater {
    /// Creates a context with a window of 2^`bits` bytes (`bits` is 9 to 15), forgotten after each message if `resets`.
    pub(super) fn new(bits: u8, resets: bool) -> Self {
        Self { bits, resets, engine: None }
    }

    /// Compresses one message.
    pub(super) fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let bits = self.bits;
        let engine = self
            .engine
            .get_or_insert_with(|| Compress::new_with_window_bits(Compression::fast(), false, bits));
        let mut out = Vec::with_capacity(message.len() / 2 + 64);
        let mut at = 0;
        loop {
            let before = engine.total_in();
            let done = engine.compress_vec(&message[at..], &mut out, FlushCompress::Sync);
            // The difference is at most the length of the slice.
            at += (engine.total_in() - before) as usize;
            if done.is_err() || (at == message.len() && out.len() < out.capacity()) {
                break;
            }
            out.reserve(out.len() / 2 + 256);
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if self.resets {
            engine.reset();
        }
        // RFC 7692 §7.2.3.6: an empty message is one zero byte.
        if out.is_empty() {
            out.push(0);
        }
        out
    }

    /// Returns the `nth` message of a series, if that series is one that is kept. A caller that takes the first message
    /// has to take the others too: our context stays where it was before the series, and nothing after the series
    /// refers to the series or to anything before it.
    pub(super) fn of_series(&mut self, echo: &Echo, count: u32, nth: u32) -> Option<Arc<[u8]>> {
        let Payload::Data(source) = echo.source else { return None };
        let series = Series { source, size: echo.size, count, bits: self.bits, resets: self.resets };
        if (count as usize).saturating_mul(echo.size) > MOST || nth >= count {
            return None;
        }
        self.engine = None;
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let made = kept.entry(series).or_insert_with(|| Made {
            deflater: Deflater::new(series.bits, series.resets),
            messages: Vec::new(),
        });
        while made.messages.len() <= nth as usize {
            let message = echo.source.slice(made.messages.len() * echo.size, echo.size);
            made.messages.push(made.deflater.message(&message).into());
        }
        if made.messages.len() == count as usize {
            made.deflater.engine = None;
        }
        made.messages.get(nth as usize).cloned()
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("bits", &self.bits)
            .field("resets", &self.resets)
            .finish_non_exhaustive()
    }
}

/// What determines how the messages of a series are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Series {
    source: Data,
    size: usize,
    count: u32,
    bits: u8,
    resets: bool,
}

/// The part of a series that was asked for so far, and the context that continues it.
struct Made {
    deflater: Deflater,
    messages: Vec<Arc<[u8]>>,
}

/// The series made so far: one for each source, size and window in the cases, some megabytes in all.
static KEPT: LazyLock<Mutex<HashMap<Series, Made>>> = LazyLock::new(Mutex::default);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Kind;
    use crate::inflate::Inflater;

    fn inflated(inflater: &mut Inflater, compressed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        inflater.inflate(compressed, &mut out, 1 << 20).unwrap();
        inflater.inflate(&TAIL, &mut out, 1 << 20).unwrap();
        out
    }

    /// A reader with one window reads everything we send, whichever way it was compressed.
    #[test]
    fn series_and_single_messages_share_a_stream() {
        let echo =
            Echo { kind: Kind::Text, source: Payload::Data(Data::Json), size: 4096, count: 9, fragment: 0 };
        for (bits, resets) in [(15, false), (9, false), (9, true)] {
            let (mut deflater, mut inflater) = (Deflater::new(bits, resets), Inflater::new(bits));
            for round in 0..2 {
                let before = deflater.message(b"before");
                assert_eq!(inflated(&mut inflater, &before), b"before", "round {round}");
                for nth in 0..9 {
                    let compressed = deflater.of_series(&echo, 9, nth).unwrap();
                    let message = echo.source.slice(nth as usize * 4096, 4096);
                    assert!(inflated(&mut inflater, &compressed) == *message, "message {nth}, {bits} bits");
                }
            }
        }
    }

    /// A series has the bytes that a context of its own would have made.
    #[test]
    fn a_series_keeps_its_context() {
        let echo =
            Echo { kind: Kind::Text, source: Payload::Data(Data::Html), size: 1024, count: 5, fragment: 0 };
        let mut own = Deflater::new(15, false);
        for nth in 0..5 {
            let message = own.message(&echo.source.slice(nth as usize * 1024, 1024));
            assert_eq!(*Deflater::new(15, false).of_series(&echo, 5, nth).unwrap(), *message);
        }
        assert!(own.of_series(&echo, 5, 5).is_none());
        assert!(own.of_series(&Echo { size: MOST, ..echo }, 2, 0).is_none());
        assert!(own.of_series(&Echo { source: Payload::Bytes(b"*"), ..echo }, 5, 0).is_none());
    }
}
