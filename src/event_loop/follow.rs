//! Connections that follow a topic from a position in its history.
//!
//! What the link brings for them is queued, and delivered once the link is back in its place, as a callback may send.
//! Steps of a replay are requested one at a time, the next once what waits for the connection is down to the low
//! watermark. A step, and what follows it for all, arrive in order in every loop, so nobody misses a message between
//! them, and nobody gets one twice. If a loop was too far behind for a message, its followers see the gap and read
//! again.

use std::sync::Arc;

use super::context::Context;
use super::follows::{Brought, Follower, ReplayError, Replayed};
use super::handler::Handler;
use super::id::ConnId;
use super::turn::Turn;
use crate::backplane::{Position, Step};
use crate::message::Prepared;

/// How many slow followers are checked in a turn.
const LOOKS: usize = 256;

impl<D: Default> Context<D> {
    /// Has a connection follow a topic from a position in its history, or from now on without `since`. What it missed,
    /// and then what is new, comes to [`Handler::on_replay`], each message with its position; the handler sends it on
    /// in a form of its own. A connection that has followed the topic before begins anew.
    ///
    /// Needs a backplane with streams (`redis://…?streams`). While the engine is away, the answer waits.
    ///
    /// # Errors
    ///
    /// If no history is kept, the connection is not open, or it follows too many topics.
    pub fn replay(&mut self, id: ConnId, topic: &str, since: Option<Position>) -> Result<(), ReplayError> {
        if !self.has_history {
            return Err(ReplayError::NoHistory);
        }
        if !self.is_open(id) {
            return Err(ReplayError::Closed);
        }
        self.unfollow(id, topic);
        if self.follows.of.get(&id).is_some_and(|topics| topics.len() >= self.settings.max_subscriptions) {
            return Err(ReplayError::TooMany);
        }
        let topic: Arc<str> = topic.into();
        let is_first = !self.follows.is_any(&topic);
        let follower = Follower { at: since, is_live: false, ticket: 0 };
        self.follows.topics.entry(Arc::clone(&topic)).or_default().insert(id, follower);
        self.follows.of.entry(id).or_default().push(Arc::clone(&topic));
        if is_first {
            self.want_topic(&topic, true);
        }
        self.ask_step(id, &topic);
        Ok(())
    }

    /// Ends what [`replay`](Self::replay) has begun. Returns whether the connection followed the topic.
    pub fn unfollow(&mut self, id: ConnId, topic: &str) -> bool {
        let Some(topics) = self.follows.of.get_mut(&id) else { return false };
        let Some(at) = topics.iter().position(|other| **other == *topic) else { return false };
        topics.swap_remove(at);
        if topics.is_empty() {
            self.follows.of.remove(&id);
        }
        if let Some(followers) = self.follows.topics.get_mut(topic) {
            if let Some(follower) = followers.remove(&id) {
                self.follows.tickets.remove(&follower.ticket);
            }
            if followers.is_empty() {
                self.follows.topics.remove(topic);
                self.want_topic(topic, false);
            }
        }
        true
    }

    /// Returns how many connections follow a topic.
    pub fn followers(&self, topic: &str) -> usize {
        self.follows.topics.get(topic).map_or(0, |followers| followers.len())
    }

    pub(super) fn unfollow_all(&mut self, id: ConnId) {
        while let Some(topic) = self.follows.of.get(&id).and_then(|topics| topics.last()).cloned() {
            self.unfollow(id, &topic);
        }
    }

    fn ask_step(&mut self, id: ConnId, topic: &Arc<str>) {
        let Some((ticket, since)) = self.follows.ticket(id, topic) else { return };
        let ticket = (self.place as u64) << 32 | u64::from(ticket);
        match &mut self.backplane {
            Some(backplane) => backplane.link.replay(topic, since, ticket),
            None => self.siblings.replay(topic, since, ticket),
        }
    }

