//! bowsprit for C and C++ (`include/bowsprit.h`): connections on bytes, for programs that have their own loop.
//!
//! One object is the handshake and the connection, in either role: [`bow_conn_next`] takes what was read and returns
//! what happened, and [`bow_conn_pending`] returns what to write. Nothing here touches a socket or a clock.
//!
//! A `Session` is that object in safe Rust and knows nothing about C. The other files turn pointers into references,
//! check what C can get wrong, and catch panics. Names are those of the header, which cbindgen writes from these files,
//! along with the documentation for people who write C.

#![allow(non_camel_case_types, reason = "the names are C's")]
#![allow(clippy::missing_safety_doc, reason = "one set of rules is for all of them, on top of the header")]

mod clock;
mod config;
mod conn;
mod error;
mod event;
mod guard;
mod heard;
mod opening;
mod pointers;
mod prepared;
mod session;

pub use config::*;
pub use conn::*;
pub use error::*;
pub use event::*;
pub use opening::*;
pub use prepared::*;
