//! Presence: who is in which topic, at every node.
//!
//! Each node announces changes among its own, all of them to new nodes, and every two seconds that it is alive. A node
//! that is not heard from for three times as long is gone, and all who were present there with it. Nothing has to be
//! cleaned up after a killed node, in any engine, and an engine that has lost its data changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::envelope::{NodeId, decode_number, encode_number};

/// Who is present, here and at other nodes. Clones share the same table.
#[derive(Clone, Debug)]
pub struct Presence(Arc<Mutex<Table>>);

/// A name that is present in a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Member {
    /// The name.
    pub name: String,
    /// The node.
    pub node: NodeId,
    /// How many times it is present there: several connections may use one name.
    pub count: u64,
}

/// How often each name is present, by topic.
type Topics = HashMap<Box<str>, HashMap<Box<str>, u64>>;

#[derive(Debug)]
struct Table {
    node: NodeId,
    own: Topics,
    /// Names whose current state other nodes do not know yet.
    untold: BTreeSet<(Box<str>, Box<str>)>,
    others: BTreeMap<NodeId, Other>,
    /// Topics with a change that has not been reported.
    changed: BTreeSet<Box<str>>,
    count: u64,
}

#[derive(Debug)]
struct Other {
    heard: Instant,
    topics: Topics,
    names: usize,
}

/// The most bytes of a topic and a name together.
pub(super) const LONGEST: usize = 4096;
/// The most nodes, and the most names of one, that are kept of others: a bound on the cost of strangers in the channel.
const MAX_NODES: usize = 10_000;
const MAX_NAMES: usize = 1_000_000;
/// Marks all that a node has to announce, as opposed to changes.
const ANEW: u8 = 1;

impl Presence {
    pub(super) fn new(node: NodeId) -> Self {
        let table = Table {
            node,
            own: HashMap::new(),
            untold: BTreeSet::new(),
            others: BTreeMap::new(),
            changed: BTreeSet::new(),
            count: 0,
        };
        Self(Arc::new(Mutex::new(table)))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one more of this name here. Returns `None` if topic and name have more than 4,096 bytes; otherwise whether
    /// the link has to be notified.
    pub fn enter(&self, topic: &str, name: &str) -> Option<bool> {
        if topic.len() + name.len() > LONGEST {
            return None;
        }
        Some(self.lock().change(topic, name, true))
    }

    /// Removes one of this name. Returns whether the link has to be notified.
    pub fn leave(&self, topic: &str, name: &str) -> bool {
        self.lock().change(topic, name, false)
    }

    /// Returns how many are present in a topic, at all nodes that are alive.
    pub fn count(&self, topic: &str) -> u64 {
        let table = self.lock();
        let topics = table.others.values().map(|other| &other.topics).chain([&table.own]);
        topics.filter_map(|topics| topics.get(topic)).flat_map(HashMap::values).sum()
    }

    /// Returns who they are, in order of their names.
    pub fn members(&self, topic: &str) -> Vec<Member> {
        let table = self.lock();
        let nodes =
            table.others.iter().map(|(node, other)| (*node, &other.topics)).chain([(table.node, &table.own)]);
        let mut members: Vec<Member> = nodes
            .filter_map(|(node, topics)| Some((node, topics.get(topic)?)))
            .flat_map(|(node, names)| {
                names.iter().map(move |(name, count)| Member {
                    name: (**name).to_owned(),
                    node,
                    count: *count,
                })
            })
            .collect();
        members.sort_unstable();
        members
    }

    /// Returns how many other nodes are alive, and how many are present in all topics everywhere.
    pub(super) fn sums(&self) -> (usize, u64) {
        let table = self.lock();
        (table.others.len(), table.count)
    }

    /// Returns what has changed here since the last call, in pieces of about `longest` bytes.
    pub(super) fn untold(&self, longest: usize) -> Vec<Vec<u8>> {
        let mut table = self.lock();
        let untold = std::mem::take(&mut table.untold);
        pieces(
            Vec::new(),
            longest,
            untold.iter().map(|(topic, name)| (&**topic, &**name, table.own(topic, name))),
        )
    }

    /// Returns all that are present here.
    pub(super) fn all(&self, longest: usize) -> Vec<Vec<u8>> {
        let table = self.lock();
        let names = table
            .own
            .iter()
            .flat_map(|(topic, names)| names.iter().map(move |(name, count)| (topic, name, count)));
        pieces(vec![vec![ANEW]], longest, names.map(|(topic, name, count)| (&**topic, &**name, *count)))
    }

    /// Handles an announcement of a node.
    pub(super) fn told(&self, node: NodeId, payload: &[u8], now: Instant) {
        let Some((first, mut rest)) = payload.split_first() else { return };
        let mut table = self.lock();
        let table = &mut *table;
        if node == table.node || (!table.others.contains_key(&node) && table.others.len() >= MAX_NODES) {
            return;
        }
        let other = table.others.entry(node).or_insert_with(|| Other {
            heard: now,
            topics: HashMap::new(),
            names: 0,
        });
        other.heard = now;
        // What it no longer names is gone.
        let mut gone = if *first == ANEW { std::mem::take(&mut other.topics) } else { Topics::new() };
        if *first == ANEW {
            other.names = 0;
        }
        while let Some((topic, name, count, behind)) = entry(rest) {
            rest = behind;
            let before = match gone.get_mut(topic).and_then(|names| names.remove(name)) {
                Some(before) => before,
                None => other.topics.get(topic).and_then(|names| names.get(name)).copied().unwrap_or(0),
            };
            if other.set(topic, name, count) && before != count {
                table.count = table.count - before.min(table.count) + count;
                table.changed.insert(topic.into());
            }
        }
        table.forget(gone);
    }

    /// Records that a node is alive.
    pub(super) fn heard(&self, node: NodeId, now: Instant) {
        if let Some(other) = self.lock().others.get_mut(&node) {
            other.heard = now;
        }
    }

    /// Renews the leases of all nodes: without a link none can have been heard from.
    pub(super) fn begin_again(&self, now: Instant) {
        self.lock().others.values_mut().for_each(|other| other.heard = now);
    }

    /// Forgets the nodes that have been silent for this long.
    pub(super) fn expire(&self, lease: Duration, now: Instant) {
        let mut table = self.lock();
        let silent = |other: &Other| now.saturating_duration_since(other.heard) >= lease;
        let gone: Vec<NodeId> =
            table.others.iter().filter(|(_, other)| silent(other)).map(|(node, _)| *node).collect();
        for node in gone {
            if let Some(other) = table.others.remove(&node) {
                table.forget(other.topics);
            }
        }
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.lock().changed.is_empty()
    }

    /// Returns a topic in which something has changed.
    pub(super) fn next_change(&self) -> Option<String> {
        self.lock().changed.pop_first().map(String::from)
    }
}

impl Table {
    fn own(&self, topic: &str, name: &str) -> u64 {
        self.own.get(topic).and_then(|names| names.get(name)).copied().unwrap_or(0)
    }

