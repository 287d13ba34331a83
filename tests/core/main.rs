//! The core as its users see it: two connections that talk, and one that hears whatever bytes can say.

#[path = "../support/mod.rs"]
mod support;

mod closing;
mod control;
mod deadlines;
mod delivery;
mod faults;
mod limits;
mod messages;
mod no_entropy;
mod opening;
mod sending;
