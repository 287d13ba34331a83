//! Messages to and from other processes; see [`backplane`](crate::backplane).

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use mio::Registry;

use super::audience::To;
use super::backplane::{Backplane, Members, World};
use super::context::Context;
use super::engine::Engine;
use super::follows::Brought;
use super::handler::Handler;
use super::id::ConnId;
use super::siblings::Sibling;
use super::turn::Turn;
use crate::backplane::{
    Address, BackplaneSettings, Incoming, Link, LinkStats, Mark, NodeId, NodeMessage, Presence, Published,
};
use crate::entropy::{Entropy as _, SystemEntropy};
use crate::message::Prepared;

impl<D: Default> Engine<D> {
    /// Joins the other processes that use the same engine and prefix. From here on, messages for *everywhere*
    /// ([`To::everywhere`]) also go to their connections, and theirs come to ours. [`Handler::on_backplane`] reports
    /// when the link is up and when it is down. Until it is up, and in each outage, messages wait as `settings` allow.
    /// The engine need not be running yet.
    ///
    /// For a group of loops, use [`Loops::join_backplane`](super::Loops::join_backplane).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the URL is invalid, or asks for TLS and `settings` have none.
    /// Other errors if this loop has joined already, or if no `mio::Waker` can be made, which names in the URL need.
    pub fn join_backplane(&mut self, url: &str, settings: BackplaneSettings) -> io::Result<()> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        if self.cx.backplane.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the loop has joined a backplane already",
            ));
        }
        let address = Address::parse(url).map_err(|error| invalid(error.to_string()))?;
        #[cfg(feature = "tls")]
        let tls = settings.tls.clone();
        #[cfg(feature = "tls")]
        let has_tls = tls.is_some();
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        if address.tls() && !has_tls {
            return Err(invalid("the URL asks for TLS: set BackplaneSettings::tls (feature `tls`)".into()));
        }
        self.cx.waker.make(&self.cx.registry, self.cx.tokens.waker())?;
        let mut entropy = SystemEntropy::new();
        let mut node = [0; 8];
        entropy.fill(&mut node).map_err(io::Error::other)?;
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as u32);
        let now = self.turn_time();
        self.cx.has_history = address.streams().is_some();
        self.cx.ordered = settings.ordered || self.cx.has_history;
        let node = NodeId(u64::from_be_bytes(node));
        let link =
            Link::new(address, settings, (node, epoch), Box::new(entropy), now).map_err(io::Error::other)?;
        #[cfg(feature = "tls")]
        let mut backplane = Backplane::new(link, tls);
        #[cfg(not(feature = "tls"))]
        let mut backplane = Backplane::new(link);
        for (topic, _) in self.cx.topics.names() {
            backplane.want(topic, true, now);
        }
        self.cx.presence = Some(backplane.link.presence().clone());
        self.cx.backplane = Some(Box::new(backplane));
        Ok(())
    }
}

impl<D: Default> Context<D> {
    /// Makes a connection present in a topic by a name, for all nodes of the backplane, until it [leaves](Self::leave)
    /// or closes. It is present in a topic once, by its last name. Returns whether it is present: it is not if there is
    /// no backplane, if the connection is not open, or if topic and name together have more than 4,096 bytes. Presence
    /// is independent of [subscription](Self::subscribe).
    pub fn enter(&mut self, id: ConnId, topic: &str, name: &str) -> bool {
        if !self.is_open(id) {
            return false;
        }
        let Some(presence) = &self.presence else { return false };
        let Some(mut is_news) = presence.enter(topic, name) else { return false };
        let present = self.present.entry(id).or_default();
        match present.iter_mut().find(|(other, _)| **other == *topic) {
            Some((_, before)) => is_news |= presence.leave(topic, &std::mem::replace(before, name.into())),
            None => present.push((topic.into(), name.into())),
        }
        if is_news {
            self.siblings.look_at_presence();
        }
        true
    }

    /// Ends what [`enter`](Self::enter) has begun. Returns whether the connection was present.
    pub fn leave(&mut self, id: ConnId, topic: &str) -> bool {
        let Some(present) = self.present.get_mut(&id) else { return false };
        let Some(at) = present.iter().position(|(other, _)| **other == *topic) else { return false };
        let (topic, name) = present.swap_remove(at);
        if present.is_empty() {
            self.present.remove(&id);
        }
        if self.presence.as_ref().is_some_and(|presence| presence.leave(&topic, &name)) {
            self.siblings.look_at_presence();
        }
        true
    }

    pub(super) fn leave_presence(&mut self, id: ConnId) {
        while let Some((topic, _)) = self.present.get(&id).and_then(|present| present.last()).cloned() {
            self.leave(id, &topic);
        }
    }

    /// Returns who is present in which topic, at all nodes, or `None` if there is no backplane.
    /// [`LinkEvent::Presence`](crate::backplane::LinkEvent::Presence) reports changes.
    pub fn presence(&self) -> Option<&Presence> {
        self.presence.as_ref()
    }

