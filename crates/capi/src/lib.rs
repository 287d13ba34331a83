//! bowsprit for C and C++ (`include/bowsprit.h`): connections on bytes, for programs that have their own loop.
//!
//! One object is the handshake and the connection, in either role: [`bow_conn_next`] takes what was read and says what
//! happened, [`bow_conn_pending`] has what is to be written. Nothing here touches a socket or a clock.
//!
//! A `Session` is that object in safe Rust, and knows nothing of C; what stands in the other files turns pointers into
//! references, checks what C can get wrong, and keeps panics inside. Names are those of the header, which cbindgen writes
//! from these files; so are the documents, which speak to people who write C.

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
