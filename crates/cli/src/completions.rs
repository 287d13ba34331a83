//! Shell completions and the manual page, made from the command line's own description.

use std::process::ExitCode;

use clap::CommandFactory as _;

use super::args;
use super::output::{print, usage};

/// For which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::Args::command(), "bowsprit", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// All pages in one: that of the command, then one for each subcommand.
pub(crate) fn man() -> ExitCode {
    let mut command = args::Args::command();
    command.build();
    let mut page = Vec::new();
    let pages = std::iter::once(&command).chain(command.get_subcommands());
    for part in pages {
        if let Err(error) = clap_mangen::Man::new(part.clone()).render(&mut page) {
            return usage(error);
        }
    }
    print(&String::from_utf8_lossy(&page))
}
