//! Assembles frames into messages (RFC 6455 §5.4, §5.6, §8.1; RFC 7692 §6.2).
//!
//! In: checked headers of data frames and their unmasked payload, in order and in any cut. Out: whole messages,
//! borrowed from the input if a message arrived in one piece. Promises: judges the sequence and the size at the header,
//! rejects bad UTF-8 at the byte that makes it bad, and holds no more than is [fair](MessageBuffer::fair) to what has
//! arrived. The limits and checks of a compressed message apply to its inflated bytes, and it is never inflated beyond
//! the limit. Control frames never come here.

mod loan;

use alloc::boxed::Box;

use super::{Message, MessageBuffer};
use crate::error::ProtocolError;
use crate::extension::deflate::{Half, Inflater, Pushed};
use crate::frame::{DataKind, Kind};
use crate::utf8::{self, Utf8Stream};

/// The limits on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of payload.
    pub bytes: usize,
    /// Frames.
    pub fragments: u32,
    /// Frames without payload that are not the last.
    pub empty_fragments: u32,
}

/// The message in progress of one connection.
#[derive(Debug)]
pub struct Assembler {
    state: State,
    kind: DataKind,
    /// Whether the current frame is the last of its message.
    fin: bool,
    utf8: Utf8Stream,
    /// Whether the buffer holds exactly what `utf8` has accepted of the message.
    whole: bool,
    fragments: u32,
    empty_fragments: u32,
    /// Bytes that the headers of this message, or of the last one, have announced in total.
    announced: usize,
    buffer: Option<Box<MessageBuffer>>,
    /// Whether the message is compressed.
    compressed: bool,
    /// Whether the bytes in the buffer are still compressed.
    deferred: bool,
    /// What was agreed for compressed messages, if anything was.
    deflate: Option<Half>,
    inflater: Option<Box<Inflater>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No message is open.
    Between,
    /// The frames so far did not end the message.
    Open,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// Creates an assembler between two messages.
    pub const fn new() -> Self {
        Self {
            state: State::Between,
            kind: DataKind::Binary,
            fin: true,
            utf8: Utf8Stream::EMPTY,
            whole: true,
            fragments: 0,
            empty_fragments: 0,
            announced: 0,
            buffer: None,
            compressed: false,
            deferred: false,
            deflate: None,
            inflater: None,
        }
    }

    /// Begins a data frame. (Control frames pass: they are not this layer's business.)
    ///
    /// # Errors
    ///
    /// The rule that this frame breaks: it may not come here, or the message would pass a limit.
    #[inline]
    pub fn begin(&mut self, frame: Kind, limits: &Limits) -> Result<(), ProtocolError> {
        let (fin, length) = match (frame, self.state) {
            (Kind::Control { .. }, _) => return Ok(()),
            // §5.4: a message MUST have ended before the next one starts
            (Kind::First { .. }, State::Open) => return Err(ProtocolError::MessageInsideMessage),
            // §5.4: a continuation continues a message
            (Kind::Continuation { .. }, State::Between) => {
                return Err(ProtocolError::ContinuationWithoutMessage);
            }
            (Kind::First { data, fin, length, compressed }, State::Between) => {
                self.state = State::Open;
                self.kind = data;
                self.utf8 = Utf8Stream::EMPTY;
                self.whole = true;
                if let Some(buffer) = &mut self.buffer {
                    buffer.clear();
                }
                self.fragments = 0;
                self.empty_fragments = 0;
                self.announced = 0;
                self.compressed = compressed;
                self.deferred = false;
                if compressed {
                    self.begin_inflating(limits);
                }
                (fin, length)
            }
            (Kind::Continuation { fin, length }, State::Open) => (fin, length),
        };
        self.fin = fin;
        self.fragments = self.fragments.saturating_add(1); // a limit of `u32::MAX` is no limit
        if self.fragments > limits.fragments {
            return Err(ProtocolError::TooManyFragments); // §10.4
        }
        if length == 0 && !fin {
            self.empty_fragments = self.empty_fragments.saturating_add(1);
            if self.empty_fragments > limits.empty_fragments {
                return Err(ProtocolError::TooManyEmptyFragments); // §10.4
            }
        }
        let sum = usize::try_from(length).ok().and_then(|length| self.announced.checked_add(length));
        match sum {
            Some(sum) if sum <= limits.bytes => self.announced = sum,
            Some(sum) if self.compressed && sum <= longest_compressed(limits.bytes) => self.announced = sum,
            _ => return Err(ProtocolError::MessageTooLong), // §10.4
        }
        Ok(())
    }

