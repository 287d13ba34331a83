//! What is played with a front, and what is known about it beforehand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::case::Case;
use crate::options::Options;
use crate::runner::Target;

/// What to play, with which front and at which origin.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The front.
    pub target: Target,
    /// The address that the front forwards requests to, where we listen.
    pub origin: SocketAddr,
    /// The cases.
    pub cases: Vec<&'static Case>,
    /// How to play the cases.
    pub options: Options,
    /// How many cases to play at once.
    pub jobs: usize,
    /// Whether the front relays bytes without understanding HTTP, as found by [`preflight`](super::preflight).
    pub relays: bool,
    /// Ends the run when it is set; cases that are not complete then count as not played.
    pub interrupt: Arc<AtomicBool>,
}

impl Plan {
    /// Creates a plan of these cases, with `jobs` at once.
    pub fn new(
        target: Target,
        origin: SocketAddr,
        cases: Vec<&'static Case>,
        options: Options,
        jobs: usize,
    ) -> Self {
        Self { target, origin, cases, options, jobs, relays: false, interrupt: Arc::default() }
    }
}

/// What is known about a front before the first case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Whether it forwards bytes before a head is complete, and so does not understand HTTP.
    pub relays: bool,
}

/// Why no case can be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// We cannot listen at the address that the front forwards requests to.
    Listen(String),
    /// No connection to the front comes up.
    Front(String),
    /// A good handshake does not come out at the origin, or not as a handshake.
    Origin(String),
}
