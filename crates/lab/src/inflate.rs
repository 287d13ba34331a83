//! DEFLATE from the peer's side of a connection, over `miniz_oxide`. This is not the library's engine, so faults of
//! that engine show.
//!
//! The window is exactly as large as was agreed, so a reference to before it is an error and not a guess.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::DecompressorOxide;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};

/// One direction of a connection, with the window that its messages share.
pub(super) struct Inflater {
    engine: Box<DecompressorOxide>,
    window: Vec<u8>,
    /// Where the next byte goes.
    at: usize,
    /// Whether the window is full, so that new bytes replace its oldest ones.
    wraps: bool,
}

/// The result of inflating a piece of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inflated {
    /// The whole piece was taken.
    All,
    /// A final block ended after this many bytes.
    Final(usize),
}

/// Why a stream cannot be inflated any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is not a DEFLATE stream, or it refers to before its window.
    Broken,
    /// Its output exceeds the limit.
    TooLong,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").field("window", &self.window.len()).finish_non_exhaustive()
    }
}

impl Inflater {
    /// Creates an inflater with a window of 2^`bits` bytes.
    pub(super) fn new(bits: u8) -> Self {
        Self { engine: Box::default(), window: vec![0; 1 << bits], at: 0, wraps: false }
    }

    /// Forgets the window.
    pub(super) fn forget(&mut self) {
        self.start_over();
        (self.at, self.wraps) = (0, false);
    }

    /// Begins a new stream, which may refer to the window.
    pub(super) fn start_over(&mut self) {
        *self.engine = DecompressorOxide::new();
    }

    /// Inflates a piece of a stream and appends the output to `out`, which grows to at most `most` bytes.
    ///
    /// # Errors
    ///
    /// Returns why the stream cannot be inflated.
    pub(super) fn inflate(&mut self, piece: &[u8], out: &mut Vec<u8>, most: usize) -> Result<Inflated, Stop> {
        let mut taken = 0;
        loop {
            let wraps = if self.wraps { 0 } else { TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF };
            let (status, read, written) = miniz_oxide::inflate::core::decompress(
                &mut self.engine,
                &piece[taken..],
                &mut self.window,
                self.at,
                TINFL_FLAG_HAS_MORE_INPUT | wraps,
            );
            taken += read;
            out.extend_from_slice(&self.window[self.at..self.at + written]);
            self.at += written;
            if self.at == self.window.len() {
                (self.at, self.wraps) = (0, true);
            }
            if out.len() > most {
                out.truncate(most);
                return Err(Stop::TooLong);
            }
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(Inflated::All),
                TINFLStatus::Done => return Ok(Inflated::Final(taken)),
                _ => return Err(Stop::Broken),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a stored block of this many bytes, then a fixed one with "three bytes from `distance` back".
    fn stream(stored: u16, back_one: bool) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(stored.to_le_bytes());
        bytes.extend((!stored).to_le_bytes());
        bytes.extend((0..stored).map(|at| (at % 251) as u8));
        // Length 3; distance code 16 is 257 and seven more bits, code 17 is 385 and seven more, of which 127 are 512;
        // code 18 is 513 and eight more.
        bytes.extend(if back_one { fixed(17, 127, 7) } else { fixed(18, 0, 8) });
        bytes
    }

    /// Makes a fixed block with one match of three bytes.
    fn fixed(code: u32, extra: u32, extra_bits: u32) -> Vec<u8> {
        let mut bits: Vec<bool> = vec![false, true, false];
        bits.extend([false, false, false, false, false, false, true]);
        bits.extend((0..5).rev().map(|bit| code >> bit & 1 == 1));
        bits.extend((0..extra_bits).map(|bit| extra >> bit & 1 == 1));
        bits.extend([false; 7]);
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | u8::from(*bit) << at))
            .collect()
    }

    #[test]
    fn a_reference_to_before_the_window_is_an_error() {
        for bits in [9, 10, 15] {
            let inflate = |stream: &[u8]| {
                let mut out = Vec::new();
                Inflater::new(bits).inflate(stream, &mut out, 1 << 20).map(|_| out)
            };
            let whole = inflate(&stream(600, true)).unwrap();
            assert_eq!(whole[600..], whole[88..91], "512 back, {bits} bits");
            assert_eq!(inflate(&stream(600, false)).is_ok(), bits > 9, "513 back, {bits} bits");
            // There is nothing that far back.
            assert_eq!(inflate(&stream(500, true)), Err(Stop::Broken), "{bits} bits");
        }
    }

    #[test]
    fn no_more_comes_out_than_may() {
        let mut out = Vec::new();
        assert_eq!(Inflater::new(15).inflate(&stream(600, true), &mut out, 599), Err(Stop::TooLong));
        assert_eq!(Inflater::new(15).inflate(&stream(600, true), &mut Vec::new(), 603), Ok(Inflated::All));
    }
}
