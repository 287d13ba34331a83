//! What can be set for a whole run.

use std::time::Duration;

use super::case::{Case, Echo};
use super::http2::Cut;

/// How cases are played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Masking keys and nonces follow from it, in this release and later ones: see [`random`](super::random).
    pub seed: u64,
    /// How much time may be spent.
    pub effort: Effort,
    /// Replaces the patience of every case.
    pub patience: Option<Duration>,
    /// The server speaks first: so many messages, which are no part of any case.
    pub greetings: u32,
    /// What WebSockets are opened over.
    pub carrier: Carrier,
}

/// What a WebSocket is opened over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// A connection of HTTP/1.1 of its own (RFC 6455).
    #[default]
    Http1,
    /// A stream of HTTP/2 (RFC 8441), cut like this.
    Http2(Cut),
}

impl Carrier {
    /// Whether it is a stream of HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Carrier::Http2(_))
    }

    /// Whether a case can be played over it: cases about an opening handshake in HTTP/1.1 cannot be over HTTP/2, but for
    /// what they say about subprotocols and extensions (RFC 8441 §5).
    pub fn carries(self, case: &Case) -> bool {
        match self {
            Carrier::Http1 => case.http2.is_none(),
            Carrier::Http2(_) => case.http2.is_some() || case.is_about_frames(),
        }
    }

    /// Whether this status says that the connection is open (RFC 6455 §4.1; RFC 8441 §5).
    pub(super) fn opens(self, status: u16) -> bool {
        match self {
            Carrier::Http1 => status == 101,
            Carrier::Http2(_) => (200..300).contains(&status),
        }
    }
}

/// How much time a run may spend on what is long by nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// At most a hundred messages and 32 KiB for each echo run; waits are halved.
    Quick,
    /// At most 250 messages and 64 KiB for each echo run, which is twice the largest window of DEFLATE: what is to be seen of
    /// a context is seen when it has been full once.
    Normal,
    /// Every message of every case.
    Full,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, effort: Effort::Normal, patience: None, greetings: 0, carrier: Carrier::Http1 }
    }
}

impl Effort {
    /// How many messages of an echo run are sent; never fewer than two, as a context goes from one to the next.
    pub(super) fn messages(self, echo: &Echo) -> u32 {
        let (most, bytes) = match self {
            Effort::Quick => (100, 32 << 10),
            Effort::Normal => (250, 64 << 10),
            Effort::Full => return echo.count,
        };
        let enough = u32::try_from(bytes / echo.size.max(1)).unwrap_or(most);
        echo.count.min(enough.clamp(2, most))
    }

    /// How long a wait of a script takes.
    pub(super) fn wait(self, millis: u16) -> Duration {
        let wait = Duration::from_millis(millis.into());
        if self == Effort::Quick { wait / 2 } else { wait }
    }
}
