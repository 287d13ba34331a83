//! How a loop treats its connections.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::Config;
use crate::handshake::{HeadLimits, Leniency, TrustedProxies};

use super::budget::half_of_memory;
use super::limits::AcceptRate;
use super::rate::Rate;

/// Settings of a loop; see [`Config`] for those of a connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The settings of every connection.
    pub connection: Arc<Config>,
    /// How large an HTTP head may be.
    pub head: HeadLimits,
    /// What a client may get wrong in its request. Nothing.
    pub leniency: Leniency,
    /// How long a handshake may take, from the moment the TCP connection is there (§10.4): a peer that sends a byte
    /// a second gains nothing. 10 s: a slow phone on a bad line needs about 2.
    pub handshake_timeout: Duration,
    /// Whether clients may speak HTTP/2 without TLS and without being asked (RFC 9113 §3.3): those whose first bytes are its
    /// preface, the first two of them in one read. Over TLS ALPN chooses
    /// ([`TlsServerBuilder::http2`](crate::tls::TlsServerBuilder::http2)). No.
    #[cfg(feature = "http2")]
    pub http2: bool,
    /// The most connections at once, handshakes included; further ones are answered 503. As many as there are
    /// descriptors unless set. This and the next two hold for all [`Loops`](super::Loops) of a group together.
    pub max_connections: usize,
    /// The most connections at once from one address, handshakes included; further ones are answered 429. An IPv6
    /// address counts by its first 64 bits. No limit unless set: many users may share an address.
    pub max_per_address: Option<usize>,
    /// The proxies whose word counts for whom they speak. Their connections count for
    /// [`max_per_address`](Self::max_per_address) by the address of their client, from its request on; and
    /// [`Context::client_addr`](super::Context::client_addr) tells it. None unless set.
    pub trusted_proxies: Option<Arc<TrustedProxies>>,
    /// Whether connections from [`trusted_proxies`](Self::trusted_proxies) begin with a header of the PROXY protocol
    /// (version 1 or 2, before TLS), which names their client. One that does not begin so is ended
    /// ([`Failed::Proxy`](super::Failed::Proxy)); to all others nothing changes: from them it would be a request that is
    /// malformed. A field of the request then counts only where the address in the header is trusted, too. The header is
    /// part of the handshake and of its [timeout](Self::handshake_timeout). No.
    pub proxy_protocol: bool,
    /// How fast connections are accepted. No limit unless set.
    pub accept_rate: Option<AcceptRate>,
    /// How fast a connection that a listener has brought may send; [`Context::set_rate`](super::Context::set_rate) sets it
    /// for one. No limit unless set.
    pub rate: Option<Rate>,
    /// How long a connection may stay open: then a closing handshake begins with code 1001. For ever unless set.
    pub max_lifetime: Option<Duration>,
    /// The most topics that one connection may subscribe to. 4,096: what it costs to subscribe grows with those that
    /// are there.
    pub max_subscriptions: usize,
    /// Bytes that may be held for all connections together, and for all [`Loops`](super::Loops) of a group together:
    /// heads, messages that are being put together and what inflates them, what waits to be sent, what TLS has, and
    /// buffers kept for whoever needs them next. Not a connection's own 256 bytes, which
    /// [`max_connections`](Self::max_connections) bounds.
    ///
    /// From three quarters of it on nothing more is read from those that hold most; beyond it they are ended with code
    /// 1013, the largest first, until an eighth is free. All others go on. Half of the memory that the machine or the
    /// control group of the process has, unless set; 1 GiB where the system (other than Linux) does not tell.
    pub max_held: usize,
    /// What happens to a connection whose peer does not read.
    pub overflow: Overflow,
    /// Bytes that may wait for a client before nothing more is read from it. 1 MiB. (From a server we read on: if
    /// both sides stopped, each would wait for the other.)
    pub high_watermark: usize,
    /// Bytes that still wait when reading goes on and [`on_drained`](super::Handler::on_drained) is called.
    /// 256 KiB.
    pub low_watermark: usize,
    /// Commands of other threads that may wait ([`Remote`](super::Remote)). 16,384.
    pub remote_commands: usize,
    /// Bytes of messages that may wait in them. 64 MiB.
    pub remote_bytes: usize,
    /// How long the loop looks for events without a pause before it lets the system wake it. Zero unless set. Some
    /// 50 µs halve the latency of few connections and cost the processor that time; [`Duration::MAX`] never pauses,
    /// for a processor of its own. Of [`EventLoop`](super::EventLoop) only.
    pub spin: Duration,
    /// Connections that may wait to be accepted (`listen(2)`). 1,024; the system may have a lower limit.
    pub backlog: i32,
    /// Whether other sockets, of other loops or of other processes of the same user, may listen on the same address
    /// (SO_REUSEPORT): the system shares connections out among them. With
    /// [`Context::stop_listening`](super::Context::stop_listening) an old process hands an address over to a new one.
    pub reuse_port: bool,
    /// Linux hands a connection over once its first bytes are there, or after so long, in whole seconds, without one
    /// (TCP_DEFER_ACCEPT): the loop wakes up once for a connection and its request, not twice. Until then it counts nowhere, and
    /// no time runs for it. Off, and so it is where the system does not know it.
    pub defer_accept: Option<Duration>,
    /// TCP keep-alive after so much silence. Off: a WebSocket has its own
    /// ([`Config::ping_interval`]), which also notices a program that hangs.
    pub tcp_keepalive: Option<Duration>,
    /// The system's receive buffer for each socket (SO_RCVBUF); it chooses unless set.
    pub socket_receive_buffer: Option<usize>,
    /// The system's send buffer for each socket (SO_SNDBUF); it chooses unless set.
    pub socket_send_buffer: Option<usize>,
    /// Whether small writes go out at once (TCP_NODELAY). On: the loop collects what belongs together by itself.
    pub nodelay: bool,
    /// Bytes of the receive buffer that all connections share. 256 KiB: 16 KiB halves the speed of 16 KiB messages,
    /// 512 KiB gains nothing. From 1 KiB to 1 GiB.
    pub receive_buffer: usize,
}

