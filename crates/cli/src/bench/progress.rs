//! Progress on a terminal.

use bowsprit_lab::counted;

use super::tally::Tally;
use crate::output::{LiveLine, si};

/// A live line on stderr; there is none if stderr is not a terminal.
pub(super) struct Progress {
    line: Option<LiveLine>,
    /// When to write next.
    next: u64,
    then: u64,
    operations_then: u64,
}

/// Nanoseconds between two updates.
const STEP: u64 = 500_000_000;

impl Progress {
    pub(super) fn new() -> Self {
        Self { line: LiveLine::new(), next: STEP, then: 0, operations_then: 0 }
    }

    #[inline]
    pub(super) fn show(&mut self, now: u64, phase: &str, open: usize, tally: &Tally) {
        if self.line.is_some() && now >= self.next {
            self.write(now, phase, open, tally);
        }
    }

    #[cold]
    fn write(&mut self, now: u64, phase: &str, open: usize, tally: &Tally) {
        let Some(line) = &mut self.line else { return };
        // The count starts again after the warm-up.
        let operations = tally.operations.checked_sub(self.operations_then).unwrap_or(tally.operations);
        let rate = operations as f64 * 1e9 / (now - self.then).max(1) as f64;
        let ms = |quantile| tally.latency.quantile(quantile) as f64 / 1e6;
        let errors: u64 = tally.errors.values().map(|errored| errored.count).sum();
        line.write(format_args!(
            "{:5.1} s  {phase}: {open} open, {}/s, p50 {:.2} ms, p99 {:.2} ms, {}",
            now as f64 / 1e9,
            si(rate),
            ms(0.5),
            ms(0.99),
            counted(errors, "error"),
        ));
        self.next = now + STEP;
        self.then = now;
        self.operations_then = tally.operations;
    }

    /// Removes the line.
    pub(super) fn clear(&mut self) {
        if let Some(line) = &mut self.line {
            line.clear();
        }
    }
}
