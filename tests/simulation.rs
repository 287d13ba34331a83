//! Whole event loops on simulated networks, seed after seed (see `support/simulation.rs`).

#![cfg(feature = "event-loop")]

#[path = "support/simulation.rs"]
mod simulation;

use std::time::Instant;

use simulation::{Tally, simulate};

/// As many as BOWSPRIT_SIMULATIONS says, from the seed BOWSPRIT_SEED.
#[test]
fn simulated_networks() {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse::<u64>().expect("a number"))
    };
    let (count, seed) = (number("BOWSPRIT_SIMULATIONS", 200), number("BOWSPRIT_SEED", 1));
    let started = Instant::now();
    let mut all = Tally::default();
    for seed in seed..seed + count {
        let Ok(tally) = std::panic::catch_unwind(|| simulate(seed)) else {
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
