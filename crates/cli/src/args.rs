//! The command line as the user types it.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::exit::Exit;
use super::{
    bench, completions, connect, decode, examples, explain, foreign, fuzz, replay, serve, shorthand, test,
    watch,
};

/// A strict WebSocket (RFC 6455): server, client, conformance lab, fuzzer and load generator
///
/// Without a command a URL is connected to (connect), and -l PORT listens, shows what comes and sends what is typed (serve
/// --mode console).
#[derive(Debug, Parser)]
#[command(name = "bowsprit", version, styles = STYLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Where colours are wanted: a terminal, unless NO_COLOR is set.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold());

/// Returns the whole command line, with everything that `--help` shows.
pub(crate) fn command() -> clap::Command {
    examples::add_to(Args::command())
}

/// Parses what was typed. Returns an exit code if the request has been answered already and the command should end.
pub(crate) fn parse() -> Result<Args, u8> {
    let mut command = command();
    let typed = shorthand::expand(&command, std::env::args_os().collect());
    let parsed =
        command.try_get_matches_from_mut(&typed).and_then(|matches| Args::from_arg_matches(&matches));
    let error = match parsed {
        Ok(Args { command: Some(command) }) => return Ok(Args { command: Some(command) }),
        // Without arguments it shows its help.
        Ok(Args { command: None }) => {
            // This fails if nobody reads it.
            let _ = command.print_help();
            return Err(0);
        }
        Err(error) => error,
    };
    match foreign::answer(&command, &typed, &error) {
        Some(text) => Err(Exit::Usage.because(text) as u8),
        None => {
            // This fails if nobody reads it.
            let _ = error.print();
            Err(error.exit_code() as u8)
        }
    }
}

/// One file each in this folder, which also says what `--help` tells of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<serve::Args>),
    Connect(Box<connect::Args>),
    Bench(Box<bench::Args>),
    /// Examine a WebSocket server or client against the RFC
    Test(Box<test::Args>),
    /// Write a script that completes this command in a shell
    Completions(completions::Args),
    Man(completions::ManArgs),
    /// Say what a case of the lab sends and expects
    Explain(explain::Args),
    /// Show bytes as frames, and say what is wrong with them
    Decode(decode::Args),
    Fuzz(Box<fuzz::Args>),
    Replay(Box<replay::Args>),
    Watch(Box<watch::Args>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