    /// Changes the count of a name here. Returns whether there were no unannounced changes before.
    fn change(&mut self, topic: &str, name: &str, more: bool) -> bool {
        if more {
            *self.own.entry(topic.into()).or_default().entry(name.into()).or_default() += 1;
            self.count += 1;
        } else {
            let Some(names) = self.own.get_mut(topic) else { return false };
            let Some(count) = names.get_mut(name) else { return false };
            *count -= 1;
            if *count == 0 {
                names.remove(name);
            }
            if names.is_empty() {
                self.own.remove(topic);
            }
            self.count -= 1;
        }
        self.changed.insert(topic.into());
        let is_first = self.untold.is_empty();
        self.untold.insert((topic.into(), name.into()));
        is_first
    }

    fn forget(&mut self, topics: Topics) {
        for (topic, names) in topics {
            let sum: u64 = names.values().sum();
            if sum > 0 {
                self.count = self.count.saturating_sub(sum);
                self.changed.insert(topic);
            }
        }
    }
}

impl Other {
    /// Sets the count of a name. Returns whether there was room for it.
    fn set(&mut self, topic: &str, name: &str, count: u64) -> bool {
        if count == 0 {
            if let Some(names) = self.topics.get_mut(topic) {
                self.names -= usize::from(names.remove(name).is_some());
                if names.is_empty() {
                    self.topics.remove(topic);
                }
            }
            return true;
        }
        if self.names >= MAX_NAMES {
            return false;
        }
        self.names +=
            usize::from(self.topics.entry(topic.into()).or_default().insert(name.into(), count).is_none());
        true
    }
}

fn pieces<'a>(
    mut pieces: Vec<Vec<u8>>,
    longest: usize,
    names: impl Iterator<Item = (&'a str, &'a str, u64)>,
) -> Vec<Vec<u8>> {
    for (topic, name, count) in names {
        if pieces.last().is_none_or(|piece| piece.len() + topic.len() + name.len() + 20 > longest) {
            pieces.push(vec![0]);
        }
        if let Some(piece) = pieces.last_mut() {
            for text in [topic, name] {
                encode_number(piece, text.len() as u64);
                piece.extend_from_slice(text.as_bytes());
            }
            encode_number(piece, count);
        }
    }
    pieces
}

