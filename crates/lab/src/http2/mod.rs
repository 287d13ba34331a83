//! HTTP/2 as far as a WebSocket needs it (RFC 9113, RFC 8441), written for the lab alone.
//!
//! Frames are made and read by hand, since an examiner must be able to send wrong ones and to see right ones that a
//! library would hide. `trunk` puts a stream behind the link that cases are played over; `session` is the connection
//! without a socket; `exam` plays the cases about HTTP/2 itself.

mod asked;
mod cut;
mod exam;
mod exchange;
pub mod fields;
pub mod frame;
mod incoming;
mod session;
mod trunk;

pub use cut::Cut;
pub(crate) use exam::Examiner;
pub use exchange::{Change, Cutting, Exchange, Move, Seen};
pub(crate) use session::{HOSTED, SETTINGS};
pub(crate) use trunk::{Shared, Stream, Trunk, pump_trunks};
