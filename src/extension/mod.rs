//! Extensions of the protocol (RFC 6455 §9).
//!
//! [`params`] parses and writes what the two sides say about extensions in the handshake. What an extension does to
//! frames is in a module of its own: [`deflate`].

#[cfg(feature = "deflate")]
#[allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core, reason = "it needs std")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "no_deflate.rs"]
pub mod deflate;
pub mod params;

pub use params::{Extension, ExtensionError, ExtensionNameError};

/// Whether a message that we send is compressed, if that was agreed. Without an agreement it never is.
///
/// A secret and text that an attacker chooses should not be compressed into one message, nor into one context: the
/// length would reveal how much they have in common (RFC 7692 §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Compressed if it is long enough for the settings and becomes shorter.
    #[default]
    Auto,
    /// Compressed, even if it becomes longer.
    On,
    /// Not compressed.
    Off,
}
