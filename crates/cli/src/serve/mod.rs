//! `bowsprit serve`: a server that echoes, relays or broadcasts.

mod args;
mod attended;
mod backplane;
mod board;
#[cfg(unix)]
mod bridge;
mod console;
mod drain;
mod farewell;
mod handler;
mod hints;
mod metrics;
mod mode;
#[cfg(unix)]
mod own_path;
mod plain;
mod run;
mod since;
mod sockets;
mod summary;
mod tls;
mod visit;

use super::exit::Exit;
use super::logger::{self, Stamp};

pub(crate) use args::Args;
#[cfg(unix)]
pub(crate) use own_path::OwnPath;
pub(crate) use sockets::cannot;
pub(crate) use tls::TlsArgs;

pub(crate) fn run(args: Args) -> Exit {
    let stamp = if args.verbose > 0 { Stamp::Time } else { Stamp::Name };
    let _logging = match logger::start(stamp) {
        Ok(logging) => logging,
        Err(error) => return Exit::Usage.because(format_args!("cannot start: {error}")),
    };
    match run::serve(&args) {
        Ok(()) => Exit::Done,
        Err(why) => Exit::Usage.because(why),
    }
}
