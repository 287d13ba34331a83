//! What became of the server, after each case and at the end.

use std::fmt;
use std::time::Instant;

/// What became of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It was there to the end.
    Alive,
    /// It was gone: one of these cases is to blame, or the only one. The remaining cases were not played.
    Gone(Gone, Vec<&'static str>),
    /// We were asked to end.
    Interrupted,
}

/// How a server can be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It accepts no connections, or ends them without an answer.
    Crashed,
    /// It accepts connections and answers nothing on them.
    Hung,
}

/// What became of the server after a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aftermath {
    /// It opened a connection that was made after the end of the case, and sent something on it: that of this case, or
    /// a probe.
    Serves(&'static str),
    /// It accepted no connections any more, or answered nothing on them; this is what the probe saw.
    Gone(String),
}

impl fmt::Display for Aftermath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aftermath::Serves("probe") => f.write_str("the server answered a probe"),
            Aftermath::Serves(id) => write!(f, "the server answered {id}, on a connection made later"),
            Aftermath::Gone(seen) => write!(f, "the server answered no probe: {seen}"),
        }
    }
}

/// The state while it is unknown whether the server is still there.
pub(super) struct Doubt {
    pub(super) since: Instant,
    /// Whether a connection was refused, so that an earlier sign of life does not count now.
    pub(super) refused: bool,
    /// The next probe is not made before this time.
    pub(super) next: Instant,
    /// How many probes got no answer.
    pub(super) silent: u32,
    pub(super) seen: Option<(Gone, String)>,
}