/// What happens to a connection whose peer does not read.
///
/// In all cases nothing is read from it while more than the high watermark waits for it. Control frames are never
/// dropped and never refused; they are small, and answers to Pings are bounded by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Once [`Config::max_queued`] bytes wait and more is sent, the connection is ended at once, without a closing
    /// handshake that the peer would not read.
    #[default]
    Close,
    /// Once [`Config::max_queued`] bytes wait and more is sent, the message is dropped, and the sender told.
    DropData,
    /// Once more than the high watermark waits, further messages wait behind that without being encoded; once all of it is
    /// [`Config::max_queued`] bytes and more is sent, the oldest of them are dropped, whole ones, and counted
    /// ([`Context::take_dropped`](super::Context::take_dropped)). So the reader gets the newest, after a gap. Where the high watermark is not below
    /// `max_queued`, it is as [`DropData`](Self::DropData).
    DropOldest,
    /// Once more than the high watermark waits, nothing is read any more from the connection whose event made the
    /// program send, until no more than the low watermark waits: the slow reader slows its producer down. What the
    /// producer had sent before, at most one receive buffer of it, still comes. Where [`Config::max_queued`] is
    /// reached all the same (the program sends unasked) the connection is ended, as with [`Close`](Self::Close).
    Block,
}

/// How one connection treats a peer that does not read, where it is not as [`Settings`] say; see
/// [`Context::set_pressure`](super::Context::set_pressure).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// As [`Settings::overflow`].
    pub overflow: Overflow,
    /// As [`Settings::high_watermark`].
    pub high_watermark: usize,
    /// As [`Settings::low_watermark`].
    pub low_watermark: usize,
}

impl Settings {
    /// What holds for a connection that has no [`Pressure`] of its own.
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
