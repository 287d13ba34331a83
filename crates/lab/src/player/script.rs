//! Runs the steps of a script one by one and compares the peer's answers with the outcomes.

use std::borrow::Cow;
use std::time::Duration;

use bowsprit::error::Section;
use bowsprit::frame::RawHeader;

use super::super::case::{By, Kind, Step};
use super::super::judge::AnswerSeen;
use super::super::receiver::Seen;
use super::super::rule::Violation;
use super::super::wire::{Excerpt, Item, Way};
use super::{EchoRun, Pause, Phase, Player, Wants};
use crate::counted;

impl Player {
    /// Runs the script as far as possible, and closes once an outcome is reached.
    pub(super) fn advance(&mut self, now: Duration) {
        while self.phase == Phase::Open && self.wants == Wants::Nothing {
            match &mut self.pause {
                Pause::None => {}
                Pause::Expected(count, _) if self.outcomes.events() >= *count => self.pause = Pause::None,
                Pause::Until(at) | Pause::Expected(_, at) if now >= *at => {
                    self.pause = Pause::None;
                    if !self.peer_closed {
                        self.on_event(now, &Seen::Waited);
                    }
                }
                Pause::Rest(at) if now >= *at => self.pause = Pause::None,
                Pause::Events(count) if self.outcomes.events() >= *count || now >= self.deadline => {
                    self.pause = Pause::None
                }
                Pause::Until(_)
                | Pause::Rest(_)
                | Pause::Events(_)
                | Pause::Expected(..)
                | Pause::Echo(_) => return,
            }
            let Some(step) = self.case.script.get(self.step) else { break };
            self.step += 1;
            // §5.5.1: an endpoint that has answered a Close sends nothing more, and neither do we.
            if self.peer_closed {
                continue;
            }
            self.play(now, step);
        }
        let done = self.phase == Phase::Open && self.step >= self.case.script.len();
        if done && matches!(self.pause, Pause::None) && !self.sent_close && self.settled() {
            self.close(now, 1000);
        }
    }

    /// Returns whether nothing more is expected, so that we have to close.
    fn settled(&self) -> bool {
        match self.case.expect.close.by {
            By::Us => self.outcomes.is_void() || self.outcomes.reached() != 0,
            By::Anyone => self.outcomes.is_through(),
            By::Script | By::Peer => false,
        }
    }

    fn play(&mut self, now: Duration, step: &'static Step) {
        match step {
            Step::Frame(frame) => self.send_frame(now, frame),
            Step::Times(frame, times) => (0..*times).for_each(|_| self.send_frame(now, frame)),
            Step::Bytes(bytes) => {
                self.log.add(now, || Item::Bytes(Way::Sent, Excerpt::of(bytes)));
                self.boundary.pass(bytes);
                self.outbox.push(bytes);
            }
            Step::Message(kind, payload, fragment) => {
                self.send_message(now, *kind, &payload.bytes(), *fragment)
            }
            Step::Echo(echo) => {
                let count = self.options.effort.messages(echo);
                let expected = Cow::Borrowed(&[][..]);
                self.pause = Pause::Echo(EchoRun { echo: *echo, count, sent: 0, offset: 0, expected });
                self.echo_next(now);
            }
            Step::Begin(frame) => self.send_frame(now, frame),
            Step::Part(bytes) => {
                self.log.add(now, || Item::Bytes(Way::Sent, Excerpt::of(bytes)));
                self.boundary.pass(bytes);
                self.outbox.push_part(bytes);
                self.answer_ping(now);
            }
            Step::Pace(pace) => self.outbox.pace(*pace),
            Step::Wait(millis) => {
                self.log.note(now, format!("waiting {millis} ms"));
                self.pause = Pause::Until(now + self.options.effort.wait(*millis));
            }
            Step::Rest(millis) => self.pause = Pause::Rest(now + self.options.effort.wait(*millis)),
            Step::Await(events) => self.pause = Pause::Events(*events),
            Step::AwaitWithin(events, millis) => {
                self.pause = Pause::Expected(*events, now + self.options.effort.wait(*millis));
            }
            Step::HalfClose => self.wants = Wants::HalfClose,
            Step::Drop => {
                let what = self.pipe();
                self.log.note(now, format!("we end the {what}"));
                self.wants = Wants::Drop;
                self.decide(AnswerSeen::Opened);
            }
        }
    }

