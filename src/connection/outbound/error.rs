//! What our own caller may not send.

use core::fmt;

/// Our own caller asked for something that must not be sent. Nothing was queued, and the connection goes on, but for
/// [`NoEntropy`](Self::NoEntropy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame is sent; nothing may follow it (§5.5.1).
    Closing,
    /// The peer does not read: [`Config::max_queued`](super::super::Config::max_queued) bytes wait already.
    QueueFull,
    /// A message is being sent in parts; another one would mix with it (§5.4).
    MessageOpen,
    /// No message is being sent in parts that could be continued.
    NoMessageOpen,
    /// The parts of a text message do not make UTF-8 (§5.6).
    NotUtf8,
    /// A control frame carries at most 125 bytes (§5.5).
    ControlTooLong,
    /// The code may not stand in a Close frame (§7.4).
    CloseCode,
    /// A reason has at most 123 bytes (§5.5).
    ReasonTooLong,
    /// A client masks every frame with a fresh key (§5.3), and its source of [`Entropy`](crate::entropy::Entropy) had none to
    /// give. The connection has failed: nothing more can be sent, a Close frame included.
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
