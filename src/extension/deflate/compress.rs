//! Compresses messages to DEFLATE streams (RFC 7692 §7.2.1).
//!
//! In: the bytes of a message, at once or in parts. Out: its compressed payload. Promises: no distance is larger than
//! the agreed window; without context takeover nothing refers to an earlier message; each part can be inflated as soon
//! as it is there.

use std::sync::Arc;

use zlib_rs::{Deflate, DeflateConfig as EngineConfig, DeflateFlush, Method, Status, Strategy};

use super::history::History;
use super::settings::{DeflateConfig, Half, SendContext, Traffic};
use super::shared::SharedForms;
use super::short::{self, Effort, Short};
use super::window::WindowBits;
use crate::extension::Compression;

/// Compresses one message after the other; between them, keeps what the next one may refer to.
#[derive(Default)]
pub struct Compressor {
    /// Usable for any connection with the same window; the rest belongs to this one.
    pub(super) engine: Option<Engine>,
    /// For short messages without a context; usable for any connection.
    pub(super) short: Option<Box<Short>>,
    history: History,
    /// The last output, at the start of room that is initialised once.
    pub(super) out: Vec<u8>,
    made: usize,
    message: DeflateState,
    traffic: Traffic,
}

/// The position in a message.
#[derive(Clone, Copy, Debug, Default)]
struct DeflateState {
    /// How many bytes to keep for the next message.
    keep: usize,
    plain: u64,
    compressed: u64,
}

/// The engine, and what it was built for.
pub(super) struct Engine {
    deflate: Deflate,
    build: Build,
    /// Whether it continues after the last message of the connection that has it, and of no other one.
    continues: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Build {
    level: u8,
    memory_level: u8,
    window: WindowBits,
}

impl Build {
    fn new(config: &DeflateConfig, window: WindowBits) -> Self {
        Self { level: config.level.min(9), memory_level: config.memory_level.clamp(1, 9), window }
    }

    fn engine(self) -> Deflate {
        // zlib takes 8 bits for 9 and would refer further back than agreed; run lengths have a distance of 1.
        let (window, strategy) = match self.window {
            WindowBits::MIN => (9, Strategy::Rle),
            window => (window.bits(), Strategy::Default),
        };
        Deflate::new_with_config(EngineConfig {
            level: self.level.into(),
            method: Method::Deflated,
            window_bits: -i32::from(window),
            mem_level: self.memory_level.into(),
            strategy,
        })
    }

    /// Returns about how many bytes of memory the engine takes (`benches/deflate_memory.rs`).
    fn memory(self) -> usize {
        let window = self.window.bytes().max(512);
        134_272 + 4 * window + (7 << (self.memory_level + 6))
    }
}

/// An empty stored block without its header: what is omitted at the end of a message (§7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// No more memory than this is kept for output.
const KEEP: usize = 256 * 1024;

impl Half {
    /// Creates a compressor for the first message of a connection. Its engine is made when it is needed.
    pub(crate) fn compressor(self) -> Box<Compressor> {
        Box::default()
    }
}

impl Compressor {
    /// Compresses a whole message. Returns `None` if it should go out uncompressed.
    pub(crate) fn message(
        &mut self,
        config: Option<DeflateConfig>,
        agreed: Half,
        payload: &[u8],
        choice: Compression,
    ) -> Option<&[u8]> {
        let effort = Effort::of(config.unwrap_or_default().level, payload.len());
        let is_short = !agreed.takeover && (1..=short::LONGEST).contains(&payload.len());
        if let Some(effort) = effort.filter(|_| is_short) {
            self.message = DeflateState::default();
            self.out.clear();
            let short = self.short.get_or_insert_default();
            short.compress(payload, agreed.window.bytes(), effort, &mut self.out);
            self.made = self.out.len();
        } else {
            self.begin(config, agreed);
            self.run(payload);
            self.cut_tail();
        }
        if choice != Compression::On && self.made >= payload.len() {
            self.forget();
            return None;
        }
        self.count(payload);
        self.end();
        Some(self.output())
    }

