//! `bowsprit watch`: a window between two programs.
//!
//! Every byte is passed on unchanged, and the lab judges a copy ([`Conversation`]). [`pump`] moves the bytes, and
//! [`Screen`] shows them; neither waits for a terminal.
//!
//! [`Conversation`]: bowsprit_lab::conversation::Conversation

mod alter;
mod args;
mod capture;
mod child;
mod faults;
mod lane;
mod link;
mod observer;
mod place;
mod pump;
mod record;
mod screen;
mod socket;
mod summary;

use super::exit::Exit;
use super::logger::{self, Stamp};
pub(crate) use args::Args;
use place::Target;
use pump::Pump;
use screen::Screen;

pub(crate) fn run(args: &Args) -> Exit {
    let _logging = match logger::start(Stamp::Name) {
        Ok(logging) => logging,
        Err(error) => return Exit::Usage.because(format_args!("cannot start: {error}")),
    };
    match watch(args) {
        Ok(exit) => exit,
        Err(why) => Exit::Usage.because(why),
    }
}

fn watch(args: &Args) -> Result<Exit, String> {
    let target = Target::new(&args.url, &args.trust)?;
    let tls = args.tls.server(false)?;
    let screen = Screen::new(args)?;
    let mut pump = Pump::new(args, target, tls, screen)?;
    let ended = pump.run().map_err(|error| format!("cannot go on: {error}"))?;
    Ok(pump.finish(ended))
}
