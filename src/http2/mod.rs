//! HTTP/2 as far as WebSockets need it (RFC 9113, RFC 8441): a layer between the byte stream and the connections on it.
//!
//! In: the bytes of a peer in any cut, and the time. Out: requests, responses and the bytes of streams as events, and
//! bytes to write. Promises: what is held is bounded by [`Limits`], whatever the peer sends or does not read; a
//! declared length reserves nothing; legal traffic that is an attack ([`Flood`]) ends the connection; an unread stream
//! holds up no other. Nothing here touches a socket or a clock.
//!
//! | Object | Its job |
//! |---|---|
//! | [`Connection`] | frames, field sections, streams and flow control of either role |
//! | [`Fields`] | what a request and a response say |
//! | [`upgrade`] | what an opening handshake is in HTTP/1.1 and in HTTP/2 |
//! | [`Http2Stream`] | one WebSocket of a client over any byte stream |
//!
//! The field sections are our own, too (`hpack`): what a decoder holds while it reads is the first target of attacks,
//! and the existing crates have other limits or none. What we send refers to no table that the peer would have to keep.
//!
//! What nobody needs is left out: server push is refused, priorities are parsed and ignored.

mod client_stream;
mod connection;
mod error;
mod fields;
mod frame;
mod hpack;
mod limits;
mod reading;
mod receive;
mod sections;
mod settings;
mod stream;
pub mod upgrade;

pub use client_stream::{Chosen, Http2Failure, Http2Stream, http2_failure};
pub use connection::{Connection, Event, OpenError, StreamId};
pub use error::{ErrorCode, Flood, Http2Error};
pub use fields::Fields;
pub use hpack::HpackError;
pub use limits::Limits;