    /// Returns how long a message that comes now as one whole frame may be, or `None` if none may come.
    #[inline]
    pub const fn longest_whole(&self, limits: &Limits) -> Option<usize> {
        if self.is_open() || limits.fragments == 0 { None } else { Some(limits.bytes) }
    }

    /// Returns how long the last message was, unless another one is open or the last one that came in parts was
    /// compressed.
    #[inline]
    pub const fn last_message(&self) -> Option<usize> {
        if self.is_open() || self.compressed { None } else { Some(self.announced) }
    }

    /// Takes a message that is one whole frame, is not compressed and is not [too long](Self::longest_whole). Holds
    /// nothing of it.
    ///
    /// # Errors
    ///
    /// [`TextNotUtf8`](ProtocolError::TextNotUtf8).
    #[inline]
    pub fn whole<'a>(&mut self, kind: DataKind, payload: &'a [u8]) -> Result<Message<'a>, ProtocolError> {
        self.whole = false;
        self.announced = payload.len();
        match kind {
            DataKind::Binary => Ok(Message::Binary(payload)),
            DataKind::Text => match utf8::validate(payload) {
                Ok(text) => Ok(Message::Text(text)),
                Err(_) => Err(ProtocolError::TextNotUtf8), // §8.1
            },
        }
    }

    /// Takes the next payload of the current frame. Returns the message if it ends with this chunk.
    ///
    /// # Errors
    ///
    /// [`TextNotUtf8`](ProtocolError::TextNotUtf8).
    #[inline]
    pub fn push<'a>(
        &'a mut self,
        chunk: &'a [u8],
        frame_ends: bool,
    ) -> Result<Option<Message<'a>>, ProtocolError> {
        let message_ends = frame_ends && self.fin;
        if message_ends && self.held() == 0 && self.whole && !self.compressed {
            self.state = State::Between;
            return match self.kind {
                DataKind::Text => utf8::validate(chunk).map(Message::Text),
                DataKind::Binary => Ok(Message::Binary(chunk)),
            }
            .map(Some)
            .map_err(|_| ProtocolError::TextNotUtf8); // §8.1
        }
        self.keep(chunk, frame_ends)?;
        Ok(if message_ends { self.kept() } else { None })
    }

    /// Checks a chunk for callers that take messages in pieces. Holds nothing, unless the message is compressed: then
    /// [`inflated`](Self::inflated) has the inflated chunk.
    ///
    /// # Errors
    ///
    /// [`TextNotUtf8`](ProtocolError::TextNotUtf8).
    pub fn pass(&mut self, chunk: &[u8], frame_ends: bool) -> Result<Passed, ProtocolError> {
        if self.compressed {
            self.whole = false;
            self.buffer.get_or_insert_default().clear();
            return self.inflate(chunk, frame_ends);
        }
        self.whole &= chunk.is_empty();
        self.check(chunk, frame_ends)
    }

    /// Checks and holds a chunk, for callers that take messages both in pieces and whole.
    ///
    /// # Errors
    ///
    /// [`TextNotUtf8`](ProtocolError::TextNotUtf8).
    pub fn keep(&mut self, chunk: &[u8], frame_ends: bool) -> Result<Passed, ProtocolError> {
        if self.compressed {
            return self.inflate(chunk, frame_ends);
        }
        let passed = self.check(chunk, frame_ends)?;
        if !chunk.is_empty() {
            self.buffer.get_or_insert_default().extend(chunk);
        }
        Ok(passed)
    }

    /// Holds a compressed chunk that does not end the message as it came, while little of the message has arrived: an
    /// inflater takes fifty kilobytes, which a peer would claim with its first chunk. Returns whether the chunk is
    /// held; otherwise the caller has to [`keep`](Self::keep) it. An error in it is found once more arrives, or the
    /// end.
    pub fn defer(&mut self, chunk: &[u8]) -> bool {
        let waits = self.inflater.as_ref().is_some_and(|inflater| !inflater.has_begun());
        if !self.compressed || !waits || self.held() + chunk.len() > DEFERRED {
            return false;
        }
        self.deferred = true;
        self.buffer.get_or_insert_default().extend(chunk);
        true
    }

    /// Returns the message that ended last, if all of it was held.
    pub fn kept(&self) -> Option<Message<'_>> {
        let ends_inside_a_character = self.kind == DataKind::Text && self.utf8.finish().is_err();
        if self.is_open() || !self.whole || ends_inside_a_character {
            return None;
        }
        let bytes = self.buffer.as_ref().map_or(&[][..], |buffer| buffer.as_slice());
        debug_assert!(self.kind == DataKind::Binary || utf8::validate(bytes).is_ok());
        Some(match self.kind {
            DataKind::Binary => Message::Binary(bytes),
            #[allow(unsafe_code)]
            // SAFETY: `whole` says that the buffer holds exactly what `utf8` has accepted since it was empty, in order;
            // the condition above says that its last character is complete. A second validation would read the whole
            // message again (benches/NOTES.md, "utf8").
            DataKind::Text => Message::Text(unsafe { core::str::from_utf8_unchecked(bytes) }),
        })
    }

    /// Returns room for at most `wanted` further bytes of the current frame, to be read into and then
    /// [`filled`](Self::filled).
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        self.buffer.get_or_insert_default().room(wanted)
    }

    /// Counts `len` bytes of the room as arrived. `unmask` sees them first and returns whether the frame ends with
    /// them.
    ///
    /// # Errors
    ///
    /// [`TextNotUtf8`](ProtocolError::TextNotUtf8).
    pub fn filled(
        &mut self,
        len: usize,
        unmask: impl FnOnce(&mut [u8]) -> bool,
    ) -> Result<Option<Message<'_>>, ProtocolError> {
        let mut buffer = self.buffer.take().unwrap_or_default();
        let whole = core::mem::replace(&mut self.whole, false); // if `unmask` panics, the buffer is not whole
        let chunk = buffer.advance(len);
        let frame_ends = unmask(chunk);
        self.whole = whole;
        let checked = self.check(chunk, frame_ends);
        self.buffer = Some(buffer);
        Ok(if checked?.message_ends { self.kept() } else { None })
    }

    /// Uses permessage-deflate as agreed for what is received.
    pub(crate) const fn use_deflate(&mut self, agreed: Option<Half>) {
        self.deflate = agreed;
    }

    /// Returns whether messages may be compressed.
    #[inline]
    pub const fn takes_compressed(&self) -> bool {
        self.deflate.is_some()
    }

    /// Returns whether the message is compressed.
    #[inline]
    pub const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Returns the held bytes from `start` on.
    pub fn inflated(&self, start: usize) -> &[u8] {
        self.buffer.as_ref().and_then(|buffer| buffer.as_slice().get(start..)).unwrap_or_default()
    }

    /// Returns the last `len` held bytes.
    pub fn inflated_last(&self, len: usize) -> &[u8] {
        self.inflated(self.held().saturating_sub(len))
    }

    /// Returns the place of the inflater and the agreed parameters, or `None` if it is in use or compression was not
    /// agreed.
    #[inline]
    pub(crate) fn idle_inflater(&mut self) -> Option<(&mut Option<Box<Inflater>>, Half)> {
        let agreed = self.deflate?;
        let in_use =
            self.compressed && self.is_open() && self.inflater.as_ref().is_none_or(|it| it.has_begun());
        if in_use { None } else { Some((&mut self.inflater, agreed)) }
    }

    /// Returns the inflater, if there is one.
    #[cfg(feature = "deflate")]
    pub(crate) fn inflater(&self) -> Option<&Inflater> {
        self.inflater.as_deref()
    }

    /// Returns how many bytes of the open message are held; inflated ones as soon as a compressed message has some.
    #[inline]
    pub fn held(&self) -> usize {
        if self.is_open() { self.buffer.as_ref().map_or(0, |buffer| buffer.len()) } else { 0 }
    }

    /// Returns how many bytes were inflated since the last call.
    #[inline]
    pub(crate) fn take_work(&mut self) -> usize {
        self.inflater.as_mut().map_or(0, |inflater| inflater.take_work())
    }

    /// Returns whether any memory is held.
    #[inline]
    pub const fn holds(&self) -> bool {
        self.buffer.is_some() || self.inflater.is_some()
    }

    /// Returns how many bytes of memory are held.
    pub fn memory(&self) -> usize {
        let buffer = self.buffer.as_ref().map_or(0, |buffer| size_of::<MessageBuffer>() + buffer.capacity());
        buffer + self.inflater.as_ref().map_or(0, |inflater| inflater.memory())
    }

    /// Returns whether the current frame is the last of its message.
    #[inline]
    pub const fn is_last_frame(&self) -> bool {
        self.fin
    }

    /// Returns whether a message is open.
    #[inline]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    #[cold]
    fn begin_inflating(&mut self, limits: &Limits) {
        if let Some(agreed) = self.deflate {
            let inflater = self.inflater.get_or_insert_with(|| agreed.inflater());
            inflater.begin(agreed);
            *inflater.budget() = limits.bytes;
        }
    }

    /// Inflates a chunk to the end of the buffer and checks the result.
    #[inline(never)]
    fn inflate(&mut self, chunk: &[u8], frame_ends: bool) -> Result<Passed, ProtocolError> {
        let message_ends = frame_ends && self.fin;
        // The check of the header lets no compressed frame through unless compression was agreed.
        let Some(agreed) = self.deflate else { return Err(ProtocolError::ReservedBit) };
        let mut inflater = self.inflater.take().unwrap_or_else(|| agreed.inflater());
        let mut result = Ok(());
        if core::mem::take(&mut self.deferred) {
            let buffer = self.buffer.get_or_insert_default();
            let deferred = buffer.as_slice().to_vec();
            buffer.clear();
            result = self.inflate_with(&mut inflater, &deferred, false);
        }
        result = result.and_then(|()| self.inflate_with(&mut inflater, chunk, message_ends));
        if message_ends {
            let unkept = self.inflated_last(inflater.unkept());
            result = result.and_then(|()| inflater.finish(agreed, unkept));
            result = result.and_then(|()| self.finish_text());
            self.state = State::Between;
        }
        self.inflater = Some(inflater);
        self.whole &= result.is_ok();
        result.map(|()| Passed { kind: self.kind, message_ends })
    }

    fn inflate_with(
        &mut self,
        inflater: &mut Inflater,
        mut chunk: &[u8],
        last: bool,
    ) -> Result<(), ProtocolError> {
        let buffer = self.buffer.get_or_insert_default();
        loop {
            if *inflater.budget() == 0 {
                // The message may not grow any more; it takes a byte of room to see whether it would.
                let Pushed { made, result } = inflater.push(&mut chunk, &mut [0], last);
                return if made > 0 { Err(ProtocolError::MessageTooLong) } else { result }; // §10.4
            }
            let room = buffer.spare(*inflater.budget());
            let size = room.len();
            let Pushed { made, result } = inflater.push(&mut chunk, room, last);
            *inflater.budget() -= made;
            let made = buffer.advance(made);
            if self.kind == DataKind::Text && self.utf8.push(made).is_err() {
                return Err(ProtocolError::TextNotUtf8); // §8.1
            }
            if result.is_err() || made.len() < size {
                return result;
            }
        }
    }

    fn finish_text(&self) -> Result<(), ProtocolError> {
        if self.kind == DataKind::Text && self.utf8.finish().is_err() {
            return Err(ProtocolError::TextNotUtf8); // §8.1
        }
        Ok(())
    }

    /// Checks a chunk, and closes a message that ends with it.
    #[inline]
    fn check(&mut self, chunk: &[u8], frame_ends: bool) -> Result<Passed, ProtocolError> {
        let message_ends = frame_ends && self.fin;
        if self.kind == DataKind::Text {
            let end = if message_ends { Utf8Stream::finish } else { |_: &Utf8Stream| Ok(()) };
            if self.utf8.push(chunk).and_then(|()| end(&self.utf8)).is_err() {
                self.whole = false;
                return Err(ProtocolError::TextNotUtf8); // §8.1
            }
        }
        if message_ends {
            self.state = State::Between;
        }
        Ok(Passed { kind: self.kind, message_ends })
    }
}

