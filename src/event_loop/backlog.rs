//! Messages for a slow reader that are not encoded yet, so that the oldest may still be dropped, and a newer one may
//! replace an older one of the same key. What is encoded is never dropped: a frame may be half written, and later
//! compressed frames refer to earlier ones.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::extension::Compression;
use crate::message::Prepared;

/// A message, and how it is to be sent.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) message: Prepared,
    /// The compression of a message for this connection alone; `None` for a message that many get.
    pub(super) choice: Option<Compression>,
}

/// The messages, in sending order.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: VecDeque<(Kept, Option<Box<str>>)>,
    /// The number of the first entry.
    first: u64,
    /// The numbers of the entries that have a key.
    keys: HashMap<Box<str>, u64>,
    bytes: usize,
    /// How many of those bytes belong to messages that are not counted once for all that share them.
    small: usize,
    /// Bytes of the keys, each of which is stored twice.
    names: usize,
}

/// From this length on a message is counted once for all that share it.
pub(super) const SHARED_FROM: usize = 4096;

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the size of the messages as frames.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many bytes of memory are held, beyond messages that are counted once for all that share them.
    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<(Kept, Option<Box<str>>)>()
            + self.keys.capacity() * size_of::<(Box<str>, u64)>()
            + self.small
            + 2 * self.names
    }

    /// Appends a message. If its key exists already, it replaces that message and returns it.
    pub(super) fn push(&mut self, kept: Kept, key: Option<&str>) -> Option<Kept> {
        self.count(kept.message.frame());
        if let Some(number) = key.and_then(|key| self.keys.get(key))
            && let Some((entry, _)) = self.entries.get_mut((number - self.first) as usize)
        {
            let old = std::mem::replace(entry, kept);
            self.discount(old.message.frame());
            return Some(old);
        }
        if let Some(key) = key {
            self.names += key.len();
            self.keys.insert(key.into(), self.first + self.entries.len() as u64);
        }
        self.entries.push_back((kept, key.map(Into::into)));
        None
    }

    /// Returns whether there is a message with this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Takes the oldest message.
    pub(super) fn pop(&mut self) -> Option<Kept> {
        let (kept, key) = self.entries.pop_front()?;
        self.first += 1;
        if let Some(key) = key {
            self.names -= key.len();
            self.keys.remove(&key);
        }
        self.discount(kept.message.frame());
        Some(kept)
    }

    fn count(&mut self, frame: &Arc<[u8]>) {
        self.bytes += frame.len();
        self.small += if frame.len() < SHARED_FROM { frame.len() } else { 0 };
    }

    fn discount(&mut self, frame: &Arc<[u8]>) {
        self.bytes -= frame.len();
        self.small -= if frame.len() < SHARED_FROM { frame.len() } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Kept {
        Kept { message: Prepared::from(text), choice: None }
    }

    fn all(backlog: &mut Backlog) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop())
            .map(|kept| String::from_utf8(kept.message.payload().to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn the_newest_of_each_key_stands_where_the_oldest_stood() {
        let mut backlog = Backlog::default();
        for (text, key) in [("a1", Some("a")), ("x", None), ("b1", Some("b")), ("a2", Some("a")), ("y", None)]
        {
            let old = backlog.push(kept(text), key);
            assert_eq!(old.is_some(), text == "a2");
        }
        assert!(backlog.has("a") && !backlog.has("c"));
        assert_eq!(backlog.pop().unwrap().message.payload(), b"a2");
        // It is gone: the next one is new, and comes last.
        assert!(backlog.push(kept("a3"), Some("a")).is_none());
        assert!(backlog.push(kept("b2"), Some("b")).is_some());
        assert_eq!(all(&mut backlog), ["x", "b2", "y", "a3"]);
        assert!(backlog.is_empty() && backlog.keys.is_empty());
        assert_eq!((backlog.bytes(), backlog.small, backlog.names), (0, 0, 0));
    }

    #[test]
    fn what_is_long_is_not_counted_here() {
        let mut backlog = Backlog::default();
        backlog.push(kept(&"x".repeat(10_000)), Some("k"));
        assert!(backlog.bytes() > 10_000 && backlog.memory() < 10_000);
        backlog.push(kept("short"), Some("k"));
        assert_eq!(backlog.bytes(), 7);
        backlog.pop();
        assert_eq!((backlog.bytes(), backlog.small), (0, 0));
    }
}
