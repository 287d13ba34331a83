//! Shell completions and manual pages, generated from the command line's own description.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bowsprit_lab::counted;
use clap::Command;

use super::foreign::nearest_command;
use super::output::{print_bytes, say, usage};

/// For which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: clap_complete::Shell,
}

/// Writes the completion script; `command` is the whole command line.
pub(crate) fn run(args: &Args, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "bowsprit", &mut script);
    print_bytes(&script)
}

/// Write the manual pages: one for each command
///
/// Without --dir they go to stdout.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The command whose page is wanted, such as test server [default: all of them]
    #[arg(value_name = "COMMAND")]
    of: Vec<String>,
    /// Write files into this folder, which is made if it is not there: bowsprit.1, bowsprit-test-server.1 and so on.
    #[arg(long, value_name = "DIR", conflicts_with = "of")]
    dir: Option<PathBuf>,
}

pub(crate) fn man(args: &ManArgs, mut root: Command) -> ExitCode {
    root.build();
    let mut chosen = &root;
    for name in &args.of {
        match chosen.find_subcommand(name) {
            Some(command) => chosen = command,
            None => {
                let asked = args.of.join(" ");
                let ours = nearest_command(chosen, name).map(|ours| asked.replace(name, ours));
                let see = ours.map_or_else(
                    || "; see bowsprit --help".to_owned(),
                    |ours| format!(": use bowsprit man {ours}"),
                );
                return usage(format_args!("there is no command {asked}{see}"));
            }
        }
    }
    let mut pages = Vec::new();
    collect(chosen, args.of.is_empty(), &mut pages);
    match &args.dir {
        None => print_bytes(pages.into_iter().map(|(_, page)| page).collect::<String>().as_bytes()),
        Some(dir) => match write(dir, &pages) {
            Ok(()) => {
                say(format_args!("{} written to {}", counted(pages.len(), "page"), dir.display()));
                ExitCode::SUCCESS
            }
            Err(error) => usage(format_args!("cannot write to {}: {error}", dir.display())),
        },
    }
}

fn write(dir: &Path, pages: &[(String, String)]) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    pages.iter().try_for_each(|(name, page)| fs::write(dir.join(name), page))
}

/// Collects the page of a command and, if `all`, those of all commands below it, with their file names.
fn collect(command: &Command, all: bool, pages: &mut Vec<(String, String)>) {
    let rest = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let plain = command.clone().after_help(None::<&str>).after_long_help(None::<&str>);
    let man = clap_mangen::Man::new(plain);
    let mut page = Vec::new();
    man.render(&mut page).expect("memory takes what is written to it");
    let page =
        String::from_utf8_lossy(&page).into_owned() + &rest.map(|rest| notes(&rest)).unwrap_or_default();
    pages.push((man.get_filename(), page));
    if all {
        command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .for_each(|sub| collect(sub, all, pages));
    }
}

/// Writes the text after the flags as roff: indented lines stay as they are.
fn notes(text: &str) -> String {
    let mut roff = ".SH NOTES\n".to_owned();
    let mut is_table = false;
    for line in text.lines() {
        if line.starts_with("  ") != is_table {
            is_table = !is_table;
            roff += if is_table { ".nf\n" } else { ".fi\n" };
        }
        match line.trim_end() {
            "" => roff += ".PP\n",
            line => {
                let line = line.replace('\\', "\\e").replace('-', "\\-");
                roff += if line.starts_with(['.', '\'']) { "\\&" } else { "" };
                roff += &line;
                roff.push('\n');
            }
        }
    }
    roff += if is_table { ".fi\n" } else { "" };
    roff
}
