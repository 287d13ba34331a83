//! How long `connect` waits for answers after its last line.
//!
//! Many servers drop what they have not answered once they see our Close frame: Python `websockets` does. RFC 6455
//! §7.1.6 allows that. So we close when as many messages have come as were sent, or else when the server has been quiet
//! for a while.

use bowsprit_lab::counted;
use std::time::{Duration, Instant};

/// What was sent, what has come, and since when nothing has happened.
#[derive(Debug)]
pub(super) struct Answers {
    /// How long the server may be quiet; `None` if we do not close by ourselves.
    quiet: Option<Duration>,
    sent: u64,
    came: u64,
    /// How many messages came after we had begun to close.
    late: u64,
    /// Set from the last line on: when anything last moved, and how many bytes had moved by then.
    waiting: Option<(Instant, Moved)>,
    /// Whether a Ping or Pong has come, which is not a part of an answer.
    control: bool,
    /// Why we have begun to close, if we have.
    closing: Option<Why>,
}

/// How many bytes have come, and how many wait to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) read: u64,
    pub(super) queued: usize,
}

/// Why we close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// As many answers as lines have come.
    Complete,
    /// Nothing has come for long enough.
    Quiet,
}

impl Answers {
    pub(super) fn new(quiet: Option<Duration>) -> Self {
        Self { quiet, sent: 0, came: 0, late: 0, waiting: None, control: false, closing: None }
    }

    /// Records that a message was sent.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// Records that a message has come. A message before the first line answers nothing.
    pub(super) fn came(&mut self) {
        if self.closing.is_some() {
            self.late += 1;
        } else if self.sent > 0 {
            self.came += 1;
        }
    }

    /// Records that a Ping or Pong has come.
    pub(super) fn control_came(&mut self) {
        self.control = true;
    }

    /// Records that the last line was sent.
    pub(super) fn wait(&mut self, now: Instant) {
        self.waiting.get_or_insert((now, Moved::default()));
    }

    /// Returns whether we wait only for answers.
    pub(super) fn are_awaited(&self) -> bool {
        self.waiting.is_some()
    }

    /// Returns whether it is time to close; called after every turn.
    pub(super) fn are_over(&mut self, now: Instant, moved: Moved) -> bool {
        let control = std::mem::take(&mut self.control);
        let (Some((since, before)), Some(quiet)) = (&mut self.waiting, self.quiet) else { return false };
        if moved != *before {
            // A server that only sends Pings counts as quiet.
            let pinged = control && moved.queued == before.queued;
            *before = moved;
            if !pinged {
                *since = now;
            }
        }
        let why = if self.came >= self.sent && moved.queued == 0 {
            Why::Complete
        } else if now.saturating_duration_since(*since) >= quiet {
            Why::Quiet
        } else {
            return false;
        };
        self.closing = Some(why);
        true
    }

    /// Returns when to ask again.
    pub(super) fn due(&self) -> Option<Instant> {
        let ((since, _), quiet) = (self.waiting?, self.quiet?);
        since.checked_add(quiet).filter(|_| self.closing.is_none())
    }

    /// Starts over on another connection, where the answers due on the last one will not come.
    pub(super) fn start_again(&mut self, now: Instant) {
        (self.sent, self.came) = (0, 0);
        if let Some((since, before)) = &mut self.waiting {
            (*since, *before) = (now, Moved::default());
        }
    }

    /// Returns what may have been lost because we closed, and how to wait for it.
    pub(super) fn remark(&self) -> Option<String> {
        let (why, quiet) = (self.closing?, self.quiet?);
        let (late, came) = (counted(self.late, "message"), self.came + self.late);
        match why {
            // A user who has asked nothing misses no answer.
            _ if self.sent == 0 => None,
            Why::Complete if self.late > 0 => Some(format!(
                "{late} came after as many answers as lines, when we had begun to close; more may be lost: \
                 --expect {came} waits for {came}, --stay until the server closes"
            )),
            Why::Quiet if self.late > 0 => Some(format!(
                "{late} came after {}, when we had begun to close; more may be lost: --wait {} waits longer",
                shown(quiet),
                shown(longer(quiet)),
            )),
            Why::Quiet if self.came == 0 && !quiet.is_zero() => Some(format!(
                "no answer came within {}; --wait {} waits longer, --wait 0 not at all",
                shown(quiet),
                shown(longer(quiet)),
            )),
            _ => None,
        }
    }
}

fn longer(quiet: Duration) -> Duration {
    quiet.saturating_mul(10).max(Duration::from_secs(1))
}

fn shown(time: Duration) -> crate::values::Time {
    crate::values::Time(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_secs(1);

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn read(read: u64) -> Moved {
        Moved { read, queued: 0 }
    }

    #[test]
    fn as_many_answers_as_lines_are_enough() {
        let start = Instant::now();
        let mut answers = Answers::new(Some(QUIET));
        answers.came(); // a greeting
        answers.sent();
        answers.sent();
        answers.came();
        assert!(!answers.are_over(start, read(1)), "there may be another line");
        answers.wait(start);
        assert!(!answers.are_over(start, read(1)));
        answers.came();
        assert!(answers.are_over(start, read(2)));
        assert_eq!(answers.remark(), None);
        answers.came();
        let remark = answers.remark().unwrap();
        assert!(remark.contains("1 message came after") && remark.contains("--expect 3"), "{remark}");
    }

    #[test]
    fn else_the_server_has_to_be_quiet() {
        let start = Instant::now();
        let mut answers = Answers::new(Some(QUIET));
        answers.sent();
        answers.wait(start);
        assert_eq!(answers.due(), Some(after(start, 1000)));
        assert!(!answers.are_over(after(start, 900), read(1)), "a part of a message has come");
        assert_eq!(answers.due(), Some(after(start, 1900)));
        answers.control_came();
        assert!(!answers.are_over(after(start, 1500), read(2)));
        assert_eq!(answers.due(), Some(after(start, 1900)), "a Ping is no answer");
        assert!(answers.are_over(after(start, 1900), read(2)));
        let remark = answers.remark().unwrap();
        assert!(remark.contains("within 1s; --wait 10s waits longer"), "{remark}");
    }

    /// The server cannot answer what it has not read yet; if it reads nothing more, that is the end nevertheless.
    #[test]
    fn a_server_that_reads_is_not_quiet() {
        let start = Instant::now();
        let mut answers = Answers::new(Some(QUIET));
        answers.wait(start);
        let mut queued = |ms, queued| answers.are_over(after(start, ms), Moved { read: 0, queued });
        assert!(!queued(900, 300));
        assert!(!queued(1800, 200));
        assert!(!queued(2700, 200));
        assert!(queued(2800, 200));
    }

    #[test]
    fn nothing_to_wait_for_is_no_wait() {
        let start = Instant::now();
        let mut nothing_sent = Answers::new(Some(QUIET));
        nothing_sent.wait(start);
        assert!(nothing_sent.are_over(start, read(0)));
        let mut at_once = Answers::new(Some(Duration::ZERO));
        at_once.sent();
        at_once.wait(start);
        assert!(at_once.are_over(start, read(0)));
        assert_eq!(at_once.remark(), None);
        let mut stay = Answers::new(None);
        stay.wait(start);
        assert!(!stay.are_over(after(start, 1_000_000), read(0)));
        assert_eq!(stay.due(), None);
    }
}
