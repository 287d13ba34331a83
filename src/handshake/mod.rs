//! The opening handshake (RFC 6455 §4).

mod field;
mod head;
mod host;
mod nonce;

pub use field::{FieldError, HeaderField};
pub use head::{Head, HeadError, HeadLimits, HeadReader, HttpVersion, Progress, Repeated, StartLine};
pub use nonce::Key;
