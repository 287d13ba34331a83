//! A link and the histories that its engine keeps.

use std::time::Instant;

use super::super::engine::Channel;
use super::super::envelope::{Envelope, Kind, Payload};
use super::super::history::{Done, History, Question, Step, Whose};
use super::super::position::Position;
use super::event::{Incoming, LinkEvent, NodeMessage};
use super::receive::message;
use super::{Link, State};

impl Link {
    /// Reads a step of what a topic had after `since`; without `since` the answer is only the end of its history. The
    /// messages come as [`NodeMessage`]s with this `ticket`, then an [`Incoming::Step`]. If that says that there is
    /// [more](Step::More), ask again from there, once there is room for it. The topic has to be
    /// [subscribed](Self::subscribe) to. If the engine keeps no histories, nothing happens.
    pub fn replay(&mut self, topic: &str, since: Option<Position>, ticket: u64) {
        let name = self.speaker.name(Channel::Topic(topic.as_bytes()));
        if let Some(history) = &mut self.history {
            history.wish(ticket, name, since);
            self.ask_history();
        }
    }

    /// Returns a step that ended without asking the engine. Call it after [`replay`](Self::replay).
    pub fn next_step(&mut self) -> Option<(u64, Step)> {
        let (ticket, step) = self.steps.pop_front()?;
        self.stats.too_old += u64::from(matches!(step, Step::TooOld(_)));
        Some((ticket, step))
    }

    pub(super) fn tell_steps(&mut self, deliver: &mut impl FnMut(Incoming<'_>)) {
        while let Some((ticket, step)) = self.next_step() {
            deliver(Incoming::Step { ticket, step });
        }
    }

    /// Asks the engine what the histories need; reports what has become of one, and how many messages were lost with
    /// it.
    pub(super) fn with_history(
        &mut self,
        look: impl FnOnce(&mut History, &mut Vec<Question>) -> Option<(Vec<u8>, Option<u64>)>,
    ) {
        let Some(history) = &mut self.history else { return };
        let mut ask = Vec::new();
        let news = look(history, &mut ask);
        self.write_questions(&ask);
        if let Some((name, lost)) = news
            && let Some((id, topic)) = self.channels.find(&name)
        {
            let topic = topic.map(str::to_owned);
            match lost {
                None => self.events.push_back(LinkEvent::Reset { topic }),
                Some(lost) => {
                    self.stats.gaps += 1;
                    self.stats.lost += lost;
                    self.receiving.forget_channel(id); // the numbers would report it again
                    self.events.push_back(LinkEvent::Trimmed { topic, lost });
                }
            }
        }
        self.ask_history();
    }

    /// Continues replays that wait.
    pub(super) fn ask_history(&mut self) {
        if !matches!(self.state, State::Restoring { .. } | State::Up) {
            return;
        }
        let Some(history) = &mut self.history else { return };
        let mut ask = Vec::new();
        self.steps.extend(history.replay(&mut ask));
        self.write_questions(&ask);
    }

    fn write_questions(&mut self, ask: &[Question]) {
        for question in ask {
            self.speaker.ask(&mut self.out, question, self.new_epochs.next());
        }
    }

    pub(super) fn entry(
        &mut self,
        offset: u64,
        payload: Payload<'_>,
        now: Instant,
        deliver: &mut impl FnMut(Incoming<'_>),
    ) {
        let Some(history) = &mut self.history else { return };
        let Some(name) = history.reading().map(<[u8]>::to_vec) else { return };
        match history.entry(offset, payload.len()) {
            Whose::None => {}
            Whose::All { at, lost } => {
                if lost > 0 {
                    self.with_history(|_, _| Some((name.clone(), Some(lost))));
                }
                self.enveloped(&name, payload, Some(at), now, deliver);
            }
            Whose::One { ticket, at } => {
                let payload = match payload {
                    Payload::Whole(payload) => payload,
                    Payload::TooLong { len, .. } => {
                        history.leave_out();
                        return self.refuse_too_long(len);
                    }
                };
                let Some((Envelope { kind: Kind::Data(kind), node, key, .. }, payload)) =
                    Envelope::decode(payload)
                else {
                    return;
                };
                let Some((_, Some(topic))) = self.channels.find(&name) else { return };
                let Some(message) = message(kind, payload) else { return };
                self.stats.replayed += 1;
                let (at, replay) = (Some(at), Some(ticket));
                deliver(Incoming::Message(NodeMessage {
                    node,
                    topic: Some(topic),
                    message,
                    key,
                    mark: None,
                    at,
                    replay,
                }));
            }
        }
    }

    pub(super) fn history_read(&mut self) {
        let mut over = None;
        self.with_history(|history, ask| match history.read(ask) {
            Done::Nothing => None,
            Done::Lost(name, lost) => (lost > 0).then_some((name, Some(lost))),
            Done::Step(ticket, step) => {
                over = Some((ticket, step));
                None
            }
        });
        // Steps that ended meanwhile belong to others.
        self.steps.extend(over);
    }
}
