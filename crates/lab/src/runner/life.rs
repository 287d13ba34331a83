//! What the server's signs of life say about the cases that have ended: no verdict is final before one.

use std::time::{Duration, Instant};

use super::blame;
use super::job::{Ended, Job, of_load, unplayed};
use super::peer::{Aftermath, Doubt, Gone, Peer};
use super::probe::PROBE;
use super::{Report, Runner};
use crate::judge::{AnswerSeen, Behaviour};
use crate::player::Record;
use crate::wire::Item;

/// How long a server that accepts no connections may take to be back.
const BACK: Duration = Duration::from_secs(2);
/// The pause between two probes of a server that accepts no connections.
const PAUSE: Duration = Duration::from_millis(50);
/// How many unanswered probes mean that the server hangs.
const PROBES: u32 = 3;

impl Runner<'_> {
    /// Ends a case, whose verdict now waits for a sign of life.
    pub(super) fn end(&mut self, job: Job, begun: Instant, record: Record, refused: bool) {
        if record.facts.unconnected {
            self.be_in_doubt(refused);
        } else if of_load(&record) && begun >= self.eased && !self.trials.believe(&record) {
            self.jobs = (self.jobs / 2).max(1);
            self.eased = Instant::now();
        }
        // If nobody answers, the other cases should not all wait for their patience first.
        if of_load(&record) && self.lived.is_none_or(|lived| lived < begun) {
            self.be_in_doubt(false);
        }
        self.ended.push(Ended { record, before: job.before, begun, at: Instant::now() });
    }

    pub(super) fn be_in_doubt(&mut self, refused: bool) {
        let now = Instant::now();
        let doubt =
            self.doubt.get_or_insert(Doubt { since: now, refused: false, next: now, silent: 0, seen: None });
        doubt.refused |= refused;
    }

    /// Records that the server has shown life on a connection that was begun at this time.
    pub(super) fn lives(&mut self, begun: Instant, id: &'static str, report: Report<'_>) {
        if self.lived.is_some_and(|lived| lived >= begun) {
            return;
        }
        self.lived = Some(begun);
        // Connections that were refused since then may have been refused because the server had crashed and is back.
        if self.doubt.as_ref().is_some_and(|doubt| doubt.refused) && id != PROBE.id {
            return;
        }
        let (sure, unsure) = std::mem::take(&mut self.ended).into_iter().partition(|ended| ended.at <= begun);
        self.ended = unsure;
        let sure: Vec<Ended> = sure;
        for ended in sure {
            self.settle(ended, Aftermath::Serves(id), report);
        }
    }

    /// Reports a verdict, or puts the case in line to be played alone.
    fn settle(&mut self, ended: Ended, aftermath: Aftermath, report: Report<'_>) {
        let Ended { mut record, before, .. } = ended;
        match before {
            // One of the cases beside it may have ended its connection.
            None if record.facts.lost => self.again.push(Job { case: record.case, before: None }),
            None if of_load(&record) && self.plan.jobs > 1 => {
                self.again.push(Job { case: record.case, before: Some(Box::new(record)) });
            }
            None => report(record, Some(aftermath)),
            Some(first) => {
                if record.verdict.passed() {
                    self.trials.passed();
                    let reason =
                        format!("Beside other cases: {} Alone: {}", told(&first), record.verdict.reason);
                    record.verdict.reason = reason;
                    record.verdict.behaviour = Behaviour::Muddled;
                } else {
                    self.trials.failed(&first);
                    if self.alone.is_none() && self.trials.believe(&first) {
                        self.jobs = self.plan.jobs;
                    }
                }
                report(record, Some(aftermath));
            }
        }
    }

    /// Handles the end of a probe.
    pub(super) fn probed(&mut self, record: Record, begun: Instant, report: Report<'_>) {
        let Some(mut doubt) = self.doubt.take() else { return };
        let answer = record.facts.answer.map(|(seen, _)| seen);
        if answer == Some(AnswerSeen::Opened) && !record.facts.unconnected {
            let lived = self.lived.replace(begun);
            let ended = std::mem::take(&mut self.ended);
            if doubt.refused {
                return self.came_back(ended, lived, report);
            }
            for ended in ended {
                self.settle(ended, Aftermath::Serves(PROBE.id), report);
            }
            return;
        }
        let how = match answer {
            Some(AnswerSeen::Silent) => Gone::Hung,
            _ => Gone::Crashed,
        };
        let seen =
            if record.facts.unconnected { connect_error(&record) } else { record.verdict.reason.clone() };
        doubt.silent += u32::from(how == Gone::Hung);
        let now = Instant::now();
        let seen = match doubt.seen.take() {
            // The first finding was made when the server had just gone, and says the most.
            Some(seen) if how == Gone::Crashed => seen,
            _ => (how, seen),
        };
        let again = match how {
            Gone::Crashed => now < doubt.since + BACK,
            Gone::Hung => doubt.silent < PROBES,
        };
        if again {
            self.doubt = Some(Doubt { next: now + PAUSE, seen: Some(seen), ..doubt });
        } else {
            self.gone(seen, report);
        }
    }

    /// Handles a server that had refused connections and accepts them again: it was restarted.
    fn came_back(&mut self, ended: Vec<Ended>, lived: Option<Instant>, report: Report<'_>) {
        let (refused, mut played): (Vec<_>, Vec<_>) =
            ended.into_iter().partition(|ended| ended.record.facts.unconnected);
        for Ended { record, .. } in refused {
            // The case had no server to play against.
            self.again.push(Job { case: record.case, before: None });
        }
        let blamed = blame::suspects(&played, Gone::Crashed, lived);
        for at in (0..played.len()).rev() {
            let ended = played.swap_remove(at);
            match (blamed.contains(&ended.record.case.id), blamed.len()) {
                (true, 1) => {
                    let seen = "it refused connections after this case, and was back later".to_owned();
                    let record = blame::accuse(ended.record, Gone::Crashed, &blamed, &seen);
                    report(record, Some(Aftermath::Gone(seen)));
                }
                (true, _) => self.again.push(Job { case: ended.record.case, before: None }),
                (false, _) if of_load(&ended.record) => {
                    self.again.push(Job { case: ended.record.case, before: None });
                }
                (false, _) => report(ended.record, Some(Aftermath::Serves(PROBE.id))),
            }
        }
        // These are played alone, so that the next one to blame is found at once.
        self.again.extend(std::mem::take(&mut self.queue));
    }

    /// Ends the run because the server is not there any more.
    fn gone(&mut self, (how, seen): (Gone, String), report: Report<'_>) {
        // If the server has never served, no case can be blamed for ending it.
        let never = self.lived.is_none();
        let blamed = if never { Vec::new() } else { blame::suspects(&self.ended, how, self.lived) };
        for ended in std::mem::take(&mut self.ended) {
            let id = ended.record.case.id;
            if blamed.contains(&id) {
                let record = blame::accuse(ended.record, how, &blamed, &seen);
                report(record, Some(Aftermath::Gone(seen.clone())));
            } else if never && !ended.record.facts.unconnected
                || ended.record.facts.took_leave() && !of_load(&ended.record)
            {
                report(ended.record, Some(Aftermath::Gone(seen.clone())));
            } else {
                report(ended.record.unplayed("the server was gone before it was through"), None);
            }
        }
        let jobs = std::mem::take(&mut self.queue).into_iter().chain(std::mem::take(&mut self.again));
        for job in jobs.collect::<Vec<_>>() {
            report(unplayed(job, "the server was gone before"), None);
        }
        self.peer = Peer::Gone(how, blamed);
    }
}

/// Describes both verdicts in a sentence or two.
fn told(record: &Record) -> String {
    match record.verdict.behaviour {
        Behaviour::Ok | Behaviour::NonStrict => record.verdict.close_reason.clone(),
        _ => record.verdict.reason.clone(),
    }
}

/// Returns why there is no connection.
fn connect_error(record: &Record) -> String {
    let notes = record.log.lines().iter().rev().filter_map(|line| match &line.item {
        Item::Note(note) => Some(note.clone()),
        _ => None,
    });
    notes.into_iter().next().unwrap_or_else(|| "could not connect".to_owned())
}
