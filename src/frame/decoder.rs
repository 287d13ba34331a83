//! Decodes bytes in any cut into headers and unmasked payload (RFC 6455 §5.2, §5.3).
//!
//! In: whatever a read brought. Out: [`Part`]s in order, each chunk of payload borrowed from the input and unmasked in
//! place. Promises: takes all input before it asks for more, keeps at most one unfinished header (14 bytes) between
//! calls, allocates nothing. The layer above judges the order of frames.

#[cfg(feature = "event-loop")]
use core::ops::Range;

use super::{DataKind, Header, MAX_HEADER, MaskKey, Parsed, RawHeader, Rules};
use crate::error::ProtocolError;

/// The next thing on the wire.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A frame starts.
    Header(Header),
    /// The next bytes of its payload. A frame without payload has one empty chunk.
    Payload {
        /// The bytes, unmasked.
        chunk: &'a mut [u8],
        /// Whether the frame ends with them.
        last: bool,
    },
}

/// The decoder of one direction of one connection.
///
/// ```
/// use bowsprit::frame::{FrameDecoder, Part, Rules};
/// use bowsprit::Role;
///
/// let mut decoder = FrameDecoder::new();
/// let rules = Rules { role: Role::Server, compression: false, max_frame: 1 << 20 };
/// // RFC 6455 §5.7: a masked "Hello".
/// let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let mut input = &mut bytes[..];
/// assert!(matches!(decoder.next(&mut input, &rules), Ok(Some(Part::Header(_)))));
/// let Ok(Some(Part::Payload { chunk, last: true })) = decoder.next(&mut input, &rules) else { panic!() };
/// assert_eq!(chunk, b"Hello");
/// assert_eq!(decoder.next(&mut input, &rules), Ok(None));
/// ```
#[derive(Clone, Debug, Default)]
pub struct FrameDecoder {
    place: Place,
}

/// The decoder's position in the stream.
// Two words: an idle connection has one of these as well.
#[derive(Clone, Debug, Default)]
enum Place {
    #[default]
    BetweenFrames,
    /// In a header, of which `held` bytes have arrived.
    Header { held: u8, bytes: [u8; MAX_HEADER] },
    /// In a payload, of which `remaining` bytes are yet to come. The masking key is rotated to the next of them.
    Payload { masked: bool, key: MaskKey, remaining: u64 },
}

/// A frame that is a whole message and has arrived completely.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WholeFrame {
    pub(crate) kind: DataKind,
    pub(crate) key: Option<MaskKey>,
    /// Bytes before its payload.
    pub(crate) head: usize,
    /// Bytes of payload.
    pub(crate) len: usize,
}

impl WholeFrame {
    /// Takes the frame from the front of `input` and unmasks it. Returns its kind and payload.
    #[inline(always)]
    fn unmask_front<'a>(&self, input: &mut &'a mut [u8]) -> (DataKind, &'a mut [u8]) {
        let payload = &mut take(input, self.head + self.len)[self.head..];
        if let Some(key) = self.key {
            key.apply(payload);
        }
        (self.kind, payload)
    }
}

#[cfg(feature = "event-loop")]
impl WholeFrame {
    /// Returns the length of the header without a mask.
    #[inline]
    pub(crate) const fn head_as_sent(&self) -> usize {
        match self.key {
            Some(key) => self.head - key.0.len(),
            None => self.head,
        }
    }

    /// Unmasks the payload in place and returns where it is. The frame starts at `from` in `buffer`.
    #[inline]
    pub(crate) fn unmask(&self, buffer: &mut [u8], from: usize) -> Range<usize> {
        let payload = from + self.head..from + self.head + self.len;
        if let Some(key) = self.key {
            key.apply(&mut buffer[payload.clone()]);
        }
        payload
    }

