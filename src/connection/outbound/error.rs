//! What our own caller may not send.

use core::fmt;

/// Our own caller asked for something that must not be sent. Nothing was queued, and except after
/// [`NoEntropy`](Self::NoEntropy) the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame has been sent, and nothing may follow it (§5.5.1).
    Closing,
    /// The peer does not read: [`Config::max_queued`](super::super::Config::max_queued) bytes are waiting already.
    QueueFull,
    /// A message is being sent in parts; another one would mix with it (§5.4).
    MessageOpen,
    /// No message is being sent in parts, so none can be continued.
    NoMessageOpen,
    /// The parts of a text message are not UTF-8 together (§5.6).
    NotUtf8,
    /// The payload is longer than the 125 bytes of a control frame (§5.5).
    ControlTooLong,
    /// The code may not appear in a Close frame (§7.4).
    CloseCode,
    /// The reason is longer than 123 bytes (§5.5).
    ReasonTooLong,
    /// The source of [`Entropy`](crate::entropy::Entropy) had no masking key to give, and a client masks every frame
    /// with a fresh key (§5.3). The connection has failed: nothing more can be sent, not even a Close frame.
    NoEntropy,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Closing => "the connection is closing: nothing follows a Close frame",
            SendError::QueueFull => "the peer does not read: the send queue is full",
            SendError::MessageOpen => "a message is being sent in parts: end it first",
            SendError::NoMessageOpen => "no message is being sent in parts: start one first",
            SendError::NotUtf8 => "the parts of a text message are not UTF-8",
            SendError::ControlTooLong => "a control frame carries at most 125 bytes",
            SendError::CloseCode => "this close code may not be sent",
            SendError::NoEntropy => "there is no entropy for a masking key: the connection has failed",
            SendError::ReasonTooLong => "a close reason has at most 123 bytes",
        })
    }
}

impl core::error::Error for SendError {}
