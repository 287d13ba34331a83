//! Programs from elsewhere, which need not be installed.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Reports that something is not installed, at once and at the end of `cargo test`. Fails if everything has to be.
///
/// Not by `eprintln`, which is shown for failed tests only.
pub(crate) fn skip(name: &str, hint: &str) {
    assert!(std::env::var_os("BOWSPRIT_REQUIRE_PEERS").is_none(), "{name} is not installed: {hint}");
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let line = format!("skipped: {test}, as {name} is not installed; {hint}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    // What cannot be written has been said all the same.
    let _ = OpenOptions::new()
        .create(true)
        .append(true)
        .open(list())
        .and_then(|mut list| list.write_all(line.as_bytes()));
}

/// Where the tests of one run of cargo gather what they skip, for the last of them to tell.
pub(crate) fn list() -> PathBuf {
    #[cfg(unix)]
    let run = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let run = 0;
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("skipped-{run}"))
}