    /// Unmasks the frame and moves it from `from` to `to` in `buffer`, where `to` is early enough for nothing to be
    /// lost. Returns where its payload is.
    #[inline]
    pub(crate) fn unmask_to(&self, buffer: &mut [u8], from: usize, to: usize) -> Range<usize> {
        let Some(key) = self.key else { return from + self.head..from + self.head + self.len };
        let head = self.head_as_sent();
        debug_assert!(head <= 4 && to <= from + self.head - head);
        let buffer = &mut buffer[..from + self.head + self.len];
        buffer[to] = buffer[from];
        buffer[to + 1] = buffer[from + 1] & 0x7f; // §5.2: the mask bit
        for at in 2..head {
            buffer[to + at] = buffer[from + at];
        }
        key.apply_moving(&mut buffer[to + head..], from + self.head - to - head);
        to + head..to + head + self.len
    }
}

impl FrameDecoder {
    /// Creates a decoder at the start of a frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next part from the front of `input`. Returns `None` once all of it is taken.
    ///
    /// # Errors
    ///
    /// The rule that a header breaks. The decoder must not be used after that.
    #[inline]
    pub fn next<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        rules: &Rules,
    ) -> Result<Option<Part<'a>>, ProtocolError> {
        match self.place {
            Place::BetweenFrames => {}
            Place::Header { .. } => return self.held_header(input, rules),
            Place::Payload { remaining, .. } => return Ok(self.payload(input, remaining)),
        }
        match RawHeader::parse(input) {
            Parsed::Done(raw, used) => {
                take(input, used);
                self.begin(&raw, rules).map(Some)
            }
            Parsed::NeedMore(_) => {
                self.hold(input);
                Ok(None)
            }
        }
    }

    /// Takes a frame that is a whole message by itself, not compressed and at most `most` bytes long, if all of it has
    /// arrived. Returns its unmasked payload. If anything else comes next, returns `None` and takes nothing; use
    /// [`next`](Self::next) then.
    #[inline(always)]
    pub fn whole_message<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        rules: &Rules,
        most: usize,
    ) -> Option<(DataKind, &'a mut [u8])> {
        Some(self.whole_frame::<{ usize::MAX }>(input, rules, most)?.unmask_front(input))
    }

    /// Does what [`whole_message`](Self::whole_message) does, for frames of fewer than `BELOW` bytes.
    #[inline(always)]
    #[cfg(feature = "event-loop")]
    pub(crate) fn whole_message_below<'a, const BELOW: usize>(
        &mut self,
        input: &mut &'a mut [u8],
        rules: &Rules,
        most: usize,
    ) -> Option<(DataKind, &'a mut [u8])> {
        Some(self.whole_frame::<BELOW>(input, rules, most)?.unmask_front(input))
    }

    /// Returns the frame that [`whole_message`](Self::whole_message) would take, if it has fewer than `BELOW` bytes.
    /// `BELOW` is greater than 125.
    #[inline(always)]
    pub(crate) fn whole_frame<const BELOW: usize>(
        &self,
        input: &[u8],
        rules: &Rules,
        most: usize,
    ) -> Option<WholeFrame> {
        if !self.is_between_frames() {
            return None;
        }
        // §5.2: FIN and no reserved bit in front of the opcode, as in nearly all frames. `next` judges all others.
        let &[first, second, ref rest @ ..] = input else { return None };
        let kind = match first {
            0x81 => DataKind::Text,
            0x82 => DataKind::Binary,
            _ => return None,
        };
        let (len, rest) = match (second & 0x7f, rest) {
            (126, &[high, low, ref rest @ ..]) if (high, low) > (0, 125) => {
                let len = usize::from(u16::from_be_bytes([high, low]));
                if len >= BELOW {
                    return None;
                }
                (len, rest)
            }
            (126 | 127, _) => return None,
            (len, rest) => (usize::from(len), rest),
        };
        let (key, rest) = match (second & 0x80 != 0, rules.role.peer_masks()) {
            (true, true) => rest.split_first_chunk().map(|(key, rest)| (Some(MaskKey(*key)), rest))?,
            (false, false) => (None, rest),
            _ => return None,
        };
        if len > most.min(rest.len()) || len as u64 > rules.max_frame {
            return None;
        }
        Some(WholeFrame { kind, key, head: input.len() - rest.len(), len })
    }

    /// Returns how many bytes of the current frame's payload are yet to come.
    #[inline]
    pub const fn remaining(&self) -> u64 {
        match self.place {
            Place::Payload { remaining, .. } => remaining,
            _ => 0,
        }
    }

    /// Returns whether the input so far ends between two frames.
    #[inline]
    pub const fn is_between_frames(&self) -> bool {
        matches!(self.place, Place::BetweenFrames)
    }

    /// Unmasks payload that was read directly to where it is needed, without passing through the decoder.
    ///
    /// `chunk` is the next bytes of the current frame, at most [`remaining`](Self::remaining) of them. Returns whether
    /// the frame ends with them.
    #[inline]
    pub fn advance(&mut self, chunk: &mut [u8]) -> bool {
        debug_assert!(chunk.len() as u64 <= self.remaining());
        let Place::Payload { masked, key, remaining } = &mut self.place else { return true };
        if *masked {
            key.apply(chunk);
            *key = key.rotated(chunk.len());
        }
        *remaining = remaining.saturating_sub(chunk.len() as u64);
        let ends = *remaining == 0;
        if ends {
            self.place = Place::BetweenFrames;
        }
        ends
    }

    #[inline]
    fn begin<'a>(&mut self, raw: &RawHeader, rules: &Rules) -> Result<Part<'a>, ProtocolError> {
        let header = Header::check(raw, rules)?;
        self.place = Place::Payload {
            masked: header.mask().is_some(),
            key: header.mask().unwrap_or_default(),
            remaining: header.length(),
        };
        Ok(Part::Header(header))
    }

    #[inline]
    fn payload<'a>(&mut self, input: &mut &'a mut [u8], remaining: u64) -> Option<Part<'a>> {
        if input.is_empty() && remaining > 0 {
            return None;
        }
        let len = usize::try_from(remaining).map_or(input.len(), |left| left.min(input.len()));
        let chunk = take(input, len);
        let last = self.advance(chunk);
        Some(Part::Payload { chunk, last })
    }

    /// Completes a header that an earlier call left unfinished.
    #[cold]
    fn held_header<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        rules: &Rules,
    ) -> Result<Option<Part<'a>>, ProtocolError> {
        loop {
            let Place::Header { held, bytes } = &mut self.place else { return Ok(None) };
            match RawHeader::parse(&bytes[..usize::from(*held)]) {
                Parsed::Done(raw, _) => return self.begin(&raw, rules).map(Some),
                Parsed::NeedMore(_) if input.is_empty() => return Ok(None),
                Parsed::NeedMore(more) => append(bytes, held, take(input, more.min(input.len()))),
            }
        }
    }

    #[cold]
    fn hold(&mut self, input: &mut &mut [u8]) {
        if !input.is_empty() {
            let (mut held, mut bytes) = (0, [0; MAX_HEADER]);
            let len = input.len();
            append(&mut bytes, &mut held, take(input, len));
            self.place = Place::Header { held, bytes };
        }
    }
}

