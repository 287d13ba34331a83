//! The counts of a run.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::units::time;
use super::wire::Wire;

/// Counts of one stretch of a run.
pub(super) struct Tally {
    /// How many answers, deliveries or connections, depending on the scenario.
    pub(super) operations: u64,
    /// From when an operation was due until it was done.
    pub(super) latency: Times,
    /// From the first byte of a broadcast until its last receiver had it.
    pub(super) fan_out: Times,
    /// From dialling until the connection was open.
    pub(super) opening: Times,
    /// Frames on the wire, ours and the server's.
    pub(super) sent: Wire,
    pub(super) got: Wire,
    pub(super) errors: Errors,
}

/// Errors by kind.
pub(super) type Errors = BTreeMap<String, Errored>;

/// The errors of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Errored {
    pub(super) count: u64,
    /// The message of the first of them.
    pub(super) first: String,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            operations: 0,
            latency: Times::new(),
            fan_out: Times::new(),
            opening: Times::new(),
            sent: Wire::default(),
            got: Wire::default(),
            errors: Errors::new(),
        }
    }

    /// Forgets the warm-up, except how connections opened and which errors occurred.
    pub(super) fn restart(&mut self) {
        self.operations = 0;
        self.latency.clear();
        self.fan_out.clear();
        (self.sent, self.got) = Default::default();
    }

    pub(super) fn error(&mut self, fault: &Fault) {
        let errored = self
            .errors
            .entry(fault.kind().to_owned())
            .or_insert_with(|| Errored { count: 0, first: fault.to_string() });
        errored.count += 1;
    }
}

/// Durations in nanoseconds, to three digits.
pub(super) struct Times(Histogram<u64>);

/// An hour; longer durations count as that.
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

    /// Returns a quantile in nanoseconds.
    pub(super) fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// Returns the summary; `None` if nothing was timed.
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
            buckets: self.buckets(),
        })
    }

    /// Counts the durations between two of the bounds 1, 2, 5, 10, 20, 50 and so on, from the shortest to the longest.
    fn buckets(&self) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut bound = 1;
        for value in self.0.iter_recorded() {
            // Durations that count as equal may lie on both sides of a bound.
            let nanoseconds = self.0.lowest_equivalent(value.value_iterated_to());
            let empty = |bound| Bucket { up_to: bound as f64 / 1000.0, count: 0 };
            while bound < nanoseconds {
                bound = next_bound(bound);
                if !buckets.is_empty() {
                    buckets.push(empty(bound));
                }
            }
            if buckets.is_empty() {
                buckets.push(empty(bound));
            }
            if let Some(last) = buckets.last_mut() {
                last.count += value.count_at_value();
            }
        }
        buckets
    }
}

/// Returns the bound after this one: 1, 2, 5, 10 and so on.
fn next_bound(bound: u64) -> u64 {
    let power = 10_u64.pow(bound.ilog10());
    match bound / power {
        1 => 2 * power,
        2 => 5 * power,
        _ => 10 * power,
    }
}

/// The durations between two bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// The upper bound in microseconds; all are longer than those of the bucket before.
    pub(super) up_to: f64,
    pub(super) count: u64,
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
    /// All durations in ascending order and without a gap; older reports have none.
    #[serde(default)]
    pub(super) buckets: Vec<Bucket>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p999] = [self.p50, self.p90, self.p99, self.p999].map(time);
        let [max, mean] = [self.max, self.mean].map(time);
        write!(f, "p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p999}  max {max}  mean {mean}")
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
    fn buckets_hold_all_and_leave_no_gap() {
        let mut times = Times::new();
        for (us, count) in [(3, 2), (5, 1), (6, 1), (40, 7), (900, 1)] {
            (0..count).for_each(|_| times.add(us * 1000));
        }
        let summary = times.summary().unwrap();
        let buckets: Vec<(u64, u64)> =
            summary.buckets.iter().map(|bucket| (bucket.up_to as u64, bucket.count)).collect();
        assert_eq!(buckets, [(5, 3), (10, 1), (20, 0), (50, 7), (100, 0), (200, 0), (500, 0), (1000, 1)]);
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), summary.count);
        times.add(0);
        times.add(u64::MAX);
        let all = times.summary().unwrap();
        assert_eq!(all.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 14);
        assert!(all.buckets.windows(2).all(|pair| pair[0].up_to < pair[1].up_to));
        assert_eq!([1, 2, 5, 10, 200, 5000].map(next_bound), [2, 5, 10, 20, 500, 10_000]);
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
