//! Conversations out of files: what `watch` has saved, captures of packets, archives of browsers.
//!
//! In: the bytes of a file. Out: [`Entry`]s in order: which connection, when, who, which bytes. Whatever a file says, no more
//! is kept than it holds, and a file that is cut is read up to there.

pub mod har;
pub mod packets;
pub mod pcapng;
pub mod printed;
pub mod saved;
mod tcp;

use std::time::Duration;

use super::conversation::{End, Peer};

/// A piece of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub connection: u64,
    /// When, counted from its start.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It began.
    Open,
    /// It began earlier; this is the first that is known of it.
    Middle,
    /// A side sent bytes.
    Bytes(Peer, Vec<u8>),
    /// A side sent so many bytes that are not there.
    Lost(Peer, u64),
    /// A side sends nothing more.
    End(Peer, End),
    /// Nothing more is known of it.
    Over,
}
