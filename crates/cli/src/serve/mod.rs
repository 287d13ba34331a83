//! `bowsprit serve`: a server that echoes, relays or broadcasts.

mod farewell;
mod handler;
mod metrics;
mod plain;
mod run;
mod sockets;
mod summary;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
#[cfg(unix)]
use std::path::PathBuf;

use clap::ValueEnum;

use super::args::{EXIT_CODES, listen_address};
use super::deflate::DeflateArgs;
use super::exit::Exit;
use super::limits::{ConnectionArgs, ServerArgs};
use sockets::TlsArgs;

/// Serve WebSocket connections: echo, relay to the others, or broadcast to all
///
/// The URL is the first line on stdout. A browser that opens it as http:// gets a page that connects to the server.
/// Ctrl-C closes all connections with 1001 and ends; a second one ends at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9001", value_parser = listen_address)]
    listen: SocketAddr,
    /// Listen on this path too, in the clear: a Unix-domain socket. It must not exist, and is removed at the end.
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// In place of --listen, take the sockets that systemd or another supervisor passes (LISTEN_FDS).
    #[cfg(unix)]
    #[arg(long, conflicts_with = "listen")]
    systemd: bool,
    /// Tell counters at this address, as /metrics in the text format of Prometheus, in the clear.
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen_address)]
    metrics: Option<SocketAddr>,
    /// Where messages go.
    #[arg(long, value_enum, default_value_t = Mode::Echo)]
    mode: Mode,
    /// Threads that serve, each with a loop and connections of its own; messages and limits know no border between
    /// them, but `--overflow block` slows only clients of the same thread.
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Subprotocols to speak, the preferred one first.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    subprotocol: Vec<String>,
    /// Let pages of this origin connect, such as https://example.com; `null` for local files. Pages that come from
    /// this server itself always may.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Let browsers reach the server by this name. Loopback names always work, and unless it listens on a loopback
    /// address any IP address.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Let any page connect, by any name: every site that the user of a browser visits can then talk to this server.
    #[arg(long, conflicts_with_all = ["allow_origin", "allow_host"])]
    any_origin: bool,
    /// Tell on stderr of connections that open, close or fail.
    #[arg(short, long)]
    verbose: bool,
    /// Say nothing on stderr but what prevents the server from serving: no line that tells how it goes, where stderr
    /// is a terminal, and not who is refused.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    deflate: DeflateArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Back to the sender.
    Echo,
    /// To all others.
    Relay,
    /// To all, the sender included.
    Broadcast,
}

/// How much is told on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Talk {
    /// What prevents the server from serving.
    Quiet,
    /// Who is refused, and what can be done about it.
    Normal,
    /// Each connection.
    Verbose,
}

impl Args {
    const fn talk(&self) -> Talk {
        match (self.quiet, self.verbose) {
            (true, _) => Talk::Quiet,
            (_, true) => Talk::Verbose,
            _ => Talk::Normal,
        }
    }
}

pub(crate) fn run(args: Args) -> Exit {
    match run::serve(&args) {
        Ok(()) => Exit::Done,
        Err(why) => Exit::Usage.because(why),
    }
}
