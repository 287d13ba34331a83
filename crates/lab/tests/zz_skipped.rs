//! Runs as the last test of all, because cargo orders tests by name, and reports which tests of this run of
//! `cargo test` were skipped, where it will be noticed.

#[path = "../../../tests/support/installed.rs"]
mod installed;

use std::fs;
use std::io::Write as _;

fn main() {
    if std::env::args().any(|arg| arg == "--list") {
        return;
    }
    let Ok(list) = fs::read_to_string(installed::list()) else { return };
    let _ = fs::remove_file(installed::list());
    let count = list.lines().count();
    let tests = if count == 1 { "test was" } else { "tests were" };
    let _ = writeln!(
        std::io::stderr(),
        "\n{count} {tests} skipped, and nothing is known of what they show:\n{list}"
    );
}
