//! The arguments of `bowsprit watch`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;

use super::faults::FaultArgs;
use crate::serve::TlsArgs;
use crate::trust::Trust;
use crate::values::{Time, listen_address};

/// Stand between a client and a server, and show and judge what they say
///
/// Every byte is passed on as it is, half-closes and resets too. Shown are both directions, live: heads, frames as `decode`
/// shows them, messages put together and inflated, times, and each rule that either side breaks, with its section. Let the
/// client connect to --listen in place of the server. A command that does so may follow --: {url} in it, and
/// BOWSPRIT_WATCH_URL in its environment, say where to connect, and the watch ends when it does.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT)]
pub(crate) struct Args {
    /// The server, such as ws://127.0.0.1:9001/, wss://example.com or ws+unix:/run/app.sock.
    pub(super) url: String,
    /// Where the client is to connect; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9002", value_parser = listen_address)]
    pub(super) listen: SocketAddr,
    /// Listen on this path in place of --listen: a Unix-domain socket.
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["listen", "tls_cert"])]
    pub(super) unix: Option<PathBuf>,
    /// A command that connects: `{url}` stands for where.
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
    /// End after this many connections.
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// End after the first connection.
    #[arg(long, conflicts_with = "count")]
    pub(super) once: bool,
    /// The most connections at once; others wait to be accepted.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_connections: u32,
    /// How long it may take to reach the server.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(super) connect_timeout: Time,
    /// Show only these kinds of things; broken rules are always shown.
    #[arg(long, value_enum, value_name = "KINDS", value_delimiter = ',', help_heading = SHOWN)]
    pub(super) only: Vec<Kind>,
    /// Show only what contains this text, in the first megabyte of a message; broken rules are always shown.
    #[arg(long, value_name = "TEXT", help_heading = SHOWN)]
    pub(super) grep: Option<String>,
    /// Write lines of JSON in place of text.
    #[arg(long, help_heading = SHOWN)]
    pub(super) json: bool,
    /// Show broken rules and the summary alone.
    #[arg(short, long, help_heading = SHOWN)]
    pub(super) quiet: bool,
    /// Write all that passes to this file, which `decode` and `replay` read. It holds cookies and passwords, if any passed.
    #[arg(long, value_name = "FILE", help_heading = SHOWN)]
    pub(super) save: Option<PathBuf>,
    /// Write all that passes to this file as a capture for Wireshark: in the clear, in TCP segments that were never sent.
    #[arg(long, value_name = "FILE", help_heading = SHOWN)]
    pub(super) pcapng: Option<PathBuf>,
    #[command(flatten)]
    pub(super) faults: FaultArgs,
    #[command(flatten)]
    pub(super) trust: Trust,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
}

const SHOWN: &str = "What is shown and kept";

const EXIT: &str = "Exit codes: 0 no rule was broken, 1 a rule was broken, or the command behind -- failed, 2 the command \
line is wrong or cannot be followed, 3 the server was not reached.";

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Requests and responses, and what was agreed.
    Head,
    /// Frames that begin or end a text.
    Text,
    /// Frames that begin or end a binary message.
    Binary,
    /// Fragments between them.
    Continuation,
    Ping,
    Pong,
    Close,
    /// Bytes that are no frame.
    Bytes,
    /// How each side ends.
    End,
    /// What the observer has to say.
    Note,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Continuation => "continuation",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Close => "close",
            Self::Bytes => "bytes",
            Self::End => "end",
            Self::Note => "note",
        }
    }
}

impl Args {
    pub(super) const fn count(&self) -> Option<u64> {
        if self.once { Some(1) } else { self.count }
    }
}
