//! The requests of a link to its driver, and its events.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::envelope::{Mark, NodeId};
use super::super::history::Step;
use super::super::position::Position;
use crate::message::Message;

/// What a link requests from its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Connect anew to [`Address::place`](super::super::Address::place) (with TLS first if
    /// [`Link::begins_with_tls`](super::Link::begins_with_tls) says so), then call
    /// [`connected`](super::Link::connected), or [`lost`](super::Link::lost) if that fails.
    Dial,
    /// Drop the transport, without reporting that.
    Drop,
    /// Begin TLS on the existing transport, then call [`secured`](super::Link::secured).
    StartTls,
}

/// An event of a link, or of the messages over it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// The engine has answered, and all subscriptions are in effect.
    Up {
        /// How long there was no link.
        after: Duration,
    },
    /// There is no link. Messages wait, as far as the settings allow.
    Down {
        /// What happened.
        why: String,
        /// The time until the next try.
        retry: Duration,
    },
    /// Messages of another node have not arrived, and will not.
    Gap {
        /// The node that sent them.
        node: NodeId,
        /// Their topic; `None` for messages to everybody.
        topic: Option<String>,
        /// How many are missing.
        lost: u64,
    },
    /// Messages of ours were dropped: there were too many, or they waited too long.
    Dropped {
        /// How many.
        messages: u64,
    },
    /// The engine has trimmed or lost messages of a topic's history before they came here.
    Trimmed {
        /// Their topic; `None` for messages to everybody.
        topic: Option<String>,
        /// How many are missing.
        lost: u64,
    },
    /// The engine has lost the history of a topic, or some of it, and begun another: what we had not received is gone.
    Reset {
        /// The topic; `None` for messages to everybody.
        topic: Option<String>,
    },
    /// A name has entered or left a topic, here or at another node; see [`Presence`](super::super::Presence).
    Presence {
        /// The topic.
        topic: String,
    },
    /// The engine refuses a request, or a message is longer than it or we accept. If this concerns the whole link,
    /// `Down` comes, too, and the next try is late.
    Refused {
        /// What the engine says, and what can be done.
        why: String,
    },
}

impl std::fmt::Display for LinkEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Up { after } => write!(f, "up, after {:.1} s", after.as_secs_f64()),
            Self::Down { why, retry } => {
                write!(f, "down, next try in {:.1} s: {}", retry.as_secs_f64(), Told(why))
            }
            Self::Gap { node, topic: Some(topic), lost } => {
                write!(f, "messages of node {node} to \"{}\" lost: {lost}", topic.escape_debug())
            }
            Self::Gap { node, topic: None, lost } => write!(f, "messages of node {node} lost: {lost}"),
            Self::Dropped { messages } => write!(f, "messages to other nodes dropped: {messages}"),
            Self::Trimmed { topic, lost } => {
                write!(f, "messages to {} no longer kept: {lost}", Shown(topic.as_deref()))
            }
            Self::Reset { topic } => {
                write!(f, "the engine has lost the history of {}", Shown(topic.as_deref()))
            }
            Self::Presence { topic } => write!(f, "others are present in {}", Shown(Some(topic))),
            Self::Refused { why } => write!(f, "refused: {}", Told(why)),
        }
    }
}

/// An engine's text, on one line.
struct Told<'a>(&'a str);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c.is_control() {
            true => c.escape_debug().fmt(f),
            false => f.write_char(c),
        })
    }
}

struct Shown<'a>(Option<&'a str>);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(topic) => write!(f, "\"{}\"", topic.escape_debug()),
            None => f.write_str("everybody"),
        }
    }
}

/// What a link delivers, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message.
    Message(NodeMessage<'a>),
    /// A step of a replay has ended.
    Step {
        /// The replay; see [`Link::replay`](super::Link::replay).
        ticket: u64,
        /// The result of the step.
        step: Step,
    },
}

/// A message from another node, or, with [`ordered`](super::super::BackplaneSettings::ordered), from any node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeMessage<'a> {
    /// The node that sent it.
    pub node: NodeId,
    /// Its topic; `None` for everybody.
    pub topic: Option<&'a str>,
    /// The message.
    pub message: Message<'a>,
    /// The key of which it is the newest: for a slow reader it replaces an older one.
    pub key: Option<&'a str>,
    /// The mark that we gave it, if it is ours.
    pub mark: Option<Mark>,
    /// Its position in the history of the topic, if there is one.
    pub at: Option<Position>,
    /// The replay that it belongs to; `None` if it is for all who listen.
    pub replay: Option<u64>,
}

/// The result of sending a message to other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// It waits for the engine, or is on its way there.
    Queued {
        /// How many of the oldest messages were dropped to make room for it. A [`LinkEvent::Dropped`] reports that,
        /// too.
        dropped: u64,
    },
    /// It is longer than the engine accepts, or than any message may be. [`LinkEvent::Refused`] and
    /// [`LinkEvent::Dropped`] report that, too, as the result of a call in another loop of the group cannot.
    TooLong {
        /// The most bytes of a message.
        most: usize,
    },
    /// The name of its topic is longer than the engine accepts. [`LinkEvent::Refused`] and [`LinkEvent::Dropped`]
    /// report that, too.
    TopicTooLong {
        /// The most bytes of a name, with the prefix, and with three for each byte other than letters, digits, `-` and
        /// `_`.
        most: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_says_stays_on_its_line() {
        let why = "it says \"no\"\r\n\u{1b}[2J".to_owned();
        assert_eq!(
            LinkEvent::Refused { why: why.clone() }.to_string(),
            "refused: it says \"no\"\\r\\n\\u{1b}[2J"
        );
        let down = LinkEvent::Down { why, retry: Duration::ZERO }.to_string();
        assert_eq!(down, "down, next try in 0.0 s: it says \"no\"\\r\\n\\u{1b}[2J");
    }
}
