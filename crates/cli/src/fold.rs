//! Folds warnings of one kind: the first are shown, and those of the next while are counted.

use std::time::{Duration, Instant};

/// The recent warnings of each kind. Kinds are written in the program, so there are few.
#[derive(Debug, Default)]
pub(super) struct Folds(Vec<Fold>);

#[derive(Debug)]
struct Fold {
    kind: &'static str,
    until: Instant,
    shown: Vec<String>,
    more: u64,
}

/// How long warnings of one kind are counted before their number is shown.
const WHILE: Duration = Duration::from_secs(10);
/// How many different texts of one kind are shown in that time; repeated texts are only counted.
const SHOWN: usize = 5;

impl Folds {
    /// Returns whether to show this text; otherwise it is counted. `kind` completes "and 5,000 more".
    pub(super) fn admit(&mut self, kind: &'static str, text: &str, now: Instant) -> bool {
        let Some(fold) = self.0.iter_mut().find(|fold| fold.kind == kind) else {
            self.0.push(Fold { kind, until: now + WHILE, shown: vec![text.to_owned()], more: 0 });
            return true;
        };
        if fold.shown.len() < SHOWN && !fold.shown.iter().any(|shown| shown == text) {
            fold.shown.push(text.to_owned());
            return true;
        }
        fold.more += 1;
        false
    }

    /// Returns when [`due`](Self::due) has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|fold| fold.until).min()
    }

    /// Returns the counts whose time is over. A kind that had more warnings is still only counted; a kind that had none
    /// starts afresh.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        let mut told = Vec::new();
        self.0.retain_mut(|fold| {
            if fold.until > now {
                return true;
            }
            let more = std::mem::take(&mut fold.more);
            if more == 0 {
                return false;
            }
            fold.until = now + WHILE;
            told.push(fold.told(more));
            true
        });
        told
    }

    /// Returns all counts, due or not.
    pub(super) fn end(&mut self) -> Vec<String> {
        self.0.drain(..).filter(|fold| fold.more > 0).map(|fold| fold.told(fold.more)).collect()
    }
}

impl Fold {
    fn told(&self, more: u64) -> String {
        format!("… {}: {} more", self.kind, grouped(more))
    }
}

/// Writes a number with a comma at each thousand.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines() {
        let start = Instant::now();
        let mut folds = Folds::default();
        let shown = (0..5000).filter(|_| folds.admit("pages refused", "refused a page", start)).count();
        assert_eq!((shown, folds.next()), (1, Some(start + WHILE)));
        assert!(folds.due(start).is_empty());
        assert_eq!(folds.due(start + WHILE), ["… pages refused: 4,999 more"]);
        // It continues: only numbers are shown.
        assert!(!folds.admit("pages refused", "refused a page", start + WHILE));
        assert_eq!(folds.due(start + 2 * WHILE), ["… pages refused: 1 more"]);
        // It stops: the next one is shown again.
        assert!(folds.due(start + 3 * WHILE).is_empty());
        assert_eq!(folds.next(), None);
        assert!(folds.admit("pages refused", "refused a page", start + 3 * WHILE));
    }

    #[test]
    fn texts_that_a_peer_makes_up_are_folded_too() {
        let now = Instant::now();
        let mut folds = Folds::default();
        let shown = (0..100).filter(|at| folds.admit("pages refused", &at.to_string(), now)).count();
        assert_eq!(shown, SHOWN);
        assert!(folds.admit("names refused", "0", now), "each kind by itself");
        assert_eq!(folds.end(), ["… pages refused: 95 more"]);
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
