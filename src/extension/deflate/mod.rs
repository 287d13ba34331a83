//! permessage-deflate: messages travel compressed (RFC 7692).
//!
//! | File | Its one job |
//! |---|---|
//! | `window.rs` | the size of a window |
//! | `params.rs` | the four parameters and their grammar (§7.1) |
//! | `negotiate.rs` | which offer a server takes, what a client offers and makes of the answer (§5, §7.1) |
//! | `settings.rs` | what our side wants: level, windows, what is kept between messages |
//! | `history.rs` | the last bytes of a direction: all that a window is (§7.2.3.2) |
//! | `inflate.rs` | compressed payload in any cut becomes bytes, within a budget (§7.2.2) |
//! | `compress.rs` | a message becomes a DEFLATE stream of the agreed window (§7.2.1) |
//! | `short/` | compresses a whole short message without a context in a fraction of the time; inflates one in the fixed code, with or without a context |
//! | `shared.rs` | one compressed message for many connections |
//! | `pool.rs` | what connections share while none of them is inside a message |
//!
//! # What is kept, and what it costs
//!
//! A compressor takes hundreds of kilobytes and an inflater some fifty, but only while they work. Between two messages,
//! the next one can only refer to the last bytes of the direction: at most the agreed window. So a connection keeps
//! only those, or nothing at all if no context takeover was agreed, and a [`DeflatePool`] lends it an engine for each
//! message. A compressor of its own ([`SendContext::Compressor`]) saves it the time to read the window again before
//! each message.
//!
//! By default we compress each message by itself and accept what the peer prefers to send, as the peers in use expect:
//! a client asks nothing of the server, and a server asks a client only for a window of 12 bits, and only if the client
//! has offered to limit its own. So a connection keeps 4 KiB or 32 KiB of what the peer has sent compressed, and
//! nothing before the first such message, nor if the peer says that it keeps no context. [`ReceiveContext::Fresh`] asks
//! the peer to keep none; not every peer accepts that.
//!
//! Bytes that an idle connection holds beyond its own size, and bytes that all connections of a thread share, once 50
//! of them have exchanged messages of 64 KiB:
//!
//! | kept for sending | kept for receiving | window | memory level | each connection | shared |
//! |---|---|---:|---:|---:|---:|
//! | Fresh | Fresh | 15 | 8 | 0 | 534792 |
//! | Fresh | Fresh | 12 | 8 | 0 | 420104 |
//! | Fresh | Fresh | 12 | 5 | 0 | 319752 |
//! | Fresh | Fresh | 9 | 1 | 0 | 291976 |
//! | Fresh | Window | 15 | 8 | 32996 | 534792 |
//! | Fresh | Window | 12 | 8 | 4324 | 420104 |
//! | Window | Window | 15 | 8 | 65992 | 502024 |
//! | Window | Window | 12 | 8 | 8648 | 387336 |
//! | Window | Window | 10 | 8 | 2504 | 375048 |
//! | Window | Window | 9 | 8 | 1480 | 373000 |
//! | Compressor | Window | 15 | 8 | 413256 | 121992 |
//! | Compressor | Window | 12 | 8 | 269896 | 121992 |
//! | Compressor | Window | 12 | 5 | 169544 | 121992 |
//! | Compressor | Window | 9 | 1 | 138184 | 121992 |
//!
//! Microseconds to compress and to inflate a message of JSON, and its ratio:
//!
//! | level | kept | window | 300 bytes | 4 KiB | 64 KiB |
//! |---:|---|---:|---|---|---|
//! | 1 | Fresh | 15 | 3.1 / 0.8, 1.68 | 10.9 / 4.7, 2.76 | 154.4 / 66.3, 3.18 |
//! | 1 | Window | 12 | 9.1 / 1.1, 2.93 | 16.6 / 5.6, 2.99 | 169.1 / 69.3, 2.99 |
//! | 1 | Window | 15 | 33.7 / 3.1, 3.16 | 42.7 / 7.5, 3.24 | 191.8 / 72.3, 3.23 |
//! | 1 | Compressor | 15 | 1.2 / 2.9, 3.11 | 10.2 / 7.5, 3.21 | 156.6 / 71.8, 3.23 |
//! | 4 | Fresh | 15 | 9.3 / 2.2, 1.89 | 32.1 / 7.2, 4.20 | 435.1 / 64.7, 4.96 |
//! | 4 | Window | 12 | 12.4 / 2.1, 3.50 | 34.4 / 6.9, 4.82 | 429.4 / 73.0, 5.00 |
//! | 4 | Window | 15 | 39.2 / 3.2, 3.82 | 100.4 / 13.4, 4.94 | 660.9 / 94.9, 5.11 |
//! | 4 | Compressor | 15 | 8.4 / 4.0, 3.83 | 46.1 / 13.7, 4.94 | 612.9 / 94.8, 5.11 |
//! | 6 | Fresh | 15 | 9.6 / 2.3, 1.89 | 41.9 / 8.5, 4.37 | 835.8 / 74.6, 5.15 |
//! | 6 | Window | 12 | 16.3 / 2.5, 3.56 | 54.9 / 9.7, 5.02 | 521.0 / 75.0, 5.23 |
//! | 6 | Window | 15 | 62.6 / 4.5, 3.93 | 113.9 / 11.5, 5.11 | 1012.8 / 78.7, 5.32 |
//! | 6 | Compressor | 15 | 8.4 / 3.1, 3.93 | 54.2 / 9.4, 5.12 | 793.6 / 69.3, 5.32 |
//!
//! `cargo bench --bench deflate_memory` prints both tables, the first counted at the allocator; these are of
//! 2026-11-23, on a shared machine with an AMD EPYC.
//!
//! # Windows
//!
//! zlib, and each of its descendants, silently takes a window of 8 bits for one of 9, and would so refer further back
//! than was agreed. Here, a direction whose window has 8 bits is compressed with run lengths only, if zlib-rs does it
//! (a distance of 1 fits any window), and the tests read what we send with a decoder that enforces the window. What the
//! peer sends is held to its agreed window at the border of a message: no more than that is kept of earlier messages.
//! Inside one message, a distance beyond it is still understood.
//!
//! # Limits
//!
//! Messages inflate straight into the buffer of the message, which grows with the output and ends at
//! [`Config::max_message`](crate::connection::Config::max_message): the byte after that fails the connection with 1009.
//! The compressed payload of a message may be at most about twice as long.
//!
//! # The engine
//!
//! [`zlib-rs`](https://docs.rs/zlib-rs) itself: memory-safe in its interface, maintained, audited, and faster than the
//! C original. `flate2` over it would hide the memory level and the strategy that the window of 8 bits needs, and add a
//! layer to each call.
//!
//! A whole message of up to 32 KiB that is compressed by itself takes another path (`short/`): at level 2 to 4, and up
//! to 4 KiB at level 1 and 5. zlib-rs takes longer to get ready for a short message than to compress it, and looks for
//! matches in more steps than the few bytes that it saves by them are worth. The memory of that path, in proportion to
//! the longest such message and at most 120 KB for each window and thread, counts besides the engine and is allocated
//! for the first one; the tables above are of long messages.

mod compress;
mod history;
mod inflate;
mod negotiate;
mod params;
mod pool;
mod settings;
mod shared;
mod short;
#[cfg(test)]
mod strict;
mod window;

pub use compress::Compressor;
pub use inflate::Inflater;
pub use negotiate::{DeflateAnswerError, DeflateOffer, answer, offer};
pub use params::{DeflateParamError, DeflateParams, NAME};
pub use pool::DeflatePool;
pub use settings::{DeflateConfig, Half, ReceiveContext, SendContext, Traffic};
pub use window::WindowBits;

pub(crate) use inflate::Pushed;
pub(crate) use negotiate::check_answers;
pub(crate) use shared::SharedForms;
