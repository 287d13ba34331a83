//! What a handler sends to many: to all, to the subscribers of a topic, to all loops of a group.

use super::Context;
#[cfg(feature = "backplane")]
use crate::backplane::Published;
use crate::event_loop::id::ConnId;
use crate::event_loop::topics::{Link, SubscribeError};
use crate::message::{Message, Prepared};

/// Where something went that was sent to a group of loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Everywhere {
    /// Connections of this loop that it was sent to.
    pub here: usize,
    /// Loops that are behind, or gone, and did not take it.
    pub behind: usize,
    /// What became of it on its way to other nodes; `None` where there is no backplane, or another loop of the group has
    /// the link to it.
    #[cfg(feature = "backplane")]
    pub nodes: Option<Published>,
}

impl<D: Default> Context<D> {
    /// Sends `message` to every open connection, encoded once; says to how many.
    pub fn broadcast(&mut self, message: Message<'_>) -> usize {
        self.broadcast_to(message, |_| true)
    }

    /// Sends `message` to every open connection but one; says to how many.
    pub fn broadcast_others(&mut self, message: Message<'_>, but: ConnId) -> usize {
        self.broadcast_to(message, |id| id != but)
    }

    /// Sends a message that was encoded before to every open connection; says to how many.
    pub fn broadcast_prepared(&mut self, message: &Prepared) -> usize {
        self.send_to_all(message, |_| true)
    }

    /// Sends `message` to every open connection that `to` picks, encoded once; says to how many.
    pub fn broadcast_to(&mut self, message: Message<'_>, to: impl FnMut(ConnId) -> bool) -> usize {
        self.send_to_all(&Prepared::new(message), to)
    }

    fn send_to_all(&mut self, message: &Prepared, mut to: impl FnMut(ConnId) -> bool) -> usize {
        let mut receivers = 0;
        for slot in 0..self.peers.capacity() {
            let Some(peer) = self.peers.get(slot) else { continue };
            // Slots are numbered by `u32`: a process has fewer descriptors.
            let id = ConnId { slot: slot as u32, generation: peer.generation };
            if peer.is_open() && to(id) {
                receivers += usize::from(self.send_prepared(id, message).is_queued());
            }
        }
        receivers
    }

    /// Sends a message to every open connection of every loop of the group ([`Loops`](crate::event_loop::Loops)), and of
    /// every other node where there is a backplane.
    pub fn broadcast_everywhere(&mut self, message: Message<'_>) -> Everywhere {
        let prepared = Prepared::new(message);
        let elsewhere = self.send_elsewhere(None, &prepared);
        Everywhere { here: self.broadcast_prepared(&prepared), ..elsewhere }
    }

    /// Sends a message to every open connection of every loop of the group, and of every other node where there is a
    /// backplane, but one, which is of this loop.
    pub fn broadcast_everywhere_others(&mut self, message: Message<'_>, but: ConnId) -> Everywhere {
        let prepared = Prepared::new(message);
        let elsewhere = self.send_elsewhere(None, &prepared);
        Everywhere { here: self.send_to_all(&prepared, |id| id != but), ..elsewhere }
    }

    /// To the other loops, and to other nodes.
    fn send_elsewhere(&mut self, topic: Option<&str>, message: &Prepared) -> Everywhere {
        let behind = match topic {
            Some(topic) => self.siblings.publish(topic, message),
            None => self.siblings.broadcast(message),
        };
        self.stats.behind += behind as u64;
        Everywhere {
            here: 0,
            behind,
            #[cfg(feature = "backplane")]
            nodes: self.send_to_nodes(topic, message),
        }
    }

    /// Subscribes a connection to a topic; says whether it had not been.
    ///
    /// A topic exists while somebody subscribes to it. A connection leaves its topics when it closes.
    ///
    /// # Errors
    ///
    /// Where the connection is not open, or has too many subscriptions.
    pub fn subscribe(&mut self, id: ConnId, topic: &str) -> Result<bool, SubscribeError> {
        if !self.is_open(id) {
            return Err(SubscribeError::Closed);
        }
        let links = &mut self.peers[id.slot as usize].cold().topics;
        if let Some(topic) = self.topics.find(topic)
            && links.iter().any(|link| link.to == topic)
        {
            return Ok(false);
        }
        if links.len() >= self.settings.max_subscriptions {
            return Err(SubscribeError::TooMany);
        }
        #[cfg(feature = "backplane")]
        let new = self.topics.find(topic).is_none().then_some(topic);
        let topic = self.topics.find_or_make(topic);
        self.topics.enter(topic, id.slot, links);
        #[cfg(feature = "backplane")]
        if let Some(topic) = new {
            self.want_topic(topic, true);
        }
        Ok(true)
    }

