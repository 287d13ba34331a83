//! What a link asks of its driver, and what it tells.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::envelope::{Mark, NodeId};
use super::super::history::Step;
use super::super::position::Position;
use crate::message::Message;

/// What a link wants from its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Reach [`Address::place`](super::super::Address::place) anew (with TLS first where [`Link::begins_with_tls`](super::Link::begins_with_tls) says so), then
    /// [`connected`](super::Link::connected), or [`lost`](super::Link::lost) where that fails.
    Dial,
    /// Drop the transport. Nothing is told about it.
    Drop,
    /// Begin TLS on the transport that is there, then [`secured`](super::Link::secured).
    StartTls,
}

/// What becomes of a link, and of what went over it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// The engine has answered, and all subscriptions hold.
    Up {
        /// How long there was no link.
        after: Duration,
    },
    /// There is no link. Messages wait, as far as the settings allow.
    Down {
        /// What happened.
        why: String,
        /// When the next try comes.
        retry: Duration,
    },
    /// Messages of another node have not arrived, and will not.
    Gap {
        /// Who sent them.
        node: NodeId,
        /// Where; `None` for what goes to everybody.
        topic: Option<String>,
        /// How many.
        lost: u64,
    },
    /// Messages of ours had to go: they were too many or waited too long.
    Dropped {
        /// How many.
        messages: u64,
    },
    /// The engine has trimmed messages from the history of a topic, or lost them, before they came here.
    Trimmed {
        /// Where; `None` for what goes to everybody.
        topic: Option<String>,
        /// How many.
        lost: u64,
    },
    /// The engine has lost the history of a topic, or some of it, and begun another: what it had not given to us is gone.
    Reset {
        /// Where; `None` for what goes to everybody.
        topic: Option<String>,
    },
    /// Somebody is present in a topic, or is no longer, here or at another node; see [`Presence`](super::super::Presence).
    Presence {
        /// Where.
        topic: String,
    },
    /// The engine does not do what we ask for, or a message is longer than it takes, or than we do. Where it is about the whole link, `Down` comes, too, and the next try
    /// comes late.
    Refused {
        /// What it says, and what can be done.
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
                write!(f, "{lost} messages of node {node} to \"{}\" were lost", topic.escape_debug())
            }
            Self::Gap { node, topic: None, lost } => write!(f, "{lost} messages of node {node} were lost"),
            Self::Dropped { messages } => write!(f, "{messages} messages to other nodes were dropped"),
            Self::Trimmed { topic, lost } => {
                write!(f, "{lost} messages to {} were no longer kept", Shown(topic.as_deref()))
            }
            Self::Reset { topic } => {
                write!(f, "the engine has lost the history of {}", Shown(topic.as_deref()))
            }
            Self::Presence { topic } => write!(f, "others are present in {}", Shown(Some(topic))),
            Self::Refused { why } => write!(f, "refused: {}", Told(why)),
        }
    }
}

/// What an engine says, on one line.
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

/// What comes out of a link, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message.
    Message(NodeMessage<'a>),
    /// A step of a replay is over.
    Step {
        /// Whose it is; see [`Link::replay`](super::Link::replay).
        ticket: u64,
        /// What has become of it.
        step: Step,
    },
}

/// A message from another node, or with [`ordered`](super::super::BackplaneSettings::ordered) from any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeMessage<'a> {
    /// Who sent it.
    pub node: NodeId,
    /// Where to; `None` for everybody.
    pub topic: Option<&'a str>,
    /// The message.
    pub message: Message<'a>,
    /// Of which key it is the newest: for a slow reader it goes in place of an older one.
    pub key: Option<&'a str>,
    /// What we gave it on its way, where it is ours.
    pub mark: Option<Mark>,
    /// Its place in the history of the topic, where there is one.
    pub at: Option<Position>,
    /// Whose replay it belongs to; `None` where it is for all who listen.
    pub replay: Option<u64>,
}

/// What became of a message that is to go to other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// It waits for the engine, or is on its way there.
    Queued {
        /// Messages that had to go for it, the oldest first. A [`LinkEvent::Dropped`] tells, too.
        dropped: u64,
    },
    /// It is longer than the engine takes, or than any message may be. [`LinkEvent::Refused`] and
    /// [`LinkEvent::Dropped`] tell, too: the result of a call in another loop of the group cannot.
    TooLong {
        /// The most bytes of a message.
        most: usize,
    },
    /// The name of its topic is longer than the engine takes. [`LinkEvent::Refused`] and [`LinkEvent::Dropped`] tell, too.
    TopicTooLong {
        /// The most bytes of a name, with the prefix, and with three for each byte that is no letter, digit, `-` or `_`.
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
