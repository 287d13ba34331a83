//! The script, step by step.

use std::time::Duration;

use super::super::body::{self, Body};
use super::super::case::{Check, ProxyStep, Side};
use super::super::check::Finding;
use super::super::head::{self, RawHead};
use super::super::mailbox::Half;
use super::super::passage::Passage;
use super::end::answer;
use super::progress::StepProgress;
use super::{Player, Wires, at};
use crate::case::Opening;
use crate::counted;
use crate::opening;

/// How long a front that relays bytes may take to show it.
const FEELING: Duration = Duration::from_millis(600);

impl Player {
    /// Does the next step if that is possible now. Returns whether it was.
    pub(super) fn advance(&mut self, wires: &mut Wires<'_>) -> bool {
        let Some(step) = self.case.script.get(self.step) else {
            self.over = true;
            return false;
        };
        let is_done = self.step(step, wires);
        if is_done {
            self.step += 1;
            self.since = self.now;
            self.progress = StepProgress::default();
        }
        is_done
    }

    /// Returns when the step has to be checked again.
    pub(super) fn due(&self) -> Duration {
        if let Some(time) = self.told_at() {
            return time;
        }
        let millis = |millis: u32| self.since + Duration::from_millis(millis.into());
        match self.case.script.get(self.step) {
            Some(ProxyStep::Rest(time) | ProxyStep::Judge(time)) => millis(*time),
            Some(ProxyStep::Feel) => self.since + FEELING,
            Some(ProxyStep::Fill(..)) => self.full_at(),
            Some(ProxyStep::ArriveWithin(..)) => self.since + self.patience,
            _ => self.since.max(self.progress.moved).max(self.written.1) + self.patience,
        }
    }

    /// Returns how long the step waits by itself.
    pub(super) fn pause(&self) -> Duration {
        match self.case.script.get(self.step) {
            Some(ProxyStep::Rest(time) | ProxyStep::Judge(time)) => Duration::from_millis((*time).into()),
            _ => Duration::ZERO,
        }
    }

    fn step(&mut self, step: &ProxyStep, wires: &mut Wires<'_>) -> bool {
        match *step {
            ProxyStep::NobodyListens => true,
            ProxyStep::Ask(edits) => {
                let head = opening::request(&Opening { edits, ..Opening::GOOD }, &self.fill);
                self.ask(head, wires);
                true
            }
            ProxyStep::Answer(edits) => {
                if self.carrier.is_http2()
                    && let Some(key) = self.reached.as_ref().and_then(|head| head.only("sec-websocket-key"))
                {
                    // The key is the front's.
                    self.fill.key = key;
                }
                let head = opening::response(&Opening { edits, ..Opening::GOOD }, &self.fill, None);
                self.put(Side::Origin, &head, wires);
                // Heads before the last one are answers of their own.
                let last = last_head(&head);
                self.answered = Some(RawHead::parse(last));
                true
            }
            ProxyStep::Refuse(status, lines, body) => {
                let mut head = format!("HTTP/1.1 {status}\r\n");
                lines.iter().for_each(|line| head.extend([line, "\r\n"]));
                let mut bytes = (head + "\r\n").into_bytes();
                self.answered = Some(RawHead::parse(bytes.clone()));
                bytes.extend_from_slice(body);
                self.put(Side::Origin, &bytes, wires);
                true
            }
            ProxyStep::Say(bytes) => {
                self.said.extend_from_slice(bytes);
                self.put(Side::Origin, bytes, wires);
                true
            }
            ProxyStep::Feel => self.feel(wires),
            ProxyStep::Cut(side, pace) => {
                wires.of(side).into_iter().for_each(|mailbox| mailbox.out.pace(pace));
                true
            }
            ProxyStep::Reach(checks) => self.reach(checks, wires),
            ProxyStep::Get(checks) => self.get(checks, wires),
            ProxyStep::Fallback => self.fallback(wires),
            ProxyStep::Body(expected) => self.body(expected, wires),
            ProxyStep::Send(side, ref data) => {
                self.send_data(side, data, wires);
                true
            }
            ProxyStep::Trickle(side, times, size) => self.trickle(side, times, size, wires),
            ProxyStep::RoundTrips(times) => self.round_trips(times, wires),
            ProxyStep::Arrive(side) => self.has_arrived(side, wires),
            ProxyStep::ArriveWithin(side, most) => self.arrive_within(side, most, wires),
            ProxyStep::Stray(side, bytes) => {
                self.strays[at(side)] = bytes.to_vec();
                self.put(side, bytes, wires);
                true
            }
            ProxyStep::Judge(most) => self.judge_stray(most, wires),
            ProxyStep::Hold(side, holds) => {
                wires.of(side).into_iter().for_each(|mailbox| mailbox.holds = holds);
                let what = if holds { "stops reading" } else { "reads again" };
                self.trace.note(self.now, side, what);
                true
            }
            ProxyStep::Fill(side, most) => self.is_full(side, most, wires),
            ProxyStep::End(side) => self.end(side, wires),
            ProxyStep::Reset(side) => {
                self.trace.note(self.now, side, "resets its connection");
                wires.of(side).into_iter().for_each(|mailbox| mailbox.reset = true);
                true
            }
            ProxyStep::Ends(side, most) => self.ends(side, most, wires),
            ProxyStep::Rest(millis) => {
                !self.differs(wires) && self.now >= self.since + Duration::from_millis(millis.into())
            }
            ProxyStep::StillOpen => {
                for side in [Side::Client, Side::Origin] {
                    if wires.ended(side).is_some() {
                        self.fail(Passage::Lost, format!("the connection of the {side} was ended"));
                        return false;
                    }
                }
                true
            }
        }
    }

