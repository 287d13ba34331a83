//! A server examined through a proxy: which of its failures may be the proxy's.
//!
//! In: the record of a case that was played through the proxy and, if the server was also asked directly, whether it
//! passed the same case. Out: the corrected record. A proxy takes part in the handshake (RFC 9110 §7.6, RFC 9112): it
//! repairs faults, answers requests itself and removes fields that belong to one connection. After the handshake there
//! is a tunnel, and no failure in it is excused.

use super::case::Edit;
use super::judge::{AnswerSeen, Behaviour, CloseBehaviour, Verdict};
use super::player::Record;

/// Prefix of the fields that are the server's alone: a proxy forwards them unchanged.
const END_TO_END: &str = "sec-websocket-";

impl Record {
    /// Returns whether a proxy can have caused this result, so that the server has to be asked directly. That is so if
    /// the case is about the opening handshake and has not passed in full.
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

    /// Returns whether the proxy remains the likely cause if the server cannot be asked directly. If the server
    /// upgraded a request that a proxy forwards unchanged, the fault is the server's own.
    fn is_likely_of_proxy(&self) -> bool {
        let edits = self.case.opening.edits;
        let opened = matches!(self.facts.answer, Some((AnswerSeen::Opened, _)));
        self.may_be_of_proxy() && !edits.is_empty() && !(opened && edits.iter().all(is_end_to_end))
    }

    /// Returns the record of a case that was played through a proxy. `itself` says whether the server passed the case
    /// when it was asked directly; `None` means that it was not asked.
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

    /// Returns the behaviour for a case that was answered like this: without asking the server directly, if the server
    /// passes, and if it fails.
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
            // Connection was missing, and the connection was opened all the same.
            ("HSS-048", (opened, None), [NotReached, NotReached, Failed]),
            // A Host that the proxy does not serve.
            ("HSS-036.1", (refused, None), [NotReached, NotReached, Failed]),
            // The connection was ended where the request has to be answered with 400.
            ("HSS-034", (AnswerSeen::Dropped, Some(Class::NonStrict)), [NotReached, NotReached, NonStrict]),
            // An answer although there was no key: no proxy makes that up.
            ("HSS-058", (opened, None), [Failed, NotReached, Failed]),
            // The wrong request was refused.
            ("HSS-048", (refused, Some(Class::Ok)), [Ok, Ok, Ok]),
            // A good request was refused.
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