    /// Ends a subscription; says whether there was one.
    pub fn unsubscribe(&mut self, id: ConnId, topic: &str) -> bool {
        if self.peer(id).is_none() {
            return false;
        }
        let Some(topic) = self.topics.find(topic) else { return false };
        let Some(cold) = &mut self.peers[id.slot as usize].cold else { return false };
        let Some(index) = cold.topics.iter().position(|link| link.to == topic) else { return false };
        let mut links = std::mem::take(&mut cold.topics);
        self.leave(&mut links, index);
        self.peers[id.slot as usize].cold().topics = links;
        true
    }

    /// Sends a message to the subscribers of a topic, encoded once; says to how many.
    pub fn publish(&mut self, topic: &str, message: Message<'_>) -> usize {
        self.publish_to(topic, message, None)
    }

    /// Sends a message to the subscribers of a topic but one; says to how many.
    pub fn publish_others(&mut self, topic: &str, message: Message<'_>, but: ConnId) -> usize {
        let but = self.peer(but).map(|_| but.slot);
        self.publish_to(topic, message, but)
    }

    /// Sends a message that was encoded before to the subscribers of a topic; says to how many.
    pub fn publish_prepared(&mut self, topic: &str, message: &Prepared) -> usize {
        self.topics.find(topic).map_or(0, |topic| self.send_to_topic(topic, message, None))
    }

    /// Sends a message to the subscribers of a topic in every loop of the group ([`Loops`](crate::event_loop::Loops)), and
    /// at every other node where there is a backplane.
    pub fn publish_everywhere(&mut self, topic: &str, message: Message<'_>) -> Everywhere {
        let prepared = Prepared::new(message);
        let elsewhere = self.send_elsewhere(Some(topic), &prepared);
        Everywhere { here: self.publish_prepared(topic, &prepared), ..elsewhere }
    }

    /// Sends a message to the subscribers of a topic in every loop of the group, and at every other node where there is
    /// a backplane, but one, which is of this loop.
    pub fn publish_everywhere_others(
        &mut self,
        topic: &str,
        message: Message<'_>,
        but: ConnId,
    ) -> Everywhere {
        let prepared = Prepared::new(message);
        let elsewhere = self.send_elsewhere(Some(topic), &prepared);
        let but = self.peer(but).map(|_| but.slot);
        let here = self.topics.find(topic).map_or(0, |topic| self.send_to_topic(topic, &prepared, but));
        Everywhere { here, ..elsewhere }
    }

    fn publish_to(&mut self, topic: &str, message: Message<'_>, but: Option<u32>) -> usize {
        match self.topics.find(topic) {
            None => 0,
            Some(topic) => self.send_to_topic(topic, &Prepared::new(message), but),
        }
    }

    fn send_to_topic(&mut self, topic: u32, message: &Prepared, but: Option<u32>) -> usize {
        let subscribers = self.topics.lend(topic);
        let mut receivers = 0;
        for link in &subscribers {
            if Some(link.to) != but {
                let id = self.id(link.to as usize);
                receivers += usize::from(self.send_prepared(id, message).is_queued());
            }
        }
        self.topics.give_back(topic, subscribers);
        receivers
    }

    /// How many have subscribed to a topic.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.topics.find(topic).map_or(0, |topic| self.topics.subscribers(topic).len())
    }

    /// Who has subscribed to a topic.
    pub fn subscribers_of(&self, topic: &str) -> impl Iterator<Item = ConnId> + '_ {
        let links = self.topics.find(topic).map_or(&[][..], |topic| self.topics.subscribers(topic));
        links.iter().map(|link| self.id(link.to as usize))
    }

    /// The topics that a connection has subscribed to.
    pub fn topics_of(&self, id: ConnId) -> impl Iterator<Item = &str> + '_ {
        let links = self.peer(id).and_then(|peer| peer.cold.as_ref()).map_or(&[][..], |cold| &cold.topics);
        links.iter().map(|link| &**self.topics.name(link.to))
    }

    /// All topics, each with the number of its subscribers.
    pub fn topics(&self) -> impl Iterator<Item = (&str, usize)> + '_ {
        self.topics.names()
    }

    /// An open connection is over: it leaves its topics, and whoever waits for it goes on.
    pub(in crate::event_loop) fn leave_all(&mut self, slot: usize) {
        let Some(cold) = &mut self.peers[slot].cold else { return };
        let mut links = std::mem::take(&mut cold.topics);
        while let Some(last) = links.len().checked_sub(1) {
            self.leave(&mut links, last);
        }
        self.release_producers(slot);
    }

    fn leave(&mut self, links: &mut Vec<Link>, index: usize) {
        let peers = &mut self.peers;
        let _gone = self.topics.remove(links, index, |slot| {
            peers.get_mut(slot as usize)?.cold.as_mut().map(|cold| &mut cold.topics)
        });
        #[cfg(feature = "backplane")]
        if let Some(topic) = _gone {
            self.want_topic(&topic, false);
        }
    }
}
