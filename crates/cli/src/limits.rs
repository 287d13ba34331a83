//! A flag for each limit of the library, with the library's defaults.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bowsprit::connection::Config;
use bowsprit::error::ProtocolError;
use bowsprit::event_loop::{AcceptRate, Overflow, RatePolicy, Settings};
use clap::ValueEnum;

use super::rate::{Amounts, PerSecond};
use super::values::{Size, Time};

/// What holds for a connection in either role.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of a connection")]
pub(super) struct ConnectionArgs {
    /// The longest message to accept, in bytes.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Config::default().max_message))]
    max_message: Size,
    /// The longest frame to accept, in bytes; refused at its header.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Config::default().max_frame as usize))]
    max_frame: Size,
    /// The most frames that a message may come in.
    #[arg(long, value_name = "N", default_value_t = Config::default().max_fragments)]
    max_fragments: u32,
    /// The most frames without payload that a message may come in.
    #[arg(long, value_name = "N", default_value_t = Config::default().max_empty_fragments)]
    max_empty_fragments: u32,
    /// Send messages that are longer than this in fragments.
    #[arg(long, value_name = "BYTES")]
    fragment_size: Option<NonZeroUsize>,
    /// Bytes that may wait for a peer that does not read.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Config::default().max_queued))]
    max_queued: Size,
    /// How long the peer may take to answer a Close frame, and then to end the TCP connection.
    #[arg(long, value_name = "TIME", default_value_t = Time(Config::default().close_timeout))]
    close_timeout: Time,
    /// Close a connection when no more of a message that has begun has come for this long.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    message_timeout: Time,
    /// Close a connection on which nothing has arrived for this long.
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<Time>,
    /// Send a Ping when nothing has arrived for this long.
    #[arg(long, value_name = "TIME")]
    ping: Option<Time>,
    /// How long after such a Ping something must have arrived. Some clients, libcurl's for one, answer only when they
    /// have something to do: on a quiet stream they are cut.
    #[arg(long, value_name = "TIME", default_value_t = Time(Config::default().pong_timeout))]
    pong_timeout: Time,
}

/// What holds for a server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of the server")]
pub(super) struct ServerArgs {
    /// The most connections at once, handshakes included; further ones are answered 503 [default: no limit].
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// The most connections at once from one address; further ones are answered 429 [default: no limit].
    #[arg(long, value_name = "N")]
    max_per_address: Option<usize>,
    /// Connections to accept in a second; others wait in the system's backlog [default: no limit].
    #[arg(long, value_name = "N")]
    accept_rate: Option<u32>,
    /// Messages, bytes or both that each client may send in a second, such as 100/s, 64K/s (with B, K, M or G: bytes as
    /// they are read) or 100/s,64K/s [default: no limit].
    #[arg(long, value_name = "RATE")]
    rate: Option<PerSecond>,
    /// What a client may send at once after a pause, such as 200 or 200,256K [default: what --rate gives in a second].
    #[arg(long, value_name = "AMOUNT", requires = "rate")]
    rate_burst: Option<Amounts>,
    /// What happens to a client that sends more than --rate and --rate-burst allow.
    #[arg(long, value_enum, default_value_t = OverRate::Slow, requires = "rate")]
    over_rate: OverRate,
    /// Close a connection that has been open for this long.
    #[arg(long, value_name = "TIME")]
    max_lifetime: Option<Time>,
    /// Bytes that may be held for all connections together; those that hold most are ended beyond that
    /// [default: half of the machine's memory, or of its control group's].
    #[arg(long, value_name = "SIZE")]
    max_held: Option<Size>,
    /// How long a handshake may take, from the TCP connection on.
    #[arg(long, value_name = "TIME", default_value_t = Time(Settings::default().handshake_timeout))]
    handshake_timeout: Time,
    /// The most bytes of an HTTP head.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Settings::default().head.max_bytes))]
    max_head: Size,
    /// The most header lines of an HTTP head.
    #[arg(long, value_name = "N", default_value_t = Settings::default().head.max_headers)]
    max_headers: usize,
    /// What happens when --max-queued bytes wait for a client and more is to be sent to it.
    #[arg(long, visible_alias = "slow-reader", value_enum, default_value_t = OverflowArg::Close)]
    overflow: OverflowArg,
    /// Tell a client that has read too slowly and reads again how many messages to it were dropped or replaced, in a text
    /// message {"dropped":N}.
    #[arg(long)]
    tell_dropped: bool,
    /// Bytes that may wait for a client before nothing more is read from it.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Settings::default().high_watermark))]
    high_watermark: Size,
    /// Bytes that still wait when reading goes on.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Settings::default().low_watermark))]
    low_watermark: Size,
    /// Bytes of the receive buffer that all connections share, from 1K to 1G.
    #[arg(long, value_name = "SIZE", default_value_t = Size(Settings::default().receive_buffer),
        value_parser = receive_buffer)]
    receive_buffer: Size,
}

