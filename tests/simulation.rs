//! Whole event loops on simulated networks, seed after seed (see `support/simulation.rs`).

#![cfg(feature = "event-loop")]

#[path = "support/simulation.rs"]
mod simulation;

use std::time::Instant;

#[cfg(feature = "http2")]
use bowsprit::event_loop::Transport;
#[cfg(feature = "http2")]
use bowsprit::http2::{Chosen, Http2Stream};
use simulation::{BARE, Carriage, Tally, simulate};

/// As many as BOWSPRIT_SIMULATIONS says, from the seed BOWSPRIT_SEED; so many if it says nothing.
fn simulated(carriage: Carriage, count: u64) {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse::<u64>().expect("a number"))
    };
    let (count, seed) = (number("BOWSPRIT_SIMULATIONS", count), number("BOWSPRIT_SEED", 1));
    let started = Instant::now();
    let mut all = Tally::default();
    for seed in seed..seed + count {
        let Ok(tally) = std::panic::catch_unwind(|| simulate(seed, carriage)) else {
            panic!("BOWSPRIT_SEED={seed} BOWSPRIT_SIMULATIONS=1 shows it again")
        };
        all += tally;
    }
    println!("{count} runs in {:?}: {all:?}", started.elapsed());
    if count >= 100 {
        let count = count as usize;
        assert!(all.opened > count && all.delivered > 4 * count, "{all:?}");
        assert!(all.clean > count / 4 && all.broken > count / 4 && all.failed > count / 20, "{all:?}");
    }
}

#[test]
fn simulated_networks() {
    simulated(BARE, 200);
}

/// HTTP/2, a stream on each connection.
#[cfg(feature = "http2")]
const HTTP2: Carriage = Carriage {
    client: |end| Transport::other(Http2Stream::new(end, Chosen::Known, false)),
    settings: |settings| settings.http2 = true,
    carries: true,
};

/// The same over HTTP/2, as streams of it that are cut wherever the wire is.
#[cfg(feature = "http2")]
#[test]
fn simulated_networks_under_http2() {
    simulated(HTTP2, 100);
}

/// A stream for which too much was held was read no more, and as that is what was held, it never got on.
#[cfg(feature = "http2")]
#[test]
fn what_a_stream_of_http2_holds_is_read() {
    simulate(742, HTTP2);
}
