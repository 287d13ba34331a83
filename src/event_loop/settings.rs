//! How a loop treats its connections.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::Config;
use crate::handshake::HeadLimits;

/// Settings of a loop; see [`Config`] for those of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The settings of every connection.
    pub connection: Arc<Config>,
    /// How large an HTTP head may be.
    pub head: HeadLimits,
    /// How long a handshake may take, from the moment the TCP connection is there (§10.4): a peer that sends an octet
    /// a second gains nothing. 10 s: a slow phone on a bad line needs about 2.
    pub handshake_timeout: Duration,
    /// The most connections at once, handshakes included; further ones are answered 503. As many as there are
    /// descriptors unless set.
    pub max_connections: usize,
    /// What happens to a connection whose peer does not read.
    pub overflow: Overflow,
    /// Octets that may wait for a peer before nothing more is read from it. 1 MiB.
    pub high_watermark: usize,
    /// Octets that still wait when reading goes on and [`on_drained`](super::Handler::on_drained) is called.
    /// 256 KiB.
    pub low_watermark: usize,
    /// Whether small writes go out at once (TCP_NODELAY). On: the loop collects what belongs together by itself.
    pub nodelay: bool,
    /// Octets of the receive buffer that all connections share. 256 KiB: 16 KiB halves the speed of 16 KiB messages,
    /// 512 KiB gains nothing.
    pub receive_buffer: usize,
}

/// What happens when [`Config::max_queued`] octets wait for a peer and more is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The connection is ended at once, without a closing handshake that the peer would not read.
    #[default]
    Close,
    /// The message is dropped, and the sender told.
    DropData,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connection: Arc::new(Config::default()),
            head: HeadLimits::default(),
            handshake_timeout: Duration::from_secs(10),
            max_connections: usize::MAX,
            overflow: Overflow::Close,
            high_watermark: 1 << 20,
            low_watermark: 256 << 10,
            nodelay: true,
            receive_buffer: 256 << 10,
        }
    }
}