    /// Returns whether the step has used up its time since something was last written.
    fn has_waited(&self) -> bool {
        self.now >= self.since.max(self.written.1) + self.patience
    }

    /// Sends bytes that are not part of a stream.
    fn put(&mut self, side: Side, bytes: &[u8], wires: &mut Wires<'_>) {
        if let Some(mailbox) = wires.of(side) {
            mailbox.out.push(bytes);
            self.trace.head(self.now, side, true, bytes);
        }
    }

    fn ask(&mut self, head: Vec<u8>, wires: &mut Wires<'_>) {
        if self.carrier.is_http2() {
            self.put(Side::Client, &head::extended_connect(&head), wires);
        } else {
            self.put(Side::Client, &head, wires);
        }
        self.asked = Some(RawHead::parse(head));
    }

    /// Sends the request without its last line, to see whether the front forwards that.
    fn feel(&mut self, wires: &mut Wires<'_>) -> bool {
        if self.carrier.is_http2() {
            // The heads of HTTP/2 come whole, and a front that reads them understands HTTP.
            self.ask(opening::request(&Opening::GOOD, &self.fill), wires);
            return true;
        }
        if self.asked.is_none() {
            let head = opening::request(&Opening::GOOD, &self.fill);
            self.put(Side::Client, &head[..head.len() - 2], wires);
            self.asked = Some(RawHead::parse(head));
        }
        let is_told = !self.heads[at(Side::Origin)].is_empty();
        if is_told || self.now >= self.since + FEELING {
            self.relays = is_told;
            self.put(Side::Client, b"\r\n", wires);
            return true;
        }
        false
    }

