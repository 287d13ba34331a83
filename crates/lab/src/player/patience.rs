//! How long the peer has for each phase.

use std::time::Duration;

use super::super::case::Answer;
use super::super::judge::AnswerSeen;
use super::{Pause, Phase, Player};

impl Player {
    /// Returns when [`tick`](Self::tick) is due.
    pub fn deadline(&self) -> Duration {
        let due = match self.pause {
            Pause::Until(at) | Pause::Rest(at) | Pause::Expected(_, at) if self.phase == Phase::Open => {
                at.min(self.limit)
            }
            _ => self.deadline.min(self.limit),
        };
        self.breath.map_or(due, |at| at.min(due))
    }

    /// Acts on the time that has passed.
    pub fn tick(&mut self, now: Duration) {
        self.breath = self.breath.filter(|at| now < *at);
        if self.phase == Phase::Open {
            self.advance(now);
        }
        if now < self.deadline() || self.phase == Phase::Over {
            return;
        }
        let out_of_time = now >= self.limit;
        match self.phase {
            Phase::Opening => {
                self.facts.timed_out = true;
                self.log.note(now, "our patience ended before the opening handshake did");
                self.decide(AnswerSeen::Silent);
                self.over(now);
            }
            // To a client that waits for an answer a Close would be one, and its end of the connection would then not
            // show a refusal.
            Phase::Open if self.waits_for_a_refusal() => {
                self.facts.timed_out = true;
                self.log.note(
                    now,
                    "our patience ended, and the peer had neither refused nor opened the connection",
                );
                self.decide(AnswerSeen::Silent);
                self.over(now);
            }
            Phase::Open if !self.sent_close && !out_of_time => {
                self.facts.timed_out = true;
                self.log.note(now, "our patience ended");
                self.close(now, 1000);
            }
            Phase::Open | Phase::Ending => {
                if self.peer_closed || !self.we_are_client() || self.sent_close {
                    let what = self.pipe();
                    self.log.note(now, format!("we ended the {what}, since the peer did not"));
                }
                self.facts.dropped_by_us = self.we_are_client();
                self.facts.timed_out |= self.phase == Phase::Open;
                self.decide(AnswerSeen::Silent);
                self.over(now);
            }
            Phase::Over => {}
        }
    }

    /// Returns whether we are a server whose response must not open the connection, and nothing has come after it.
    fn waits_for_a_refusal(&self) -> bool {
        let may_open = self.case.opening.answers.iter().any(|(_, answer)| *answer == Answer::Opens);
        !self.we_are_client() && !may_open && !self.facts.heard && self.facts.answer.is_none()
    }

    pub(super) fn patience(&self) -> Duration {
        self.options.patience.unwrap_or(Duration::from_millis(self.case.patience.into()))
    }

    /// Returns how long we wait for the rest of a closing handshake.
    pub(super) fn closing(&self) -> Duration {
        self.patience() / 2
    }

    /// Restarts patience because something moves, within the limit of the case.
    pub(super) fn progress(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Open) && !self.sent_close && !self.outcomes.is_void() {
            self.deadline = now + self.patience();
        }
    }
}
