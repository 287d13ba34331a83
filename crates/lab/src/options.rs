//! Options for a whole run.

use std::time::Duration;

use super::case::{Case, Echo};
use super::http2::Cut;

/// How cases are played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Determines masking keys and nonces, in this release and later ones: see [`random`](super::random).
    pub seed: u64,
    /// How much time may be spent.
    pub effort: Effort,
    /// Replaces the patience of every case.
    pub patience: Option<Duration>,
    /// How many messages the server sends first, which belong to no case.
    pub greetings: u32,
    /// What WebSockets are opened over.
    pub carrier: Carrier,
}

/// What a WebSocket is opened over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// An HTTP/1.1 connection of its own (RFC 6455).
    #[default]
    Http1,
    /// An HTTP/2 stream (RFC 8441), cut like this.
    Http2(Cut),
}

impl Carrier {
    /// Returns whether this is an HTTP/2 stream.
    pub fn is_http2(self) -> bool {
        matches!(self, Carrier::Http2(_))
    }

    /// Returns whether a case can be played over this carrier. Cases about an HTTP/1.1 opening handshake cannot be
    /// played over HTTP/2, except for what they say about subprotocols and extensions (RFC 8441 §5).
    pub fn carries(self, case: &Case) -> bool {
        match self {
            Carrier::Http1 => case.http2.is_none(),
            Carrier::Http2(_) => case.http2.is_some() || case.is_about_frames(),
        }
    }

    /// Returns whether this status says that the connection is open (RFC 6455 §4.1; RFC 8441 §5).
    pub(super) fn opens(self, status: u16) -> bool {
        match self {
            Carrier::Http1 => status == 101,
            Carrier::Http2(_) => (200..300).contains(&status),
        }
    }
}

/// How much time a run may spend on cases that are long by nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// At most a hundred messages and 32 KiB for each echo run, with waits halved.
    Quick,
    /// At most 250 messages and 64 KiB for each echo run. That is twice the largest DEFLATE window: once the window has
    /// been full, a context has shown what there is to see.
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
    /// Returns how many messages of an echo run are sent; at least two, because a context goes from one message to the
    /// next.
    pub(super) fn messages(self, echo: &Echo) -> u32 {
        let (most, bytes) = match self {
            Effort::Quick => (100, 32 << 10),
            Effort::Normal => (250, 64 << 10),
            Effort::Full => return echo.count,
        };
        let enough = u32::try_from(bytes / echo.size.max(1)).unwrap_or(most);
        echo.count.min(enough.clamp(2, most))
    }

    /// Returns how long a wait of a script takes.
    pub(super) fn wait(self, millis: u16) -> Duration {
        let wait = Duration::from_millis(millis.into());
        if self == Effort::Quick { wait / 2 } else { wait }
    }
}
