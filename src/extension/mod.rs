//! Extensions of the protocol (RFC 6455 §9).
//!
//! [`params`] reads and writes what the two sides say about extensions in the handshake. What an extension does
//! to frames lies in a file of its own.

pub mod params;

pub use params::{Extension, ExtensionError, ExtensionNameError};
