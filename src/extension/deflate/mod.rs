//! permessage-deflate: messages travel compressed (RFC 7692).
//!
//! | File | Its one job |
//! |---|---|
//! | `params.rs` | the four parameters and their grammar (§7.1) |
//! | `negotiate.rs` | which offer a server takes, what a client offers and makes of the answer (§5, §7.1) |
//! | `settings.rs` | what our side wants: level, windows, what is kept between messages |
//! | `history.rs` | the last octets of a direction: all that a window is (§7.2.3.2) |
//! | `inflate.rs` | compressed payload in any cut becomes octets, within a budget (§7.2.2) |
//! | `compress.rs` | a message becomes a DEFLATE stream of the agreed window (§7.2.1) |
//! | `shared.rs` | one compressed message for many connections |
//! | `pool.rs` | what connections share while none of them is inside a message |
//!
//! # What is kept, and what it costs
//!
//! A compressor takes hundreds of kilobytes and an inflater some fifty, but only while they work. Between two
//! messages all that the next one can refer to is the last octets of the direction: at most the agreed window. So
//! a connection keeps those and nothing else, or nothing at all where no context takeover was agreed, and the
//! machinery is lent to it for a message by a [`DeflatePool`]. What each setting costs is measured by
//! `cargo run --release --example deflate_memory`; see [`SendContext`] for the table.
//!
//! # Windows
//!
//! zlib, and each of its descendants, takes a window of 8 bits for one of 9 without a word, and would so refer
//! further back than was agreed. Here, a direction whose window has 8 bits is compressed with run lengths only
//! (a distance of 1 fits any window) and the tests read what we send with a decoder that enforces the window.
//! What the peer sends is held to the window that it agreed to at the border of a message: of the messages before,
//! no more than that is kept. Inside one message, a distance beyond it is still understood.
//!
//! # Limits
//!
//! Messages inflate straight into the buffer of the message, which grows with what has come out and ends at
//! [`Config::max_message`](crate::connection::Config::max_message): the octet after that fails the connection
//! with 1009. The compressed payload of a message may be twice as long and no longer.
//!
//! # The engine
//!
//! [`zlib-rs`](https://docs.rs/zlib-rs) itself: memory-safe in its interface, maintained, audited, and faster than
//! the C original. `flate2` over it would hide the memory level and the strategy that the window of 8 bits needs,
//! and add a layer to each call.

mod compress;
mod history;
mod inflate;
mod negotiate;
mod params;
mod pool;
mod settings;
mod shared;
#[cfg(test)]
mod strict;

pub use compress::Compressor;
pub use inflate::Inflater;
pub use negotiate::{DeflateAnswerError, DeflateOffer, answer, offer};
pub use params::{DeflateParamError, DeflateParams, NAME, WindowBits};
pub use pool::DeflatePool;
pub use settings::{DeflateConfig, Half, ReceiveContext, SendContext, Traffic};

pub(crate) use inflate::Pushed;
pub(crate) use negotiate::check_answers;
pub(crate) use shared::SharedForms;