    /// Compresses a message for many receivers to a frame that does not refer to earlier messages, made once for all
    /// connections with the same window. Returns `None` if the message should go out uncompressed.
    pub(crate) fn prepared(
        &mut self,
        config: Option<DeflateConfig>,
        agreed: Half,
        forms: &SharedForms,
        payload: &[u8],
        encode: impl FnOnce(&[u8]) -> Arc<[u8]>,
    ) -> Option<Arc<[u8]>> {
        let fresh = Half { takeover: false, ..agreed };
        let frame = forms.frame(agreed.window, || {
            // This must not lose the history.
            let history = std::mem::take(&mut self.history);
            let output = self.message(config, fresh, payload, Compression::Auto).map(encode);
            self.history = history;
            output
        })?;
        if agreed.takeover {
            // §7.2.3.2: the peer's window advances by it.
            self.history.push(payload, agreed.window.bytes());
            self.history.settle(agreed.window.bytes());
        }
        Some(frame)
    }

    /// Returns what was [`prepared`](Self::prepared) of a message of this length, if nothing more has to be done for a
    /// connection: the frame, or an inner `None` if the message goes out uncompressed.
    #[inline]
    pub(crate) fn ready(
        config: Option<DeflateConfig>,
        agreed: Half,
        forms: &SharedForms,
        len: usize,
    ) -> Option<Option<&Arc<[u8]>>> {
        if !Self::wants(config, agreed, len, Compression::Auto) {
            return Some(None);
        }
        if agreed.takeover { None } else { forms.made(agreed.window) }
    }

    /// Returns whether messages for many can be [`prepared`](Self::prepared) for this connection. A compressor of its
    /// own has to see all of its messages.
    pub(crate) fn shares(config: Option<DeflateConfig>, agreed: Half) -> bool {
        !agreed.takeover || config.unwrap_or_default().send_context != SendContext::Compressor
    }

    /// Returns whether a message, or one whose first part is this long, is to be compressed.
    pub(crate) fn wants(config: Option<DeflateConfig>, _: Half, len: usize, choice: Compression) -> bool {
        match choice {
            Compression::Auto => len >= config.unwrap_or_default().threshold,
            Compression::On => true,
            Compression::Off => false,
        }
    }

    /// Begins a message that comes in parts.
    pub(crate) fn begin(&mut self, config: Option<DeflateConfig>, agreed: Half) {
        let config = config.unwrap_or_default();
        let build = Build::new(&config, agreed.window);
        let keeps_engine = agreed.takeover && config.send_context == SendContext::Compressor;
        self.message = DeflateState {
            keep: if agreed.takeover && !keeps_engine { agreed.window.bytes() } else { 0 },
            ..DeflateState::default()
        };
        match &mut self.engine {
            Some(engine) if engine.build == build => {
                // It may have seen another connection's messages.
                if !(keeps_engine && engine.continues) {
                    engine.deflate.reset();
                }
                engine.continues = keeps_engine;
            }
            _ => self.engine = Some(Engine { deflate: build.engine(), build, continues: keeps_engine }),
        }
        // §7.1.1: starts with an empty window, unless context takeover was agreed. With run lengths only (8 bits),
        // nothing would be looked up.
        if let Some(engine) = self.engine.as_mut().filter(|_| agreed.window > WindowBits::MIN) {
            for recent in self.history.recent(self.message.keep) {
                if !recent.is_empty() {
                    // The second part is appended to the first.
                    let _ = engine.deflate.set_dictionary(recent);
                }
            }
        }
        if self.out.capacity() > KEEP {
            self.out = Vec::new();
        }
    }

    /// Compresses a part of the message. The output can be inflated up to its end.
    pub(crate) fn part(&mut self, part: &[u8], last: bool) -> &[u8] {
        self.run(part);
        if last {
            self.cut_tail();
        }
        self.count(part);
        if last {
            self.end();
        }
        self.output()
    }

    fn count(&mut self, plain: &[u8]) {
        self.message.plain += plain.len() as u64;
        self.message.compressed += self.made as u64;
        if self.message.keep > 0 {
            self.history.push(plain, self.message.keep);
        }
    }

    fn end(&mut self) {
        let DeflateState { keep, plain, compressed } = self.message;
        self.traffic += Traffic { messages: 1, plain, compressed };
        self.history.settle(keep);
    }

    /// Handles a message that goes out uncompressed: a compressor that has seen it starts afresh, which it always may.
    fn forget(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.continues = false;
        }
    }

