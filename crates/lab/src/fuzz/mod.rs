//! A structure-aware fuzzer of WebSocket servers and clients, over the wire: nothing of the peer is needed but its
//! address.
//!
//! Each iteration is one connection, and a function of a seed and a number: `generate` makes a [`Script`] of it
//! (legal conversations, most of them with one thing turned wrong), `model` says what RFC 6455 and RFC 7692 ask of the
//! peer for exactly these bytes, [`play`] plays it and holds what comes back against that. What does not fit is a
//! [`Finding`]. A [`campaign`] plays many, [`minimise`] makes the script of a finding smaller for as long as the same
//! finding comes out, and a [`Trace`] is all of that in a file, to be played again.

pub mod campaign;
mod finding;
mod generate;
mod minimise;
mod model;
mod neighbour;
mod oracles;
mod peer;
mod play;
mod process;
mod reproduce;
mod script;
mod stream;
mod trace;

pub use finding::{Finding, Kind};
pub use generate::script;
pub use minimise::minimise;
pub use oracles::Oracles;
pub use peer::{Dial, Peer};
pub use play::{Played, play};
pub use process::Process;
pub use reproduce::Reproducer;
pub use script::{FrameStep, Script, Step};
pub use stream::Stream;
pub use trace::Trace;

/// Who is on the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// We fuzz a server.
    Server,
    /// We fuzz clients that connect to us.
    Client,
}
