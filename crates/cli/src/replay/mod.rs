//! `bowsprit replay`: plays again a finding of `bowsprit fuzz`, or a client that `bowsprit watch` has saved.

mod args;
mod talk;

use std::net::TcpListener;

use bowsprit::tls::explain_io;
use bowsprit_lab::Place;
use bowsprit_lab::capture::saved;
use bowsprit_lab::fuzz::{Dial, Kind, Oracles, Reproducer, Side, Trace};

use super::exit::Exit;
use super::fuzz::Server;
use super::output::{colours, for_terminal, print};
use super::trust::advised;
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
        print(&trace.show(colours()));
        return Ok(Exit::Done);
    }
    let (dial, server) = match trace.side {
        Side::Server => {
            let url = args.url.as_deref().unwrap_or(trace.place.as_str());
            match Server::new(url, &args.trust, &args.request)? {
                Some(server) => (Dial::Connect(server.address), Some(server)),
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
            (Dial::Accept(listener), None)
        }
    };
    if trace.finding.kind == Kind::Memory && args.pid.is_none() {
        return Err("this finding is about memory: --pid says of which process".to_owned());
    }
    let (oracles, tls) = match server {
        Some(Server { host, target, fields, tls, .. }) => {
            (Oracles { fields, ..trace.oracles(&host, &target) }, tls)
        }
        None => (trace.oracles("", ""), None),
    };
    let peer = args.process.peer(dial, tls, None)?;
    let watch = args.pid.map(|pid| (pid, args.memory.0 as u64));
    let mut reproducer = Reproducer::new(&peer, &oracles, &trace.finding, watch);
    let found = match reproducer.any(&trace.script) {
        Ok(found) => found,
        Err(error) => {
            let why = advised(trace.place.as_str(), explain_io(&error));
            return Ok(Exit::NotConnected.because(format!("{}: {why}", trace.place)));
        }
    };
    trace.received = reproducer.received;
    (trace.reproduced, trace.unasked) = (true, None);
    match found {
        Some(finding) => {
            trace.finding = finding;
            print(&trace.show(colours()));
            Ok(Exit::PeerFailed)
        }
        None => {
            print(&for_terminal(format_args!("{}nothing is wrong any more\n", trace.script.show())));
            Ok(Exit::Done)
        }
    }
}
