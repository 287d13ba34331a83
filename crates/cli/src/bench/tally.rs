//! What is counted.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::link::Fault;

/// Counts of one stretch of a run.
pub(super) struct Tally {
    /// Answers, deliveries or connections, as the scenario has it.
    pub(super) operations: u64,
    /// From when an operation was due until it was done.
    pub(super) latency: Times,
    /// From the first byte of a broadcast until the last of its receivers had it.
    pub(super) fan_out: Times,
    /// From setting out until a connection was open.
    pub(super) opening: Times,
    pub(super) errors: Errors,
}

/// Errors by kind.
pub(super) type Errors = BTreeMap<String, Errored>;

/// The errors of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Errored {
    pub(super) count: u64,
    /// What the first of them says.
    pub(super) first: String,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            operations: 0,
            latency: Times::new(),
            fan_out: Times::new(),
            opening: Times::new(),
            errors: Errors::new(),
        }
    }

    /// Forgets the warm-up; how connections opened and what went wrong stays.
    pub(super) fn restart(&mut self) {
        self.operations = 0;
        self.latency.clear();
        self.fan_out.clear();
    }

    pub(super) fn error(&mut self, fault: &Fault) {
        let errored = self
            .errors
            .entry(fault.kind().to_owned())
            .or_insert_with(|| Errored { count: 0, first: fault.to_string() });
        errored.count += 1;
    }
}

/// Lengths of time in nanoseconds, to three digits.
pub(super) struct Times(Histogram<u64>);

/// An hour; what takes longer counts as that.
const LONGEST: u64 = 3_600_000_000_000;

impl Times {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("these bounds are in order"))
    }

    #[inline]
    pub(super) fn add(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    pub(super) fn clear(&mut self) {
        self.0.reset();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In nanoseconds.
    pub(super) fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// `None` where nothing was timed.
    pub(super) fn summary(&self) -> Option<Summary> {
        let us = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        (!self.is_empty()).then(|| Summary {
            count: self.0.len(),
            mean: self.0.mean() / 1000.0,
            min: us(self.0.min()),
            p50: us(self.quantile(0.5)),
            p90: us(self.quantile(0.9)),
            p99: us(self.quantile(0.99)),
            p999: us(self.quantile(0.999)),
            max: us(self.0.max()),
        })
    }
}

/// A distribution of times, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) min: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, p50, p90, p99, p999, max, .. } = self;
        write!(
            f,
            "p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  p99.9 {p999:.1}  max {max:.1}  mean {mean:.1} µs"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_microseconds() {
        let mut times = Times::new();
        assert_eq!(times.summary(), None);
        (1..=1000).for_each(|us| times.add(us * 1000));
        let summary = times.summary().unwrap();
        assert!((summary.p50 - 500.0).abs() < 1.0 && (summary.p999 - 999.0).abs() < 2.0, "{summary}");
        times.clear();
        assert_eq!(times.summary(), None);
    }

    #[test]
    fn errors_are_counted_by_kind() {
        let mut tally = Tally::new();
        tally.error(&Fault::Length { expected: 16, got: 17 });
        tally.error(&Fault::Length { expected: 16, got: 99 });
        tally.error(&Fault::Eof);
        tally.restart();
        assert_eq!(tally.errors["wrong length"].count, 2);
        assert!(tally.errors["wrong length"].first.contains("17"));
        assert_eq!(tally.errors["connection ended"].count, 1);
    }
}