    /// §7.2.1: removes the end of the flush, and leaves a byte if there is nothing else (§7.2.3.6).
    fn cut_tail(&mut self) {
        match self.made.checked_sub(TAIL.len()) {
            Some(len) if self.output()[len..] == TAIL => self.made = len,
            _ => {
                if let Some(byte) = self.out.get_mut(self.made) {
                    *byte = 0x00;
                    self.made += 1;
                }
            }
        }
    }

    /// Returns what it has done so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Returns about how many bytes of memory are held.
    pub fn memory(&self) -> usize {
        let engine = self.engine.as_ref().map_or(0, |engine| engine.build.memory());
        let short = self.short.as_ref().map_or(0, |short| short.memory());
        size_of::<Self>() + engine + short + self.history.capacity() + self.out.capacity()
    }

    pub(super) fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }

    /// Compresses all of `input` and flushes.
    fn run(&mut self, mut input: &[u8]) {
        self.made = 0;
        let Some(Engine { deflate, .. }) = &mut self.engine else { return };
        loop {
            // Room for all of it: a flush that is cut would be repeated.
            let room = self.made + input.len() + input.len() / 8 + MIN_ROOM;
            if self.out.len() < room {
                self.out.resize(room, 0);
            }
            let (before_in, before_out) = (deflate.total_in(), deflate.total_out());
            let status = deflate.compress(input, &mut self.out[self.made..], DeflateFlush::SyncFlush);
            input = &input[(deflate.total_in() - before_in) as usize..];
            self.made += (deflate.total_out() - before_out) as usize;
            // A flush is complete once there is room left; `BufError` means that there was nothing to do.
            if !matches!(status, Ok(Status::Ok)) || (input.is_empty() && self.made < self.out.len()) {
                break;
            }
        }
        debug_assert!(input.is_empty());
    }

    fn output(&self) -> &[u8] {
        &self.out[..self.made]
    }
}

