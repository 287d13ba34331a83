//! Servers behind HAProxy and nginx as Debian packages them, with the configurations of docs/deploy.

#![cfg(target_os = "linux")]

mod announced;
#[path = "../../../../tests/support/installed.rs"]
mod installed;
mod proxies;
#[path = "../support/mod.rs"]
mod support;
