//! What became of the server: after a case, and in the end.

use std::fmt;
use std::time::Instant;

/// What became of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It was there to the end.
    Alive,
    /// It was not: one of these cases is to blame, or the only one. What was not played by then was not played.
    Gone(Gone, Vec<&'static str>),
    /// We were asked to end.
    Interrupted,
}

/// How a server can be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It takes no connections, or ends them without an answer.
    Crashed,
    /// It takes connections and answers nothing on them.
    Hung,
}

/// What became of the server after a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Aftermath {
    /// It opened a connection that was made after the end of this case, and spoke on it: that of this case, or a probe.
    Serves(&'static str),
    /// It took no connections any more, or answered nothing on them: what the probe saw.
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

/// Whether the server is still there is not known.
pub(super) struct Doubt {
    pub(super) since: Instant,
    /// A connection was refused, so that whatever was alive then is not now.
    pub(super) refused: bool,
    /// Not before.
    pub(super) next: Instant,
    /// Probes that got no answer.
    pub(super) silent: u32,
    pub(super) seen: Option<(Gone, String)>,
}
