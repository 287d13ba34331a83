//! Servers behind HAProxy and nginx as Debian packages them, with the configurations of docs/deploy.

#![cfg(target_os = "linux")]

mod announced;
mod cluster;
#[path = "../../../../tests/support/engine.rs"]
mod engine;
mod handover;
#[path = "../../../../tests/support/installed.rs"]
mod installed;
mod proxies;
#[path = "../support/mod.rs"]
mod support;
