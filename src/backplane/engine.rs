//! What the engines have in common from a link's point of view: channels, and what is heard from them.

use super::envelope::Payload;
use super::streams::Told;

/// A channel between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Channel<'a> {
    /// The control channel, on which nodes talk about themselves.
    Control,
    /// Messages to every connection of every node.
    All,
    /// Messages to the subscribers of a topic.
    Topic(&'a [u8]),
}

/// What an engine has said, as far as a link has to know.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    /// The engine accepts us and commands can be sent. A message may have this many bytes.
    Greeted { longest: usize },
    /// The engine requires TLS from here on.
    StartTls,
    /// A message has been published.
    Message { channel: &'a [u8], payload: Payload<'a> },
    /// This many of our published messages, the first ones, have reached the engine.
    Answered(usize),
    /// All subscriptions so far are in effect.
    Subscribed,
    /// The engine refuses the subscription to one topic and accepts the others; `is_last` if it was the last answer
    /// about subscriptions.
    RefusedTopic { why: String, is_last: bool },
    /// The engine refuses the first unanswered message that we published.
    RefusedMessage(String),
    /// The engine has not passed on a message of ours, though it answers as if it had.
    NotPublished(String),
    /// The end of the history that was asked about first.
    Position(Told),
    /// The engine does not return the end of a history.
    NoPosition(String),
    /// A message of the history that is being read.
    Entry { offset: u64, payload: Payload<'a> },
    /// All requested entries of the history have been read.
    HistoryRead,
    /// The engine does not let us read a history.
    RefusedHistory(String),
    /// The engine refuses something else that we asked for.
    Refused(String),
    /// The engine cannot be used now, but perhaps later.
    NotNow(String),
    /// The engine cannot be used until somebody changes something.
    Never(String),
    /// Nothing that matters.
    Nothing,
}
