//! The content of frames: messages put together, inflated and validated as UTF-8, of which only the start is kept.

use bowsprit::error::Section;

use super::super::compress::TAIL;
use super::super::deflate::MAX_INFLATED;
use super::super::inflate::{Inflated, Inflater, Stop};
use super::super::rule::Violation;

/// A message, put together and inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether the message is text.
    pub text: bool,
    /// The number of frames that it came in.
    pub frames: u64,
    /// The number of its bytes on the wire, if it was compressed.
    pub compressed: Option<u64>,
    /// The length of the message; shorter than the original if `broken`.
    pub length: u64,
    /// The start of the message.
    pub bytes: Vec<u8>,
    /// Whether the message failed to inflate.
    pub broken: bool,
}

/// How many bytes are inflated at once, so that the output is at most a megabyte.
const PIECE: usize = 1024;

/// One direction of permessage-deflate.
#[derive(Debug)]
pub(in super::super) struct Inflation {
    inflater: Inflater,
    /// Whether the window is forgotten after each message.
    resets: bool,
    /// Whether a message failed to inflate, so that the window is not the one that later messages refer to.
    lost: bool,
    out: Vec<u8>,
}

impl Inflation {
    /// Creates the state for a window of 2^`bits` bytes.
    pub(in super::super) fn new(bits: u8, resets: bool) -> Self {
        Self { inflater: Inflater::new(bits.clamp(9, 15)), resets, lost: false, out: Vec::new() }
    }

    fn inflate(&mut self, bytes: &[u8], made: u64, mut take: impl FnMut(&[u8])) -> Result<(), Stop> {
        let mut made = made as usize; // at most `MAX_INFLATED`, and one piece
        for piece in bytes.chunks(PIECE) {
            let mut rest = piece;
            loop {
                self.out.clear();
                let done = self.inflater.inflate(rest, &mut self.out, MAX_INFLATED.saturating_sub(made));
                made += self.out.len();
                take(&self.out); // up to a fault, too: where the input was cut must not show
                match done? {
                    Inflated::All => break,
                    // BFINAL: the stream starts over (RFC 7692 §7.2.3.4).
                    Inflated::Final(taken) => {
                        self.inflater.start_over();
                        rest = &rest[taken..];
                    }
                }
            }
        }
        Ok(())
    }
}

/// A message that is not complete yet.
#[derive(Debug)]
pub(super) struct Assembly {
    text: Option<Text>,
    pub(super) frames: u64,
    /// The number of bytes on the wire.
    wire: u64,
    length: u64,
    kept: Vec<u8>,
    keep: usize,
    compressed: bool,
    stop: Option<Stop>,
    /// Whether inflating the message is pointless.
    lost: bool,
}

impl Assembly {
    pub(super) fn new(text: bool, compressed: bool, keep: usize) -> Self {
        Self {
            text: text.then(Text::default),
            frames: 1,
            wire: 0,
            length: 0,
            kept: Vec::new(),
            keep,
            compressed,
            stop: None,
            lost: false,
        }
    }

    /// Returns whether the message needs all of its bytes.
    pub(super) fn reads(&self) -> bool {
        self.compressed || self.text.is_some() || self.kept.len() < self.keep
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Counts bytes that came.
    pub(super) fn count(&mut self, bytes: usize) {
        self.wire += bytes as u64;
    }

    pub(super) fn push(&mut self, bytes: &[u8], inflation: Option<&mut Inflation>) {
        let Some(inflation) = inflation.filter(|_| self.compressed) else {
            return self.take(bytes);
        };
        self.lost |= inflation.lost;
        if self.stop.is_none() && !self.lost {
            let made = self.length;
            self.stop = inflation.inflate(bytes, made, |out| self.take(out)).err();
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let kept = self.keep.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..kept]);
        if let Some(text) = &mut self.text {
            text.push(bytes);
        }
    }

    /// Returns the message and what is wrong with it.
    pub(super) fn end(mut self, mut inflation: Option<&mut Inflation>) -> (Message, Option<Violation>) {
        if self.compressed {
            self.push(&TAIL, inflation.as_deref_mut());
        } else {
            self.length = self.wire;
        }
        let broken = self.stop.is_some() || self.lost;
        if let Some(inflation) = inflation.filter(|_| self.compressed) {
            inflation.lost = broken;
            if inflation.resets {
                inflation.lost = false;
                inflation.inflater.forget();
            }
        }
        let fault = match (self.stop, self.text.as_mut().filter(|_| !broken).and_then(Text::end)) {
            (Some(Stop::Broken), _) => {
                let what = "The message is no DEFLATE stream for the agreed window";
                Some(Violation::new(Section::rfc7692("7.2.2"), what))
            }
            (Some(Stop::TooLong), _) => {
                let what = format!("The message inflates to more than {MAX_INFLATED} bytes");
                Some(Violation::new(Section::rfc6455("10.4"), what))
            }
            (None, Some(at)) => {
                let what = format!("The text is not UTF-8 from byte {at} on");
                Some(Violation::new(Section::rfc6455("8.1"), what))
            }
            (None, None) => None,
        };
        let message = Message {
            text: self.text.is_some(),
            frames: self.frames,
            compressed: self.compressed.then_some(self.wire),
            length: self.length,
            bytes: self.kept,
            broken,
        };
        (message, fault)
    }
}

/// Validates text in pieces as UTF-8.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The bytes of an incomplete character.
    part: Vec<u8>,
    /// How many bytes of complete characters have come.
    valid: u64,
    broken: bool,
}

impl Text {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !self.part.is_empty() && !self.broken {
            let [next, rest @ ..] = bytes else { return };
            self.part.push(*next);
            bytes = rest;
            match str::from_utf8(&self.part) {
                Ok(_) => {
                    self.valid += self.part.len() as u64;
                    self.part.clear();
                }
                Err(error) => self.broken = error.error_len().is_some(),
            }
        }
        if self.broken {
            return;
        }
        match str::from_utf8(bytes) {
            Ok(_) => self.valid += bytes.len() as u64,
            Err(error) => {
                self.valid += error.valid_up_to() as u64;
                self.broken = error.error_len().is_some();
                self.part.extend_from_slice(
                    &bytes[error.valid_up_to()..][..3.min(bytes.len() - error.valid_up_to())],
                );
            }
        }
    }

    /// Ends the text. Returns the position from which on it is not UTF-8.
    pub(super) fn end(&mut self) -> Option<u64> {
        (self.broken || !self.part.is_empty()).then_some(self.valid)
    }
}
