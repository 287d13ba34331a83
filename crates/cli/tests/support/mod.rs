//! What the command's tests need: the support of the library's tests, and commands that run beside a test.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test binary uses its part")]

#[path = "../../../../tests/support/mod.rs"]
mod shared;

pub mod command;
pub mod folder;

use std::path::PathBuf;

pub use shared::*;

/// Returns the folder that holds the whole project.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
