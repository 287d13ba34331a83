//! Routes requests to the resources of the control protocol and the cases behind them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use bowsprit::handshake::{Head, OriginPolicy, StartLine};
use percent_encoding::percent_decode_str;

use super::client::Stage;
use super::exam::{Exam, Next, Notice};
use super::reply::Reply;
use crate::case::{Case, Subject};
use crate::cases;
use crate::http2::HOSTED;
use crate::player::{Player, Record};
use crate::playing::Playing;

/// Knows the cases and answers requests.
pub(super) struct Routes<'e> {
    pub(super) exam: &'e Exam,
    pub(super) host: String,
    pub(super) statuses: HashMap<(String, &'static str), &'static str>,
    pub(super) next: Next,
    /// The case and agent that the next connection is for.
    pub(super) turn: Option<(&'static Case, String)>,
}

/// Returns whether a case announces other settings than usual, so that its connection has to be known before its
/// request.
pub(super) fn begins_early(case: &Case) -> bool {
    case.http2.is_some_and(|exchange| exchange.settings != HOSTED)
}

impl Routes<'_> {
    /// Returns the stage that follows a request.
    pub(super) fn answer(&mut self, now: Duration, head: &Head, bytes: &[u8]) -> Stage {
        let StartLine::Request { target, .. } = head.start_line() else { return Stage::Over };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let agent = param(query, "agent").unwrap_or_else(|| "client".to_owned());
        let case = self.case(path, query);
        match (path, case) {
            ("/getCaseCount", _) => Stage::told(head, &self.exam.cases.len().to_string()),
            ("/updateReports", _) => match Reply::new(head) {
                Some(mut reply) => {
                    reply.finished = Some(agent);
                    reply.close();
                    Stage::Replying(reply)
                }
                None => Stage::Over,
            },
            ("/getCaseStatus", Some(case)) => match Reply::new(head) {
                Some(mut reply) => {
                    match self.statuses.get(&(agent.clone(), case.id)) {
                        Some(status) => reply.say(&format!("{{\"behavior\": \"{status}\"}}")),
                        None => reply.waits_for = Some((agent, case.id)),
                    }
                    Stage::Replying(reply)
                }
                None => Stage::Over,
            },
            ("/getCaseInfo", Some(case)) => {
                let info = serde_json::json!({ "id": case.id, "description": case.title });
                Stage::told(head, &info.to_string())
            }
            // The case may begin before its request, so the next connection is for it.
            ("/nextCase", Some(case)) => {
                if begins_early(case) {
                    self.turn = Some((case, agent));
                }
                Stage::told(head, case.id)
            }
            (_, Some(case)) if case.http2.is_some() => Stage::Handover(case, agent),
            (_, Some(case)) => {
                let mut player = Player::new(case, Subject::Client, &self.host, "/", self.exam.options);
                player.receive(now, bytes);
                Stage::Case(Playing::Frames(Box::new(player)), agent)
            }
            _ => Stage::refuse(),
        }
    }

    /// Records the result of a case with this agent.
    pub(super) fn played(&mut self, record: Record, agent: String) -> Notice {
        self.statuses.insert((agent.clone(), record.case.id), record.verdict.behaviour.name());
        Notice::Played(agent, Box::new(record))
    }

    /// Returns the case that a request names by number, by Autobahn's `casetuple`, or in its path.
    fn case(&self, path: &str, query: &str) -> Option<&'static Case> {
        if let Some(id) = path.strip_prefix("/case/") {
            return cases::find(&percent_decode(id)).filter(|case| case.examines(Subject::Client));
        }
        if let Some(id) = param(query, "casetuple") {
            return cases::find(id.trim()).filter(|case| case.examines(Subject::Client));
        }
        let number: usize = param(query, "case")?.parse().ok()?;
        self.exam.cases.get(number.checked_sub(1)?).copied()
    }
}

/// Returns the stage that follows if a page may not take part.
pub(super) fn foreign(policy: &OriginPolicy, head: &Head) -> Option<Stage> {
    let text = |name| head.values(name).next().map(String::from_utf8_lossy);
    let origin = text("origin")?;
    let host = text("host").unwrap_or_default();
    policy.judge(Some(&as_page(&origin)), &host).is_err().then(|| Stage::refuse_page(origin.into_owned()))
}

/// No page has an origin with the scheme `ws`, but clients other than browsers send the URL they connect to as their
/// origin.
fn as_page(origin: &str) -> Cow<'_, str> {
    match origin.strip_prefix("ws") {
        Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => format!("http{rest}").into(),
        _ => origin.into(),
    }
}

/// Returns a parameter of a query, percent-decoded, with `+` for a blank; invalid escapes stay as they are.
fn param(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(this, _)| *this == name).map(|(_, value)| percent_decode(&value.replace('+', " ")))
}

fn percent_decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_that_a_client_connects_to_is_no_foreign_origin() {
        let policy = OriginPolicy::loopback();
        for (origin, may) in [
            ("ws://127.0.0.1:9001", true),
            ("wss://127.0.0.1:9001", true),
            ("http://127.0.0.1:9001", true),
            ("ws://elsewhere.example", false),
            ("ws", false),
            ("wsx://127.0.0.1:9001", false),
        ] {
            assert_eq!(policy.judge(Some(&as_page(origin)), "127.0.0.1:9001").is_ok(), may, "{origin}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        assert_eq!(param("case=7&agent=a%20b+c%zz%", "agent").as_deref(), Some("a b c%zz%"));
        assert_eq!(param("case=7", "agent"), None);
    }
}
