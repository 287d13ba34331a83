//! `bowsprit bench`: how much a server carries, and how fast.
//!
//! What was typed becomes a [`plan`]; [`fleet`] holds the connections and their loop, and [`link`] is one of them, over
//! a socket or a stream of a [`trunk`]; the scenarios say which connection sends when ([`echo`], [`broadcast`],
//! [`storm`], [`idle`]); [`report`] is the result.
//!
//! The connections use the library's own core, driven here without the event loop: masked frames are encoded once,
//! before the run, and written from where they lie, so that the load costs little more than the system calls.

mod broadcast;
mod compare;
mod echo;
mod fault;
mod fleet;
mod idle;
mod link;
mod pace;
mod payload;
mod plan;
mod process;
mod progress;
mod quota;
mod report;
mod socket;
mod storm;
mod tally;
mod target;
mod traffic;
mod trunk;
mod trunks;
mod units;
mod wire;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use self::fleet::{Fleet, Stopped};
use self::plan::{Load, Plan, Scenario};
use self::report::Report;
use super::exit::EXIT_CODES;
use super::exit::Exit;
use super::output::{for_terminal, print, print_json, say, usage};
use super::trust::advised;

/// Measure a server: throughput and latency of echoes or broadcasts, storms of connections, idle ones
///
/// Opens connections, sends messages and checks what comes back: every answer's kind and length, and the payload of
/// one in so many (--sample). In a closed loop (--in-flight) each connection sends on when answers arrive; in an open one (--rate)
/// messages are due at fixed times and their latency counts from then, so that a server that stalls is not spared
/// the messages that it kept waiting. The report goes to stdout, progress to a terminal on stderr.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    load: Option<Load>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Compare two runs that were written with --json
    Compare {
        /// The first run, which the second is measured by.
        a: PathBuf,
        /// The second run.
        b: PathBuf,
    },
}

pub(crate) fn run(args: Args) -> ExitCode {
    match (args.command, args.load) {
        (Some(Command::Compare { a, b }), _) => compare::run(&a, &b),
        (None, Some(load)) => measure(load),
        // clap asks for a URL before this is reached.
        (None, None) => usage("give a URL"),
    }
}

fn measure(load: Load) -> ExitCode {
    let form = match (load.json, load.histogram || std::io::stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Histogram,
        (false, false) => Form::Text,
    };
    let plan = match Plan::new(load) {
        Ok(plan) => plan,
        Err(exit) => return exit.into(),
    };
    let result = Fleet::new(&plan).and_then(|mut fleet| match plan.scenario {
        Scenario::Echo => echo::run(&mut fleet),
        Scenario::Broadcast(to) => broadcast::run(&mut fleet, to),
        Scenario::Storm => storm::run(&mut fleet),
        Scenario::Idle => idle::run(&mut fleet),
    });
    match result {
        Ok(report) => finish(&report, form),
        Err(Stopped::NotConnected(why)) => Exit::NotConnected.because(advised(plan.url.as_str(), why)).into(),
        Err(Stopped::Broken(error)) => usage(format_args!("cannot go on: {error}")),
    }
}

/// How the report is written.
enum Form {
    Json,
    Text,
    /// Text with the distribution of the latencies.
    Histogram,
}

/// Prints the report, then the errors.
fn finish(report: &Report, form: Form) -> ExitCode {
    let printed = match (form, &report.latency_us) {
        (Form::Json, _) => print_json(&report.to_json()),
        (Form::Histogram, Some(latency)) => {
            print(&for_terminal(format_args!("{report}latencies\n{}", report::histogram(latency))))
        }
        _ => print(&for_terminal(report)),
    };
    for (kind, errors) in &report.errors {
        say(format_args!("{kind}: {}, the first: {}", errors.count, errors.first));
    }
    if report.errors.is_empty() { printed } else { Exit::PeerFailed.into() }
}
