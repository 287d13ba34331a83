//! What is played with a front, and what is known of it before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::super::case::Case;
use crate::options::Options;
use crate::runner::Target;

/// What to play, before what front and behind it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The front.
    pub target: Target,
    /// Where the front passes requests on to, and we listen.
    pub origin: SocketAddr,
    /// The cases.
    pub cases: Vec<&'static Case>,
    /// How to play them.
    pub options: Options,
    /// How many at once.
    pub jobs: usize,
    /// The front passes on bytes and knows nothing of HTTP, as [`preflight`](super::preflight) has found.
    pub relays: bool,
    /// Set from elsewhere, it ends the run: what is not through was not played.
    pub interrupt: Arc<AtomicBool>,
}

impl Plan {
    /// These cases, so many at once.
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

/// What is known of a front before the first case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// It passes on bytes before a head is whole, so that it knows nothing of HTTP.
    pub relays: bool,
}

/// Why no case can be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// We cannot listen where the front passes requests on to.
    Listen(String),
    /// No connection to the front comes up.
    Front(String),
    /// A good handshake does not come out at the origin, or not as one.
    Origin(String),
}
