//! The grammars of the wire protocols, without their meaning.

pub mod nats;
pub mod resp;

/// How many bytes of a message that is too long are read, to know what it was.
pub const FRONT: usize = 64;
