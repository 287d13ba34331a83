//! How connections ended when the server shut down.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bowsprit::event_loop::{Cause, Ended};

/// The counts of all loops.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// How many connections ended with a closing handshake.
    closed: usize,
    cut: usize,
    /// The first of those that were cut off.
    names: Vec<String>,
}

pub(super) type SharedFarewell = Arc<Mutex<Farewell>>;

/// How many are named.
const NAMED: usize = 10;

impl Farewell {
    pub(super) fn lock(shared: &SharedFarewell) -> MutexGuard<'_, Self> {
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the end of an open connection.
    pub(super) fn note(&mut self, peer: Option<SocketAddr>, ended: &Ended) {
        if ended.outcome.is_clean() {
            self.closed += 1;
            return;
        }
        self.cut += 1;
        if self.names.len() < NAMED {
            let peer = peer.map_or_else(|| "somebody on a Unix socket".to_owned(), |peer| peer.to_string());
            let why = match ended.cause {
                Cause::ShutDown | Cause::Timeout(_) => "did not answer in time",
                _ => "went away",
            };
            self.names.push(format!("{peer} {why}"));
        }
    }

    /// Returns whether a connection was cut off.
    pub(super) const fn has_cut(&self) -> bool {
        self.cut > 0
    }
}

impl fmt::Display for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connections closed: {}", self.closed)?;
        if self.cut > 0 {
            write!(f, "; cut: {}, of which {}", self.cut, self.names.join(", "))?;
        }
        match self.cut - self.names.len() {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_first_and_counts_the_rest() {
        let mut farewell = Farewell { closed: 3, ..Farewell::default() };
        assert_eq!(farewell.to_string(), "connections closed: 3");
        farewell.cut = NAMED + 2;
        farewell.names = vec!["a went away".to_owned(); NAMED];
        let text = farewell.to_string();
        assert!(text.starts_with("connections closed: 3; cut: 12, of which a went away, a went"), "{text}");
        assert!(text.ends_with("away, and 2 more"), "{text}");
    }
}
