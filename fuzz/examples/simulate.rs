//! Runs whole event loops on simulated networks, seed after seed, for a number of seconds, and prints how many runs
//! that makes a minute. A seed that breaks a promise is reported, and behaves the same on any machine.
//!
//!     cargo run --release --example simulate -- SECONDS [FIRST-SEED]

fn main() -> std::process::ExitCode {
    use std::time::{Duration, Instant};

    use bowsprit_fuzz::event_loop::{BARE, Tally, simulate};

    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let (Some(Ok(seconds)), Ok(first)) = (args.next(), args.next().unwrap_or(Ok(1))) else {
        eprintln!("usage: simulate SECONDS [FIRST-SEED]");
        return 2.into();
    };
    let started = Instant::now();
    let mut all = Tally::default();
    let mut seed = first;
    while seed == first || started.elapsed() < Duration::from_secs(seconds) {
        match std::panic::catch_unwind(|| simulate(seed, BARE)) {
            Ok(tally) => all += tally,
            Err(_) => {
                eprintln!("seed {seed}: simulate 0 {seed} shows it again");
                return 1.into();
            }
        }
        seed += 1;
    }
    let (runs, elapsed) = (seed - first, started.elapsed());
    println!(
        "seeds {first} to {}: {:.0} runs a minute",
        seed - 1,
        runs as f64 * 60.0 / elapsed.as_secs_f64()
    );
    println!("{all:?}");
    0.into()
}
