//! The `bowsprit` command.

mod explain;
mod test;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A strict WebSocket (RFC 6455): server, client and conformance lab.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Examine a WebSocket server or client.
    Test(Box<test::Args>),
    /// Tell what a case sends and expects, without playing it.
    Explain(explain::Args),
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    match Args::parse().command {
        Command::Test(args) => test::run(*args),
        Command::Explain(args) => explain::run(args),
    }
}

/// Prints data; a reader that has gone away is no failure.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => usage(&error.to_string()),
    }
}

/// Talks to whoever sits in front of it.
fn say(text: &str) {
    // Nowhere is left to tell that stderr is gone.
    let _ = writeln!(std::io::stderr(), "bowsprit: {text}");
}

/// Says what is wrong with the command line.
fn usage(error: &str) -> ExitCode {
    say(error);
    ExitCode::from(2)
}
