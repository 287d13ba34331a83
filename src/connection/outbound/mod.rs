//! The sending half of a connection: what may still be sent, and the bytes of it.
//!
//! In: messages, control frames, a close. Out: bytes. Promises: nothing illegal is ever queued; a client's frames carry
//! fresh masks (RFC 6455 §5.3); nothing follows a Close frame (§5.5.1); fragments of two messages never mix (§5.4);
//! what waits for a peer that does not read is bounded, by [`Config::max_queued`] for messages and separately for
//! Pongs.

mod control;
mod error;
mod framing;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use super::config::Config;
use super::outcome::CloseFrame;
use super::send_queue::SendQueue;
use crate::close::CloseReason;
use crate::entropy::Entropy;
use crate::extension::Compression;
use crate::extension::deflate::{Compressor, Half};
use crate::frame::{DataKind, RawHeader};
use crate::message::{Message, Prepared};
use crate::role::Role;
use crate::utf8::Utf8Stream;

pub use error::SendError;

/// The sending half.
pub struct Outbound {
    config: Arc<Config>,
    /// A client's source of masking keys; a server has none (§5.1).
    masks: Option<Box<Masks>>,
    pub(super) queue: Option<Box<SendQueue>>,
    /// The payload of the last Ping that came while much waited.
    late_ping: Option<Box<LatePing>>,
    closing: Option<Box<Closing>>,
    /// The message that is being sent in parts.
    open: Option<Open>,
    /// What was agreed for compressed messages, if anything was.
    pub(super) deflate: Option<Half>,
    pub(super) compressor: Option<Box<Compressor>>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    kind: DataKind,
    utf8: Utf8Stream,
    compressed: bool,
}

/// Boxed twice, so that a server's connection, the common case, pays only for one pointer.
struct Masks(Box<dyn Entropy + Send>);

/// A payload that fits into a control frame.
struct LatePing {
    bytes: [u8; 125],
    len: usize,
}

/// How our half ended.
#[derive(Debug)]
struct Closing {
    /// Our Close frame; `None` if there was no key to mask it with.
    sent: CloseFrame,
    failed: bool,
}

impl Outbound {
    /// Creates the sending half of a server's connection.
    pub fn server(config: Arc<Config>) -> Self {
        Self {
            config,
            masks: None,
            queue: None,
            late_ping: None,
            closing: None,
            open: None,
            deflate: None,
            compressor: None,
        }
    }

    /// Creates the sending half of a client's connection, with its source of masking keys.
    pub fn client(config: Arc<Config>, masks: Box<dyn Entropy + Send>) -> Self {
        Self { masks: Some(Box::new(Masks(masks))), ..Self::server(config) }
    }

    /// Returns our side.
    #[inline]
    pub const fn role(&self) -> Role {
        if self.masks.is_some() { Role::Client } else { Role::Server }
    }

