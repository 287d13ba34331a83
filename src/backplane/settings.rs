//! What can be set about a backplane.

use std::time::Duration;

/// What a program may want otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackplaneSettings {
    /// The most bytes that wait for the engine or for its answer; then the oldest messages go. 8 MiB: a hundred thousand
    /// short messages, a second or two of a busy node. One message of any legal size fits in any case.
    pub max_queued: usize,
    /// How long a message may wait for the engine. 2 s: what is older is history, which is not what a backplane is for.
    pub max_age: Duration,
    /// The longest message of another node. 16 MiB, as for connections; the engine may have a lower limit. A longer one is
    /// passed over without being held, and counts as lost: [`LinkEvent::Refused`](super::LinkEvent::Refused) and
    /// [`LinkEvent::Gap`](super::LinkEvent::Gap) tell.
    pub max_message: usize,
    /// After so long without a word of the engine it is asked for one. 2 s.
    pub ping_interval: Duration,
    /// How long its answer may take. 4 s: with the interval, a hung engine is noticed within 6.
    pub pong_timeout: Duration,
    /// Messages go through the engine to those at the same node, too, so that over Redis all nodes see one order in each topic;
    /// NATS serves its clients side by side and keeps that of each node alone.
    /// While the engine is away they wait, and what is dropped then reaches nobody. Off: what is said here is heard here
    /// at once, whatever becomes of the engine.
    ///
    /// With streams ([`Address::streams`](super::Address::streams)) this is always so, and `max_age` does not count: what
    /// waits for the engine becomes history.
    pub ordered: bool,
    /// How long the engine keeps the history of a topic after the last message in it, where it keeps any. A day.
    pub history_age: Duration,
    /// How often the last numbers of what was published are announced, so that a lost tail shows. 2 s.
    pub announce_interval: Duration,
    /// How certificates are judged, and which we show, where the URL or the engine asks for TLS.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::tls::TlsClient>,
}

impl Default for BackplaneSettings {
    fn default() -> Self {
        Self {
            max_queued: 8 << 20,
            max_age: Duration::from_secs(2),
            max_message: 16 << 20,
            ping_interval: Duration::from_secs(2),
            pong_timeout: Duration::from_secs(4),
            ordered: false,
            history_age: Duration::from_secs(24 * 3600),
            announce_interval: Duration::from_secs(2),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}
