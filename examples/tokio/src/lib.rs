//! The core of bowsprit under tokio: a WebSocket on anything that is `AsyncRead + AsyncWrite`, driven to its end.
//!
//! The library knows no socket, no clock and no runtime. A driver's part is here, to be read and copied:
//!
//! - [`accept`] and [`connect`] perform the handshake, with permessage-deflate if both sides want it;
//! - [`WebSocket::recv`] returns the next message. Both directions move while it waits, so that Pings are answered,
//!   what [`WebSocket::send`] left over goes out, and deadlines are kept;
//! - [`WebSocket::send`] returns once little enough waits: a peer that reads slowly slows its sender down;
//! - the peer is told about an error by a Close frame before it is returned, and a connection ends as RFC 6455 §7.1.1
//!   asks.
//!
//! `recv` may be dropped at any await, as in `select!`: nothing of the stream is lost.

mod handshake;
mod websocket;

pub use handshake::{Accepted, Connected, HandshakeError, accept, connect};
pub use websocket::{Error, Message, WebSocket};
