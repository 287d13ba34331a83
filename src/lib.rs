//! A strict WebSocket (RFC 6455) on `mio`, without an async runtime.

pub mod entropy;
pub mod frame;
pub mod role;

pub use role::Role;
