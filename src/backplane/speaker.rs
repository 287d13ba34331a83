//! What the engines have in common, seen from a link: channels, publishing, and answers to it.

use super::address::{Address, EngineKind};
use super::history::Question;
use super::nats::Nats;
use super::redis::Redis;
use super::streams::{Streams, Told};

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
    Message { channel: &'a [u8], payload: &'a [u8] },
    /// So many messages that we published first have reached it.
    Answered(usize),
    /// All subscriptions so far hold.
    Subscribed,
    /// It does not take the message that we published first.
    RefusedMessage(String),
    /// How far the history goes that was asked about first.
    Position(Told),
    /// A message of the history that is being read.
    Entry { offset: u64, payload: &'a [u8] },
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

/// One engine's way to speak.
#[derive(Debug)]
pub(super) enum Speaker {
    Redis(Redis),
    Nats(Nats),
}

impl Speaker {
    /// `echo`: what we publish is to come back to us.
    pub(super) fn new(address: &Address, echo: bool, streams: Option<Streams>) -> Self {
        match address.kind() {
            EngineKind::Redis => Self::Redis(Redis::new(address, streams)),
            EngineKind::Nats => Self::Nats(Nats::new(address, echo)),
        }
    }

    /// A connection is there, of which nothing is known yet. Writes what is to be said first.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Redis(redis) => redis.begin(out),
            Self::Nats(nats) => nats.begin(),
        }
    }

    /// TLS has begun where it was wanted after the first words.
    pub(super) fn secured(&mut self, out: &mut Vec<u8>) {
        if let Self::Nats(nats) = self {
            nats.secured(out);
        }
    }

    /// Reads what stands at the front of `bytes`. `Ok(Err(len))`: no use to try again before there are so many.
    pub(super) fn hear<'a>(
        &mut self,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
        longest: usize,
    ) -> Result<Result<(Heard<'a>, usize), usize>, String> {
        match self {
            Self::Redis(redis) => redis.hear(bytes, longest),
            Self::Nats(nats) => nats.hear(bytes, out, longest),
        }
    }

    /// The name of a channel on the wire.
    pub(super) fn name(&self, channel: Channel<'_>) -> Vec<u8> {
        match self {
            Self::Redis(redis) => redis.name(channel),
            Self::Nats(nats) => nats.name(channel),
        }
    }

    /// Writes what has to be said once the engine knows us.
    pub(super) fn prepare(&mut self, out: &mut Vec<u8>) {
        if let Self::Redis(redis) = self {
            redis.prepare(out);
        }
    }

    /// Writes what asks for histories.
    pub(super) fn ask(&mut self, out: &mut Vec<u8>, question: &Question, new_epoch: u64) {
        if let Self::Redis(redis) = self {
            redis.ask(out, question, new_epoch);
        }
    }

    /// Writes what publishes a message with a number, and has it kept where there are histories.
    pub(super) fn publish_numbered(&self, out: &mut Vec<u8>, name: &[u8], number: u64, payload: [&[u8]; 2]) {
        match self {
            Self::Redis(redis) => redis.publish_numbered(out, name, number, payload),
            Self::Nats(_) => Nats::publish(out, name, payload),
        }
    }

    /// Writes what publishes to the channel of this name; the payload comes in two parts.
    pub(super) fn publish(&self, out: &mut Vec<u8>, name: &[u8], payload: [&[u8]; 2]) {
        match self {
            Self::Redis(_) => Redis::publish(out, name, payload),
            Self::Nats(_) => Nats::publish(out, name, payload),
        }
    }

    /// So many messages are on their way; writes what has them answered.
    pub(super) fn published(&mut self, out: &mut Vec<u8>, count: usize) {
        match self {
            Self::Redis(redis) => redis.published(count),
            Self::Nats(nats) => nats.published(out, count),
        }
    }

    /// A message of our own that nobody has to know of is on its way.
    pub(super) fn published_aside(&mut self) {
        if let Self::Redis(redis) = self {
            redis.published_aside();
        }
    }

    pub(super) fn subscribe(&mut self, out: &mut Vec<u8>, names: &[&[u8]]) {
        match self {
            Self::Redis(redis) => redis.subscribe(out, names),
            Self::Nats(nats) => nats.subscribe(out, names),
        }
    }

    pub(super) fn unsubscribe(&mut self, out: &mut Vec<u8>, name: &[u8]) {
        match self {
            Self::Redis(redis) => redis.unsubscribe(out, name),
            Self::Nats(nats) => nats.unsubscribe(out, name),
        }
    }

    /// Writes something that has to be answered.
    pub(super) fn ping(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Redis(redis) => redis.ping(out),
            Self::Nats(nats) => nats.published(out, 0),
        }
    }
}
