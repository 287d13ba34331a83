//! `bowsprit test`: the conformance lab.

mod args;
mod behind;
mod client;
mod end;
mod files;
mod place;
mod progress;
mod proxy;
mod reports;
mod server;

use std::process::ExitCode;

use super::output::usage;
use args::Side;

pub(crate) use args::{Args, EXIT_CODES, PROXY_EXIT_CODES};

pub(crate) fn run(args: Args) -> ExitCode {
    match args.side {
        Side::Server(args) => server::server(&args),
        Side::Client(args) => client::client(&args),
        Side::Proxy(args) => proxy::proxy(&args),
        Side::Report(args) => reports::report(&args),
    }
    .unwrap_or_else(|error| usage(&error))
}
