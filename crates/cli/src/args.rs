//! The command line as the user types it, and the kinds of values in it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::{bench, completions, connect, decode, explain, fuzz, replay, serve, test};

/// A strict WebSocket (RFC 6455): server, client and conformance lab.
#[derive(Debug, Parser)]
#[command(name = "bowsprit", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One file each in this folder, which also says what `--help` tells of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<serve::Args>),
    Connect(Box<connect::Args>),
    Bench(Box<bench::Args>),
    /// Examine a WebSocket server or client.
    Test(Box<test::Args>),
    /// Write a script that completes this command in a shell.
    Completions(completions::Args),
    /// Write the manual page of this command.
    Man,
    /// Tell what a case sends and expects, without playing it.
    Explain(explain::Args),
    /// Show bytes as frames, and say what is wrong with them.
    Decode(decode::Args),
    Fuzz(Box<fuzz::Args>),
    Replay(replay::Args),
}

pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 the peer failed or closed abnormally, \
2 the command line or the input is wrong, 3 could not connect or was refused.";

/// Bytes: a number, alone or with K, M or G (of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end_matches(['B', 'b']).trim_end_matches(['i', 'I']);
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
            Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        let number: usize =
            digits.parse().map_err(|_| "use a number of bytes such as 65536, 64K, 16M or 1G")?;
        number.checked_mul(1 << shift).map(Size).ok_or("that is more than this machine can address")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 30 && bytes % (1 << 30) == 0 => write!(f, "{}G", bytes >> 30),
            bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => write!(f, "{}M", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => write!(f, "{}K", bytes >> 10),
            bytes => bytes.fmt(f),
        }
    }
}

/// A time: seconds, with a fraction if need be, or a number with ms, s, m or h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = if let Some(digits) = text.strip_suffix("ms") {
            (digits, 0.001)
        } else if let Some(digits) = text.strip_suffix('s') {
            (digits, 1.0)
        } else if let Some(digits) = text.strip_suffix('m') {
            (digits, 60.0)
        } else if let Some(digits) = text.strip_suffix('h') {
            (digits, 3600.0)
        } else {
            (text, 1.0)
        };
        let number: f64 =
            digits.parse().map_err(|_| "use a time such as 10 (seconds), 0.5, 250ms, 5m or 1h")?;
        Duration::try_from_secs_f64(number * unit).map(Time).map_err(|_| "that is no length of time")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

/// A header line: name, colon, value.
pub(super) fn header(text: &str) -> Result<bowsprit::handshake::HeaderField, String> {
    let (name, value) = text.split_once(':').ok_or("use NAME: VALUE")?;
    bowsprit::handshake::HeaderField::new(name.trim(), value).map_err(|error| error.to_string())
}

/// Where to listen: an address and a port; `localhost` stands for 127.0.0.1.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    let wrong = "use an address and a port such as 127.0.0.1:9001, 0.0.0.0:80 or [::1]:0";
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().map(|port| (Ipv4Addr::LOCALHOST, port).into()).map_err(|_| wrong),
        None => text.parse().map_err(|_| wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0", 0), ("65536", 65536), ("64K", 65536), ("16MiB", 16 << 20), ("1G", 1 << 30), ("2kb", 2048)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "K", "-1", "1.5M", "1T", "99999999999G"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for bytes in [0, 1, 1023, 1024, 65536, 16 << 20, 3 << 30] {
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
    }

    #[test]
    fn times() {
        for (text, ms) in
            [("10", 10_000), ("0.5", 500), ("250ms", 250), ("2s", 2000), ("1m", 60_000), ("1h", 3_600_000)]
        {
            assert_eq!(text.parse(), Ok(Time(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "s", "-1", "1d", "inf", "nan", "1e300"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(listen_address("localhost:80"), Ok(([127, 0, 0, 1], 80).into()));
        assert!(listen_address("[::1]:0").is_ok());
        for text in ["", "9001", ":9001", "127.0.0.1", "example.com:80"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }
}