/// Appends to an unfinished header. Both what is held and what is missing are shorter than a whole one.
fn append(bytes: &mut [u8; MAX_HEADER], held: &mut u8, more: &[u8]) {
    let start = usize::from(*held);
    bytes[start..start + more.len()].copy_from_slice(more);
    *held += more.len() as u8;
}

/// Takes the first `len` bytes off the input.
#[inline(always)]
fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let (front, rest) = core::mem::take(input).split_at_mut(len);
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use crate::frame::Kind;

    const RULES: Rules = Rules { role: Role::Server, compression: false, max_frame: 1 << 20 };

    fn wire() -> Vec<u8> {
        let mut wire = Vec::new();
        for (raw, len) in [
            (RawHeader::TEXT, 5),
            (RawHeader::PING, 0),
            (RawHeader { fin: false, ..RawHeader::BINARY }, 126),
            (RawHeader::PONG, 125),
            (RawHeader::CONTINUATION, 70_000),
            (RawHeader::CLOSE, 2),
        ] {
            let key = MaskKey([len as u8, 7, 0x55, 0xaa]);
            raw.with_length(len).with_mask(key).encode_into(&mut wire);
            let mut payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            key.apply(&mut payload);
            wire.extend_from_slice(&payload);
        }
        wire
    }

    /// Headers and joined payloads of `wire`, read `step` bytes at a time.
    fn decode(mut wire: Vec<u8>, step: usize) -> Vec<(Header, Vec<u8>)> {
        let mut decoder = FrameDecoder::new();
        let mut frames: Vec<(Header, Vec<u8>)> = Vec::new();
        let mut open = false;
        for mut input in wire.chunks_mut(step) {
            while let Some(part) = decoder.next(&mut input, &RULES).unwrap() {
                match part {
                    Part::Header(header) => {
                        assert!(!open);
                        open = true;
                        frames.push((header, Vec::new()));
                    }
                    Part::Payload { chunk, last } => {
                        frames.last_mut().unwrap().1.extend_from_slice(chunk);
                        open = !last;
                    }
                }
            }
            assert!(input.is_empty(), "all input is taken");
        }
        assert!(decoder.is_between_frames());
        frames
    }

    #[test]
    fn cuts_do_not_matter() {
        let whole = decode(wire(), usize::MAX);
        assert_eq!(whole.len(), 6);
        assert_eq!(whole[4].1, (0..70_000).map(|i| i as u8).collect::<Vec<u8>>());
        for step in [1, 2, 3, 5, 7, 11, 13, 64, 127, 1499, 65_536] {
            assert!(decode(wire(), step) == whole, "in reads of {step}");
        }
    }

    /// Every pair of first bytes, on both sides: the one step takes a frame exactly if the two steps find a message in
    /// it, and finds the same.
    #[test]
    fn one_step_and_two_agree() {
        for (role, first, second) in [Role::Client, Role::Server].into_iter().flat_map(|role| {
            (0..=0xff_u8).flat_map(move |first| (0..=0xff_u8).map(move |second| (role, first, second)))
        }) {
            for (extended, present) in [(125_u16, 400), (126, 400), (300, 400), (300, 90), (300, 3), (300, 6)]
            {
                let rules = Rules { role, max_frame: 300, compression: false };
                let mut bytes = vec![first, second];
                match second & 0x7f {
                    126 => bytes.extend_from_slice(&extended.to_be_bytes()),
                    127 => bytes.extend_from_slice(&u64::from(extended).to_be_bytes()),
                    _ => {}
                }
                bytes.resize(present, 0x5c);
                let mut decoder = FrameDecoder::new();
                let (mut one, mut two) = (bytes.clone(), bytes);
                let mut input = &mut one[..];
                let at_once = decoder
                    .whole_message(&mut input, &rules, 250)
                    .map(|(kind, bytes)| (kind, bytes.to_vec()));
                let rest = input.len();

                let mut input = &mut two[..];
                let header = decoder.next(&mut input, &rules);
                let payload = decoder.next(&mut input, &rules);
                let in_two = match (header.map(|part| part.map(header_of)), payload) {
                    (
                        Ok(Some(Some(Kind::First { data, fin: true, compressed: false, length: 0..=250 }))),
                        Ok(Some(Part::Payload { chunk, last: true })),
                    ) => Some((data, chunk.to_vec())),
                    _ => None,
                };
                assert_eq!(at_once, in_two, "{role:?} {first:#x} {second:#x} {extended} {present}");
                assert_eq!(rest, if at_once.is_some() { input.len() } else { present });
            }
        }
    }

    fn header_of(part: Part<'_>) -> Option<Kind> {
        match part {
            Part::Header(header) => Some(header.kind()),
            Part::Payload { .. } => None,
        }
    }

    #[test]
    fn a_fault_is_found_without_payload() {
        let mut bytes = *b"\x83\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0";
        let mut input = &mut bytes[..];
        let result = FrameDecoder::new().next(&mut input, &RULES);
        assert_eq!(result, Err(ProtocolError::ReservedOpcode(3)));
    }

    #[test]
    fn is_small() {
        assert!(size_of::<FrameDecoder>() <= 16);
    }
}
