//! What comes from the peer: its head, its frames, its end, and the rules that it breaks.

use std::time::Duration;

use bowsprit::error::Section;

use super::super::judge::AnswerSeen;
use super::super::receiver::{Received, Seen};
use super::super::rule::Violation;
use super::super::wire::{Excerpt, Item, Way};
use super::{Phase, Player};
use crate::cases;

impl Player {
    /// Takes bytes from the peer.
    pub fn receive(&mut self, now: Duration, mut bytes: &[u8]) {
        self.facts.last_heard = now;
        self.progress(now);
        if self.phase == Phase::Opening {
            match self.receive_head(now, bytes) {
                Some(used) => bytes = &bytes[used..],
                None => return,
            }
        }
        if bytes.is_empty() || self.deaf || !matches!(self.phase, Phase::Open | Phase::Ending) {
            return;
        }
        // A client that refuses our response may send another request on the same connection, which is not a frame.
        if !self.we_are_client()
            && !self.facts.heard
            && self.facts.answer.is_none()
            && bytes.starts_with(b"GET /")
        {
            self.log.note(now, "the client does not open the connection, and asks again on it");
            self.decide(AnswerSeen::Dropped);
            return self.over(now);
        }
        self.facts.heard = true;
        self.receiver.push(bytes);
        while matches!(self.phase, Phase::Open | Phase::Ending) {
            match self.receiver.next(self.codec.as_mut()) {
                Ok(None) => break,
                Ok(Some(Received { header, payload, seen })) => {
                    self.log.frame(now, Way::Received, header, payload);
                    // A client that fails the connection with a Close has not opened it.
                    let refuses = matches!(seen, Some(Seen::Close(Some(1002 | 1003 | 1010), _)));
                    let opens = self.we_are_client() || self.must_open() || !refuses;
                    self.decide(if opens { AnswerSeen::Opened } else { AnswerSeen::Dropped });
                    if let Some(seen) = seen {
                        self.on_seen(now, seen);
                    }
                }
                Err(violation) => {
                    if self.phase == Phase::Ending && !self.minds(&violation) {
                        self.log
                            .note(now, "bytes that are no frame follow the Close; they do not count here");
                        self.deaf = true;
                        break;
                    }
                    self.decide(AnswerSeen::Opened);
                    let rest = Excerpt::of(self.receiver.offending());
                    self.log.add(now, || Item::Bytes(Way::Received, rest));
                    self.facts.remote_code = self.facts.remote_code.or(self.receiver.code());
                    self.violate(now, violation);
                    break;
                }
            }
        }
        self.advance(now);
    }

    /// Records that the peer ended its direction, or that the connection broke with this error.
    pub fn eof(&mut self, now: Duration, error: Option<&str>) {
        if self.phase == Phase::Over {
            return;
        }
        self.facts.sent_all = self.step >= self.case.script.len() && self.outbox.is_empty();
        self.log.note(
            now,
            match error {
                None => format!("the peer ended the {}", self.pipe()),
                Some(error) => format!("the {} broke: {error}", self.pipe()),
            },
        );
        (self.facts.ended_by_peer, self.facts.reset) = (true, error.is_some());
        if self.facts.answer.is_none() {
            self.decide(AnswerSeen::Dropped);
        }
        if self.peer_closed && self.receiver.has_rest() && self.case.rule == &cases::CLOSE {
            self.violate(now, Violation::new(Section::rfc6455("5.5.1"), "Bytes follow its Close"));
        }
        self.over(now);
    }

    /// Records that the peer broke a rule of the layer below the WebSocket.
    pub fn broken(&mut self, now: Duration, violation: Violation) {
        self.log.note(now, format!("the peer breaks a rule: {violation}"));
        self.decide(AnswerSeen::Dropped);
        self.facts.violation.get_or_insert(violation);
        self.facts.broken = true;
        self.outcomes.void();
        self.over(now);
    }

    /// Returns whether a violation counts after a Close. Bytes that are not a frame do if the case is about that.
    fn minds(&self, violation: &Violation) -> bool {
        self.case.rule == &cases::CLOSE || violation.section == Section::rfc6455("5.5.1")
    }

    pub(super) fn violate(&mut self, now: Duration, violation: Violation) {
        self.log.note(now, format!("the peer breaks a rule: {violation}"));
        self.facts.violation.get_or_insert(violation);
        self.facts.broken = true;
        self.outcomes.void();
        if self.phase == Phase::Opening {
            self.over(now);
        } else if self.sent_close {
            // Nothing it sends can be trusted any more, so we end the connection.
            self.facts.dropped_by_us = self.we_are_client() && !self.peer_closed;
            self.over(now);
        } else {
            self.close(now, 1002);
        }
    }
}
