//! How a loop treats its connections.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::Config;
use crate::handshake::{HeadLimits, Leniency, TrustedProxies};

use super::budget::half_of_memory;
use super::limits::AcceptRate;
use super::rate::Rate;

/// The settings of a loop; see [`Config`] for those of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The settings of every connection.
    pub connection: Arc<Config>,
    /// How large an HTTP head may be.
    pub head: HeadLimits,
    /// What a client may get wrong in its request. Default: nothing.
    pub leniency: Leniency,
    /// How long a handshake may take, from the moment the TCP connection exists (§10.4): a peer that sends a byte a
    /// second gains nothing. Default: 10 s; a slow phone on a bad line needs about 2.
    pub handshake_timeout: Duration,
    /// Whether clients may speak HTTP/2 without TLS, with prior knowledge (RFC 9113 §3.3). They are recognised by their
    /// first bytes, the preface, the first two of which have to come in one read. Over TLS, ALPN chooses
    /// ([`TlsServerBuilder::http2`](crate::tls::TlsServerBuilder::http2)). Default: no.
    #[cfg(feature = "http2")]
    pub http2: bool,
    /// The most connections at once, including handshakes; further ones are answered 503. Default: as many as there are
    /// descriptors. This and the next two hold for all [`Loops`](super::Loops) of a group together.
    pub max_connections: usize,
    /// The most connections at once from one address, including handshakes; further ones are answered 429. An IPv6
    /// address counts by its first 64 bits. Default: no limit, as many users may share an address.
    pub max_per_address: Option<usize>,
    /// The proxies that are trusted to name their clients. Their connections count for
    /// [`max_per_address`](Self::max_per_address) by the address of the client, from its request on, and
    /// [`Context::client_addr`](super::Context::client_addr) returns it. Default: none.
    pub trusted_proxies: Option<Arc<TrustedProxies>>,
    /// Whether connections from [`trusted_proxies`](Self::trusted_proxies) begin with a header of the PROXY protocol
    /// (version 1 or 2, before TLS), which names their client. One that does not is ended
    /// ([`Failed::Proxy`](super::Failed::Proxy)). For all others nothing changes: from them a header would be a
    /// malformed request. A field of the request then counts only if the address in the header is trusted, too. The
    /// header is part of the handshake and of its [timeout](Self::handshake_timeout). Default: no.
    pub proxy_protocol: bool,
    /// How fast connections are accepted. Default: no limit.
    pub accept_rate: Option<AcceptRate>,
    /// How fast a connection that a listener has accepted may send; [`Context::set_rate`](super::Context::set_rate)
    /// sets the rate of one connection. Default: no limit.
    pub rate: Option<Rate>,
    /// How long a connection may stay open before a closing handshake begins with code 1001. Default: no limit.
    pub max_lifetime: Option<Duration>,
    /// The most topics that one connection may subscribe to. Default: 4,096; the cost of subscribing grows with the
    /// number of subscriptions.
    pub max_subscriptions: usize,
    /// How many bytes may be held for all connections together, and for all [`Loops`](super::Loops) of a group
    /// together: heads, messages that are being assembled and their inflaters, what waits to be sent, the memory of
    /// TLS, and spare buffers. A connection's own 256 bytes are not included;
    /// [`max_connections`](Self::max_connections) bounds them.
    ///
    /// From three quarters of it on, nothing more is read from the connections that hold most. Beyond it they are ended
    /// with code 1013, the largest first, until an eighth is free. All others go on. Default: half of the memory of the
    /// machine or the control group of the process; 1 GiB if the system (other than Linux) does not report it.
    pub max_held: usize,
    /// What happens to a connection whose peer does not read.
    pub overflow: Overflow,
    /// How many bytes may wait for a client before nothing more is read from it. Default: 1 MiB. (From a server we read
    /// on: if both sides stopped, each would wait for the other.)
    pub high_watermark: usize,
    /// How many bytes may still wait when reading resumes and [`on_drained`](super::Handler::on_drained) is called.
    /// Default: 256 KiB.
    pub low_watermark: usize,
    /// How many commands of other threads may wait ([`Remote`](super::Remote)). Default: 16,384.
    pub remote_commands: usize,
    /// How many bytes of messages may wait in those commands. Default: 64 MiB.
    pub remote_bytes: usize,
    /// How long the loop polls for events without a pause before it lets the system wake it. Default: zero. Some 50 µs
    /// halve the latency of few connections and cost the processor that time; [`Duration::MAX`] never pauses, for a
    /// processor of its own. Only [`EventLoop`](super::EventLoop) uses this.
    pub spin: Duration,
    /// How many connections may wait to be accepted (`listen(2)`). Default: 1,024; the system may have a lower limit.
    pub backlog: i32,
    /// Whether other sockets, of other loops or of other processes of the same user, may listen on the same address
    /// (SO_REUSEPORT): the system distributes connections among them. With
    /// [`Context::stop_listening`](super::Context::stop_listening) an old process hands an address over to a new one.
    pub reuse_port: bool,
    /// Makes Linux hand a connection over once its first bytes have arrived, or after this time, in whole seconds,
    /// without them (TCP_DEFER_ACCEPT): the loop wakes up once for a connection and its request, not twice. Until then
    /// it counts nowhere, and no deadline runs. Default: off. Without effect on systems that do not know it.
    pub defer_accept: Option<Duration>,
    /// TCP keep-alive after this much silence. Default: off, as a WebSocket has its own ([`Config::ping_interval`]),
    /// which also notices a program that hangs.
    pub tcp_keepalive: Option<Duration>,
    /// The system's receive buffer for each socket (SO_RCVBUF). Default: the system chooses.
    pub socket_receive_buffer: Option<usize>,
    /// The system's send buffer for each socket (SO_SNDBUF). Default: the system chooses.
    pub socket_send_buffer: Option<usize>,
    /// Whether small writes go out at once (TCP_NODELAY). Default: yes, as the loop itself collects what belongs
    /// together.
    pub nodelay: bool,
    /// The size of the receive buffer that all connections share, from 1 KiB to 1 GiB. Default: 256 KiB; 16 KiB halves
    /// the speed of 16 KiB messages, 512 KiB gains nothing.
    pub receive_buffer: usize,
}

