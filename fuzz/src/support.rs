//! What several targets need: numbers from a seed, cuts, and events that borrow nothing.

use bowsprit::connection::Event;
use bowsprit::entropy::{Entropy, EntropyError};
use bowsprit::error::ProtocolError;
use bowsprit::frame::{Header, Parsed, RawHeader};
use bowsprit::message::Message;

/// Numbers that follow from a seed in the input.
#[derive(Clone, Debug)]
pub(super) struct Random(fastrand::Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// Returns a number below `bound`, which is not 0; the same on machines of any width.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.u64(..bound as u64) as usize
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill_with(|| self.next() as u8);
        Ok(())
    }
}

/// Entropy of a function of its input: always zeros.
pub(super) struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0);
        Ok(())
    }
}

/// How bytes are cut, as the first byte of the input says: byte by byte, in pieces of any length, or once.
#[derive(Clone, Debug)]
pub(super) enum Cuts {
    Each(usize),
    At(usize),
    Random(Random, usize),
}

impl Cuts {
    /// Takes two bytes off the input.
    pub(super) fn take(input: &mut &[u8]) -> Self {
        let mut byte = || {
            let (first, rest) = input.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
            *input = rest;
            first
        };
        let (kind, detail) = (byte(), byte());
        match kind % 4 {
            0 => Cuts::Each(1 + usize::from(detail) % 16),
            1 => Cuts::At(usize::from(kind / 4) << 8 | usize::from(detail)),
            2 => Cuts::Random(Random::new(detail.into()), 8),
            _ => Cuts::Random(Random::new(detail.into()), 300),
        }
    }

    /// Returns the pieces of `bytes`.
    pub(super) fn pieces<'a>(&self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        match self.clone() {
            Cuts::Each(step) => bytes.chunks(step).collect(),
            Cuts::At(at) => {
                let (front, back) = bytes.split_at(at.min(bytes.len()));
                vec![front, back]
            }
            Cuts::Random(mut random, longest) => {
                let mut pieces = Vec::new();
                while !bytes.is_empty() {
                    let (piece, rest) = bytes.split_at((1 + random.below(longest)).min(bytes.len()));
                    pieces.push(piece);
                    bytes = rest;
                }
                pieces
            }
        }
    }
}

/// An event that borrows nothing. Chunks of one frame are joined, because their borders depend on the reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Frame(Header),
    Chunk { text: bool, payload: Vec<u8>, frame_ends: bool, message_ends: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(ProtocolError),
}

impl Seen {
    pub(super) fn of(event: &Event<'_>) -> Self {
        match event {
            Event::Message(Message::Text(text)) => Seen::Text(text.as_bytes().to_vec()),
            Event::Message(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Event::Frame(header) => Seen::Frame(*header),
            Event::Chunk(chunk) => Seen::Chunk {
                text: chunk.kind == bowsprit::frame::DataKind::Text,
                payload: chunk.payload.to_vec(),
                frame_ends: chunk.frame_ends,
                message_ends: chunk.message_ends,
            },
            Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            Event::Close(close) => Seen::Close(close.map(|close| (close.code.0, close.reason.to_owned()))),
        }
    }

    /// Adds an event. How much of a frame with invalid text was delivered depends on the reads, so that is left out.
    pub(super) fn push(self, seen: &mut Vec<Seen>) {
        match (seen.last_mut(), self) {
            (
                Some(Seen::Chunk { payload, frame_ends: ends @ false, message_ends: end, .. }),
                Seen::Chunk { payload: more, frame_ends, message_ends, .. },
            ) => {
                payload.extend(more);
                (*ends, *end) = (frame_ends, message_ends);
            }
            (
                Some(last @ Seen::Chunk { frame_ends: false, .. }),
                failed @ Seen::Failed(ProtocolError::TextNotUtf8),
            ) => {
                *last = failed;
            }
            (_, this) => seen.push(this),
        }
    }
}

/// Parses frames, unmasked; nothing may be left over.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<(RawHeader, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let Parsed::Done(header, used) = RawHeader::parse(bytes) else { panic!("half a header is sent") };
        let length = usize::try_from(header.length).expect("what is sent fits into memory");
        assert!(bytes.len() >= used + length, "half a frame is sent");
        let (payload, rest) = bytes[used..].split_at(length);
        let mut payload = payload.to_vec();
        header.mask.unwrap_or_default().apply_naive(&mut payload);
        frames.push((header, payload));
        bytes = rest;
    }
    frames
}
