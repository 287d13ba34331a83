//! Known failures with their reasons: a run fails only on new ones, and reports those that no longer fail.
//!
//! Each line holds an id (or a glob), blanks and the reason. Empty lines and lines that start with `#` are ignored.

use super::judge::Behaviour;
use super::report::json::CaseReport;
use super::select::glob;

/// The known failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    known: Vec<(String, String)>,
}

/// The result of comparing a run with a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Failures that are not known.
    pub new: Vec<String>,
    /// Failures that are known, with their reasons.
    pub known: Vec<(String, String)>,
    /// Known failures for which every case that was played passed.
    pub mended: Vec<String>,
}

impl Baseline {
    /// Parses a baseline.
    ///
    /// # Errors
    ///
    /// Returns the first line that has no reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut known = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(char::is_whitespace) {
                Some((id, reason)) => known.push((id.to_ascii_lowercase(), reason.trim().to_owned())),
                None => return Err(format!("line {}: {line} has no reason", number + 1)),
            }
        }
        Ok(Self { known })
    }

    /// Returns the first entry that matches none of these cases.
    pub fn stranger<'i>(&self, ids: impl Iterator<Item = &'i str> + Clone) -> Option<&str> {
        let is_one = |pattern: &str| {
            ids.clone().any(|id| glob(pattern.as_bytes(), id.to_ascii_lowercase().as_bytes()))
        };
        self.known.iter().map(|(pattern, _)| pattern.as_str()).find(|pattern| !is_one(pattern))
    }

    /// Returns the reason why this case is known to fail.
    pub fn reason(&self, id: &str) -> Option<&str> {
        self.position(id).map(|at| &*self.known[at].1)
    }

    fn position(&self, id: &str) -> Option<usize> {
        let id = id.to_ascii_lowercase();
        self.known.iter().position(|(pattern, _)| glob(pattern.as_bytes(), id.as_bytes()))
    }

    /// Compares a run with the baseline.
    pub fn compare<'r>(&self, cases: impl IntoIterator<Item = &'r CaseReport>) -> Comparison {
        let mut comparison = Comparison::default();
        let mut seen = vec![(false, false); self.known.len()];
        for CaseReport { id, denied, behaviour, .. } in cases {
            let denied = *denied;
            // This says nothing about the server, so it does not count as mended either.
            if *behaviour == Behaviour::NotReached {
                continue;
            }
            match self.position(id) {
                Some(at) => {
                    seen[at].0 = true;
                    seen[at].1 |= denied;
                    if denied {
                        comparison.known.push((id.clone(), self.known[at].1.clone()));
                    }
                }
                None if denied => comparison.new.push(id.clone()),
                None => {}
            }
        }
        let mended = self.known.iter().zip(seen).filter(|(_, (played, failed))| *played && !failed);
        comparison.mended = mended.map(|((id, _), _)| id.clone()).collect();
        comparison
    }

    /// Writes a baseline of these failures, with the reasons left to be filled in.
    pub fn of<'r>(cases: impl IntoIterator<Item = &'r CaseReport>) -> String {
        let denied = cases.into_iter().filter(|case| case.denied);
        denied.map(|case| format!("{:<12} {}\n", case.id, case.title)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_needs_a_reason() {
        let baseline =
            Baseline::parse("# ours\n\n6.4.*  checks whole messages\nHSS-032 behind a proxy\n").unwrap();
        assert_eq!(baseline.known.len(), 2);
        assert!(Baseline::parse("6.4.1").unwrap_err().contains("line 1"));
    }

    #[test]
    fn every_line_stands_for_a_case() {
        let baseline = Baseline::parse("6.4.*  checks whole messages\nprx-erl-001 known").unwrap();
        assert_eq!(baseline.stranger(["6.4.1", "PRX-ERL-001"].into_iter()), None);
        assert_eq!(baseline.stranger(["6.4.1", "PRX-ERL-002"].into_iter()), Some("prx-erl-001"));
        let junk = Baseline::parse("<!doctype html> <p>").unwrap();
        assert_eq!(junk.stranger(["6.4.1"].into_iter()), Some("<!doctype"));
    }
}
