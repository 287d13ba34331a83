//! A structure-aware fuzzer of WebSocket servers and clients over the wire: all it needs of the peer is the address.
//!
//! Each iteration is one connection and a function of a seed and a number. `generate` makes a [`Script`] of them (legal
//! conversations, most of them with one thing made wrong), `model` says what RFC 6455 and RFC 7692 require of the peer
//! for exactly these bytes, and [`play`] plays the script and compares what comes back. A difference is a [`Finding`].
//! A [`campaign`] plays many iterations, [`minimise`] makes the script of a finding smaller as long as the same finding
//! recurs, and a [`Trace`] holds all of that in a file that can be played again.

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

/// The side that is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// We fuzz a server.
    Server,
    /// We fuzz clients that connect to us.
    Client,
}
