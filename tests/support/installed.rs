//! Programs of others, which need not be there.

use std::io::Write as _;

/// Says that something is not installed; fails where everything has to be.
///
/// Not by `eprintln`, which is shown for failed tests only.
pub(crate) fn skip(name: &str, hint: &str) {
    assert!(std::env::var_os("BOWSPRIT_REQUIRE_PEERS").is_none(), "{name} is not installed: {hint}");
    let _ = writeln!(std::io::stderr(), "skipped: {name} is not installed; {hint}");
}