/// Parses the topic, the name and the number at the front of `bytes`, and returns the rest.
fn entry(bytes: &[u8]) -> Option<(&str, &str, u64, &[u8])> {
    let text = |bytes| {
        let (len, rest) = decode_number(bytes)?;
        let (text, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        Some((std::str::from_utf8(text).ok()?, rest))
    };
    let (topic, rest) = text(bytes)?;
    let (name, rest) = text(rest)?;
    let (count, rest) = decode_number(rest)?;
    // More than any process has is not a number of connections.
    (topic.len() + name.len() <= LONGEST && count <= u64::from(u32::MAX))
        .then_some((topic, name, count, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    fn tell(from: &Presence, node: NodeId, to: &Presence, now: Instant) {
        for piece in from.untold(40) {
            to.told(node, &piece, now);
        }
    }

    fn names(presence: &Presence, topic: &str) -> Vec<(String, u64, u64)> {
        presence.members(topic).into_iter().map(|member| (member.name, member.node.0, member.count)).collect()
    }

    fn changes(presence: &Presence) -> Vec<String> {
        std::iter::from_fn(|| presence.next_change()).collect()
    }

    #[test]
    fn nodes_know_who_is_where() {
        let (a, b, now) = (Presence::new(A), Presence::new(B), Instant::now());
        assert_eq!(a.enter("room", "ann"), Some(true));
        assert_eq!(a.enter("room", "ann"), Some(false), "the link knows already");
        assert_eq!(b.enter("room", "bob"), Some(true));
        assert_eq!(a.enter(&"x".repeat(LONGEST), "y"), None);
        tell(&a, A, &b, now);
        assert_eq!(names(&b, "room"), [("ann".into(), 1, 2), ("bob".into(), 2, 1)]);
        assert_eq!((b.count("room"), b.count("hall"), b.sums()), (3, 0, (1, 3)));
        assert_eq!((changes(&b), changes(&b)), (vec!["room".to_owned()], vec![]));
        assert!(a.leave("room", "ann") && !a.leave("room", "nobody"));
        for number in 0..20 {
            a.enter("hall", &format!("guest {number}"));
        }
        tell(&a, A, &b, now);
        assert_eq!((b.count("room"), b.count("hall"), b.sums()), (2, 20, (1, 22)));
        assert!(a.untold(40).is_empty());
    }

    #[test]
    fn what_is_told_anew_replaces_what_was_known() {
        let (a, b, now) = (Presence::new(A), Presence::new(B), Instant::now());
        for name in ["ann", "amy"] {
            a.enter("room", name);
            a.enter("hall", name);
        }
        tell(&a, A, &b, now);
        changes(&b);
        a.leave("room", "ann");
        a.leave("hall", "ann");
        a.leave("hall", "amy");
        a.untold(1000); // and that was lost
        for piece in a.all(1000) {
            b.told(A, &piece, now);
        }
        assert_eq!((names(&b, "room"), b.count("hall"), b.sums()), (vec![("amy".into(), 1, 1)], 0, (1, 1)));
        assert_eq!(changes(&b), ["hall", "room"]);
        for piece in a.all(1000) {
            b.told(A, &piece, now);
        }
        assert!(changes(&b).is_empty(), "nothing has");
    }

    #[test]
    fn a_node_that_is_not_heard_of_is_gone() {
        let (a, b, now, lease) = (Presence::new(A), Presence::new(B), Instant::now(), Duration::from_secs(6));
        a.enter("room", "ann");
        tell(&a, A, &b, now);
        b.heard(A, now + lease / 2);
        b.expire(lease, now + lease);
        assert_eq!(b.count("room"), 1);
        changes(&b);
        b.begin_again(now + lease);
        b.expire(lease, now + lease * 3 / 2);
        assert_eq!(b.count("room"), 1);
        b.expire(lease, now + lease * 2);
        assert_eq!((b.count("room"), b.sums(), changes(&b)), (0, (0, 0), vec!["room".to_owned()]));
    }

    #[test]
    fn what_no_node_says_ends_what_is_read() {
        let (b, now) = (Presence::new(B), Instant::now());
        for payload in [
            &b""[..],
            b"\0\x05ab",
            b"\0\x01a",
            b"\0\x01a\x01b",
            b"\0\x01\xff\x01b\x01",
            b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            b.told(A, payload, now);
        }
        b.told(B, b"\0\x01a\x01b\x01", now); // ourselves
        assert_eq!(b.sums().1, 0);
        b.told(A, b"\0\x01a\x01b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", now);
        assert_eq!(b.sums().1, 0, "too many");
    }
}
