//! A server that is examined through a proxy: which of its failures may be the proxy's.
//!
//! In: the record of a case that was played through the proxy, and whether the same case passed at the server itself, if it
//! was asked. Out: the record as it stands. A proxy has its own say in a handshake (RFC 9110 §7.6, RFC 9112): it repairs
//! what is wrong, answers by itself, and takes out fields that are for one connection. Behind the handshake a tunnel
//! begins, and nothing there is forgiven.

use super::case::Edit;
use super::judge::{AnswerSeen, Behaviour, CloseBehaviour, Verdict};
use super::player::Record;

/// Fields that are the server's alone: a proxy passes them on, and has nothing to say of them.
const END_TO_END: &str = "sec-websocket-";

impl Record {
    /// Whether a proxy can have brought this about, so that the server has to be asked itself: the case is about the
    /// opening handshake, and has not passed in full.
    pub fn may_be_of_proxy(&self) -> bool {
        let is_handshake = !self.case.opening.edits.is_empty() || self.case.has_tag("handshake");
        let is_gone = matches!(
            self.verdict.behaviour,
            Behaviour::Crashed
                | Behaviour::Hung
                | Behaviour::NotPlayed
                | Behaviour::NotApplicable
                | Behaviour::NotReached
        );
        is_handshake && !is_gone && !self.verdict.strictly_passed()
    }

    /// What is left of that where the server cannot be asked itself: an upgrade of what was as a proxy passes it on is
    /// the server's own.
    fn is_likely_of_proxy(&self) -> bool {
        let edits = self.case.opening.edits;
        let opened = matches!(self.facts.answer, Some((AnswerSeen::Opened, _)));
        self.may_be_of_proxy() && !edits.is_empty() && !(opened && edits.iter().all(is_end_to_end))
    }

    /// The record of a case that was played through a proxy. `itself`: whether the server passed it when it was asked
    /// without the proxy; `None`: it was not asked.
    #[must_use]
    pub fn behind_proxy(self, itself: Option<bool>) -> Self {
        let why = match itself {
            Some(true) if self.may_be_of_proxy() => {
                "It did not reach the server as it was sent: without the proxy, the server passes."
            }
            None if self.is_likely_of_proxy() => {
                "It did not reach the server as it was sent, as far as can be seen: a proxy may change such a request, or answer it."
            }
            _ => return self,
        };
        let seen = match self.verdict.behaviour {
            Behaviour::Ok => &self.verdict.close_reason,
            _ => &self.verdict.reason,
        };
        let verdict = Verdict {
            behaviour: Behaviour::NotReached,
            reason: format!("{why} Through the proxy: {seen}"),
            close: CloseBehaviour::Informational,
            close_reason: "The ending is not judged.".to_owned(),
        };
        Self { verdict, ..self }
    }
}

fn is_end_to_end(edit: &Edit) -> bool {
    let line = match edit {
        Edit::Line(_, line) | Edit::Without(line) | Edit::Add(line) | Edit::Long(line, ..) => line,
        _ => return false,
    };
    line.get(..END_TO_END.len()).is_some_and(|start| start.eq_ignore_ascii_case(END_TO_END))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Class, Subject};
    use crate::cases::find;
    use crate::judge::{Facts, judge};

    /// What comes of a case that was answered so: asked alone of the proxy, where the server passes, where it fails.
    fn after(id: &str, answer: (AnswerSeen, Option<Class>)) -> [Behaviour; 3] {
        let case = find(id).unwrap();
        let mut record = Record::not_played(case, Subject::Server, "yet");
        record.facts = Facts { answer: Some(answer), timed_out: true, ..Facts::default() };
        record.verdict = judge(case, &record.facts);
        [None, Some(true), Some(false)].map(|itself| record.clone().behind_proxy(itself).verdict.behaviour)
    }

    #[test]
    fn only_what_a_proxy_can_have_done_is_forgiven() {
        use Behaviour::{Failed, NonStrict, NotReached, Ok};
        let (opened, refused) = (AnswerSeen::Opened, AnswerSeen::Status(400));
        for (id, answer, verdicts) in [
            // Connection was missing, and somebody has opened it.
            ("HSS-048", (opened, None), [NotReached, NotReached, Failed]),
            // A Host that the proxy does not serve.
            ("HSS-036.1", (refused, None), [NotReached, NotReached, Failed]),
            // It ended a request that has to be answered with 400.
            ("HSS-034", (AnswerSeen::Dropped, Some(Class::NonStrict)), [NotReached, NotReached, NonStrict]),
            // No key, and yet an answer: no proxy makes that up.
            ("HSS-058", (opened, None), [Failed, NotReached, Failed]),
            // It has refused what is wrong.
            ("HSS-048", (refused, Some(Class::Ok)), [Ok, Ok, Ok]),
            // A good request, refused.
            ("HSS-001", (refused, None), [Failed, NotReached, Failed]),
            // In the tunnel.
            ("1.1.1", (opened, Some(Class::Ok)), [Failed, Failed, Failed]),
        ] {
            assert_eq!(after(id, answer), verdicts, "{id} {answer:?}");
        }
    }

    #[test]
    fn fields_of_websocket_alone_are_end_to_end() {
        for (edit, is) in [
            (Edit::Without("Sec-WebSocket-Key"), true),
            (Edit::Line("Sec-WebSocket-Key", "sec-websocket-key:"), true),
            (Edit::Add("Sec-WebSocket-Version: 8"), true),
            (Edit::Add("Sec"), false),
            (Edit::Without("Connection"), false),
            (Edit::First("GET {target} HTTP/1.0"), false),
            (Edit::After(b"x"), false),
        ] {
            assert_eq!(is_end_to_end(&edit), is, "{edit:?}");
        }
    }
}
