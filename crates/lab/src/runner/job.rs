//! A case on its way: to be played, or played but not finally judged.

use std::time::Instant;

use crate::case::{Case, Pace, Step, Subject};
use crate::judge::AnswerSeen;
use crate::player::Record;

/// The weight of a heavy case.
pub const HEAVY: usize = 4;

/// A case to play.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) case: &'static Case,
    /// Its record from when it was played beside others; now it is played alone.
    pub(super) before: Option<Box<Record>>,
}

/// A case that has ended and waits for a sign of life.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) record: Record,
    pub(super) before: Option<Box<Record>>,
    pub(super) begun: Instant,
    pub(super) at: Instant,
}

pub(super) fn weight(case: &Case) -> usize {
    if case.has_tag("heavy") { HEAVY } else { 1 }
}

/// Returns how many milliseconds a script waits, with the pauses between single bytes estimated.
pub(super) fn waiting(case: &Case) -> u32 {
    let breaths = |pace: Pace| if pace == Pace::Bytes(1) { 300 } else { 0 };
    let millis = |step: &Step| match step {
        Step::Wait(millis) | Step::Rest(millis) => u32::from(*millis),
        Step::Pace(pace) => breaths(*pace),
        _ => 0,
    };
    breaths(case.opening.pace) + case.script.iter().map(millis).sum::<u32>()
}

/// Returns the record of a case that is not played any more.
pub(super) fn unplayed(job: Job, why: &str) -> Record {
    match job.before {
        Some(before) => *before,
        None => Record::not_played(job.case, Subject::Server, why),
    }
}

/// Returns whether a case failed for lack of time or room, as cases do when a peer has no resources left beside others.
pub(super) fn of_load(record: &Record) -> bool {
    let facts = &record.facts;
    let busy = matches!(facts.answer, Some((AnswerSeen::Status(429 | 502 | 503 | 504), None)));
    let unheard = matches!(facts.answer, Some((AnswerSeen::Dropped | AnswerSeen::Silent, None)));
    !record.verdict.passed()
        && (facts.timed_out || facts.dropped_by_us || facts.unconnected || facts.late || busy || unheard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_cases_go_first() {
        let (quick, slow) = (crate::cases::find("1.1.1"), crate::cases::find("6.4.1"));
        assert!(slow.map(waiting) > quick.map(waiting));
    }
}
