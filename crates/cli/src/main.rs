//! The `bowsprit` command: what the user typed becomes library types, then those act.
//!
//! [`args`] names the subcommands; each has a file of its own with its arguments and a `run`. Data goes to stdout,
//! remarks go to stderr.

#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "clap prints these doc comments as help, with URLs and brackets as they are"
)]

mod args;
mod bench;
mod completions;
mod connect;
mod decode;
mod deflate;
mod driver;
mod examples;
mod exit;
mod explain;
mod fold;
mod foreign;
mod fuzz;
mod input;
mod limits;
mod logger;
mod output;
mod rate;
mod replay;
mod request;
mod secret;
mod serve;
mod shorthand;
mod signals;
mod test;
mod told;
mod trust;
mod values;
mod watch;

use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    output::log_to_stderr();
    let args = match args::parse() {
        Ok(args) => args,
        Err(code) => return ExitCode::from(code),
    };
    // Without a command, `parse` has shown the help.
    let Some(command) = args.command else { return ExitCode::SUCCESS };
    match command {
        Command::Serve(args) => serve::run(*args).into(),
        Command::Connect(args) => ExitCode::from(connect::run(*args) as u8),
        Command::Completions(typed) => completions::run(&typed, args::command()),
        Command::Man(typed) => completions::man(&typed, args::command()),
        Command::Bench(args) => bench::run(*args),
        Command::Test(args) => test::run(*args),
        Command::Explain(args) => explain::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Fuzz(args) => fuzz::run(*args).into(),
        Command::Replay(args) => replay::run(&args).into(),
        Command::Watch(args) => watch::run(&args).into(),
    }
}
