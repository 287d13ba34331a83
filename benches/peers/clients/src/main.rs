//! Clients that send a number of messages at a time to an echo server and wait for all of them: ours, those of other
//! crates, and `null` ones that only move the bytes. `benches/clients` runs them beside each other.
//!
//! `peer-clients NAME PORT CONNECTIONS SIZE IN_FLIGHT SECONDS` prints messages per second, and µs of CPU time for each.
//!
//! The messages in flight on a connection are sent together once all before them have come back, in the way that each
//! library sends several messages best.

mod bowsprit_blocking;
mod bowsprit_loop;
mod crowd;
mod fastwebsockets;
mod null;
mod tally;
mod tokio_tungstenite;
mod tungstenite;

use tally::{Load, Tally};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, numbers @ ..] = &arguments[..] else { usage() };
    let numbers: Vec<usize> =
        numbers.iter().map(|number| number.parse().unwrap_or_else(|_| usage())).collect();
    let [port, connections, size, in_flight, seconds] = numbers[..] else { usage() };
    let load = Load { port: port as u16, connections, message: vec![b'7'; size], in_flight };
    let tally = Tally::new(seconds);
    let done = match &name[..] {
        "bowsprit-blocking" => bowsprit_blocking::run(&load, tally),
        "bowsprit-loop" => bowsprit_loop::run(load, tally),
        "tungstenite" => tungstenite::run(&load, tally),
        "tokio-tungstenite" => tokio_tungstenite::run(load, tally),
        "fastwebsockets" => fastwebsockets::run(load, tally),
        "null-blocking" => null::run_blocking(&load, tally),
        "null-loop" => null::run_loop(&load, tally),
        _ => usage(),
    };
    println!("{:.0} {:.4}", done.messages_per_s, done.us_per_message);
}

fn usage() -> ! {
    eprintln!("usage: peer-clients NAME PORT CONNECTIONS SIZE IN_FLIGHT SECONDS");
    std::process::exit(2)
}