/// What [`Assembler::pass`] learns from a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The kind of the message that the chunk belongs to.
    pub kind: DataKind,
    /// Whether the message ends with the chunk.
    pub message_ends: bool,
}

/// How many compressed bytes of a message are held back before they are inflated.
const DEFERRED: usize = 4096;

/// Returns how many bytes of compressed payload a message may have. What does not compress becomes a little longer, and
/// flushes make it longer still, but not without bound.
const fn longest_compressed(bytes: usize) -> usize {
    bytes.saturating_mul(2).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 100, fragments: 5, empty_fragments: 2 };

    const fn first(data: DataKind, fin: bool, length: u64) -> Kind {
        Kind::First { data, fin, compressed: false, length }
    }

    const fn next(fin: bool, length: u64) -> Kind {
        Kind::Continuation { fin, length }
    }

    /// Each frame with its whole payload; the message or the error at the end.
    fn assemble(frames: &[(Kind, &[u8])]) -> Result<Vec<u8>, ProtocolError> {
        let mut assembler = Assembler::new();
        for (at, (frame, payload)) in frames.iter().enumerate() {
            assembler.begin(*frame, &LIMITS)?;
            let message = assembler.push(payload, true)?;
            assert_eq!(message.is_some(), at == frames.len() - 1);
            if let Some(message) = message {
                return Ok(message.as_bytes().to_vec());
            }
        }
        Ok(Vec::new())
    }

    #[test]
    fn sequences() {
        use DataKind::{Binary, Text};
        use ProtocolError::*;
        type Case<'a> = (&'a [(Kind, &'a [u8])], Result<Vec<u8>, ProtocolError>);
        let table: &[Case<'_>] = &[
            (&[(first(Text, true, 2), b"hi")], Ok(b"hi".to_vec())),
            (&[(first(Text, false, 2), b"hi"), (next(true, 1), b"!")], Ok(b"hi!".to_vec())),
            (&[(first(Text, false, 0), b""), (next(true, 0), b"")], Ok(vec![])),
            (&[(first(Text, false, 1), b"\xc3"), (next(true, 1), b"\xa9")], Ok("é".into())),
            (&[(first(Binary, false, 1), b"\xff"), (next(true, 1), b"\xff")], Ok(vec![0xff; 2])),
            (&[(next(true, 0), b"")], Err(ContinuationWithoutMessage)),
            (&[(first(Text, false, 0), b""), (first(Text, true, 0), b"")], Err(MessageInsideMessage)),
            (&[(first(Text, true, 1), b"\xff")], Err(TextNotUtf8)),
            (&[(first(Text, true, 1), b"\xc3")], Err(TextNotUtf8)),
            (&[(first(Text, false, 1), b"\xc3"), (next(true, 0), b"")], Err(TextNotUtf8)),
            (&[(first(Binary, true, 101), b"")], Err(MessageTooLong)),
            (&[(first(Binary, true, u64::MAX), b"")], Err(MessageTooLong)),
            (&[(first(Binary, false, 100), &[0; 100]), (next(true, 1), b"")], Err(MessageTooLong)),
            (&[(first(Binary, false, 1), b"x"), (next(true, u64::MAX), b"")], Err(MessageTooLong)),
        ];
        for (frames, expected) in table {
            assert_eq!(assemble(frames), *expected, "{frames:?}");
        }
    }

    #[test]
    fn fragments_are_counted_and_empty_ones_apart() {
        for (length, allowed, error) in
            [(1, 5, ProtocolError::TooManyFragments), (0, 2, ProtocolError::TooManyEmptyFragments)]
        {
            let mut assembler = Assembler::new();
            assembler.begin(first(DataKind::Binary, false, length), &LIMITS).unwrap();
            for _ in 1..allowed {
                assembler.begin(next(false, length), &LIMITS).unwrap();
            }
            assert_eq!(assembler.begin(next(false, length), &LIMITS), Err(error));
        }
    }

    #[test]
    fn the_greatest_limit_is_no_limit() {
        let limits = Limits { fragments: u32::MAX, empty_fragments: u32::MAX, ..LIMITS };
        let mut assembler = Assembler::new();
        assembler.begin(first(DataKind::Binary, false, 0), &limits).unwrap();
        assembler.fragments = u32::MAX - 1;
        assembler.empty_fragments = u32::MAX - 1;
        for _ in 0..3 {
            assert_eq!(assembler.begin(next(false, 0), &limits), Ok(()));
        }
    }

    /// In whatever order the calls are made, half a character is not text.
    #[test]
    fn what_is_kept_is_text_or_nothing() {
        let text = first(DataKind::Text, true, 4);

        let mut assembler = Assembler::new();
        assembler.begin(text, &LIMITS).unwrap();
        assembler.keep(b"a", true).unwrap();
        assert_eq!(assembler.kept(), Some(Message::Text("a")));
        assembler.keep(b"\xc3", false).unwrap(); // of no frame
        assert_eq!(assembler.kept(), None);
        assembler.reclaim().unwrap();
        assembler.keep(b"\xa9", false).unwrap();
        assert_eq!(assembler.kept(), None);

        let mut assembler = Assembler::new();
        assembler.begin(text, &LIMITS).unwrap();
        assembler.room(1)[0] = b'\xc3';
        assert_eq!(assembler.filled(1, |_| false), Ok(None));
        let panics = core::panic::AssertUnwindSafe(|| {
            let _ = assembler.filled(0, |_| panic!("as the test wants it"));
        });
        std::panic::catch_unwind(panics).unwrap_err();
        assembler.keep(b"\xa9", true).unwrap();
        assert_eq!(assembler.kept(), None);
    }

    #[test]
    fn nothing_is_held_once_a_message_has_ended() {
        let mut assembler = Assembler::new();
        assembler.begin(first(DataKind::Text, true, 2), &LIMITS).unwrap();
        assembler.keep(b"h", false).unwrap();
        assert_eq!(assembler.held(), 1);
        assembler.keep(b"i", true).unwrap();
        assert_eq!(assembler.held(), 0);
        assert_eq!(assembler.kept(), Some(Message::Text("hi")));
        assert_eq!(assembler.reclaim().map(|buffer| buffer.as_slice().to_vec()), Some(b"hi".to_vec()));
        assert_eq!(assembler.kept(), None, "it has left");
    }

    #[test]
    fn text_passed_in_pieces_is_never_given_as_a_whole() {
        let mut assembler = Assembler::new();
        assembler.begin(first(DataKind::Text, true, 2), &LIMITS).unwrap();
        assembler.pass(b"\xc3", false).unwrap();
        assert_eq!(assembler.push(b"\xa9", true), Ok(None));
        assert_eq!(assembler.kept(), None);
    }

    #[test]
    fn a_lent_buffer_comes_back() {
        let mut assembler = Assembler::new();
        let mut buffer = Box::new(MessageBuffer::new());
        buffer.extend(b"\xff from somewhere else");
        assembler.lend(buffer);
        assembler.begin(first(DataKind::Text, true, 4), &LIMITS).unwrap();
        assert_eq!(assembler.push(b"te", false), Ok(None));
        assert!(assembler.reclaim().is_none(), "in use");
        assert_eq!(assembler.push(b"xt", true), Ok(Some(Message::Text("text"))));
        assert_eq!(assembler.reclaim().map(|buffer| buffer.len()), Some(4));
        assert_eq!(assembler.held(), 0);
    }

    #[test]
    fn reads_past_the_input_are_unmasked_and_checked() {
        let mut assembler = Assembler::new();
        assembler.begin(first(DataKind::Text, true, 4), &LIMITS).unwrap();
        assert_eq!(assembler.push(b"te", false), Ok(None));
        assembler.room(2).copy_from_slice(b"XT");
        let unmask = |chunk: &mut [u8]| {
            chunk.make_ascii_lowercase();
            true
        };
        assert_eq!(assembler.filled(2, unmask), Ok(Some(Message::Text("text"))));
    }
}
