//! A strict WebSocket (RFC 6455) on `mio`, without an async runtime.
//!
//! Bytes travel one way, and the modules are its stations:
//!
//! ```text
//! bytes in ─► frame ─► message ─► connection ─► event_loop or blocking ─► your handler
//! bytes out ◄───────────────────── connection ◄────────────────────────── your handler
//! ```
//!
//! Each layer knows only those to its left, is public, and can be used alone. Nothing left of `event_loop` and
//! `blocking` touches a socket or a clock: bytes and the time come in as arguments, events and bytes go out.
//!
//! | Module | Its job | Start with |
//! |---|---|---|
//! | [`frame`] | headers, legal ([`Header`](frame::Header)) or not ([`RawHeader`](frame::RawHeader)); masking | [`RawHeader::parse`](frame::RawHeader::parse) |
//! | [`message`] | what frames add up to | [`Message`], [`Prepared`](message::Prepared) |
//! | [`extension`] | the grammar of extensions, and permessage-deflate (RFC 7692) | [`extension::deflate`] |
//! | [`connection`] | both halves of an open connection: fragments, control frames, closing, deadlines | [`Connection`](connection::Connection) |
//! | [`handshake`] | HTTP heads, requests and responses, who may connect | [`ServerHandshake`](handshake::ServerHandshake), [`ClientHandshake`](handshake::ClientHandshake), [`OriginPolicy`](handshake::OriginPolicy) |
//! | `http2` | HTTP/2 with WebSockets on its streams, RFC 8441 (feature `http2`) | `http2::Connection` |
//! | `client` | reaching a server: targets, proxies, several addresses, redirects, reconnecting (feature `client`) | `ClientConfig` |
//! | `backplane` | links to Redis and NATS, between processes; no socket (feature `backplane`) | `backplane::Link` |
//! | `tls` | TLS over any byte stream (feature `tls`) | |
//! | `blocking` | a client on any `Read + Write` (feature `blocking`) | `blocking::connect` |
//! | `event_loop` | servers and clients on one thread (feature `event-loop`) | `EventLoop`, `Handler` |
//!
//! Beside them, [`error`] lists every rule that a peer can break after the handshake, with its section and close code;
//! [`close`] has close codes and reasons; [`utf8`] has the check that fails on the first wrong byte; [`entropy`] is the
//! source of masking keys; [`role`] answers the few questions that differ by side; [`time`] has the instants that the
//! core takes.
//!
//! The only default feature is `std`, the standard library. Without it, with or without `url` and `simd`, the crate
//! needs `core`, `alloc` and pointer-sized atomics.
//!
//! With feature `event-loop`:
//!
//! ```no_run
//! # #[cfg(feature = "event-loop")] {
//! use bowsprit::{ConnId, Context, EventLoop, Handler, Message};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Data = ();
//!
//!     fn on_message(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
//!         cx.send(id, message);
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let mut server = EventLoop::new()?;
//! println!("ws://{}/", server.listen("127.0.0.1:9001".parse().unwrap())?);
//! server.run(&mut Echo)
//! # } }
//! ```
//!
//! What the RFC names goes by the RFC's name (*masking key*, *fail the connection*, *closing handshake*). A section
//! number refers to RFC 6455 unless another RFC is named.

#![cfg_attr(not(any(feature = "std", test)), no_std)]
// On docs.rs, each item shows the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

extern crate alloc;

#[cfg(feature = "backplane")]
#[allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
pub mod backplane;
#[cfg(feature = "blocking")]
#[allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
pub mod blocking;
#[cfg(feature = "client")]
#[allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
pub mod client;
pub mod close;
mod close_code;
pub mod connection;
pub mod entropy;
pub mod error;
#[cfg(feature = "event-loop")]
#[allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
pub mod event_loop;
pub mod extension;
pub mod frame;
pub mod handshake;
#[cfg(feature = "http2")]
pub mod http2;
pub mod message;
pub mod role;
mod secret;
pub mod time;
#[cfg(feature = "tls")]
#[allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
pub mod tls;
mod token;
pub mod utf8;

pub use close::{CloseCode, CloseReason};
pub use error::ProtocolError;
#[cfg(feature = "event-loop")]
pub use event_loop::{ConnId, Context, EventLoop, Handler};
pub use message::Message;
pub use role::Role;

/// Compiles the examples in the README and in `docs/`, and runs those that can run.
#[cfg(all(doctest, feature = "event-loop", feature = "blocking", feature = "deflate"))]
mod written {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/library.md")]
    struct Layers;
    #[doc = include_str!("../docs/embedded.md")]
    struct Embedded;
}
