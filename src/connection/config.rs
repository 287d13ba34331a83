//! What a connection accepts, how long it waits and how much it holds.

use core::num::NonZeroUsize;
use core::time::Duration;

use crate::extension::deflate::DeflateConfig;
use crate::message::Limits;

/// Settings of a connection. Any number of connections can share one `Arc` of them.
///
/// The defaults are strict and bounded, and each field gives the reason for its default. `0` means zero, not "no
/// limit"; the maximum of the type lifts a limit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The longest message to accept, in bytes of payload, inflated where it was compressed.
    ///
    /// 16 MiB: more than most applications send, and what the largest messages of the Autobahn suite need.
    pub max_message: usize,
    /// The longest frame to accept, in bytes of payload.
    ///
    /// 16 MiB, as a message may come in one frame. A lower limit refuses a frame at its header, before the payload
    /// comes.
    pub max_frame: u64,
    /// The most frames that a message may consist of.
    ///
    /// 1,048,576: all fragments share one buffer, so holding one costs nothing, and Autobahn 9.3.1 sends 65,536. The
    /// limit bounds the time for which a peer may keep a message open.
    pub max_fragments: u32,
    /// The most frames without payload that a message may contain, not counting its last frame.
    ///
    /// 1,024: they carry nothing, so the size limit of a message would never end them.
    pub max_empty_fragments: u32,
    /// How data frames are handed over.
    pub delivery: Delivery,
    /// Whether permessage-deflate (RFC 7692) is offered and accepted, and how it is used; needs feature `deflate`.
    ///
    /// None: compression takes far more time than everything else here, and not every payload gains by it.
    pub deflate: Option<DeflateConfig>,
    /// Whether Pings are answered automatically (§5.5.2).
    pub answer_pings: bool,
    /// Messages longer than this go out in fragments of at most this many bytes (§5.4).
    pub fragment_size: Option<NonZeroUsize>,
    /// How many bytes may wait for a peer that does not read. A message is refused once this many wait; the last
    /// accepted message may exceed the limit.
    ///
    /// 4 MiB: a fraction of a second on a fast link, and 1,000 stuck readers still fit into a small machine.
    pub max_queued: usize,
    /// How long the peer may take to answer a Close frame, and then to end the TCP connection (§7.1.1). The time runs
    /// from our Close frame, and nothing that the peer sends extends it.
    pub close_timeout: Duration,
    /// Ends a connection with code 1008 if no bytes of a message in progress have arrived for this long, whatever else
    /// has arrived. `None`: never.
    ///
    /// 30 s, as a phone may lose its network for some seconds in the middle of an upload. An incomplete message takes
    /// memory until it is whole, so no peer may leave one standing. There is no limit for the whole message, since an
    /// upload may be slow.
    pub message_timeout: Option<Duration>,
    /// Ends a connection with code 1001 if nothing has arrived for this long.
    pub idle_timeout: Option<Duration>,
    /// Sends a Ping when nothing has arrived for this long.
    pub ping_interval: Option<Duration>,
    /// How long after such a Ping something must have arrived; otherwise the peer counts as dead.
    pub pong_timeout: Duration,
}

/// How data frames are handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// As whole messages.
    #[default]
    Messages,
    /// Frame by frame as they arrive. Nothing is held, so a message may be larger than memory (set
    /// [`Config::max_message`] accordingly).
    Frames,
    /// Both: frames as they arrive, and each message once it is whole.
    Both,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            max_frame: 16 << 20,
            max_fragments: 1 << 20,
            max_empty_fragments: 1024,
            delivery: Delivery::Messages,
            deflate: None,
            answer_pings: true,
            fragment_size: None,
            max_queued: 4 << 20,
            close_timeout: Duration::from_secs(5),
            message_timeout: Some(Duration::from_secs(30)),
            idle_timeout: None,
            ping_interval: None,
            pong_timeout: Duration::from_secs(20),
        }
    }
}

impl Config {
    pub(crate) const fn limits(&self) -> Limits {
        Limits {
            bytes: self.max_message,
            fragments: self.max_fragments,
            empty_fragments: self.max_empty_fragments,
        }
    }
}
