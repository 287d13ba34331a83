//! Conversations from files: those that `watch` saved, packet captures, browser archives.
//!
//! In: the bytes of a file. Out: [`Entry`]s in order, each with its connection, time, sender and bytes. No more is kept
//! than the file holds, whatever lengths it states, and a truncated file is read up to its end.

pub mod har;
pub mod packets;
pub mod pcapng;
pub mod printed;
pub mod saved;
mod tcp;

use std::time::Duration;

use super::conversation::{End, Peer};

/// Something that happened on one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the connection.
    pub connection: u64,
    /// The time, counted from the start of the connection.
    pub at: Duration,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The connection began.
    Open,
    /// The connection began before the capture; this is the first that is known of it.
    Middle,
    /// A side sent bytes.
    Bytes(Peer, Vec<u8>),
    /// A side sent this many bytes that are missing.
    Lost(Peer, u64),
    /// A side sends nothing more.
    End(Peer, End),
    /// Nothing more is known of the connection.
    Over,
}
