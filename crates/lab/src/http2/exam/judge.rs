//! From what was seen to a verdict.

use super::super::exchange::Seen;
use super::super::frame::{code, code_name};
use super::super::session::Half;
use super::Examiner;
use crate::case::{Class, Subject};
use crate::judge::{AnswerSeen, Behaviour, CloseBehaviour, Verdict};
use crate::player::Record;
use crate::rule::Violation;

impl Examiner {
    /// Returns the verdict and everything it rests on.
    pub(crate) fn finish(mut self) -> Record {
        let opened =
            self.session.streams().any(|(_, half)| half.status.is_some_and(|status| status / 100 == 2));
        let best = self.best();
        let seen = if opened { AnswerSeen::Opened } else { AnswerSeen::Dropped };
        self.facts.answer = (!self.facts.unconnected).then_some((seen, best));
        if self.subject == Subject::Client && self.own.is_some() {
            self.facts.answer = Some((AnswerSeen::Opened, best));
        }
        let violation = self.violation();
        let (behaviour, reason) = match (self.facts.unconnected, &violation, best) {
            (true, ..) => (Behaviour::Refused, "The server did not take the connection.".to_owned()),
            (_, Some(violation), _) => (Behaviour::Failed, violation.to_string()),
            (.., Some(Class::Ok)) => (Behaviour::Ok, "What came is what should come.".to_owned()),
            (.., Some(Class::NonStrict)) => {
                (Behaviour::NonStrict, format!("What came is allowed but not recommended: {}.", self.told()))
            }
            (.., Some(Class::Informational)) => {
                (Behaviour::Informational, format!("This is only observed: {}.", self.told()))
            }
            (.., None) => {
                (Behaviour::Failed, format!("What came is none of what is right: {}.", self.told()))
            }
        };
        self.facts.violation = violation;
        self.facts.heard = self.shows_life();
        let close_reason = match behaviour {
            Behaviour::Refused => "The opening handshake was never completed.",
            _ => "The ending is not judged.",
        };
        let verdict = Verdict {
            behaviour,
            reason,
            close: CloseBehaviour::Informational,
            close_reason: close_reason.to_owned(),
        };
        Record {
            case: self.case,
            subject: self.subject,
            verdict,
            facts: self.facts,
            log: self.log,
            duration: self.duration,
        }
    }

    /// Returns the first rule that the peer broke, on the connection or on a stream.
    pub(super) fn violation(&self) -> Option<Violation> {
        let of_streams = self.session.streams().find_map(|(_, half)| half.fault.clone());
        self.facts.violation.clone().or_else(|| self.session.fault.clone()).or(of_streams)
    }

    /// Describes what was seen.
    pub(super) fn told(&self) -> String {
        let mut parts = Vec::new();
        for (stream, half) in self.session.streams() {
            let mut words = Vec::new();
            if let Some(status) = half.status {
                words.push(format!("status {status}"));
            }
            if let Some(socket) = self.sockets.get(&stream) {
                if !socket.texts.is_empty() {
                    words.push(format!("{} message(s)", socket.texts.len()));
                }
                match socket.closed {
                    Some(Some(code)) => words.push(format!("Close {code}")),
                    Some(None) => words.push("Close".to_owned()),
                    None => {}
                }
            }
            if half.ended {
                words.push("END_STREAM".to_owned());
            }
            if let Some(code) = half.reset {
                words.push(format!("RST_STREAM with {}", code_name(code)));
            }
            let words = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
            parts.push(format!("stream {stream}: {words}"));
        }
        if let Some((_, code)) = self.session.goaway {
            parts.push(format!("GOAWAY with {}", code_name(code)));
        }
        if let Some(ended) = &self.ended {
            parts.push(ended.clone());
        }
        if parts.is_empty() { "nothing came".to_owned() } else { parts.join("; ") }
    }

    pub(super) fn best(&self) -> Option<Class> {
        let holds = |seen: &&'static [Seen]| seen.iter().all(|seen| self.holds(seen));
        self.exchange.outcomes.iter().filter(|(_, seen)| holds(seen)).map(|(class, _)| *class).min()
    }

    pub(super) fn holds(&self, seen: &Seen) -> bool {
        let stream = seen.stream().map(|stream| self.number(stream));
        let half = stream.and_then(|stream| self.session.stream(stream));
        let socket = stream.and_then(|stream| self.sockets.get(&stream));
        let status = half.and_then(|half| half.status);
        let over = |half: &Half| half.ended || half.reset.is_some();
        match *seen {
            Seen::Opened(_) => {
                status.is_some_and(|status| status / 100 == 2) && half.is_some_and(|half| !over(half))
            }
            Seen::Status(_, right) => status.is_some_and(|status| right.contains(&status)),
            Seen::Refused(_) => status.is_some_and(|status| (400..600).contains(&status)),
            Seen::Answered(_) => status.is_some() || half.is_some_and(over),
            Seen::Reset(_, codes) => {
                half.and_then(|half| half.reset).is_some_and(|code| codes.is_empty() || codes.contains(&code))
            }
            Seen::Over(_) => half.is_some_and(over),
            Seen::Ended(_) => half.is_some_and(|half| half.ended),
            Seen::Echo(_, text) => {
                socket.is_some_and(|socket| socket.texts.iter().any(|one| one == text.as_bytes()))
            }
            Seen::EchoLong(_, length) => {
                socket.is_some_and(|socket| socket.texts.iter().any(|one| one.len() == length))
            }
            Seen::Closed(_, codes) => socket
                .and_then(|socket| socket.closed)
                .is_some_and(|code| code.is_none_or(|code| codes.contains(&code))),
            Seen::Has(_, name, value) => {
                half.is_some_and(|half| half.values(name).any(|this| this == value.as_bytes()))
            }
            Seen::Lacks(_, name) => half.is_some_and(|half| half.values(name).next().is_none()),
            Seen::Body(_) => half.is_some_and(|half| half.has_data || half.ended),
            Seen::Asked => self.own.is_some(),
            Seen::NotAsked => self.own.is_none(),
            Seen::Gone(_) => half.is_some_and(over) || self.session.goaway.is_some() || self.ended.is_some(),
            Seen::Silent(_) => half.is_none_or(|half| !half.has_bytes),
            Seen::Served(_) => status.is_some() && half.is_some_and(|half| half.ended),
            Seen::Quiet(_) => {
                half.is_some_and(|half| !over(half)) && socket.is_none_or(|socket| socket.texts.is_empty())
            }
            Seen::Fails(codes) => match (self.session.goaway, &self.ended) {
                (Some((_, code)), _) => code != code::NO_ERROR && (codes.is_empty() || codes.contains(&code)),
                (None, ended) => ended.is_some(),
            },
            Seen::Alive => self.session.goaway.is_none() && self.ended.is_none(),
            Seen::Goaway(wanted) => self.session.goaway.is_some_and(|(_, code)| code == wanted),
            Seen::Setting(name, value) => self.session.settings.contains(&(name, value)),
            Seen::Settings => self.session.settings_frames > 0,
            Seen::Acknowledged(count) => self.session.acknowledged >= count,
            Seen::Pong(data) => self.session.pongs.contains(&data),
        }
    }

    /// Returns whether this can still come true.
    pub(super) fn can_come(&self, seen: &Seen) -> bool {
        let half = seen.stream().and_then(|stream| self.session.stream(self.number(stream)));
        self.ended.is_none() && self.session.fault.is_none() && half.is_none_or(|half| !half.is_over())
    }
}
