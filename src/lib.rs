//! A strict WebSocket (RFC 6455) on `mio`, without an async runtime.

#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "client")]
pub mod client;
pub mod close;
mod close_code;
pub mod connection;
pub mod entropy;
pub mod error;
#[cfg(feature = "event-loop")]
pub mod event_loop;
pub mod extension;
pub mod frame;
pub mod handshake;
#[cfg(feature = "lab")]
pub mod lab;
pub mod message;
pub mod role;
#[cfg(feature = "tls")]
pub mod tls;
mod token;
pub mod utf8;

pub use role::Role;
