//! When messages are due if they come at a rate.

/// Times at even distances, in nanoseconds since the run began.
pub(super) struct Pacer {
    start: u64,
    step: f64,
    sent: u64,
}

impl Pacer {
    pub(super) fn new(start: u64, rate: f64) -> Self {
        Self { start, step: 1e9 / rate, sent: 0 }
    }

    /// Returns when the next message is due.
    pub(super) fn next(&self) -> u64 {
        self.start + (self.sent as f64 * self.step) as u64
    }

    /// Takes the next message, if it is due.
    pub(super) fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.next();
        (due <= now).then(|| {
            self.sent += 1;
            due
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_look_finds_all_that_was_due_in_between() {
        let mut pacer = Pacer::new(1000, 1e6);
        let due: Vec<u64> = std::iter::from_fn(|| pacer.take(4500)).collect();
        assert_eq!(due, [1000, 2000, 3000, 4000]);
        assert_eq!(pacer.next(), 5000);
    }
}
