//! `bowsprit replay`: a finding of `bowsprit fuzz`, or a client that `bowsprit watch` has saved, once more.

mod args;
mod talk;

use std::net::TcpListener;

use bowsprit_lab::Place;
use bowsprit_lab::capture::saved;
use bowsprit_lab::fuzz::{Dial, Kind, Reproducer, Side, Trace};

use super::exit::Exit;
use super::fuzz::address_of;
use super::output::{for_terminal, print};
pub(crate) use args::Args;

pub(crate) fn run(args: &Args) -> Exit {
    match replay(args) {
        Ok(exit) => exit,
        Err(error) => Exit::Usage.because(error),
    }
}

fn replay(args: &Args) -> Result<Exit, String> {
    let name = args.file.display();
    let text = std::fs::read_to_string(&args.file).map_err(|error| format!("{name}: {error}"))?;
    if saved::Header::is_at_start_of(text.as_bytes()) {
        return talk::replay(&text, args);
    }
    let mut trace: Trace =
        serde_json::from_str(&text).map_err(|error| format!("{name} holds no finding: {error}"))?;
    if args.show {
        print(&for_terminal(trace.show()));
        return Ok(Exit::Done);
    }
    let (dial, host, target) = match trace.side {
        Side::Server => {
            let url = args.url.as_deref().unwrap_or(trace.place.as_str());
            match address_of(url)? {
                Some((address, host, target)) => (Dial::Connect(address), host, target),
                None => {
                    return Ok(
                        Exit::NotConnected.because(format!("{}: the name has no address", Place::of(url)))
                    );
                }
            }
        }
        Side::Client => {
            let address = match args.listen {
                Some(address) => address,
                None => trace
                    .place
                    .as_str()
                    .parse()
                    .map_err(|_| format!("{name} names no address to listen on"))?,
            };
            let listener =
                TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
            (Dial::Accept(listener), String::new(), String::new())
        }
    };
    if trace.finding.kind == Kind::Memory && args.pid.is_none() {
        return Err("this finding is about memory: --pid says of which process".to_owned());
    }
    let oracles = trace.oracles(&host, &target);
    let peer = args.process.peer(dial, None)?;
    let watch = args.pid.map(|pid| (pid, args.memory.0 as u64));
    let mut reproducer = Reproducer::new(&peer, &oracles, &trace.finding, watch);
    let found = match reproducer.any(&trace.script) {
        Ok(found) => found,
        Err(error) => return Ok(Exit::NotConnected.because(format!("{}: {error}", trace.place))),
    };
    trace.received = reproducer.received;
    (trace.reproduced, trace.unasked) = (true, None);
    match found {
        Some(finding) => {
            trace.finding = finding;
            print(&for_terminal(trace.show()));
            Ok(Exit::PeerFailed)
        }
        None => {
            print(&for_terminal(format_args!("{}nothing is wrong any more\n", trace.script.show())));
            Ok(Exit::Done)
        }
    }
}