    /// Takes what the link has brought, for this loop or for another one.
    pub(super) fn bring(&mut self, ticket: u64, brought: impl FnOnce(u32) -> Brought) {
        let (place, ticket) = ((ticket >> 32) as usize, ticket as u32);
        if place == self.place {
            self.follows.bring(brought(ticket));
        } else {
            self.siblings.bring(place, brought(ticket));
        }
    }

    fn bring_steps(&mut self) {
        while let Some((ticket, step)) =
            self.backplane.as_mut().and_then(|backplane| backplane.link.next_step())
        {
            self.bring(ticket, |ticket| Brought::Step { ticket, step });
        }
    }

    /// Requests the next steps of the followers that have read.
    fn resume_slow(&mut self) {
        for _ in 0..self.follows.slow.len().min(LOOKS) {
            let Some((id, topic)) = self.follows.slow.pop_front() else { return };
            if self.queued(id) > self.settings.low_watermark {
                self.follows.slow.push_back((id, topic));
            } else {
                self.ask_step(id, &topic);
            }
        }
    }
}

impl<H: Handler> Turn<'_, H> {
    /// Delivers to followers what was brought for them.
    pub(super) fn tell_followers(&mut self) {
        self.cx.resume_slow();
        loop {
            self.cx.bring_steps();
            match self.cx.follows.brought.pop_front() {
                None => return,
                Some(Brought::Live { topic, except, at, message, .. }) => {
                    self.tell_live(&topic, except, at, &message);
                }
                Some(Brought::Past { ticket, at, message }) => {
                    let Some((id, topic)) = self.cx.follows.tickets.get(&ticket).cloned() else { continue };
                    if let Some(follower) = self.cx.follows.follower(id, &topic) {
                        follower.at = Some(at);
                    }
                    let message = message.as_message();
                    self.handler.on_replay(self.cx, id, &topic, &Replayed::Message { at, message });
                }
                Some(Brought::Step { ticket, step }) => {
                    if let Some((id, topic)) = self.cx.follows.tickets.remove(&ticket) {
                        self.tell_step(id, &topic, step);
                    }
                }
            }
        }
    }

    fn tell_live(&mut self, topic: &Arc<str>, except: Option<ConnId>, at: Position, message: &Prepared) {
        let followers = self.cx.follows.topics.get(topic).into_iter().flatten();
        let live: Vec<ConnId> =
            followers.filter(|(_, follower)| follower.is_live).map(|(id, _)| *id).collect();
        for id in live {
            let Some(follower) = self.cx.follows.follower(id, topic) else { continue };
            match follower.at {
                Some(last) if last.epoch == at.epoch && at.offset <= last.offset => continue,
                Some(last) if last.epoch == at.epoch && at.offset == last.offset + 1 => {}
                _ => {
                    // This loop was too far behind for a message, or the history is another one.
                    follower.is_live = false;
                    self.cx.ask_step(id, topic);
                    continue;
                }
            }
            follower.at = Some(at);
            let replayed = match except {
                Some(except) if except == id => Replayed::Own { at },
                _ => Replayed::Message { at, message: message.as_message() },
            };
            self.handler.on_replay(self.cx, id, topic, &replayed);
        }
    }

    fn tell_step(&mut self, id: ConnId, topic: &Arc<str>, step: Step) {
        let Some(follower) = self.cx.follows.follower(id, topic) else { return };
        let (at, replayed) = match step {
            Step::More(at) => (at, None),
            Step::Complete(at) => (at, Some(Replayed::Complete { at })),
            Step::TooOld(at) => (at, Some(Replayed::TooOld { at })),
        };
        follower.at = Some(at);
        follower.is_live = replayed.is_some();
        match replayed {
            Some(replayed) => self.handler.on_replay(self.cx, id, topic, &replayed),
            None => self.cx.follows.slow.push_back((id, Arc::clone(topic))),
        }
        self.cx.resume_slow();
    }
}
