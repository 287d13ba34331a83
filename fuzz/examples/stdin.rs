//! Runs a target once over the bytes from stdin, and aborts if a promise is broken. Fuzzers that start a process for
//! each input need this, such as AFL++ and honggfuzz. README.md has the commands.
//!
//!     printf hello | cargo run --example stdin -- mask

fn main() {
    use std::io::Read as _;

    let target = std::env::args().nth(1).and_then(|name| bowsprit_fuzz::target(&name));
    let Some(run) = target else {
        eprintln!("usage: stdin TARGET");
        std::process::exit(2);
    };
    let mut data = Vec::new();
    std::io::stdin().read_to_end(&mut data).expect("stdin can be read");
    // To these fuzzers an exit code is not a crash; a signal is.
    if std::panic::catch_unwind(|| run(&data)).is_err() {
        std::process::abort();
    }
}
