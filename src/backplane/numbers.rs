//! The numbers of messages: assigned to outgoing ones, and compared with incoming ones, so that no loss goes unnoticed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::channels::ChannelId;
use super::envelope::{NodeId, decode_number, encode_number};

/// The numbers of outgoing messages, by channel.
#[derive(Debug, Default)]
pub(super) struct Sending {
    channels: HashMap<Vec<u8>, Sent>,
}

#[derive(Debug)]
struct Sent {
    number: u64,
    /// In how many announcements it will still appear. One may be lost as any message may; three hardly are.
    announce: u8,
    since: Instant,
}

/// How many announcements follow a message.
const ANNOUNCED: u8 = 3;
/// How long a channel without new messages keeps its number. Receivers forget a node no sooner.
const KEPT: Duration = Duration::from_secs(3600);

impl Sending {
    /// Returns the number of the next message in this channel.
    pub(super) fn next(&mut self, channel: &[u8], now: Instant) -> u64 {
        let sent = match self.channels.get_mut(channel) {
            Some(sent) => sent,
            None => {
                self.channels.entry(channel.to_vec()).or_insert(Sent { number: 0, announce: 0, since: now })
            }
        };
        sent.number += 1;
        sent.announce = ANNOUNCED;
        sent.since = now;
        sent.number
    }

    /// Returns what has to be announced now, in pieces of about `longest` bytes.
    pub(super) fn announce(&mut self, longest: usize, now: Instant) -> Vec<Vec<u8>> {
        self.channels.retain(|_, sent| now.saturating_duration_since(sent.since) < KEPT);
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for (channel, sent) in self.channels.iter_mut().filter(|(_, sent)| sent.announce > 0) {
            sent.announce -= 1;
            let len = channel.len() + 20;
            if pieces.last().is_none_or(|piece| piece.len() + len > longest) {
                pieces.push(Vec::new());
            }
            let piece = pieces.last_mut().expect("one was pushed");
            encode_number(piece, channel.len() as u64);
            piece.extend_from_slice(channel);
            encode_number(piece, sent.number);
        }
        pieces
    }

    /// Has all channels announced that still have a number: a node that was away may have missed each of them.
    pub(super) fn announce_again(&mut self) {
        self.channels.values_mut().for_each(|sent| sent.announce = sent.announce.max(1));
    }
}

/// Returns the channels and numbers of an announcement, up to the first malformed one.
pub(super) fn announced(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    std::iter::from_fn(move || {
        let (len, rest) = decode_number(bytes)?;
        let (channel, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        let (number, rest) = decode_number(rest)?;
        bytes = rest;
        Some((channel, number))
    })
}

/// What has arrived from each node in each channel.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    nodes: BTreeMap<NodeId, Node>,
}

#[derive(Debug)]
struct Node {
    epoch: u32,
    heard: Instant,
    /// The number of the last message, for each channel that we listen to.
    channels: HashMap<ChannelId, u64>,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The message is new, and this many before it are missing.
    New { lost: u64 },
    /// It has arrived before.
    Again,
}

/// The most nodes whose numbers are kept: far more than clusters have, and a bound on the cost of strangers in the
/// channel.
const MAX_NODES: usize = 10_000;

impl Receiving {
    /// Handles the number of a message.
    pub(super) fn message(
        &mut self,
        node: NodeId,
        epoch: u32,
        channel: ChannelId,
        number: u64,
        now: Instant,
    ) -> Arrival {
        let Some(node) = self.node(node, epoch, now) else { return Arrival::Again };
        match node.channels.get_mut(&channel) {
            Some(last) if number <= *last => Arrival::Again,
            Some(last) => Arrival::New { lost: number - std::mem::replace(last, number) - 1 },
            None => {
                // What came before we listened is not lost.
                node.channels.insert(channel, number);
                Arrival::New { lost: 0 }
            }
        }
    }

    /// Handles a node's announcement of its last number in this channel. Returns how many messages are missing up to
    /// it.
    pub(super) fn announcement(
        &mut self,
        node: NodeId,
        epoch: u32,
        channel: ChannelId,
        number: u64,
        now: Instant,
    ) -> u64 {
        let is_known = self.nodes.get(&node).is_some_and(|node| node.channels.contains_key(&channel));
        match self.message(node, epoch, channel, number, now) {
            Arrival::New { lost } if is_known => lost + 1, // that one did not arrive either
            _ => 0,                                        // it arrived, or was sent before we listened
        }
    }

