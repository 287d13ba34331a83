//! Frames: the unit of the wire (RFC 6455 §5.2).
//!
//! Bytes become a [`RawHeader`] (anything that the wire can carry), which becomes a [`Header`] (only what is
//! legal) through the one gate [`Header::check`]. [`FrameDecoder`] does both over a stream in any cut and
//! unmasks the payload in place.

mod decoder;
mod header;
mod mask;
mod raw;

#[cfg(feature = "event-loop")]
pub(crate) use decoder::WholeFrame;
pub use decoder::{FrameDecoder, Part};
pub use header::{Control, DataKind, Header, Kind, Rules};
pub use mask::MaskKey;
pub use raw::{LengthForm, MAX_HEADER, Parsed, RawHeader};