    fn reach(&mut self, checks: &[Check], wires: &mut Wires<'_>) -> bool {
        let (Some(sent), Some(came)) = (self.asked.clone(), self.reached.clone()) else {
            if let Some(got) = &self.got {
                let what = format!("the proxy answered {} itself", answer(&got.first));
                self.fail(Passage::Refused, what);
            } else if wires.ended(Side::Client).is_some() {
                let what = format!("the proxy ended the connection without an answer{}", wires.farewell());
                self.unprocessed = wires.is_unprocessed();
                self.fail(Passage::Refused, what);
            } else if self.has_waited() {
                self.silent = true;
                let came = &self.heads[at(Side::Client)];
                let what = match came.is_empty() {
                    true => "the request did not come out, and no answer came".to_owned(),
                    false => format!(
                        "the request did not come out, and what came back is no HTTP: {}",
                        answer(came)
                    ),
                };
                self.fail(Passage::Lost, what);
            }
            return false;
        };
        self.compare(Side::Client, &sent, &came, checks);
        true
    }

    fn get(&mut self, checks: &[Check], wires: &mut Wires<'_>) -> bool {
        let Some(sent) = self.answered.clone() else { return true };
        let Some(came) = self.got.clone() else {
            if wires.ended(Side::Client).is_some() {
                self.fail(
                    Passage::Refused,
                    format!(
                        "the proxy ended the connection in place of {}{}",
                        answer(&sent.first),
                        wires.farewell()
                    ),
                );
            } else if self.has_waited() {
                self.fail(Passage::Lost, format!("{} did not come out", answer(&sent.first)));
            }
            return false;
        };
        let (was_open, is_open) = (sent.status() == Some(101), self.opens(&came));
        if is_open && !was_open {
            let what = format!(
                "{} comes out as {}, which opens the connection",
                answer(&sent.first),
                answer(&came.first)
            );
            self.fail(Passage::Unsafe, what);
            return false;
        }
        if self.carrier.is_http2()
            && !is_open
            && sent.status().is_some_and(|status| self.carrier.opens(status))
        {
            // No other answer is right: the original one would open the connection.
            let what =
                format!("{} came in place of {}, as it must", answer(&came.first), answer(&sent.first));
            self.findings.push(Finding { passage: Passage::Refused, what, is_right: true });
            self.over = true;
            return false;
        }
        if !(was_open && is_open) && sent.status() != came.status() {
            let is_own = matches!(came.status(), Some(400..=599) | None);
            let passage = if is_own { Passage::Refused } else { Passage::Altered };
            self.keep_difference(Side::Origin, "head", &sent.bytes, &came.bytes);
            let what = format!("{} came in place of {}", answer(&came.first), answer(&sent.first));
            self.fail(passage, what);
            return false;
        }
        self.compare(Side::Origin, &sent, &came, checks);
        true
    }

    fn compare(&mut self, from: Side, sent: &RawHead, came: &RawHead, checks: &[Check]) {
        let pair = self.pair(sent, came);
        let found: Vec<_> = checks.iter().filter_map(|check| pair.check(check)).collect();
        let added = pair.added();
        if !found.is_empty() {
            self.keep_difference(from, "head", &sent.bytes, &came.bytes);
        }
        self.findings.extend(found);
        self.added.extend(added.into_iter().map(|line| (from.other(), line)));
    }

    /// Checks that the client learns in some way that the origin gives no answer.
    fn fallback(&mut self, wires: &mut Wires<'_>) -> bool {
        if let Some(got) = &self.got {
            let (passage, what) = match got.bytes == self.said {
                // A relay has nothing to stop.
                true if self.relays => return true,
                true => (Passage::Altered, "what is no answer was passed on as one".to_owned()),
                false => (Passage::Refused, format!("the proxy answered {} itself", answer(&got.first))),
            };
            self.find(passage, what);
            return true;
        }
        if wires.ended(Side::Client).is_some() {
            return true;
        }
        if self.has_waited() {
            self.silent = self.reached.is_none();
            self.fail(Passage::Lost, "the client was left without an answer and without an end");
        }
        false
    }

