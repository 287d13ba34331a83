//! What is said on the wire, and nothing of what it means.

pub mod nats;
pub mod resp;
