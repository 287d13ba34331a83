//! Frames: the unit of the wire (RFC 6455 §5.2).

mod mask;
mod raw;

pub use mask::MaskKey;
pub use raw::{LengthForm, MAX_HEADER, Parsed, RawHeader};
