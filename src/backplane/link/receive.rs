//! What comes from the engine, and what it changes.

use std::time::{Duration, Instant};

use super::super::engine::{Channel, Heard};
use super::super::envelope::{Envelope, Kind, MAX_ENVELOPE, NodeId};
use super::super::history::{Change, History};
use super::super::numbers::{self, Arrival};
use super::super::position::Position;
use super::super::streams::Told;
use super::event::{Action, Incoming, LinkEvent, NodeMessage};
use super::{ANNOUNCEMENT, BATCH, Link, MAX_DELAY, State};
use crate::frame::DataKind;
use crate::message::Message;

/// How long nodes that were known are waited for after an outage: they come back as we do.
pub(super) const REUNION: Duration = Duration::from_secs(1);
/// A node that has said nothing for so long is not waited for.
const RECENT: Duration = Duration::from_secs(10);
/// Who asks within so long is answered together.
const TOGETHER: Duration = Duration::from_millis(250);

impl Link {
    /// Bytes have come. Messages of other nodes go to `deliver`, borrowed from `input` where they came whole.
    pub fn receive(&mut self, input: &[u8], now: Instant, mut deliver: impl FnMut(Incoming<'_>)) {
        self.tell_steps(&mut deliver);
        if matches!(self.state, State::Away { .. } | State::Dialing { .. }) {
            return;
        }
        self.heard = now;
        self.pinged = None;
        let mut kept = std::mem::take(&mut self.input);
        let used = if kept.is_empty() {
            let used = self.take(input, now, &mut deliver);
            kept.extend_from_slice(&input[used..]);
            0
        } else {
            kept.extend_from_slice(input);
            if kept.len() < self.wanted { 0 } else { self.take(&kept, now, &mut deliver) }
        };
        if matches!(self.state, State::Away { .. }) {
            return; // whatever else came is of a connection that is over
        }
        kept.drain(..used);
        if kept.is_empty() && kept.capacity() > BATCH {
            kept = Vec::new();
        }
        self.input = kept;
    }

    /// Takes all whole values from the front; gives how many bytes they have.
    fn take(&mut self, bytes: &[u8], now: Instant, deliver: &mut impl FnMut(Incoming<'_>)) -> usize {
        let longest = self.settings.max_message.saturating_add(MAX_ENVELOPE).max(ANNOUNCEMENT * 2);
        let mut used = 0;
        loop {
            match self.speaker.hear(&bytes[used..], &mut self.out, longest) {
                Ok(Ok((heard, len))) => {
                    used += len;
                    self.hear(heard, now, deliver);
                    self.tell_steps(deliver);
                    if matches!(self.state, State::Away { .. }) {
                        return used;
                    }
                }
                Ok(Err(len)) => {
                    self.wanted = len;
                    return used;
                }
                Err(why) => {
                    self.fall(&why, MAX_DELAY, now);
                    return used;
                }
            }
        }
    }

    fn hear(&mut self, heard: Heard<'_>, now: Instant, deliver: &mut impl FnMut(Incoming<'_>)) {
        match heard {
            Heard::Nothing => {}
            Heard::StartTls => self.actions.push_back(Action::StartTls),
            Heard::Greeted { longest } => self.greeted(longest, now),
            Heard::Subscribed => self.subscribed(now),
            Heard::RefusedTopic { why, is_last } => {
                self.events.push_back(LinkEvent::Refused { why });
                if is_last {
                    self.subscribed(now);
                }
            }
            Heard::Answered(count) => self.queue.answered(count),
            Heard::Message { channel, payload } => self.message(channel, payload, now, deliver),
            Heard::RefusedMessage(why) => {
                self.queue.answered(1); // to say it again would change nothing
                self.refuse_message(why, now);
            }
            Heard::NotPublished(why) => self.refuse_message(why, now),
            Heard::Position(told) => {
                self.with_history(|history, ask| {
                    let (change, name) = history.position(told, ask);
                    (change == Change::Reset).then_some((name, None))
                });
            }
            Heard::NoPosition(why) => {
                self.events.push_back(LinkEvent::Refused { why });
                if let Some(history) = &mut self.history {
                    history.no_position();
                }
                self.ask_history();
            }
            Heard::Entry { offset, payload } => self.entry(offset, payload, now, deliver),
            Heard::HistoryRead => self.history_read(),
            Heard::RefusedHistory(why) => {
                self.events.push_back(LinkEvent::Refused { why });
                self.steps.extend(self.history.as_mut().and_then(History::refused));
                self.ask_history();
            }
            Heard::Refused(why) => self.events.push_back(LinkEvent::Refused { why }),
            Heard::NotNow(why) => self.fall(&why, Duration::ZERO, now),
            Heard::Never(why) => {
                self.events.push_back(LinkEvent::Refused { why: why.clone() });
                self.fall(&why, MAX_DELAY, now);
            }
        }
    }

    /// All subscriptions hold, or are refused.
    fn subscribed(&mut self, now: Instant) {
        if let State::Restoring { subscribed, .. } = &mut self.state {
            *subscribed = true;
            self.hello(true);
            self.try_up(now);
        }
    }

    fn greeted(&mut self, longest: usize, now: Instant) {
        self.longest = longest.saturating_sub(MAX_ENVELOPE);
        let mut missing = self.receiving.known(RECENT + now.saturating_duration_since(self.down_since), now);
        missing.retain(|node| *node != self.node);
        if self.history.is_some() {
            missing.clear(); // they read what they have missed
        }
        self.state = State::Restoring { since: now, subscribed: false, missing };
        self.speaker.prepare(&mut self.out);
        let names = self.channels.names();
        self.speaker.subscribe(&mut self.out, &names);
        if let Some(history) = &mut self.history {
            let control = self.speaker.name(Channel::Control);
            for name in names.into_iter().filter(|name| **name != control) {
                let question = history.ask(name);
                self.speaker.ask(&mut self.out, &question, self.new_epochs.next());
            }
        }
    }

    /// Up once subscriptions hold, and those who were there before are there again or are waited for no longer.
    pub(super) fn try_up(&mut self, now: Instant) {
        let State::Restoring { since, subscribed: true, missing } = &self.state else { return };
        if !missing.is_empty() && now < *since + REUNION {
            return;
        }
        self.state = State::Up;
        self.spared_until = now + REUNION;
        self.tries = 0;
        self.announce_at = now;
        self.sending.announce_again();
        self.presence.begin_again(now);
        self.tell_all_present();
        self.ups += 1;
        self.events.push_back(LinkEvent::Up { after: now.saturating_duration_since(self.down_since) });
    }

    fn message(
        &mut self,
        channel: &[u8],
        payload: &[u8],
        now: Instant,
        deliver: &mut impl FnMut(Incoming<'_>),
    ) {
        if self.history.is_some() && channel != self.speaker.name(Channel::Control) {
            let Some(told) = Told::parse(payload) else { return };
            return self.with_history(|history, ask| {
                let change = history.told(channel, told, ask);
                (change == Change::Reset).then(|| (channel.to_vec(), None))
            });
        }
        self.enveloped(channel, payload, None, now, deliver);
    }

    pub(super) fn enveloped(
        &mut self,
        channel: &[u8],
        payload: &[u8],
        at: Option<Position>,
        now: Instant,
        deliver: &mut impl FnMut(Incoming<'_>),
    ) {
        // What is none of ours: another program, or a channel that was given up a moment ago.
        let Some((envelope, payload)) = Envelope::decode(payload) else { return };
        let Envelope { kind, node, epoch, number, mark, key } = envelope;
        let is_ours = node == self.node;
        if is_ours {
            let is_data = matches!(kind, Kind::Data(_));
            self.stats.echoes += u64::from(is_data);
            if !is_data || !self.settings.ordered {
                return;
            }
        }
        if !is_ours {
            self.presence.heard(node, now);
        }
        match kind {
            Kind::Hello { asks } => {
                self.receiving.hello(node, epoch, now);
                if asks {
                    self.hello(false);
                    // It was away, and does not know what it has missed.
                    self.sending.announce_again();
                    self.tell_all_at.get_or_insert(now + TOGETHER);
                }
                if let State::Restoring { missing, .. } = &mut self.state {
                    missing.retain(|known| *known != node);
                    self.try_up(now);
                }
            }
            Kind::Present => {
                self.receiving.hello(node, epoch, now);
                self.presence.told(node, payload, now);
            }
            Kind::Numbers => {
                self.receiving.hello(node, epoch, now);
                for (name, number) in numbers::announced(payload) {
                    let Some((id, topic)) = self.channels.find(name) else { continue };
                    let lost = self.receiving.announcement(node, epoch, id, number, now);
                    if lost > 0 {
                        let topic = topic.map(str::to_owned);
                        self.gap(node, topic, lost);
                    }
                }
            }
            Kind::Data(kind) => {
                let Some((id, topic)) = self.channels.find(channel) else { return };
                let Arrival::New { lost } = self.receiving.message(node, epoch, id, number, now) else {
                    self.stats.repeated += 1;
                    return;
                };
                let Some(message) = message(kind, payload) else { return };
                self.stats.received += u64::from(!is_ours);
                // What of ours is missing we have dropped ourselves, and said so.
                let gap = (lost > 0 && !is_ours).then(|| topic.map(str::to_owned));
                let mark = mark.filter(|_| is_ours);
                deliver(Incoming::Message(NodeMessage { node, topic, message, key, mark, at, replay: None }));
                if let Some(topic) = gap {
                    self.gap(node, topic, lost);
                }
            }
        }
    }

    fn gap(&mut self, node: NodeId, topic: Option<String>, lost: u64) {
        self.stats.gaps += 1;
        self.stats.lost += lost;
        self.events.push_back(LinkEvent::Gap { node, topic, lost });
    }
}

/// `None` for text that is none, which no node of ours sends.
pub(super) fn message(kind: DataKind, payload: &[u8]) -> Option<Message<'_>> {
    Some(match kind {
        DataKind::Binary => Message::Binary(payload),
        DataKind::Text => Message::Text(std::str::from_utf8(payload).ok()?),
    })
}