    fn echo_next(&mut self, now: Duration) {
        let Pause::Echo(run) = &mut self.pause else { return };
        if run.sent == run.count {
            self.pause = Pause::None;
            return self.on_event(now, &Seen::Echoed);
        }
        let (echo, nth) = (run.echo, run.sent);
        let compressed = self.codec.as_mut().and_then(|codec| codec.compressed(&echo, run.count, nth));
        let message = echo.source.slice(run.offset, echo.size);
        run.offset += echo.size;
        run.sent += 1;
        match compressed {
            Some(compressed) => self.send_payload(now, echo.kind, &compressed, true, echo.fragment),
            None => self.send_message(now, echo.kind, &message, echo.fragment),
        }
        if let Pause::Echo(run) = &mut self.pause {
            run.expected = message;
        }
    }

    fn on_event(&mut self, now: Duration, seen: &Seen) {
        // A wait of ours is not a sign of life from the peer.
        self.facts.late |= self.facts.timed_out && *seen != Seen::Waited;
        self.outcomes.take(seen);
        // The verdict on the behaviour is settled; a little time is left for the ending.
        if self.outcomes.is_void() {
            self.deadline = self.deadline.min(now + self.patience() / 8);
        }
    }

    /// Handles a Pong. It is an event if it answers a Ping of ours; any other may come at any time (RFC 6455 §5.5.3).
    fn on_pong(&mut self, now: Duration, data: Vec<u8>) {
        let Some(at) = self.pings.iter().position(|ping| *ping == data) else {
            self.facts.other_pongs += u32::from(!self.pings.is_empty());
            return;
        };
        // §5.5.3: only the latest of several Pings may be answered.
        for skipped in self.pings.drain(..at).collect::<Vec<_>>() {
            self.outcomes.loosen();
            self.on_event(now, &Seen::Pong(skipped));
        }
        self.pings.pop_front();
        if self.pings.is_empty() {
            self.facts.other_pongs = 0;
        }
        self.on_event(now, &Seen::Pong(data));
    }

    pub(super) fn on_seen(&mut self, now: Duration, seen: Seen) {
        match seen {
            Seen::Close(code, payload) => return self.on_close(now, code, &payload),
            // RFC 6455 §5.5.2: it is answered, as by any endpoint, and is no event: peers may ping whenever they like.
            Seen::Ping(payload) => {
                self.owed_pong = Some(payload);
                return self.answer_ping(now);
            }
            Seen::Pong(data) => return self.on_pong(now, data),
            _ => {}
        }
        if self.greetings > 0 && matches!(seen, Seen::Text(_) | Seen::Binary(_)) {
            self.greetings -= 1;
            self.log.note(now, "the server speaks first, which is no part of the case");
            return;
        }
        if let Pause::Echo(run) = &mut self.pause {
            let (kind, message) = match &seen {
                Seen::Text(message) => (Kind::Text, message),
                Seen::Binary(message) => (Kind::Binary, message),
                _ => return,
            };
            if kind == run.echo.kind && message[..] == *run.expected {
                return self.echo_next(now);
            }
            let nth = run.sent;
            let what = if kind == run.echo.kind { "is not what was sent" } else { "is of the other type" };
            self.pause = Pause::None;
            self.outcomes.void();
            self.facts.violation.get_or_insert_with(|| {
                let what = format!("The echo of message {nth} {what}, {}", counted(message.len(), "byte"));
                Violation::new(Section::rfc6455("5.6"), what)
            });
            return;
        }
        self.on_event(now, &seen);
    }

    fn on_close(&mut self, now: Duration, code: Option<u16>, payload: &[u8]) {
        if self.peer_closed {
            return;
        }
        self.peer_closed = true;
        self.facts.remote_code = code;
        self.facts.both_closed = true;
        if !self.sent_close {
            self.sent_close = true;
            if self.boundary.is_inside() {
                // Inside a frame of ours, only the rest of it can be sent, so the answer is the end of our direction.
                self.wants = Wants::HalfClose;
            } else {
                self.send_own(now, RawHeader::CLOSE, &payload[..payload.len().min(2)]);
            }
        }
        self.phase = Phase::Ending;
        self.deadline = now + self.closing();
        self.limit = self.limit.max(self.deadline);
        if !self.we_are_client() {
            // §7.1.1: the server ends the TCP connection first.
            self.wants = Wants::HalfClose;
        }
    }
}
