//! The settings of a backplane.

use std::time::Duration;

/// The settings of a backplane.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackplaneSettings {
    /// The most bytes that wait for the engine or for its answer; beyond that the oldest messages are dropped. Default:
    /// 8 MiB, a hundred thousand short messages, a second or two of a busy node. A single message of any legal size
    /// always fits.
    pub max_queued: usize,
    /// How long a message may wait for the engine. Default: 2 s; what is older is history, which is not what a
    /// backplane is for.
    pub max_age: Duration,
    /// The longest message of another node. Default: 16 MiB, as for connections; the engine may have a lower limit. A
    /// longer message is skipped without being held, and counts as lost:
    /// [`LinkEvent::Refused`](super::LinkEvent::Refused) and [`LinkEvent::Gap`](super::LinkEvent::Gap) report it.
    pub max_message: usize,
    /// How long the engine may be silent before it is pinged. Default: 2 s.
    pub ping_interval: Duration,
    /// How long the answer may take. Default: 4 s; with the interval, a hung engine is noticed within 6.
    pub pong_timeout: Duration,
    /// Whether messages to connections of the same node go through the engine, too, so that over Redis all nodes see
    /// one order in each topic; NATS serves its clients concurrently and keeps only the order of each node. While the
    /// engine is away they wait, and what is dropped then reaches nobody. Default: no; a message reaches connections
    /// here at once, whatever happens to the engine.
    ///
    /// With streams ([`Address::streams`](super::Address::streams)) this is always so, and `max_age` does not count:
    /// what waits for the engine becomes history.
    pub ordered: bool,
    /// How long the engine keeps the history of a topic after its last message, if it keeps any. Default: a day.
    pub history_age: Duration,
    /// How often the last numbers of published messages are announced, so that a lost tail is noticed. Default: 2 s.
    pub announce_interval: Duration,
    /// How certificates are judged, and which we present, if the URL or the engine asks for TLS.
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
