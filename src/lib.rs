//! A strict WebSocket (RFC 6455) on `mio`, without an async runtime.

pub mod entropy;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod role;
mod token;

pub use role::Role;