fn receive_buffer(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    if (1 << 10..=1 << 30).contains(&size.0) { Ok(size) } else { Err("use a size from 1K to 1G".to_owned()) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverflowArg {
    /// End the connection.
    Close,
    /// Drop the message.
    Drop,
    /// Drop the oldest message that waits and is not begun, above --high-watermark.
    DropOldest,
    /// Of each sender let the newest message take the place of an older one that waits still, above --high-watermark; then
    /// as drop-oldest. In --mode relay and broadcast.
    Latest,
    /// Read nothing more from whom it comes from, already above --high-watermark.
    Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverRate {
    /// Nothing more is read from it for a while: TCP slows it down, and nothing is lost.
    Slow,
    /// Messages beyond the rate are dropped.
    Drop,
    /// It is closed with code 1008.
    Close,
}

/// Returns the flag of the limit that a peer has exceeded, in which case it has broken none of the RFC's rules.
pub(super) const fn flag_of(error: ProtocolError) -> Option<&'static str> {
    match error {
        ProtocolError::FrameTooLong => Some("--max-frame"),
        ProtocolError::MessageTooLong => Some("--max-message"),
        ProtocolError::TooManyFragments => Some("--max-fragments"),
        ProtocolError::TooManyEmptyFragments => Some("--max-empty-fragments"),
        _ => None,
    }
}

impl ConnectionArgs {
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.max_message = self.max_message.0;
        config.max_frame = self.max_frame.0 as u64;
        config.max_fragments = self.max_fragments;
        config.max_empty_fragments = self.max_empty_fragments;
        config.fragment_size = self.fragment_size;
        config.max_queued = self.max_queued.0;
        config.close_timeout = self.close_timeout.0;
        config.message_timeout = Some(self.message_timeout.0);
        config.idle_timeout = self.idle_timeout.map(|time| time.0);
        config.ping_interval = self.ping.map(|time| time.0);
        config.pong_timeout = self.pong_timeout.0;
        config
    }
}

impl ServerArgs {
    /// Returns whether a slow reader needs only the newest message of each sender.
    pub(super) fn latest_of_each(&self) -> bool {
        self.overflow == OverflowArg::Latest
    }

    /// Returns whether slow readers are told what they have missed.
    pub(super) const fn tells_dropped(&self) -> bool {
        self.tell_dropped
    }

    pub(super) fn settings(&self, config: Config) -> Settings {
        let mut settings = Settings::default();
        settings.connection = Arc::new(config);
        settings.max_connections = self.max_connections.unwrap_or(usize::MAX);
        settings.max_per_address = self.max_per_address;
        settings.accept_rate =
            self.accept_rate.map(|per_second| AcceptRate { per_second, burst: per_second });
        let policy = match self.over_rate {
            OverRate::Slow => RatePolicy::SlowDown,
            OverRate::Drop => RatePolicy::Drop,
            OverRate::Close => RatePolicy::Close,
        };
        settings.rate = self.rate.map(|rate| rate.with(self.rate_burst, policy));
        settings.max_lifetime = self.max_lifetime.map(|time| time.0);
        if let Some(Size(max_held)) = self.max_held {
            settings.max_held = max_held;
        }
        settings.handshake_timeout = self.handshake_timeout.0;
        settings.head.max_bytes = self.max_head.0;
        settings.head.max_headers = self.max_headers;
        settings.overflow = match self.overflow {
            OverflowArg::Close => Overflow::Close,
            OverflowArg::Drop => Overflow::DropData,
            OverflowArg::DropOldest | OverflowArg::Latest => Overflow::DropOldest,
            OverflowArg::Block => Overflow::Block,
        };
        settings.high_watermark = self.high_watermark.0;
        settings.low_watermark = self.low_watermark.0;
        settings.receive_buffer = self.receive_buffer.0;
        settings
    }
}
