//! Sending to many: to all, to the subscribers of a topic, to all loops of a group.

use super::{Context, Sent};
#[cfg(feature = "backplane")]
use crate::backplane::Published;
use crate::event_loop::audience::To;
use crate::event_loop::fanout::Copies;
use crate::event_loop::id::ConnId;
use crate::event_loop::share;
use crate::event_loop::topics::{SubscribeError, Subscription};
use crate::message::Prepared;

/// How far a message to many went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reach {
    /// The number of connections of this loop that it was sent to.
    pub here: usize,
    /// The number of loops of the group that did not take it, as they are behind or gone.
    pub behind: usize,
    /// The result of sending it to other nodes. `None` if it was not meant for them, if there is no backplane, and if
    /// another loop of the group has the link.
    #[cfg(feature = "backplane")]
    pub nodes: Option<Published>,
}

impl<D: Default> Context<D> {
    /// Sends a message to an [audience](To), encoded (and compressed) once. On an
    /// [ordered](crate::backplane::BackplaneSettings::ordered) backplane, a message for [everywhere](To::everywhere)
    /// goes to the engine alone, and reaches connections here when it comes back: [`Reach::here`] is 0.
    pub fn publish<'a>(&mut self, to: impl Into<To<'a>>, message: impl Into<Prepared>) -> Reach {
        let (to, message) = (to.into(), message.into());
        #[cfg(feature = "backplane")]
        if to.everywhere && self.ordered {
            let mark = self.mark(to.except);
            return Reach { here: 0, behind: 0, nodes: self.send_to_nodes(to, &message, mark) };
        }
        let mut reach = if to.everywhere {
            self.send_elsewhere(to, &message)
        } else {
            Reach {
                here: 0,
                behind: 0,
                #[cfg(feature = "backplane")]
                nodes: None,
            }
        };
        reach.here = match to.topic {
            None => self.send_to_all(&message, to.key, |id| Some(id) != to.except),
            Some(topic) => {
                let except = to.except.filter(|id| self.peer(*id).is_some()).map(|id| id.slot);
                self.topics.find(topic).map_or(0, |topic| self.send_to_topic(topic, &message, to.key, except))
            }
        };
        reach
    }

    /// Sends a message to every open connection of this loop that `to` selects, encoded once. Returns to how many.
    pub fn publish_where(&mut self, to: impl FnMut(ConnId) -> bool, message: impl Into<Prepared>) -> usize {
        self.send_to_all(&message.into(), None, to)
    }

    fn send_to_all(
        &mut self,
        message: &Prepared,
        key: Option<&str>,
        mut to: impl FnMut(ConnId) -> bool,
    ) -> usize {
        let mut copies = self.fanout.begin(self.peers.len());
        self.work.spend(message.payload().len() / share::BYTES);
        let mut receivers = 0;
        for slot in 0..self.peers.capacity() {
            let Some(peer) = self.peers.get(slot) else { continue };
            // Slots are numbered by `u32`: no process has that many descriptors.
            let id = ConnId { slot: slot as u32, generation: peer.generation };
            if peer.is_open() && to(id) {
                receivers += usize::from(self.fan_out(id, key, message, &mut copies).is_queued());
            }
        }
        receivers
    }

    /// Sends a message that many get, from a shared copy if it can go out at once.
    #[inline(always)]
    fn fan_out(&mut self, id: ConnId, key: Option<&str>, message: &Prepared, copies: &mut Copies) -> Sent {
        let slot = id.slot as usize;
        let Self { peers, agenda, work, settings, reading, fanout, stats, .. } = self;
        if let Some(peer) = peers.get_mut(slot)
            && peer.takes_published()
            && *reading != Some(slot)
            && !agenda.is_decided(slot)
            && let Some(frame) = peer.outbound.ready(message)
            && peer.has_room(settings, frame.len())
            && let copy = fanout.copy(copies, frame)
            && fanout.join(&mut peer.stretch, copy)
        {
            work.spend(share::JOIN);
            agenda.write_in_order(slot);
            stats.messages_out += 1;
            return Sent::Now;
        }
        self.send_keyed(id, key, message)
    }

    /// Moves a connection's part of published frames to its queue, because something is to go out after it.
    #[inline(always)]
    pub(in crate::event_loop) fn settle(&mut self, slot: usize) {
        self.peers[slot].settle(&mut self.fanout, &mut self.pool);
    }

    /// Sends to the other loops, and to other nodes.
    fn send_elsewhere(&mut self, to: To<'_>, message: &Prepared) -> Reach {
        let behind = self.siblings.publish(to, None, message);
        self.stats.behind += behind as u64;
        Reach {
            here: 0,
            behind,
            #[cfg(feature = "backplane")]
            nodes: self.send_to_nodes(to, message, None),
        }
    }

    /// Subscribes a connection to a topic. Returns whether it was not subscribed before.
    ///
    /// A topic exists while it has subscribers. A connection leaves its topics when it closes.
    ///
    /// # Errors
    ///
    /// If the connection is not open, or has too many subscriptions.
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

    /// Ends a subscription. Returns whether there was one.
    pub fn unsubscribe(&mut self, id: ConnId, topic: &str) -> bool {
        if self.peer(id).is_none() {
            return false;
        }
        let Some(topic) = self.topics.find(topic) else { return false };
        let Some(cold) = &mut self.peers[id.slot as usize].cold else { return false };
        let Some(index) = cold.topics.iter().position(|link| link.to == topic) else { return false };
        let mut links = std::mem::take(&mut cold.topics);
        self.leave_topic(&mut links, index);
        self.peers[id.slot as usize].cold().topics = links;
        true
    }

    fn send_to_topic(
        &mut self,
        topic: u32,
        message: &Prepared,
        key: Option<&str>,
        but: Option<u32>,
    ) -> usize {
        let subscribers = self.topics.lend(topic);
        let mut copies = self.fanout.begin(subscribers.len());
        self.work.spend(message.payload().len() / share::BYTES);
        let mut receivers = 0;
        for link in &subscribers {
            if Some(link.to) != but {
                let id = self.id(link.to as usize);
                receivers += usize::from(self.fan_out(id, key, message, &mut copies).is_queued());
            }
        }
        self.topics.give_back(topic, subscribers);
        receivers
    }

    /// Returns how many connections have subscribed to a topic.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.topics.find(topic).map_or(0, |topic| self.topics.subscribers(topic).len())
    }

    /// Returns the connections that have subscribed to a topic.
    pub fn subscribers_of(&self, topic: &str) -> impl Iterator<Item = ConnId> + '_ {
        let links = self.topics.find(topic).map_or(&[][..], |topic| self.topics.subscribers(topic));
        links.iter().map(|link| self.id(link.to as usize))
    }

    /// Returns the topics that a connection has subscribed to.
    pub fn topics_of(&self, id: ConnId) -> impl Iterator<Item = &str> + '_ {
        let links = self.peer(id).and_then(|peer| peer.cold.as_ref()).map_or(&[][..], |cold| &cold.topics);
        links.iter().map(|link| &**self.topics.name(link.to))
    }

    /// Returns all topics, each with the number of its subscribers.
    pub fn topics(&self) -> impl Iterator<Item = (&str, usize)> + '_ {
        self.topics.names()
    }

    /// Handles the end of an open connection: it leaves its topics, and those that wait for it go on.
    pub(in crate::event_loop) fn leave_all(&mut self, slot: usize) {
        #[cfg(feature = "backplane")]
        {
            let id = self.id(slot);
            self.unfollow_all(id);
            self.leave_presence(id);
        }
        let Some(cold) = &mut self.peers[slot].cold else { return };
        let mut links = std::mem::take(&mut cold.topics);
        while let Some(last) = links.len().checked_sub(1) {
            self.leave_topic(&mut links, last);
        }
        self.release_producers(slot);
    }

    fn leave_topic(&mut self, links: &mut Vec<Subscription>, index: usize) {
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