    fn body(&mut self, expected: &[u8], wires: &mut Wires<'_>) -> bool {
        let Some(got) = self.got.clone() else { return true };
        let ended = wires.ended(Side::Client).is_some();
        let rest = self.rests[at(Side::Client)].clone();
        match body::read(&got, &rest, ended) {
            Body::Whole(body, _) if body == expected => return true,
            Body::Whole(body, _) => {
                self.keep_difference(Side::Origin, "body", expected, &body);
                self.fail(Passage::Altered, "the body of the answer is another");
            }
            Body::Broken => {
                self.keep_difference(Side::Origin, "body", expected, &rest);
                self.fail(Passage::Altered, "the body of the answer is not framed as its head says");
            }
            Body::Part(body) if ended || self.has_waited() => {
                self.keep_difference(Side::Origin, "body", expected, &body);
                let what =
                    format!("{} of {} of the body came out", body.len(), counted(expected.len(), "byte"));
                self.fail(Passage::Lost, what);
            }
            Body::Part(_) => {}
        }
        false
    }

    fn arrive_within(&mut self, side: Side, most: u32, wires: &mut Wires<'_>) -> bool {
        if !self.has_arrived(side, wires) {
            return false;
        }
        let took = self.now.saturating_sub(self.since);
        let bytes = counted(self.flows[at(side)].sent(), "byte");
        self.measured
            .push(format!("{bytes} of the {side} came out after {:.1} ms", took.as_secs_f64() * 1000.0));
        if took > Duration::from_millis(most.into()) {
            self.late = true;
            self.find(
                Passage::Altered,
                format!("what the {side} sent was held back for {:.1} s", took.as_secs_f64()),
            );
        }
        true
    }

    /// Checks whether something came out that must not.
    fn judge_stray(&mut self, most: u32, wires: &mut Wires<'_>) -> bool {
        for side in [Side::Client, Side::Origin] {
            let stray = &self.strays[at(side)];
            let came = &self.rests[at(side.other())];
            let is_there = !stray.is_empty() && came.windows(stray.len()).any(|window| window == stray);
            if is_there && self.relays {
                return true;
            }
            if is_there {
                self.fail(
                    Passage::Unsafe,
                    format!("what the {side} sent after the refusal came out at the other side"),
                );
                return false;
            }
        }
        let from_client = !self.strays[at(Side::Client)].is_empty();
        let is_told =
            from_client && wires.ended(Side::Client).is_some() && wires.ended(Side::Origin).is_some();
        is_told || self.now >= self.since + Duration::from_millis(most.into())
    }

    fn end(&mut self, side: Side, wires: &mut Wires<'_>) -> bool {
        if self.feeds[at(side)] > 0 {
            // This reports that no more is taken.
            self.has_arrived(side, wires);
            return false;
        }
        let Some(mailbox) = wires.of(side) else { return true };
        if mailbox.half == Half::Open {
            mailbox.half = Half::Ending;
            self.trace.note(self.now, side, "ends its half");
        }
        mailbox.half == Half::Ended || mailbox.broken
    }

    fn ends(&mut self, side: Side, most: u32, wires: &mut Wires<'_>) -> bool {
        if self.differs(wires) {
            return false;
        }
        let took = self.now.saturating_sub(self.since);
        let Some(ended) = wires.ended(side) else {
            if took >= self.patience && wires.of(side).is_some() {
                let what = format!("no end came to the {side} within {:.1} s", self.patience.as_secs_f64());
                self.fail(Passage::Lost, what);
            }
            return wires.of(side).is_none();
        };
        let how = if ended.reset { "a reset" } else { "an end" };
        self.trace.note(self.now, side, format!("sees {how} of its connection"));
        self.measured.push(format!("the {side} saw {how} after {:.1} ms", took.as_secs_f64() * 1000.0));
        if took > Duration::from_millis(most.into()) {
            self.late = true;
            self.find(
                Passage::Altered,
                format!("the end was held back from the {side} for {:.1} s", took.as_secs_f64()),
            );
        }
        true
    }
}

/// Returns the last of several consecutive heads.
fn last_head(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes.to_vec();
    let mut last = None;
    while let Some(head) = RawHead::take(&mut rest) {
        last = Some(head.bytes);
    }
    last.unwrap_or(rest)
}
