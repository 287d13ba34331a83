//! Runs a target over files without libFuzzer, so that a crash replays on the stable compiler and coverage can be
//! measured.
//!
//!     cargo run --example replay -- mask fuzz/corpus/mask artifacts/mask/crash-1

fn main() -> std::process::ExitCode {
    use std::path::PathBuf;

    let mut args = std::env::args().skip(1);
    let Some(target) = args.next() else {
        eprintln!("usage: replay TARGET FILE-OR-FOLDER...");
        return 2.into();
    };
    let Some(run) = bowsprit_fuzz::target(&target) else {
        eprintln!("no such target: {target}");
        return 2.into();
    };
    let mut left: Vec<PathBuf> = args.map(PathBuf::from).collect();
    let mut count = 0;
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("the folder can be read");
            left.extend(entries.map(|entry| entry.expect("the folder can be read").path()));
        } else {
            let data = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let caught = std::panic::catch_unwind(|| run(&data));
            if caught.is_err() {
                eprintln!("{target} fails on {}", path.display());
                return 1.into();
            }
            count += 1;
        }
    }
    println!("{target}: {count} inputs");
    // A run without inputs shows nothing.
    if count == 0 { 2.into() } else { 0.into() }
}