    /// Returns the counters of the link to other processes, or `None` if this loop has none.
    pub fn backplane_stats(&self) -> Option<LinkStats> {
        self.backplane.as_ref().map(|backplane| backplane.link.stats(self.now()))
    }

    /// Sends to the subscribers of a topic at other nodes, or to all their connections, with an optional key. Returns
    /// `None` if there is no backplane, or if another loop of the group has the link.
    pub(super) fn send_to_nodes(
        &mut self,
        to: To<'_>,
        message: &Prepared,
        mark: Option<Mark>,
    ) -> Option<Published> {
        let now = self.now();
        match &mut self.backplane {
            Some(backplane) => {
                Some(backplane.link.publish(to.topic, message.as_message(), to.key, mark, now))
            }
            None if self.has_gateway => {
                self.stats.behind += self.siblings.send_to_nodes(to, message, mark) as u64;
                None
            }
            None => None,
        }
    }

    /// Returns the mark that a message carries through the engine, of the connection that it is to leave out.
    pub(super) fn mark(&self, except: Option<ConnId>) -> Option<Mark> {
        let ConnId { slot, generation } = except?;
        Some(Mark { place: self.place as u64, id: u64::from(slot) << 32 | u64::from(generation) })
    }

    /// Records that connections here begin or cease to want a topic.
    pub(super) fn want_topic(&mut self, topic: &str, wanted: bool) {
        let now = self.now();
        match &mut self.backplane {
            Some(backplane) => backplane.want(topic, wanted, now),
            None if self.has_gateway => self.siblings.want_topic(topic, wanted),
            None => {}
        }
    }

    /// Makes messages for other nodes go to the loop of the group that has the link.
    pub(super) fn use_gateway(&mut self, ordered: bool, has_history: bool) {
        self.has_gateway = true;
        self.has_history = has_history;
        self.ordered = ordered;
        let topics: Vec<String> = self.topics.names().map(|(name, _)| name.to_owned()).collect();
        topics.iter().for_each(|topic| self.want_topic(topic, true));
    }

    /// Delivers a message from the engine to the connections of all loops here.
    fn deliver_here(&mut self, message: NodeMessage<'_>) {
        let NodeMessage { topic, message, key, mark, at, replay, .. } = message;
        if let Some(ticket) = replay {
            if let Some(at) = at {
                let message = Prepared::new(message);
                self.bring(ticket, |ticket| Brought::Past { ticket, at, message });
            }
            return;
        }
        if !self.siblings.is_any() && self.peers.is_empty() {
            return; // nobody here gets it
        }
        let message = Prepared::new(message);
        let except = mark.map(|mark| {
            let id = ConnId { slot: (mark.id >> 32) as u32, generation: mark.id as u32 };
            Sibling { place: mark.place as usize, id }
        });
        let to = To { topic, except: None, everywhere: false, key };
        self.stats.behind += match (topic, at) {
            (Some(topic), Some(at)) => self.siblings.publish_at(topic, key, except, at, &message),
            _ => self.siblings.publish(to, except, &message),
        } as u64;
        let except = except.filter(|sibling| sibling.place == self.place).map(|sibling| sibling.id);
        self.publish(To { except, ..to }, &message);
        if let (Some(topic), Some(at)) = (topic, at)
            && self.follows.is_any(topic)
        {
            self.follows.bring(Brought::Live { topic: topic.into(), key: None, except, at, message });
        }
    }
}

impl<D: Default> Members for Context<D> {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn deliver(&mut self, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Message(delivery) => self.deliver_here(delivery),
            Incoming::Step { ticket, step } => self.bring(ticket, |ticket| Brought::Step { ticket, step }),
        }
    }
}

impl<H: Handler> Turn<'_, H> {
    /// Handles what has happened with the link to other nodes.
    pub(super) fn serve_backplane(&mut self) {
        let Some(mut backplane) = self.cx.backplane.take() else { return };
        let Turn { cx, scratch, handler, .. } = self;
        let world = World { token: cx.tokens.backplane(), waker: &cx.waker.clone(), now: cx.now() };
        backplane.serve(&world, *cx, scratch);
        cx.backplane = Some(backplane);
        while let Some(event) = cx.backplane.as_mut().and_then(|backplane| backplane.next_event()) {
            handler.on_backplane(cx, &event);
        }
    }

    /// Writes what this turn has sent to other nodes.
    pub(super) fn flush_backplane(&mut self) {
        let Some(mut backplane) = self.cx.backplane.take() else { return };
        let world =
            World { token: self.cx.tokens.backplane(), waker: &self.cx.waker.clone(), now: self.cx.now() };
        backplane.flush(&world, &self.cx.registry);
        self.cx.backplane = Some(backplane);
    }
}
