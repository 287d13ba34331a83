//! The position of a connection in its input.

use alloc::vec::Vec;

use super::error::Http2Error;
use super::frame::{FrameHeader, HEADER, flag};

use crate::secret::Secret;

/// The position in the input.
#[derive(Debug)]
pub(super) enum Reading {
    Preface(usize),
    Header {
        bytes: [u8; HEADER],
        len: usize,
    },
    Payload {
        header: FrameHeader,
        bytes: Secret<Vec<u8>>,
    },
    /// Before the byte with the length of a DATA frame's padding.
    PadLength(FrameHeader),
    Data {
        header: FrameHeader,
        left: usize,
        padding: usize,
    },
    Skip(usize),
}

impl Reading {
    /// Returns how many bytes of memory are held, beyond its own size.
    pub(super) const fn memory(&self) -> usize {
        match self {
            Self::Payload { bytes, .. } => bytes.expose().capacity(),
            _ => 0,
        }
    }
}

pub(super) const AT_HEADER: Reading = Reading::Header { bytes: [0; HEADER], len: 0 };

/// A field section in progress.
#[derive(Debug)]
pub(super) struct FieldSection {
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    pub(super) block: Secret<Vec<u8>>,
    pub(super) frames: usize,
}

/// Returns the block in a HEADERS frame (§6.2).
pub(super) fn without_padding<'a>(header: &FrameHeader, payload: &'a [u8]) -> Result<&'a [u8], Http2Error> {
    let mut rest = payload;
    let mut padding = 0;
    if header.has(flag::PADDED) {
        let (len, behind) = rest.split_first().ok_or(Http2Error::FrameLength)?;
        (padding, rest) = (usize::from(*len), behind);
    }
    if header.has(flag::PRIORITY) {
        rest = rest.get(5..).ok_or(Http2Error::FrameLength)?;
    }
    let end = rest.len().checked_sub(padding).ok_or(Http2Error::Padding)?;
    Ok(&rest[..end])
}
