//! Whole event loops on simulated networks, seed after seed (see `support/simulation.rs`, `support/streams.rs`).

#![cfg(feature = "event-loop")]

#[path = "support/simulation.rs"]
mod event_loop;
#[cfg(feature = "http2")]
#[path = "support/streams.rs"]
mod streams;

use std::fmt::Debug;
use std::ops::AddAssign;
use std::panic::RefUnwindSafe;
use std::time::Instant;

use event_loop::{BARE, Carriage, simulate};
#[cfg(feature = "http2")]
use streams::ONE_EACH;

/// As many as BOWSPRIT_SIMULATIONS says, from the seed BOWSPRIT_SEED; so many if it says nothing. How many those were, and
/// what they came to.
fn runs<T: Default + Debug + AddAssign>(count: u64, run: impl Fn(u64) -> T + RefUnwindSafe) -> (u64, T) {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse::<u64>().expect("a number"))
    };
    let (count, seed) = (number("BOWSPRIT_SIMULATIONS", count), number("BOWSPRIT_SEED", 1));
    let started = Instant::now();
    let mut all = T::default();
    for seed in seed..seed + count {
        let Ok(tally) = std::panic::catch_unwind(|| run(seed)) else {
            panic!("BOWSPRIT_SEED={seed} BOWSPRIT_SIMULATIONS=1 shows it again")
        };
        all += tally;
    }
    println!("{count} runs in {:?}: {all:?}", started.elapsed());
    (count, all)
}

fn simulated(carriage: Carriage, count: u64) {
    let (count, all) = runs(count, |seed| simulate(seed, carriage));
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

/// The same over HTTP/2, as streams of it that are cut wherever the wire is.
#[cfg(feature = "http2")]
#[test]
fn simulated_networks_under_http2() {
    simulated(ONE_EACH, 100);
}

/// A stream for which too much was held was read no more, and as that is what was held, it never got on.
#[cfg(feature = "http2")]
#[test]
fn what_a_stream_of_http2_holds_is_read() {
    simulate(742, ONE_EACH);
}

/// Many streams on one connection, some of which are held back, reset, ended or broken while the others go on.
#[cfg(feature = "http2")]
#[test]
fn many_streams_of_http2() {
    let (count, all) = runs(100, streams::simulate);
    if count >= 100 {
        let count = count as usize;
        assert!(all.streams > 4 * count && all.echoed > 4 * count && all.ended > count, "{all:?}");
        assert!(all.pages > count / 4 && all.refused > count / 4 && all.undisturbed > count / 4, "{all:?}");
    }
}
