//! The arguments of `bowsprit serve`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
#[cfg(unix)]
use std::path::PathBuf;

use bowsprit::event_loop::Settings;
use bowsprit::handshake::Leniency;
use clap::ValueEnum;

use super::backplane::BackplaneArgs;
#[cfg(unix)]
use super::bridge::Framing;
use super::drain::DrainArgs;
use super::mode::{Mode, Talk};
use super::tls::TlsArgs;
use crate::deflate::DeflateArgs;
use crate::exit::EXIT_CODES;
use crate::limits::{ConnectionArgs, ServerArgs};
use crate::values::{Time, listen_address};

/// Serve WebSocket connections: echo, relay, broadcast, talk, or bridge to a connection or a command
///
/// The URL is the first line on stdout. A browser that opens it as http:// gets a page that connects to the server.
/// Ctrl-C closes all connections with 1001 and ends; a second one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(short, long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9001", value_parser = listen_address)]
    pub(super) listen: SocketAddr,
    /// Listen on this path too, in the clear: a Unix-domain socket. A socket that is there already and that nobody
    /// listens on is replaced, anything else is left alone. At the end the path is removed if it is still ours.
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    pub(super) unix: Option<PathBuf>,
    /// In place of --listen, take the sockets that systemd or another supervisor passes (LISTEN_FDS).
    #[cfg(unix)]
    #[arg(long, conflicts_with = "listen")]
    pub(super) systemd: bool,
    /// Share the address with other servers of the same user that have this flag, too (SO_REUSEPORT): the system shares connections out
    /// among them. So a new process takes over from an old one that ends with --drain-listen first.
    #[cfg(unix)]
    #[arg(long, conflicts_with = "systemd")]
    reuse_port: bool,
    /// Serve counters at this address, as /metrics in the text format of Prometheus, without TLS.
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen_address)]
    pub(super) metrics: Option<SocketAddr>,
    /// Where messages go: `echo` back to the sender, `relay` to all others, `broadcast` to all, `console` to stdout,
    /// while what is typed goes to all.
    #[cfg_attr(
        unix,
        doc = " Or to a far end for each connection: `tcp:HOST:PORT`, `unix:PATH`, or `exec:COMMAND` of the shell, whose exit \
               code other than 0 is told in a Close frame with 1011."
    )]
    #[arg(long, value_name = "MODE", default_value = "echo")]
    pub(super) mode: Mode,
    /// What a message is at the far end of `tcp:`, `unix:` (bytes unless said otherwise) and `exec:` (lines).
    #[cfg(unix)]
    #[arg(long, value_enum)]
    pub(super) framing: Option<Framing>,
    /// Threads that serve, each with a loop and connections of its own. Messages and limits hold across all of them, but
    /// `--overflow block` slows only clients of the same thread.
    #[arg(long, value_name = "N", default_value = "1", value_parser = threads)]
    pub(super) threads: NonZeroUsize,
    /// Look for events for this long, such as 50us, before sleeping: few clients get their answers sooner, and a processor
    /// is busy meanwhile. Each thread does; give it processors that nobody else needs.
    #[arg(long, value_name = "TIME", default_value_t = Time(Settings::default().spin))]
    pub(super) spin: Time,
    /// Subprotocols to speak, the preferred one first.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) subprotocol: Vec<String>,
    /// Let pages of this origin connect: https://example.com, https://*.example.com for all names below it,
    /// http://localhost:* for all ports, `null` for local files. Pages that come from this server itself always may.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) allow_origin: Vec<String>,
    /// Let browsers reach the server by this name. Loopback names always work, and unless it listens on a loopback
    /// address any IP address.
    #[arg(long, value_name = "NAME")]
    pub(super) allow_host: Vec<String>,
    /// Let any page connect, by any name: every site that the user of a browser visits can then talk to this server.
    #[arg(long, conflicts_with_all = ["allow_origin", "allow_host"])]
    pub(super) any_origin: bool,
    /// Accept requests that break a rule the way clients in use do. `empty-subprotocol`: a Sec-WebSocket-Protocol line that
    /// names nothing, as all clients of tcllib up to 1.21 send it.
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',')]
    pub(super) lenient: Vec<Lenient>,
    /// Report on stderr connections that open, close or fail: when, who, what they asked for, how it ended, after how
    /// long and how much. Given twice (-vv), show the start of each message too.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Say nothing on stderr but what prevents the server from serving: no line that tells how it goes, where stderr
    /// is a terminal, and not who is refused.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    /// Do not offer HTTP/2 over TLS (ALPN h2), where clients open many WebSockets over one connection (RFC 8441).
    #[arg(long, help_heading = "HTTP/2", requires = "tls_cert")]
    pub(super) no_http2: bool,
    /// Take HTTP/2 without TLS, too, from clients that begin with it unasked.
    #[arg(long, help_heading = "HTTP/2", conflicts_with = "no_http2")]
    pub(super) http2: bool,
    #[command(flatten)]
    pub(super) backplane: BackplaneArgs,
    #[command(flatten)]
    pub(super) drain: DrainArgs,
    #[command(flatten)]
    pub(super) server: ServerArgs,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) deflate: DeflateArgs,
}

fn threads(text: &str) -> Result<NonZeroUsize, &'static str> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MAX_THREADS);
    number.ok_or("use a number from 1 to 1024; more than there are processors gain nothing")
}

const MAX_THREADS: usize = 1024;

/// What clients may get wrong; see [`bowsprit::handshake::Leniency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Lenient {
    EmptySubprotocol,
}

impl Args {
    pub(super) const fn talk(&self) -> Talk {
        match (self.quiet, self.verbose) {
            (true, _) => Talk::Quiet,
            // A user who types wants to know whether anybody is connected.
            (_, 0) if matches!(self.mode, Mode::Console) => Talk::Verbose,
            (_, 0) => Talk::Normal,
            (_, 1) => Talk::Verbose,
            _ => Talk::Messages,
        }
    }

    /// Returns whether other servers may listen on the same address.
    pub(super) const fn reuse_port(&self) -> bool {
        #[cfg(unix)]
        return self.reuse_port;
        #[cfg(not(unix))]
        false
    }

    pub(super) fn leniency(&self) -> Leniency {
        let mut leniency = Leniency::default();
        for item in &self.lenient {
            match item {
                Lenient::EmptySubprotocol => leniency.empty_subprotocol = true,
            }
        }
        leniency
    }
}
