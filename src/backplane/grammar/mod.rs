//! What is said on the wire, and nothing of what it means.

pub mod nats;
pub mod resp;

/// So many bytes of what is too long are read, for whoever wants to know what it was.
pub const FRONT: usize = 64;