/// More than a flush takes.
const MIN_ROOM: usize = 256;

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor")
            .field("build", &self.engine.as_ref().map(|engine| engine.build))
            .field("traffic", &self.traffic)
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::strict;
    use super::*;

    fn bits(bits: u8) -> WindowBits {
        WindowBits::new(bits).unwrap()
    }

    fn half(window: u8, takeover: bool) -> Half {
        Half { window: bits(window), takeover }
    }

    fn config(level: u8, send_context: SendContext) -> Option<DeflateConfig> {
        Some(DeflateConfig { level, send_context, memory_level: 9, ..DeflateConfig::default() })
    }

    /// Returns bytes that repeat at every distance up to `len`, so that too large a window shows.
    fn repetitive(len: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut out: Vec<u8> = (0..300).map(|_| random.u8(..)).collect();
        while out.len() < len {
            let from = random.usize(..out.len());
            let end = out.len().min(from + 3 + random.usize(..80));
            let again = out[from..end].to_vec();
            out.extend_from_slice(&again);
            if random.usize(..4) == 0 {
                out.push(random.u8(..));
            }
        }
        out.truncate(len);
        out
    }

    /// A decoder that enforces the window inflates what is sent.
    #[test]
    fn no_distance_passes_the_window() {
        let message = repetitive(48 * 1024);
        for window in 8..=15 {
            for level in [0, 1, 2, 3, 4, 6, 9] {
                let agreed = half(window, false);
                let mut compressor = Compressor::default();
                let config = config(level, SendContext::Fresh);
                let payload = compressor.message(config, agreed, &message, Compression::On).unwrap();
                let back = strict::inflate(payload, b"", bits(window).bytes());
                assert!(back.as_deref() == Ok(&message), "{window} bits, level {level}: {:?}", back.err());
            }
        }
    }

    #[test]
    fn windows_reach_over_messages_and_no_further() {
        let stream = repetitive(20_000);
        for context in [SendContext::Window, SendContext::Compressor] {
            for window in [8, 9, 12, 15] {
                let agreed = half(window, true);
                let mut compressor = Compressor::default();
                let mut history = Vec::new();
                for message in stream.chunks(3_001) {
                    let payload =
                        compressor.message(config(6, context), agreed, message, Compression::On).unwrap();
                    let back = strict::inflate(payload, &history, bits(window).bytes());
                    assert!(back.as_deref() == Ok(message), "{context:?}, {window} bits: {:?}", back.err());
                    history.extend_from_slice(message);
                }
            }
        }
    }

    #[test]
    fn equal_messages_shrink_with_takeover_only() {
        let message = repetitive(2_000);
        let sizes = |context, takeover| {
            let mut compressor = Compressor::default();
            [(); 3].map(|()| {
                let config = config(6, context);
                compressor.message(config, half(15, takeover), &message, Compression::On).unwrap().len()
            })
        };
        let [first, second, third] = sizes(SendContext::Fresh, false);
        assert!(first == second && second == third, "{first} {second} {third}");
        for context in [SendContext::Window, SendContext::Compressor] {
            let [first, second, third] = sizes(context, true);
            assert!(second < first / 4 && third < first / 4, "{context:?}: {first} {second} {third}");
        }
    }

    #[test]
    fn every_length_and_every_split() {
        for context in [SendContext::Fresh, SendContext::Window, SendContext::Compressor] {
            let takeover = context != SendContext::Fresh;
            let mut compressor = Compressor::default();
            let mut history = Vec::new();
            for len in (0..40).chain([255, 256, 257, 4095, 70_000]) {
                let message = repetitive(len);
                for parts in [1, 2, 3] {
                    compressor.begin(config(6, context), half(15, takeover));
                    let mut payload = Vec::new();
                    for part in 0..parts {
                        let part_of = &message[len * part / parts..len * (part + 1) / parts];
                        let last = part == parts - 1;
                        payload.extend_from_slice(compressor.part(part_of, last));
                    }
                    assert!(!payload.is_empty(), "a compressed message has a block (§7.2.3.6)");
                    let known: &[u8] = if takeover { &history } else { b"" };
                    let back = strict::inflate(&payload, known, 32_768);
                    assert!(
                        back.as_deref() == Ok(&message),
                        "{context:?}, {len} in {parts}: {:?}",
                        back.err()
                    );
                    history.extend_from_slice(&message);
                }
            }
        }
    }

    #[test]
    fn what_does_not_shrink_goes_out_as_it_is() {
        let noise: Vec<u8> = repetitive(300);
        for context in [SendContext::Fresh, SendContext::Window, SendContext::Compressor] {
            let takeover = context != SendContext::Fresh;
            let agreed = half(15, takeover);
            let mut compressor = Compressor::default();
            let config = config(6, context);
            assert_eq!(compressor.message(config, agreed, &noise, Compression::Auto), None);
            // It is not in the peer's window, so nothing may refer to it.
            let payload = compressor.message(config, agreed, &noise, Compression::On).unwrap();
            assert_eq!(strict::inflate(payload, b"", 32_768), Ok(noise.clone()), "{context:?}");
        }
    }

    #[test]
    fn prepared_messages_are_compressed_once_for_each_window() {
        let message = repetitive(3_000);
        let forms = SharedForms::default();
        let config = config(6, SendContext::Window);
        let mut compressors: Vec<Compressor> = (0..4).map(|_| Compressor::default()).collect();
        let windows = [half(15, false), half(15, true), half(9, false), half(9, true)];
        let frames: Vec<Arc<[u8]>> = compressors
            .iter_mut()
            .zip(windows)
            .map(|(compressor, agreed)| {
                compressor.prepared(config, agreed, &forms, &message, |output| output.into()).unwrap()
            })
            .collect();
        assert!(Arc::ptr_eq(&frames[0], &frames[1]) && Arc::ptr_eq(&frames[2], &frames[3]));
        assert!(frames[0].len() < frames[2].len());
        assert_eq!(strict::inflate(&frames[0], b"", 32_768), Ok(message.clone()));
        // With takeover, the next message refers to it.
        let next = compressors[1].message(config, windows[1], &message, Compression::On).unwrap();
        assert!(next.len() < 100);
        assert_eq!(strict::inflate(next, &message, 32_768), Ok(message.clone()));
        let fresh = compressors[0].message(config, windows[0], &message, Compression::On).unwrap();
        assert_eq!(strict::inflate(fresh, b"", 32_768), Ok(message));
        assert_eq!(compressors[1].traffic().messages, 1, "the shared one was made by another");
    }
}
