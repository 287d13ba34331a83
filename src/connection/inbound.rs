//! The receiving half of a connection: what the peer sends, as events.
//!
//! In: bytes in any cut. Out: [`Event`]s, borrowed from the input if they lie there whole. Pongs and the answer to a
//! Close frame go to the [`Outbound`] automatically. Promises: takes all input before it asks for more; ignores all
//! further input after the peer's Close frame and after a broken rule.

mod whole;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::config::{Config, Delivery};
use super::outbound::Outbound;
use crate::close::{CloseReason, OwnedClose};
use crate::error::ProtocolError;
use crate::frame::{Control, DataKind, FrameDecoder, Header, Kind, Part, Rules};
use crate::message::{Assembler, Message};

/// What the peer did.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message is whole.
    Message(Message<'a>),
    /// A frame of a message starts ([`Delivery::Frames`] and [`Delivery::Both`]).
    Frame(Header),
    /// The next bytes of that frame, inflated where the message is compressed.
    Chunk(Chunk<'a>),
    /// A Ping (§5.5.2). Its answer is queued already unless [`Config::answer_pings`] is off.
    Ping(&'a [u8]),
    /// A Pong (§5.5.3).
    Pong(&'a [u8]),
    /// A Close frame (§5.5.1) with its payload. Its answer is queued already. This is the last event.
    Close(Option<CloseReason<'a>>),
}

/// A piece of a message, as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The kind of the message. A chunk of text may end inside a character; all text so far is UTF-8.
    pub kind: DataKind,
    /// The bytes, unmasked and inflated.
    pub payload: &'a [u8],
    /// Whether the frame ends with this chunk.
    pub frame_ends: bool,
    /// Whether the message ends with this chunk.
    pub message_ends: bool,
}

/// The receiving half.
#[derive(Debug)]
pub struct Inbound {
    pub(super) decoder: FrameDecoder,
    pub(super) assembler: Assembler,
    /// The payload of a control frame that did not arrive whole.
    control: Option<Box<ControlPayload>>,
    /// How the peer has ended the connection: all further input is ignored.
    pub(super) end: Option<Box<End>>,
    pub(super) current: Current,
    /// A message is whole and will be returned after its last chunk ([`Delivery::Both`]).
    pub(super) message_due: bool,
    /// The current frame is being inflated piece by piece.
    in_pieces: bool,
    /// Bytes of the open message have arrived since the last request for the progress.
    pub(super) moved: bool,
}

/// Whether a message that does not arrive whole has advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageProgress {
    /// No message is open.
    Between,
    /// Bytes of the open message have arrived.
    Moved,
    /// No bytes of the open message have arrived.
    Stalled,
}

#[derive(Debug)]
pub(super) enum End {
    /// With a Close frame: its payload, and whether bytes came after it, which is forbidden (§5.5.1).
    Close(Option<OwnedClose>, bool),
    /// By breaking a rule.
    Fault(ProtocolError),
}

impl End {
    fn memory(&self) -> usize {
        match self {
            End::Close(Some(close), _) => close.reason.len(),
            End::Close(None, _) | End::Fault(_) => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Current {
    Data,
    Control(Control),
}

#[derive(Debug, Default)]
struct ControlPayload {
    bytes: Vec<u8>,
    complete: bool,
}

impl Default for Inbound {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbound {
    /// Creates the half before its first frame.
    pub fn new() -> Self {
        Self {
            decoder: FrameDecoder::new(),
            assembler: Assembler::new(),
            control: None,
            end: None,
            current: Current::Data,
            message_due: false,
            in_pieces: false,
            moved: false,
        }
    }

    /// Takes the next event from the front of `input`. Returns `None` once all of it is taken.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke, once. The Close frame that tells the peer is queued in `outbound`.
    #[inline]
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b mut [u8],
        outbound: &mut Outbound,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        match self.whole_message(input, outbound)? {
            Some(message) => Ok(Some(Event::Message(message))),
            None => self.next_part(input, outbound, &mut { usize::MAX }),
        }
    }

    /// Takes the next event as [`next`](Self::next) does, but inflates no more than about `work` bytes. What was
    /// inflated is subtracted from `work`. Once `work` is 0, `None` may come before all input is taken; pass the rest
    /// again later, with new work. Drivers use this to share their time among connections, as a message may become a
    /// thousand times as long as what came.
    ///
    /// # Errors
    ///
    /// See [`next`](Self::next).
    #[inline]
    pub fn next_within<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b mut [u8],
        outbound: &mut Outbound,
        work: &mut usize,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        match self.whole_message(input, outbound)? {
            Some(message) => Ok(Some(Event::Message(message))),
            None => self.next_part(input, outbound, work),
        }
    }

    /// Takes the next event as [`next_within`](Self::next_within) does, except a message that has arrived whole, which
    /// [`whole_message`](Self::whole_message) has ruled out.
    ///
    /// # Errors
    ///
    /// See [`next`](Self::next).
    pub(crate) fn next_part<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b mut [u8],
        outbound: &mut Outbound,
        work: &mut usize,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        if self.is_over() {
            self.follow(core::mem::take(input).len());
            return Ok(None);
        }
        if self.message_due {
            self.message_due = false;
            return Ok(self.assembler.kept().map(Event::Message));
        }
        let rules = self.rules(outbound);
        loop {
            *work = work.saturating_sub(self.assembler.take_work());
            if *work == 0 && self.in_pieces && self.decoder.remaining() > 0 {
                return Ok(None);
            }
            match self.part(input, &rules, outbound.config().delivery, *work) {
                Ok(None) => return Ok(None),
                Ok(Some(Part::Header(header))) => match self.begin(&header, outbound) {
                    Ok(false) => {}
                    Ok(true) => return Ok(Some(Event::Frame(header))),
                    Err(error) => return Err(self.fail(error, outbound)),
                },
                Ok(Some(Part::Payload { chunk, last })) => {
                    // The borrow checker accepts a returned borrow of `self` only where the return is certain.
                    if self.is_event(last, outbound.config()) {
                        return self.payload(chunk, last, outbound);
                    }
                    if let Err(error) = self.hold(chunk, last, input.len()) {
                        return Err(self.fail(error, outbound));
                    }
                }
                Err(error) => return Err(self.fail(error, outbound)),
            }
        }
    }

    /// Returns the inflater, if there is one, to ask what it has done and how much memory it takes.
    #[cfg(feature = "deflate")]
    pub fn inflater(&self) -> Option<&crate::extension::deflate::Inflater> {
        self.assembler.inflater()
    }

    /// Returns whether the peer's Close frame has arrived.
    #[inline]
    pub fn received_close(&self) -> bool {
        matches!(&self.end, Some(end) if matches!(**end, End::Close(..)))
    }

    /// Returns the payload of the peer's Close frame; `None` before it arrives and if it had no code.
    pub fn close_received(&self) -> Option<CloseReason<'_>> {
        match self.end.as_deref() {
            Some(End::Close(close, _)) => close.as_ref().map(OwnedClose::as_reason),
            _ => None,
        }
    }

    /// Returns the rule that the peer broke, if it broke one.
    pub fn error(&self) -> Option<ProtocolError> {
        match self.end.as_deref() {
            Some(End::Fault(error)) => Some(*error),
            _ => None,
        }
    }

    /// Returns whether all further input is ignored.
    #[inline]
    pub const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Returns whether the input so far ends between two messages and between two frames; `false` after a broken rule.
    pub fn is_between_messages(&self) -> bool {
        !matches!(self.end.as_deref(), Some(End::Fault(_)))
            && self.decoder.is_between_frames()
            && !self.assembler.is_open()
    }

    /// Returns whether any memory is held beyond its own size.
    #[inline]
    #[cfg(feature = "event-loop")]
    pub(crate) const fn holds(&self) -> bool {
        self.assembler.holds() || self.control.is_some() || self.end.is_some()
    }

    /// Discards an incomplete message and frees all memory: the connection is over.
    #[cfg(feature = "event-loop")]
    pub(crate) fn discard(&mut self) {
        self.assembler = Assembler::new();
        self.control = None;
    }

    /// Returns how many bytes of memory are held beyond its own size.
    #[inline]
    pub fn memory(&self) -> usize {
        self.assembler.memory() + self.memory_of_the_rare()
    }

    #[inline]
    fn memory_of_the_rare(&self) -> usize {
        let control = self.control.as_ref().map_or(0, |it| size_of::<ControlPayload>() + it.bytes.capacity());
        let end = self.end.as_ref().map_or(0, |end| size_of::<End>() + end.memory());
        control + end
    }

    /// Returns how many bytes are held for an incomplete message.
    pub fn held(&self) -> usize {
        self.assembler.held()
    }

    #[inline]
    fn rules(&self, outbound: &Outbound) -> Rules {
        Rules {
            role: outbound.role(),
            compression: self.assembler.takes_compressed(),
            max_frame: outbound.config().max_frame,
        }
    }

    /// Takes the next part of what has arrived. Takes only a little of a compressed message at a time if it is
    /// delivered in pieces or little work is left, as each piece may become a thousand times as long.
    #[inline]
    fn part<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        rules: &Rules,
        delivery: Delivery,
        work: usize,
    ) -> Result<Option<Part<'b>>, ProtocolError> {
        if !self.in_pieces || self.decoder.remaining() == 0 {
            return self.decoder.next(input, rules);
        }
        let most = if delivery == Delivery::Frames { PIECE } else { usize::MAX };
        let most = most.min((work / PIECE).max(LEAST_PIECE));
        let piece = usize::try_from(self.decoder.remaining()).unwrap_or(most).min(most).min(input.len());
        let (mut piece, rest) = core::mem::take(input).split_at_mut(piece);
        *input = rest;
        self.decoder.next(&mut piece, rules)
    }

    /// Handles a header and returns whether it is an event.
    #[inline]
    fn begin(&mut self, header: &Header, outbound: &Outbound) -> Result<bool, ProtocolError> {
        if let Kind::Control { opcode, .. } = header.kind() {
            self.current = Current::Control(opcode);
            self.control.take_if(|control| control.complete);
            return Ok(false);
        }
        self.current = Current::Data;
        self.moved = true;
        self.assembler.begin(header.kind(), &outbound.config().limits())?;
        self.in_pieces = self.assembler.is_compressed();
        Ok(outbound.config().delivery != Delivery::Messages)
    }

    /// Returns whether the next chunk of the current frame is an event or completes one.
    #[inline]
    fn is_event(&self, frame_ends: bool, config: &Config) -> bool {
        match (self.current, config.delivery) {
            (Current::Control(_), _) => frame_ends,
            (Current::Data, Delivery::Messages) => frame_ends && self.assembler.is_last_frame(),
            (Current::Data, Delivery::Frames | Delivery::Both) => true,
        }
    }

    /// Handles a chunk that is no event. `follows` is how many bytes behind it have arrived.
    fn hold(&mut self, chunk: &[u8], frame_ends: bool, follows: usize) -> Result<(), ProtocolError> {
        let ends_here = self.assembler.is_last_frame() && self.decoder.remaining() <= follows as u64;

        self.moved |= !chunk.is_empty() && self.current == Current::Data;
        match self.current {
            Current::Data if !ends_here && self.assembler.defer(chunk) => Ok(()),
            Current::Data => self.assembler.keep(chunk, frame_ends).map(drop),
            Current::Control(_) => {
                self.control.get_or_insert_default().bytes.extend_from_slice(chunk);
                Ok(())
            }
        }
    }

    /// Handles a chunk that is an event or completes one.
    #[inline]
    fn payload<'a>(
        &'a mut self,
        chunk: &'a [u8],
        last: bool,
        outbound: &mut Outbound,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let opcode = match self.current {
            Current::Control(opcode) => opcode,
            Current::Data if outbound.config().delivery == Delivery::Messages => {
                let end = &mut self.end;
                return match self.assembler.push(chunk, last) {
                    Ok(message) => Ok(message.map(Event::Message)),
                    Err(error) => Err(fail(end, error, outbound)),
                };
            }
            Current::Data => return self.chunk(chunk, last, outbound),
        };
        let payload = match &mut self.control {
            None => chunk,
            Some(control) => {
                control.bytes.extend_from_slice(chunk);
                control.complete = true;
                &control.bytes
            }
        };
        match opcode {
            Control::Ping => {
                if outbound.config().answer_pings {
                    outbound.answer_ping(payload); // §5.5.2: MUST send a Pong frame in response
                }
                Ok(Some(Event::Ping(payload)))
            }
            Control::Pong => Ok(Some(Event::Pong(payload))),
            Control::Close => match CloseReason::parse(payload) {
                Ok(close) => {
                    self.end = Some(Box::new(End::Close(close.map(|close| close.to_owned()), false)));
                    outbound.answer_close(close);
                    Ok(Some(Event::Close(close)))
                }
                Err(error) => Err(fail(&mut self.end, error, outbound)),
            },
        }
    }

    fn chunk<'a>(
        &'a mut self,
        payload: &'a [u8],
        frame_ends: bool,
        outbound: &mut Outbound,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        self.moved |= !payload.is_empty();
        let both = outbound.config().delivery == Delivery::Both;
        let start = if both { self.assembler.held() } else { 0 };
        let passed = if both {
            self.assembler.keep(payload, frame_ends)
        } else {
            self.assembler.pass(payload, frame_ends)
        };
        match passed {
            Ok(passed) => {
                self.message_due = both && passed.message_ends;
                let (kind, message_ends) = (passed.kind, passed.message_ends);
                let compressed = self.assembler.is_compressed();
                let payload = if compressed { self.assembler.inflated(start) } else { payload };
                Ok(Some(Event::Chunk(Chunk { kind, payload, frame_ends, message_ends })))
            }
            Err(error) => Err(self.fail(error, outbound)),
        }
    }

    /// Records that `len` bytes came after the end.
    pub(super) fn follow(&mut self, len: usize) {
        if let Some(End::Close(_, more)) = self.end.as_deref_mut() {
            *more |= len > 0;
        }
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError, outbound: &mut Outbound) -> ProtocolError {
        fail(&mut self.end, error, outbound)
    }
}

/// §7.1.7: tells the peer, and ignores everything that follows.
#[cold]
pub(super) fn fail(
    end: &mut Option<Box<End>>,
    error: ProtocolError,
    outbound: &mut Outbound,
) -> ProtocolError {
    *end = Some(Box::new(End::Fault(error)));
    outbound.fail(CloseReason { code: error.close_code(), reason: error.rule() });
    error
}

/// The most compressed bytes that become one [`Chunk`], and about how many times as long compressed bytes may become.
const PIECE: usize = 1024;

/// The fewest compressed bytes that are inflated at a time.
const LEAST_PIECE: usize = 512;
