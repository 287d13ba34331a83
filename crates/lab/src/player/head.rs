//! The opening handshake: reads and judges the peer's head and sends ours.

use std::time::Duration;

use bowsprit::error::Section;
use bowsprit::handshake::{Head, HeadLimits, HeadReader, Progress, StartLine};

use super::super::case::Pace;
use super::super::deflate::{self, Codec};
use super::super::judge::AnswerSeen;
use super::super::opening;
use super::super::options::Carrier;
use super::super::rule::Violation;
use super::super::wire::{Excerpt, Item, Way};
use super::{Phase, Player};

impl Player {
    /// Reads the peer's head. Returns how many bytes of the input belong to it, once it is complete and frames may
    /// follow.
    pub(super) fn receive_head(&mut self, now: Duration, bytes: &[u8]) -> Option<usize> {
        let mut used_before = 0;
        loop {
            match self.head.receive(&bytes[used_before..]) {
                Ok(Progress::NeedMore) => {
                    return None;
                }
                Ok(Progress::Done { value: head, used }) => {
                    used_before += used;
                    let kept = Excerpt::whole(head.bytes());
                    self.log.add(now, || Item::Head(Way::Received, kept));
                    match head.start_line() {
                        // RFC 9110 §15.2: interim responses may come first, but not 101.
                        StartLine::Response { status: 100 | 102..=199, .. } => continue,
                        StartLine::Response { status, .. } if self.options.carrier.opens(status) => {
                            self.on_switching(now, &head)
                        }
                        StartLine::Response { status, .. } => {
                            self.check_head(now, &head, &bytes[used_before..]);
                            self.decide(AnswerSeen::Status(status));
                            let body = Excerpt::of(&bytes[used_before..]);
                            if body.len > 0 {
                                self.log.add(now, || Item::Bytes(Way::Received, body));
                            }
                            self.over(now);
                        }
                        StartLine::Request { .. } if used_before < bytes.len() => {
                            self.facts.answer = Some((AnswerSeen::Dropped, None));
                            self.violate(
                                now,
                                Violation::new(
                                    Section::rfc6455("4.1"),
                                    "It sends bytes before it has the response",
                                ),
                            );
                        }
                        StartLine::Request { .. } => self.on_request(now, &head),
                    }
                    return (self.phase == Phase::Open).then_some(used_before);
                }
                Err(error) => {
                    let kept = Excerpt::of(bytes);
                    self.log.add(now, || Item::Bytes(Way::Received, kept));
                    self.decide(AnswerSeen::Dropped);
                    self.facts.answer = Some((AnswerSeen::Dropped, None));
                    self.violate(now, Violation::new(error.section(), "What came back is no HTTP head"));
                    return None;
                }
            }
        }
    }

    fn check_head(&mut self, now: Duration, head: &Head, behind: &[u8]) {
        for check in self.case.opening.checks {
            if let Err(error) = opening::check(*check, head, behind) {
                // A check is part of the rule of its case.
                let section = self.case.rule.sections.0.first().copied();
                self.violate(now, Violation::new(section.unwrap_or(Section::rfc6455("4")), error));
            }
        }
    }

    /// Handles the head with which the server under test opens the connection.
    fn on_switching(&mut self, now: Duration, head: &Head) {
        self.decide(AnswerSeen::Opened);
        if self.is_wrongly_open() {
            return self.open(now);
        }
        // The offer is read from the bytes that were sent, edits included.
        let request = opening::request_over(&self.case.opening, &self.fill, self.options.carrier);
        let mut reader = HeadReader::request(HeadLimits::new(1 << 24, 1 << 16));
        let sent = match reader.receive(&request) {
            Ok(Progress::Done { value, .. }) => Some(value),
            _ => None,
        };
        let values = |name: &'static str| sent.iter().flat_map(move |head| head.values(name));
        let offered: Vec<_> = values("sec-websocket-extensions")
            .filter_map(|value| deflate::parse(value).ok())
            .flatten()
            .collect();
        let offers_are_whole = values("sec-websocket-extensions").all(|value| deflate::parse(value).is_ok());
        let protocols: Vec<&str> = sent
            .iter()
            .flat_map(|head| head.tokens("sec-websocket-protocol"))
            .filter_map(|token| str::from_utf8(token).ok())
            .collect();
        let key = values("sec-websocket-key").next().and_then(|key| str::from_utf8(key).ok());
        let key = key.unwrap_or(&self.fill.key).to_owned();
        let judged = match self.options.carrier {
            Carrier::Http1 => opening::judge_response(head, &key, &offered, offers_are_whole, &protocols),
            // RFC 8441 §5: there is neither Upgrade nor a key.
            Carrier::Http2(_) => opening::judge_agreement(head, &offered, offers_are_whole, &protocols),
        };
        match judged {
            Ok(agreed) => self.codec = agreed.map(Codec::new),
            Err(violation) => return self.violate(now, violation),
        }
        self.check_head(now, head, b"");
        if self.phase == Phase::Opening && self.facts.violation.is_none() {
            self.open(now);
        }
    }

    /// Handles the request of the client under test and sends our response.
    fn on_request(&mut self, now: Duration, head: &Head) {
        match opening::judge_request_over(head, self.options.carrier) {
            Ok(key) => self.fill.key = key,
            Err(violation) => {
                self.facts.answer = Some((AnswerSeen::Dropped, None));
                return self.violate(now, violation);
            }
        }
        self.check_head(now, head, b"");
        if self.facts.violation.is_some() {
            return;
        }
        let offers: Vec<_> = head
            .values("sec-websocket-extensions")
            .filter_map(|value| deflate::parse(value).ok())
            .flatten()
            .collect();
        let accepted = deflate::accept(self.case.opening.deflate, &offers);
        let response = opening::response_over(
            &self.case.opening,
            &self.fill,
            accepted.as_ref().map(|(_, answer)| answer.as_str()),
            self.options.carrier,
        );
        self.codec = accepted.map(|(agreed, _)| Codec::new(agreed));
        self.outbox.pace(self.case.opening.pace);
        self.log.add(now, || Item::Head(Way::Sent, Excerpt::whole(&response[..response.len().min(8192)])));
        self.outbox.push(&response);
        // The response has no faults, so whatever the client does from here on happens on an open connection.
        if self.case.opening.edits.is_empty() {
            self.decide(AnswerSeen::Opened);
        }
        self.open(now);
    }

    /// Returns whether a server has accepted a request that it must refuse.
    fn is_wrongly_open(&self) -> bool {
        self.we_are_client() && matches!(self.facts.answer, Some((AnswerSeen::Opened, None)))
    }

    fn open(&mut self, now: Duration) {
        self.phase = Phase::Open;
        self.deadline = now + self.patience();
        self.outbox.pace(Pace::Whole);
        let wrongly_open = self.is_wrongly_open();
        if wrongly_open {
            // Whatever else may be wrong with the answer, this is the fault that the case is about.
            let section = self.case.rule.sections.0.first().copied();
            let what = "the connection opens, and the request has to be refused";
            self.facts.violation = Some(Violation::new(section.unwrap_or(Section::rfc6455("4.2.2")), what));
        }
        if !self.case.opening.deflate.is_empty() && self.codec.is_none() {
            self.facts.unimplemented = true;
        }
        if wrongly_open || self.facts.unimplemented {
            self.outcomes.void();
            self.close(now, 1000);
        } else {
            self.advance(now);
        }
    }
}
