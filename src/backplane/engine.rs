//! What the engines have in common, seen from a link: channels, and what is heard of them.

use super::envelope::Payload;
use super::streams::Told;

/// A place where nodes meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Channel<'a> {
    /// Nodes talk about themselves.
    Control,
    /// To every connection of every node.
    All,
    /// To the subscribers of a topic.
    Topic(&'a [u8]),
}

/// What an engine has said, as far as a link has to know.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    /// It knows us: now it can be spoken to. A message may have so many bytes.
    Greeted { longest: usize },
    /// It wants TLS from here on.
    StartTls,
    /// Somebody has published this.
    Message { channel: &'a [u8], payload: Payload<'a> },
    /// So many messages that we published first have reached it.
    Answered(usize),
    /// All subscriptions so far hold.
    Subscribed,
    /// It lets us listen to all but one channel of a topic; whether that was the last answer about subscriptions.
    RefusedTopic { why: String, is_last: bool },
    /// It does not take the message that we published first.
    RefusedMessage(String),
    /// It has not passed on a message of ours, and answers as if it had.
    NotPublished(String),
    /// How far the history goes that was asked about first.
    Position(Told),
    /// It does not say so.
    NoPosition(String),
    /// A message of the history that is being read.
    Entry { offset: u64, payload: Payload<'a> },
    /// That was all of it that was asked for.
    HistoryRead,
    /// It does not let us read it.
    RefusedHistory(String),
    /// It does not do something else that we asked for.
    Refused(String),
    /// It cannot be used now, and may be later.
    NotNow(String),
    /// It cannot be used before somebody changes something.
    Never(String),
    /// Nothing that matters.
    Nothing,
}
