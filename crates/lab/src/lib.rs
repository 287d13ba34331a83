//! The conformance lab: an examiner of WebSocket servers and clients.
//!
//! Cases are data ([`Case`], all of them in [`cases::all`]). The [`Player`] plays one case without a socket or a clock,
//! and the [`runner`] plays many side by side over one `mio` poll. The lab shares no judgement with the library: of the
//! frame and handshake layers it uses raw headers, the mask and the head reader, and judges everything else itself, so
//! that a misreading of the RFC cannot pass its own exam.

pub mod baseline;
mod behind;
pub mod capture;
pub mod case;
pub mod cases;
mod class;
mod compress;
pub mod conversation;
mod counted;
pub mod decode;
mod deflate;
mod display;
pub mod escape;
pub mod explain;
pub mod forms;
pub mod fuzz;
mod header;
pub mod hex;
pub mod http2;
mod inflate;
pub mod judge;
mod link;
pub mod listener;
mod opening;
mod options;
mod outbox;
mod payload;
mod pipe;
mod place;
mod player;
mod playing;
pub mod proxy;
pub mod random;
pub mod reader;
mod receiver;
pub mod report;
mod rule;
pub mod runner;
mod select;
mod socket;
pub mod wire;

pub use case::{Case, Level, Subject};
pub use counted::counted;
pub use judge::{Behaviour, CloseBehaviour, Verdict};
pub use options::{Carrier, Effort, Options};
pub use payload::{Data, Payload};
pub use place::Place;
pub use player::{Player, Record, Wants};
pub use rule::{Rule, Sections, Violation};
pub use select::Selection;
