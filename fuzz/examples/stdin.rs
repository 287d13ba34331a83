//! Runs a target over what comes from stdin, once, and aborts where a promise is broken: what a fuzzer wants that starts
//! a process for each input, as AFL++ and honggfuzz do. README.md has the commands.
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
    // An exit code is no crash to them; a signal is.
    if std::panic::catch_unwind(|| run(&data)).is_err() {
        std::process::abort();
    }
}
