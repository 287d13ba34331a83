//! Progress for a user who watches.

use std::io::{IsTerminal as _, Write as _};

/// Lists the chosen cases, a line each.
pub(super) fn list(cases: &[&bowsprit_lab::Case]) -> String {
    cases
        .iter()
        .map(|case| format!("{:<12} {:<7} {:<28} {}\n", case.id, case.level, case.rule.sections, case.title))
        .collect()
}

/// The progress of the run, for a user who watches.
pub(super) struct Progress {
    total: usize,
    shown: bool,
}

impl Progress {
    pub(super) fn new(total: usize) -> Self {
        Self { total, shown: std::io::stderr().is_terminal() }
    }

    pub(super) fn show(&self, done: usize) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r{done}/{}", self.total);
        }
    }

    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
