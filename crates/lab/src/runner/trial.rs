//! What playing cases alone has shown about failures that our own load may have caused.
//!
//! If several failures of one cause recurred alone, the others of that cause are accepted without another try: a server
//! that lets every connection wait at its end does so whatever else is played.

use std::collections::{BTreeMap, HashSet};

use super::job::Job;
use crate::judge::{Behaviour, CloseBehaviour};
use crate::player::Record;

/// How many failures of one cause are played alone before the rest is accepted.
const BELIEVED: usize = 4;

/// The text of a verdict, which is as near to its cause as we can get.
type Cause = (Behaviour, CloseBehaviour, String, String);

fn cause(record: &Record) -> Cause {
    let verdict = &record.verdict;
    (verdict.behaviour, verdict.close, verdict.reason.clone(), verdict.close_reason.clone())
}

/// The failures that were played alone.
#[derive(Debug, Default)]
pub(super) struct Trials {
    /// How many failed again, by the cause of their first failure.
    failed: BTreeMap<Cause, usize>,
    /// Whether a case has passed alone, so that no failure is accepted without a try.
    muddled: bool,
    /// Causes that were tried before their turn.
    tried: HashSet<Cause>,
}

impl Trials {
    /// Returns whether a failure would recur alone, as those before it did.
    pub(super) fn believe(&self, record: &Record) -> bool {
        !self.muddled && self.failed.get(&cause(record)).is_some_and(|failed| *failed >= BELIEVED)
    }

    /// Records that a case that had failed passed alone.
    pub(super) fn passed(&mut self) {
        self.muddled = true;
    }

    /// Records that a case that had failed like this failed alone as well.
    pub(super) fn failed(&mut self, first: &Record) {
        *self.failed.entry(cause(first)).or_default() += 1;
    }

    /// Takes enough failures of one cause to decide about it, if there are some of a cause that was not tried yet.
    pub(super) fn pick(&mut self, again: &mut Vec<Job>) -> Vec<Job> {
        let mut causes: BTreeMap<Cause, usize> = BTreeMap::new();
        for record in again.iter().filter_map(|job| job.before.as_deref()) {
            *causes.entry(cause(record)).or_default() += 1;
        }
        let enough = |(cause, count): (Cause, usize)| {
            (count >= BELIEVED && !self.failed.contains_key(&cause) && !self.tried.contains(&cause))
                .then_some(cause)
        };
        let Some(tried) = causes.into_iter().find_map(enough).filter(|_| !self.muddled) else {
            return Vec::new();
        };
        let of_it = |job: &Job| job.before.as_deref().is_some_and(|record| cause(record) == tried);
        let mut picked = Vec::new();
        while picked.len() < BELIEVED
            && let Some(at) = again.iter().position(of_it)
        {
            picked.push(again.swap_remove(at));
        }
        self.tried.insert(tried);
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Subject;
    use crate::cases;

    fn failure(reason: &str) -> Record {
        let mut record = Record::not_played(cases::find("1.1.1").unwrap(), Subject::Server, "");
        record.verdict.behaviour = Behaviour::Failed;
        reason.clone_into(&mut record.verdict.reason);
        record
    }

    fn jobs(reasons: &[&str]) -> Vec<Job> {
        let job = |reason: &&str| {
            let record = failure(reason);
            Job { case: record.case, before: Some(Box::new(record)) }
        };
        reasons.iter().map(job).collect()
    }

    #[test]
    fn a_cause_is_believed_when_enough_of_it_failed_alone() {
        let mut trials = Trials::default();
        for _ in 0..BELIEVED {
            assert!(!trials.believe(&failure("late")));
            trials.failed(&failure("late"));
        }
        assert!(trials.believe(&failure("late")) && !trials.believe(&failure("other")));
        trials.passed();
        assert!(!trials.believe(&failure("late")), "one that passed alone makes the rest doubtful");
    }

    #[test]
    fn enough_of_one_cause_are_tried_once() {
        let (mut trials, mut again) = (Trials::default(), jobs(&["late", "other", "late", "late"]));
        assert!(trials.pick(&mut again).is_empty());
        again.extend(jobs(&["late", "late"]));
        let picked = trials.pick(&mut again);
        let reasons: Vec<_> =
            picked.iter().map(|job| &*job.before.as_ref().unwrap().verdict.reason).collect();
        assert_eq!((reasons, again.len()), (vec!["late"; BELIEVED], 2));
        again.extend(jobs(&["late"; BELIEVED]));
        assert!(trials.pick(&mut again).is_empty());
    }
}
