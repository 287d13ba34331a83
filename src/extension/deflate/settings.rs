//! The settings of permessage-deflate, and what they mean for each half of a connection.

use super::window::WindowBits;

/// Settings of permessage-deflate; see [`Config::deflate`](crate::connection::Config::deflate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// How hard to look for repetitions, from 0 (not at all) to 9; more counts as 9.
    ///
    /// 4: within a few percent of the ratio of 6, the usual default, in half to three quarters of its time.
    pub level: u8,
    /// How much of a message the compressor looks at before it writes a block: 1 to 9.
    ///
    /// 8, the usual default. It costs memory, but only of the compressor (see [the table](super)).
    pub memory_level: u8,
    /// Messages shorter than this go out uncompressed, unless their sender asks for compression; so do messages that
    /// compression makes longer.
    ///
    /// 1,024 bytes: what fits into one packet anyway gains little from being shorter.
    pub threshold: usize,
    /// The largest window for messages that we send. The peer may ask for a smaller one.
    pub send_window: WindowBits,
    /// What is kept between messages that we send.
    pub send_context: SendContext,
    /// The largest window that the peer may use for the messages that it sends. `None`: what peers in use accept.
    ///
    /// `None`: a client asks for nothing. A server answers `client_max_window_bits=12` to a client that offers to limit
    /// its window and wants to keep it between messages, and lets any other have 15 bits: 4 or 32 KiB are kept for a
    /// connection.
    ///
    /// `Some`: a client asks for it, and rejects servers that do not agree. A server asks a client that cannot limit
    /// its window to start each message afresh, so that nothing has to be kept; some clients fail then.
    pub receive_window: Option<WindowBits>,
    /// What is kept between messages that we receive.
    pub receive_context: ReceiveContext,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            level: 4,
            memory_level: 8,
            threshold: 1024,
            send_window: WindowBits::MAX,
            send_context: SendContext::Fresh,
            receive_window: None,
            receive_context: ReceiveContext::Window,
        }
    }
}

/// What is kept between two messages that we send (§7.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendContext {
    /// Nothing: each message is compressed by itself, and an idle connection costs nothing. A client says so in its
    /// offer. A server does it without saying so, as some clients reject an answer with parameters that they did not
    /// ask for.
    #[default]
    Fresh,
    /// The last bytes sent, as many as the window has. A shared compressor reads them before each message, which takes
    /// time in proportion to the window: some microseconds with 12 bits, 30 and more with 15.
    Window,
    /// A compressor of its own for each connection: the fastest with a large window, at 400,000 bytes or so each.
    Compressor,
}

/// What is kept between two messages that we receive (§7.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiveContext {
    /// Nothing: the peer is asked to compress each message by itself. Servers that do not agree are rejected
    /// (Tornado's), and some clients fail when they are asked (Netty's, Tornado's).
    Fresh,
    /// The last bytes received, as many as the window has.
    #[default]
    Window,
}

/// What was agreed for one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    /// The largest distance of a reference back.
    pub window: WindowBits,
    /// Whether a message may refer to the ones before it.
    pub takeover: bool,
}

/// What compression has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// The number of messages.
    pub messages: u64,
    /// The length of their payload in bytes, uncompressed.
    pub plain: u64,
    /// The length of their payload in bytes, compressed.
    pub compressed: u64,
}

impl Traffic {
    /// Returns how many plain bytes there were for each compressed one; 1 if there were none.
    pub fn ratio(&self) -> f64 {
        if self.compressed == 0 { 1.0 } else { self.plain as f64 / self.compressed as f64 }
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.plain += other.plain;
        self.compressed += other.compressed;
    }
}