    /// Records that a node is alive. Returns whether it was known.
    pub(super) fn hello(&mut self, node: NodeId, epoch: u32, now: Instant) -> bool {
        let known = self.nodes.contains_key(&node);
        self.node(node, epoch, now);
        known
    }

    /// Returns the nodes that were heard from within this time.
    pub(super) fn known(&self, within: Duration, now: Instant) -> Vec<NodeId> {
        let is_recent = |node: &Node| now.saturating_duration_since(node.heard) <= within;
        self.nodes.iter().filter(|(_, node)| is_recent(node)).map(|(id, _)| *id).collect()
    }

    /// Forgets a channel that we no longer listen to.
    pub(super) fn forget_channel(&mut self, channel: ChannelId) {
        for node in self.nodes.values_mut() {
            node.channels.remove(&channel);
        }
    }

    /// Forgets the nodes that have been silent for this long.
    pub(super) fn forget_silent(&mut self, silence: Duration, now: Instant) {
        self.nodes.retain(|_, node| now.saturating_duration_since(node.heard) < silence);
    }

    fn node(&mut self, id: NodeId, epoch: u32, now: Instant) -> Option<&mut Node> {
        let is_full = self.nodes.len() >= MAX_NODES;
        let node = match self.nodes.entry(id) {
            Entry::Occupied(node) => node.into_mut(),
            Entry::Vacant(_) if is_full => return None,
            Entry::Vacant(place) => place.insert(Node { epoch, heard: now, channels: HashMap::new() }),
        };
        if epoch < node.epoch {
            return None; // from before its restart
        }
        if epoch > node.epoch {
            node.channels.values_mut().for_each(|last| *last = 0); // it counts from 1 again
            node.epoch = epoch;
        }
        node.heard = now;
        Some(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const X: ChannelId = ChannelId(1);
    const Y: ChannelId = ChannelId(2);

    #[test]
    fn numbers_count_for_each_channel() {
        let (mut sending, now) = (Sending::default(), Instant::now());
        assert_eq!([&b"x"[..], b"x", b"y", b"x"].map(|channel| sending.next(channel, now)), [1, 2, 1, 3]);
        for round in 0..ANNOUNCED {
            let pieces = sending.announce(1000, now);
            let mut all: Vec<_> = pieces.iter().flat_map(|piece| announced(piece)).collect();
            all.sort_unstable();
            assert_eq!(all, [(&b"x"[..], 3), (b"y", 1)], "round {round}");
        }
        assert!(sending.announce(1000, now).is_empty());
        sending.announce_again();
        assert_eq!(sending.announce(5, now).len(), 2, "in pieces");
        assert!(sending.announce(1000, now + KEPT).is_empty());
        assert_eq!(sending.next(b"x", now + KEPT), 1, "forgotten");
    }

    #[test]
    fn what_numbers_say() {
        let (mut receiving, now) = (Receiving::default(), Instant::now());
        use Arrival::*;
        for (number, expected) in [
            (7, New { lost: 0 }), // the first that we receive
            (8, New { lost: 0 }),
            (8, Again),
            (5, Again),
            (11, New { lost: 2 }),
        ] {
            assert_eq!(receiving.message(A, 1, X, number, now), expected, "{number}");
        }
        assert_eq!(receiving.announcement(A, 1, X, 11, now), 0);
        assert_eq!(receiving.announcement(A, 1, X, 14, now), 3);
        assert_eq!(receiving.announcement(A, 1, Y, 9, now), 0, "the first that we hear of a channel");
        assert_eq!(receiving.message(A, 1, Y, 10, now), New { lost: 0 });
        // After a restart: everything that it has sent us since is known by its number.
        assert_eq!(receiving.message(A, 2, X, 3, now), New { lost: 2 });
        assert_eq!(receiving.message(A, 1, X, 15, now), Again, "from before that");
        receiving.forget_channel(X);
        assert_eq!(receiving.message(A, 2, X, 9, now), New { lost: 0 });
        assert!(receiving.hello(A, 2, now) && !receiving.hello(NodeId(2), 1, now));
        let later = now + Duration::from_secs(9);
        assert!(receiving.hello(A, 2, later));
        assert_eq!(receiving.known(Duration::from_secs(5), later), [A]);
        receiving.forget_silent(Duration::from_secs(5), later);
        assert!(!receiving.hello(NodeId(2), 1, later));
    }

    #[test]
    fn announcements_that_are_none_end() {
        for bytes in
            [&b""[..], b"\x05ab", b"\x01a", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x01a\x80"]
        {
            assert_eq!(announced(bytes).count(), 0, "{}", bytes.escape_ascii());
        }
    }
}