    /// Returns the settings.
    #[inline]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Replaces the settings from now on, in both directions.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// Queues a message, compressed if that was agreed and seems worth it.
    ///
    /// # Errors
    ///
    /// [`SendError::Closing`], [`SendError::QueueFull`], [`SendError::MessageOpen`] and [`SendError::NoEntropy`].
    #[inline]
    pub fn send<'a>(&mut self, message: impl Into<Message<'a>>) -> Result<(), SendError> {
        self.send_with(message, Compression::Auto)
    }

    /// Queues a message, with a choice about its compression.
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    #[inline]
    pub fn send_with<'a>(
        &mut self,
        message: impl Into<Message<'a>>,
        choice: Compression,
    ) -> Result<(), SendError> {
        let message = message.into();
        self.may_start()?;
        self.data(message.kind(), message.as_bytes(), choice)
    }

    /// Queues a text message; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.send(Message::Text(text))
    }

    /// Queues a binary message; see [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.send(Message::Binary(bytes))
    }

    /// Queues a message that was encoded before; a server's queue shares its bytes.
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    #[inline]
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.may_start()?;
        let frame = match self.ready(message) {
            Some(frame) => frame,
            None if self.prepared(message)? => return Ok(()),
            None => message.frame(),
        };
        self.queue.get_or_insert_default().push_shared(frame);
        Ok(())
    }

    /// Returns the frame as which a prepared message goes out, uncompressed or compressed, if it has been made already.
    #[inline(always)]
    pub(crate) fn ready<'a>(&self, message: &'a Prepared) -> Option<&'a Arc<[u8]>> {
        if self.masks.is_some() || self.config.fragment_size.is_some() {
            return None;
        }
        match self.deflate {
            None => Some(message.frame()),
            Some(agreed) => self.ready_compressed(agreed, message),
        }
    }

    #[inline(never)]
    fn ready_compressed<'a>(&self, agreed: Half, message: &'a Prepared) -> Option<&'a Arc<[u8]>> {
        let (config, len) = (self.config.deflate, message.payload().len());
        let ready = Compressor::ready(config, agreed, message.compressed(), len)?;
        Some(ready.unwrap_or(message.frame()))
    }

    /// Queues the first part of a message that is sent in parts, as a frame of its own. Any number of
    /// [`continue_message`](Self::continue_message) and one [`finish_message`](Self::finish_message) follow.
    ///
    /// Control frames may go out between the parts; other messages may not.
    ///
    /// # Errors
    ///
    /// [`SendError::NotUtf8`], and the errors of [`send`](Self::send). A character may be cut between two parts.
    pub fn start_message(&mut self, kind: DataKind, part: &[u8]) -> Result<(), SendError> {
        self.start_message_with(kind, part, Compression::Auto)
    }

    /// Does what [`start_message`](Self::start_message) does, with a choice about compression. [`Compression::Auto`]
    /// looks at the length of the first part.
    ///
    /// Each part can be inflated as soon as it has arrived, at a cost of some bytes for each.
    ///
    /// # Errors
    ///
    /// See [`start_message`](Self::start_message).
    pub fn start_message_with(
        &mut self,
        kind: DataKind,
        part: &[u8],
        choice: Compression,
    ) -> Result<(), SendError> {
        self.may_start()?;
        let config = self.config.deflate;
        let deflate = self.deflate.filter(|&agreed| Compressor::wants(config, agreed, part.len(), choice));
        let open = Open { kind, utf8: Utf8Stream::EMPTY, compressed: deflate.is_some() };
        if let Some(agreed) = deflate {
            self.compressor.get_or_insert_with(|| agreed.compressor()).begin(config, agreed);
        }
        self.part(open, RawHeader { rsv1: open.compressed, ..RawHeader::of(kind.opcode()) }, part, false)
    }

    /// Queues a further part; see [`start_message`](Self::start_message).
    ///
    /// # Errors
    ///
    /// [`SendError::Closing`], [`SendError::QueueFull`], [`SendError::NoMessageOpen`], [`SendError::NotUtf8`] and
    /// [`SendError::NoEntropy`].
    pub fn continue_message(&mut self, part: &[u8]) -> Result<(), SendError> {
        self.may_send()?;
        let open = self.open.ok_or(SendError::NoMessageOpen)?;
        self.part(open, RawHeader::CONTINUATION, part, false)
    }

    /// Queues the last part, which ends the message; see [`start_message`](Self::start_message).
    ///
    /// # Errors
    ///
    /// See [`continue_message`](Self::continue_message).
    pub fn finish_message(&mut self, part: &[u8]) -> Result<(), SendError> {
        self.may_send()?;
        let open = self.open.ok_or(SendError::NoMessageOpen)?;
        self.part(open, RawHeader::CONTINUATION, part, true)
    }

    /// Returns whether a message is being sent in parts.
    #[inline]
    pub const fn is_in_message(&self) -> bool {
        self.open.is_some()
    }

    /// Returns whether our Close frame has been queued or sent, or could not be for want of
    /// [entropy](SendError::NoEntropy). Nothing is sent after it.
    #[inline]
    pub const fn sent_close(&self) -> bool {
        self.closing.is_some()
    }

    /// Returns our Close frame.
    pub(super) fn our_close(&self) -> CloseFrame {
        self.closing.as_ref().map_or(CloseFrame::None, |closing| closing.sent.clone())
    }

    /// Returns the payload of our Close frame; `None` before it is queued and if it had no code.
    pub fn close_sent(&self) -> Option<CloseReason<'_>> {
        match &self.closing.as_ref()?.sent {
            CloseFrame::Status(close) => Some(close.as_reason()),
            CloseFrame::None | CloseFrame::NoStatus => None,
        }
    }

    /// Returns whether we failed the connection (§7.1.7).
    pub fn has_failed(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.failed)
    }

    /// Returns how many bytes wait to be written.
    #[inline]
    pub fn queued(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Returns whether a message may begin and nothing is queued before it.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) const fn is_idle(&self) -> bool {
        self.queue.is_none() && self.closing.is_none() && self.open.is_none()
    }

    /// Returns whether messages may go out compressed.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) const fn may_compress(&self) -> bool {
        self.deflate.is_some()
    }

    /// Returns whether any memory is held beyond its own size and what is [always](Self::always_held) held.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) const fn holds(&self) -> bool {
        self.queue.is_some()
            || self.compressor.is_some()
            || self.closing.is_some()
            || self.late_ping.is_some()
    }

    /// Returns how many bytes of memory are held from the first message to the last: a client's source of masking keys.
    #[inline]
    pub(crate) fn always_held(&self) -> usize {
        self.masks.as_ref().map_or(0, |masks| size_of::<Masks>() + size_of_val(&*masks.0))
    }

    /// Returns how many bytes of memory are held, beyond its own size and shared messages.
    #[inline]
    pub fn memory(&self) -> usize {
        let queue = self.queue.as_ref().map_or(0, |queue| size_of::<SendQueue>() + queue.capacity());
        let compressor = self.compressor.as_ref().map_or(0, |compressor| compressor.memory());
        queue + compressor + self.memory_of_the_rare()
    }

    /// Returns its part of the messages that it shares with others; see [`SendQueue::shared`].
    pub fn shared_memory(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.shared())
    }

    #[inline]
    fn memory_of_the_rare(&self) -> usize {
        let ping = if self.late_ping.is_some() { size_of::<LatePing>() } else { 0 };
        let closing =
            self.closing.as_ref().map_or(0, |closing| size_of::<Closing>() + closing.sent.reason().len());
        ping + closing + self.always_held()
    }

    /// Returns the next bytes to be written that lie in one piece; empty once nothing waits.
    ///
    /// Write them, then call [`advance`](Self::advance). To gather writes or to lend buffers, use the
    /// [queue](super::driver::OutboundExt::queue).
    pub fn pending(&self) -> &[u8] {
        self.queue.as_ref().map_or(&[], |queue| queue.front())
    }

    /// Drops `len` bytes that have been written.
    #[inline]
    pub fn advance(&mut self, len: usize) {
        if let Some(queue) = &mut self.queue {
            queue.advance(len);
        }
        if self.late_ping.is_some() {
            self.answer_late_ping();
        }
    }

    /// Returns the compressor, if there is one, to ask what it has done and how much memory it takes.
    #[cfg(feature = "deflate")]
    pub fn compressor(&self) -> Option<&Compressor> {
        self.compressor.as_deref()
    }

    /// Returns what was agreed, unless a compressed message is being sent in parts.
    #[inline]
    pub(super) fn idle_deflate(&self) -> Option<Half> {
        let agreed = self.deflate?;
        if self.open.is_some_and(|open| open.compressed) { None } else { Some(agreed) }
    }

    #[inline]
    fn may_send(&self) -> Result<(), SendError> {
        self.not_closing()?;
        if self.queued() >= self.config.max_queued {
            return Err(SendError::QueueFull);
        }
        Ok(())
    }

    #[inline]
    fn may_start(&self) -> Result<(), SendError> {
        self.may_send()?;
        if self.open.is_some() {
            return Err(SendError::MessageOpen); // §5.4: fragments of messages MUST NOT be interleaved
        }
        Ok(())
    }

    fn part(&mut self, mut open: Open, header: RawHeader, part: &[u8], fin: bool) -> Result<(), SendError> {
        if open.kind == DataKind::Text {
            open.utf8.push(part).map_err(|_| SendError::NotUtf8)?;
            if fin {
                open.utf8.finish().map_err(|_| SendError::NotUtf8)?;
            }
        }
        let header = RawHeader { fin, ..header };
        match self.compressor.take() {
            Some(mut compressor) if open.compressed => {
                let sent = self.frame(header, compressor.part(part, fin));
                self.compressor = Some(compressor);
                sent?;
            }
            idle => {
                self.compressor = idle;
                self.frame(header, part)?;
            }
        }
        self.open = if fin { None } else { Some(open) };
        Ok(())
    }

    #[inline]
    fn data(&mut self, kind: DataKind, payload: &[u8], choice: Compression) -> Result<(), SendError> {
        if self.deflate.is_some() && self.compressed(kind, payload, choice)? {
            return Ok(());
        }
        self.message(RawHeader::of(kind.opcode()), payload)
    }

    /// Sends a message compressed, and returns whether it did.
    #[inline(never)]
    fn compressed(&mut self, kind: DataKind, payload: &[u8], choice: Compression) -> Result<bool, SendError> {
        let config = self.config.deflate;
        let Some(agreed) = self.deflate else { return Ok(false) };
        if !Compressor::wants(config, agreed, payload.len(), choice) {
            return Ok(false);
        }
        let mut compressor = self.compressor.take().unwrap_or_else(|| agreed.compressor());
        let output = compressor.message(config, agreed, payload, choice);
        let sent = match output {
            // RFC 7692 §6.1: RSV1 marks the message, on its first frame.
            Some(output) => {
                self.message(RawHeader { rsv1: true, ..RawHeader::of(kind.opcode()) }, output).map(|()| true)
            }
            None => Ok(false),
        };
        self.compressor = Some(compressor);
        sent
    }

    /// Sends a prepared message in another form than the one in which it is encoded, if it has to be masked, fragmented
    /// or compressed. Returns whether it did.
    #[inline(never)]
    fn prepared(&mut self, message: &Prepared) -> Result<bool, SendError> {
        let payload = message.payload();
        let in_fragments = self.config.fragment_size.is_some_and(|size| payload.len() > size.get());
        if self.masks.is_some() || in_fragments {
            return self.data(message.kind(), payload, Compression::Auto).map(|()| true);
        }
        let config = self.config.deflate;
        let Some(agreed) = self.deflate else { return Ok(false) };
        if !Compressor::wants(config, agreed, payload.len(), Compression::Auto) {
            return Ok(false);
        }
        if !Compressor::shares(config, agreed) {
            return self.compressed(message.kind(), payload, Compression::Auto);
        }
        let mut compressor = self.compressor.take().unwrap_or_else(|| agreed.compressor());
        let frame = compressor.prepared(config, agreed, message.compressed(), payload, |output| {
            message.compressed_frame(output)
        });
        self.compressor = Some(compressor);
        if let Some(frame) = &frame {
            self.queue.get_or_insert_default().push_shared(frame);
        }
        Ok(frame.is_some())
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("role", &self.role())
            .field("queued", &self.queued())
            .field("closing", &self.closing)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}
