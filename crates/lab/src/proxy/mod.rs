//! The lab for what stands between a client and a server: we are both of them.
//!
//! In: the place where the front listens, and the address that it passes requests on to, where we listen. Out: a
//! [`Record`] for each [`Case`]. A case says what each side sends and when, and what has to come out at the other; what
//! became of it on the way is a [`Passage`], of which a case accepts some. The `Player` plays one
//! case without a socket or a clock; [`runner`] plays many over one `mio` poll on one thread.
//!
//! Promises: bounded time and memory whatever the proxy does, and only harmless requests.

mod body;
pub mod case;
pub mod cases;
mod check;
pub mod explain;
mod flow;
mod head;
mod mailbox;
mod passage;
mod player;
mod record;
pub mod report;
pub mod runner;
mod trace;

pub use case::Case;
pub use passage::Passage;
pub use record::{Difference, Record};
