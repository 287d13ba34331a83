//! Subscriptions to topics.
//!
//! A subscription is two entries of 8 bytes, one with the topic and one with the connection, each of which knows where
//! the other is: subscribing costs a look at the connection's own topics, leaving costs nothing that grows. Names are
//! hashed with a key that nobody outside knows (`std`'s SipHash), as clients often choose them.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;

/// One side of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    /// The topic, or the slot of the connection.
    pub(super) to: u32,
    /// Where the other side of the subscription is in its list.
    at: u32,
}

#[derive(Debug, Default)]
pub(super) struct Topics {
    names: HashMap<Arc<str>, u32>,
    topics: Slab<Topic>,
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    subscribers: Vec<Subscription>,
}

/// Why a connection cannot subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The connection is not open.
    Closed,
    /// It already has [`Settings::max_subscriptions`](super::Settings::max_subscriptions).
    TooMany,
}

impl std::fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SubscribeError::Closed => "the connection is not open",
            SubscribeError::TooMany => "the connection has as many subscriptions as it may",
        })
    }
}

impl std::error::Error for SubscribeError {}

impl Topics {
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    /// Returns the topic with this name. A new one has no subscribers and lasts until one has left.
    pub(super) fn find_or_make(&mut self, name: &str) -> u32 {
        if let Some(topic) = self.find(name) {
            return topic;
        }
        let name: Arc<str> = name.into();
        let topic = self.topics.insert(Topic { name: Arc::clone(&name), subscribers: Vec::new() }) as u32;
        self.names.insert(name, topic);
        topic
    }

    /// Adds the subscription that is the next entry of `links`, the list of connection `slot`.
    pub(super) fn enter(&mut self, topic: u32, slot: u32, links: &mut Vec<Subscription>) {
        let subscribers = &mut self.topics[topic as usize].subscribers;
        subscribers.push(Subscription { to: slot, at: links.len() as u32 });
        links.push(Subscription { to: topic, at: subscribers.len() as u32 - 1 });
    }

    /// Removes entry `index` of a connection's list `links`. `other` returns the list of another connection. Returns
    /// the name of the topic if that was its last subscriber.
    pub(super) fn remove<'a>(
        &mut self,
        links: &mut Vec<Subscription>,
        index: usize,
        other: impl FnOnce(u32) -> Option<&'a mut Vec<Subscription>>,
    ) -> Option<Arc<str>> {
        let link = links.swap_remove(index);
        if let Some(moved) = links.get(index) {
            self.topics[moved.to as usize].subscribers[moved.at as usize].at = index as u32;
        }
        let topic = &mut self.topics[link.to as usize];
        topic.subscribers.swap_remove(link.at as usize);
        if let Some(moved) = topic.subscribers.get(link.at as usize) {
            if let Some(list) = other(moved.to) {
                list[moved.at as usize].at = link.at;
            }
        } else if topic.subscribers.is_empty() {
            let topic = self.topics.remove(link.to as usize);
            self.names.remove(&topic.name);
            return Some(topic.name);
        }
        None
    }

    pub(super) fn name(&self, topic: u32) -> &Arc<str> {
        &self.topics[topic as usize].name
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.topics.iter().map(|(_, topic)| (&*topic.name, topic.subscribers.len()))
    }

    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn subscribers(&self, topic: u32) -> &[Subscription] {
        &self.topics[topic as usize].subscribers
    }

    /// Lends the list of subscribers to a caller that adds and removes none meanwhile.
    pub(super) fn lend(&mut self, topic: u32) -> Vec<Subscription> {
        std::mem::take(&mut self.topics[topic as usize].subscribers)
    }

    /// Takes the list of subscribers back.
    pub(super) fn give_back(&mut self, topic: u32, subscribers: Vec<Subscription>) {
        self.topics[topic as usize].subscribers = subscribers;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many random changes; after each, both sides of every subscription point at each other.
    #[test]
    fn both_sides_always_agree() {
        const CONNECTIONS: usize = 7;
        const TOPICS: usize = 5;
        let mut topics = Topics::default();
        let mut lists = vec![Vec::<Subscription>::new(); CONNECTIONS];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let slot = random.usize(..CONNECTIONS);
            let name = format!("t{}", random.usize(..TOPICS));
            let mut links = std::mem::take(&mut lists[slot]);
            let entered = topics.find(&name).and_then(|topic| links.iter().position(|link| link.to == topic));
            match entered {
                Some(index) => {
                    topics.remove(&mut links, index, |slot| lists.get_mut(slot as usize));
                }
                None => {
                    let topic = topics.find_or_make(&name);
                    topics.enter(topic, slot as u32, &mut links);
                }
            }
            lists[slot] = links;

            let mut subscriptions = 0;
            for (number, topic) in &topics.topics {
                assert!(!topic.subscribers.is_empty(), "an empty topic is removed");
                assert_eq!(topics.find(&topic.name), Some(number as u32));
                for (at, link) in topic.subscribers.iter().enumerate() {
                    let back = lists[link.to as usize][link.at as usize];
                    assert_eq!(back, Subscription { to: number as u32, at: at as u32 });
                    subscriptions += 1;
                }
            }
            assert_eq!(subscriptions, lists.iter().map(Vec::len).sum::<usize>());
            assert_eq!(topics.names.len(), topics.topics.len());
        }
    }
}
