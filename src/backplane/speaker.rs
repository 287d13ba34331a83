//! Whatever engine it is, spoken to in one way.

use super::address::{Address, EngineKind};
use super::engine::{Channel, Heard};
use super::history::Question;
use super::nats::{LONGEST_NAME, Nats};
use super::redis::Redis;
use super::streams::Streams;

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

    /// The most bytes of such a name.
    pub(super) const fn longest_name(&self) -> usize {
        match self {
            Self::Redis(_) => usize::MAX,
            Self::Nats(_) => LONGEST_NAME,
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
