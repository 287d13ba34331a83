//! The event loop as programs embed it: what a handler can do, and what a peer cannot.

#![cfg(all(feature = "event-loop", unix))]
#![allow(unreachable_pub, reason = "modules of one binary")]

mod ending;
mod endings;
mod handler;
mod limits;
mod own_poll;
mod pressure;
#[path = "../support/processor.rs"]
mod processor;
mod proxied;
mod remote;
mod support;
mod timers;
#[cfg(feature = "tls")]
mod tls;
mod topics;
