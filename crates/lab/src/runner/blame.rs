//! Finds the case to blame for a server that is gone.
//!
//! If one case was played at a time, there is no question. Of many, most are cleared by the last things the server did:
//! it answered a connection that was begun after their last bytes, or it ended them in good order, or it had answered
//! everything that they had sent.

use std::time::Instant;

use super::job::Ended;
use super::peer::Gone;
use crate::case::{By, Case};
use crate::judge::{AnswerSeen, Behaviour, CloseBehaviour, Verdict};
use crate::player::Record;

/// Returns the cases that may have done it, of those that no sign of life has cleared.
pub(super) fn suspects(ended: &[Ended], how: Gone, lived: Option<Instant>) -> Vec<&'static str> {
    let mut suspects: Vec<&Ended> = ended.iter().filter(|ended| !ended.record.facts.unconnected).collect();
    let signs: [&dyn Fn(&Ended) -> bool; 8] = [
        // The server ended the others in good order.
        &|ended| !ended.record.facts.took_leave(),
        // A server that hangs ends nothing.
        &|ended| how == Gone::Crashed || !ended.record.facts.ended_by_peer,
        // The server has lived on after the last bytes of the others.
        &|ended| lived.is_none_or(|lived| ended.begun + ended.record.facts.last_sent >= lived),
        // A good request without an answer met a server that was gone already.
        &|ended| {
            let answered = !matches!(
                ended.record.facts.answer,
                None | Some((AnswerSeen::Dropped | AnswerSeen::Silent, _))
            );
            answered || !ended.record.case.opening.edits.is_empty()
        },
        // The others had not reached their critical step.
        &|ended| how == Gone::Hung || ended.record.facts.sent_all,
        // The server owed the others nothing.
        &|ended| ended.record.facts.last_sent > ended.record.facts.last_heard,
        // The others sent nothing wrong.
        &|ended| provokes(ended.record.case),
        // A process that ends resets the connections whose bytes it has not read.
        &|ended| !ended.record.facts.reset,
    ];
    for sign in signs {
        if suspects.iter().any(|ended| sign(ended)) {
            suspects.retain(|ended| sign(ended));
        }
    }
    suspects.into_iter().map(|ended| ended.record.case.id).collect()
}

/// Returns whether a case sends something wrong, or odd enough to end a process.
pub(super) fn provokes(case: &Case) -> bool {
    case.expect.close.by == By::Peer || !case.expect.close.clean || !case.opening.edits.is_empty()
}

/// Changes the record of a case that is to blame, alone or with others.
pub(super) fn accuse(mut record: Record, how: Gone, suspects: &[&str], seen: &str) -> Record {
    let (behaviour, what) = match how {
        Gone::Crashed => (Behaviour::Crashed, "The server has taken no connections"),
        Gone::Hung => (Behaviour::Hung, "The server has answered nobody"),
    };
    let id = record.case.id;
    let since = match suspects {
        [_] => "since this case was played".to_owned(),
        _ => {
            let others: Vec<&str> = suspects.iter().copied().filter(|other| *other != id).take(8).collect();
            format!("since this case was played, or one of those beside it: {}", others.join(", "))
        }
    };
    record.verdict = Verdict {
        behaviour,
        reason: format!("{what} {since} ({}).", seen.trim_end_matches('.')),
        close: CloseBehaviour::Failed,
        close_reason: "The server is gone.".to_owned(),
    };
    record
}
