//! The event loop on real sockets: what a handler can do, and what a peer cannot.

#![cfg(feature = "event-loop")]
#![allow(unreachable_pub, reason = "modules of one binary")]

mod handler;
mod pressure;
mod remote;
mod support;
mod timers;
mod topics;
