//! The lab for intermediaries between a client and a server: we play both of them.
//!
//! In: the address at which the front listens, and the address that it forwards requests to, where we listen. Out: a
//! [`Record`] for each [`Case`]. A case says what each side sends and when, and what has to come out at the other; what
//! became of it on the way is a [`Passage`], some of which a case accepts. The `Player` plays one case without a socket
//! or a clock; [`runner`] plays many over one `mio` poll on one thread.
//!
//! Time and memory are bounded whatever the proxy does, and only harmless requests are sent.

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
