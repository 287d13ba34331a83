//! `bowsprit replay`: a finding of `bowsprit fuzz` once more.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use bowsprit::lab::fuzz::campaign::{Dial, once};
use bowsprit::lab::fuzz::{Side, Trace};

use super::args::listen_address;
use super::exit::Exit;
use super::fuzz::address_of;
use super::output::{for_terminal, print};

/// Play a finding of `bowsprit fuzz` again, and tell whether it still is one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file that `bowsprit fuzz` saved.
    file: PathBuf,
    /// Another server than the one it was found in.
    #[arg(long, conflicts_with = "listen")]
    url: Option<String>,
    /// Another place to wait for a client than the one it was found at.
    #[arg(long, value_parser = listen_address)]
    listen: Option<SocketAddr>,
    /// Only tell what is in the file.
    #[arg(long)]
    show: bool,
}

pub(crate) fn run(args: &Args) -> Exit {
    match replay(args) {
        Ok(exit) => exit,
        Err(error) => Exit::Usage.because(error),
    }
}

fn replay(args: &Args) -> Result<Exit, String> {
    let name = args.file.display();
    let text = std::fs::read_to_string(&args.file).map_err(|error| format!("{name}: {error}"))?;
    let mut trace: Trace =
        serde_json::from_str(&text).map_err(|error| format!("{name} holds no finding: {error}"))?;
    if args.show {
        print(&for_terminal(&trace.show()));
        return Ok(Exit::Done);
    }
    let (dial, host, target) = match trace.side {
        Side::Server => {
            let url = args.url.as_ref().unwrap_or(&trace.place);
            match address_of(url)? {
                Some((address, host, target)) => (Dial::Connect(address), host, target),
                None => return Ok(Exit::NotConnected.because(format!("{url}: the name has no address"))),
            }
        }
        Side::Client => {
            let address = match args.listen {
                Some(address) => address,
                None => trace.place.parse().map_err(|_| format!("{name} names no address to listen on"))?,
            };
            let listener =
                TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
            (Dial::Accept(listener), String::new(), String::new())
        }
    };
    let played = match once(&dial, &trace.script, &trace.oracles(&host, &target)) {
        Ok(played) => played,
        Err(error) => return Ok(Exit::NotConnected.because(format!("{}: {error}", trace.place))),
    };
    trace.received = played.received;
    trace.reproduced = true;
    match played.finding {
        Some(finding) => {
            trace.finding = finding;
            print(&for_terminal(&trace.show()));
            Ok(Exit::PeerFailed)
        }
        None => {
            print(&for_terminal(&format!("{}nothing is wrong any more\n", trace.script.show())));
            Ok(Exit::Done)
        }
    }
}
