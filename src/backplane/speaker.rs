//! One interface to the protocols of all engines.

use super::address::{Address, EngineKind};
use super::engine::{Channel, Heard};
use super::history::Question;
use super::nats::{LONGEST_NAME, Nats};
use super::redis::Redis;
use super::streams::Streams;

/// The protocol of an engine.
#[derive(Debug)]
pub(super) enum Speaker {
    Redis(Redis),
    Nats(Nats),
}

impl Speaker {
    /// Creates a client. With `echo`, what we publish comes back to us.
    pub(super) fn new(address: &Address, echo: bool, streams: Option<Streams>) -> Self {
        match address.kind() {
            EngineKind::Redis => Self::Redis(Redis::new(address, streams)),
            EngineKind::Nats => Self::Nats(Nats::new(address, echo)),
        }
    }

    /// Begins on a new connection: writes what has to be sent first.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Redis(redis) => redis.begin(out),
            Self::Nats(nats) => nats.begin(),
        }
    }

    /// Continues after TLS was established, for engines that want it after the first words.
    pub(super) fn secured(&mut self, out: &mut Vec<u8>) {
        if let Self::Nats(nats) = self {
            nats.secured(out);
        }
    }

    /// Parses the front of `bytes`. After `Ok(Err(len))`, parsing again is useless before there are `len` bytes.
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

    /// Returns the name of a channel on the wire.
    pub(super) fn name(&self, channel: Channel<'_>) -> Vec<u8> {
        match self {
            Self::Redis(redis) => redis.name(channel),
            Self::Nats(nats) => nats.name(channel),
        }
    }

    /// Returns the most bytes of such a name.
    pub(super) const fn longest_name(&self) -> usize {
        match self {
            Self::Redis(_) => usize::MAX,
            Self::Nats(_) => LONGEST_NAME,
        }
    }

    /// Writes what has to be sent once the engine accepts us.
    pub(super) fn prepare(&mut self, out: &mut Vec<u8>) {
        if let Self::Redis(redis) = self {
            redis.prepare(out);
        }
    }

    /// Writes a question about histories.
    pub(super) fn ask(&mut self, out: &mut Vec<u8>, question: &Question, new_epoch: u64) {
        if let Self::Redis(redis) = self {
            redis.ask(out, question, new_epoch);
        }
    }

    /// Writes a message with a number, and has it kept if there are histories.
    pub(super) fn publish_numbered(&self, out: &mut Vec<u8>, name: &[u8], number: u64, payload: [&[u8]; 2]) {
        match self {
            Self::Redis(redis) => redis.publish_numbered(out, name, number, payload),
            Self::Nats(_) => Nats::publish(out, name, payload),
        }
    }

    /// Writes a message to the channel of this name; the payload is given in two parts.
    pub(super) fn publish(&self, out: &mut Vec<u8>, name: &[u8], payload: [&[u8]; 2]) {
        match self {
            Self::Redis(_) => Redis::publish(out, name, payload),
            Self::Nats(_) => Nats::publish(out, name, payload),
        }
    }

    /// Records that `count` messages are on their way, and writes what has them answered.
    pub(super) fn published(&mut self, out: &mut Vec<u8>, count: usize) {
        match self {
            Self::Redis(redis) => redis.published(count),
            Self::Nats(nats) => nats.published(out, count),
        }
    }

    /// Records that a message of our own is on its way that needs no report.
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

    /// Writes a command that has to be answered.
    pub(super) fn ping(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Redis(redis) => redis.ping(out),
            Self::Nats(nats) => nats.published(out, 0),
        }
    }
}