/// What happens to a connection whose peer does not read.
///
/// In all cases nothing is read from it while more than the high watermark waits for it. Control frames are never
/// dropped and never refused: they are small, and answers to Pings have a bound of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Once [`Config::max_queued`] bytes wait and more is sent, the connection is ended at once, without a closing
    /// handshake that the peer would not read.
    #[default]
    Close,
    /// Once [`Config::max_queued`] bytes wait and more is sent, the message is dropped, and the sender is told.
    DropData,
    /// Once more than the high watermark waits, further messages wait unencoded behind that. Once all of it together is
    /// [`Config::max_queued`] bytes and more is sent, the oldest of them are dropped, whole ones, and counted
    /// ([`Context::take_dropped`](super::Context::take_dropped)). So the reader gets the newest, after a gap. If the
    /// high watermark is not below `max_queued`, this equals [`DropData`](Self::DropData).
    DropOldest,
    /// Once more than the high watermark waits, nothing more is read from the connection whose event made the program
    /// send, until no more than the low watermark waits: the slow reader slows its producer down. What the producer had
    /// sent before, at most one receive buffer of it, is still delivered. If [`Config::max_queued`] is reached all the
    /// same (the program sends unprompted), the connection is ended, as with [`Close`](Self::Close).
    Block,
}

/// How one connection treats a peer that does not read, in place of [`Settings`]; see
/// [`Context::set_pressure`](super::Context::set_pressure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// See [`Settings::overflow`].
    pub overflow: Overflow,
    /// See [`Settings::high_watermark`].
    pub high_watermark: usize,
    /// See [`Settings::low_watermark`].
    pub low_watermark: usize,
}

impl Settings {
    /// Returns the pressure settings of connections that have no [`Pressure`] of their own.
    #[inline]
    pub const fn pressure(&self) -> Pressure {
        Pressure {
            overflow: self.overflow,
            high_watermark: self.high_watermark,
            low_watermark: self.low_watermark,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connection: Arc::new(Config::default()),
            head: HeadLimits::default(),
            leniency: Leniency::default(),
            handshake_timeout: Duration::from_secs(10),
            #[cfg(feature = "http2")]
            http2: false,
            max_connections: usize::MAX,
            max_per_address: None,
            trusted_proxies: None,
            proxy_protocol: false,
            accept_rate: None,
            rate: None,
            max_lifetime: None,
            max_subscriptions: 4096,
            max_held: half_of_memory(),
            overflow: Overflow::Close,
            high_watermark: 1 << 20,
            low_watermark: 256 << 10,
            remote_commands: 16_384,
            remote_bytes: 64 << 20,
            spin: Duration::ZERO,
            backlog: 1024,
            reuse_port: false,
            defer_accept: None,
            tcp_keepalive: None,
            socket_receive_buffer: None,
            socket_send_buffer: None,
            nodelay: true,
            receive_buffer: 256 << 10,
        }
    }
}
