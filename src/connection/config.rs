//! What a connection accepts, how long it waits, how much it holds.

use core::num::NonZeroUsize;
use core::time::Duration;

use crate::extension::deflate::DeflateConfig;
use crate::message::Limits;

/// Settings of a connection. One `Arc` of them serves any number of connections.
///
/// The defaults are strict and bounded; each says why it is what it is. `0` means zero and not "no limit": a limit
/// is lifted by its type's maximum.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The longest message to accept, in bytes of payload, inflated where it was compressed.
    ///
    /// 16 MiB: more than most applications send, and what the largest messages of the Autobahn suite need.
    pub max_message: usize,
    /// The longest frame to accept, in bytes of payload.
    ///
    /// 16 MiB, as a message may come in one frame. A lower one refuses at the header, before the payload comes.
    pub max_frame: u64,
    /// The most frames that a message may come in.
    ///
    /// 1,048,576: a fragment costs nothing to hold here, as all of them share one buffer, and Autobahn 9.3.1
    /// sends 65,536; the bound is for the time that a peer may keep a message open.
    pub max_fragments: u32,
    /// The most frames without payload that a message may come in, its last one not counted.
    ///
    /// 1,024: they carry nothing, so that only the size limit of a message would never end them.
    pub max_empty_fragments: u32,
    /// How data frames are handed over.
    pub delivery: Delivery,
    /// Whether permessage-deflate (RFC 7692) is offered and accepted, and how it is used; needs feature `deflate`.
    ///
    /// None: compression takes far more time than everything else here, and not every payload gains by it.
    pub deflate: Option<DeflateConfig>,
    /// Whether a Ping is answered without being asked to (§5.5.2).
    pub answer_pings: bool,
    /// Messages longer than this go out in fragments of at most this many bytes (§5.4).
    pub fragment_size: Option<NonZeroUsize>,
    /// Bytes that may wait for a peer that does not read. A message is refused once this many wait; the last
    /// one accepted may pass the mark.
    ///
    /// 4 MiB: a fraction of a second on a fast link, and 1,000 stuck readers still fit into a small machine.
    pub max_queued: usize,
    /// How long the peer may take to answer a Close frame, and then to end the TCP connection (§7.1.1). It is
    /// counted from our Close frame and nothing that the peer sends extends it.
    pub close_timeout: Duration,
    /// Ends a connection with code 1008 when nothing of a message that has begun has come for this long, whatever else
    /// has. `None`: never.
    ///
    /// 30 s, as a phone may lose its network for some seconds in the middle of an upload. What has come of a message
    /// takes memory until it is whole, so that nobody may leave it standing. There is no limit for the whole of it: an
    /// upload may be slow.
    pub message_timeout: Option<Duration>,
    /// Ends a connection on which nothing has arrived for this long, with code 1001.
    pub idle_timeout: Option<Duration>,
    /// Sends a Ping when nothing has arrived for this long.
    pub ping_interval: Option<Duration>,
    /// How long after such a Ping anything at all must have arrived; if nothing has, the peer counts as dead.
    pub pong_timeout: Duration,
}

/// How data frames are handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// As whole messages.
    #[default]
    Messages,
    /// Frame by frame as they arrive; nothing is held, so that a message may be larger than memory (set
    /// [`Config::max_message`] accordingly).
    Frames,
    /// Both: the frames as they arrive, and each message when it is whole.
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
