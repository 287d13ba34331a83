//! Measures how long work itself takes, however busy the machine is.

use std::time::{Duration, Instant};

/// The time that this thread is on a processor for it, where the system tells that; else what the clock says.
pub(crate) fn time_of(work: impl FnOnce()) -> Duration {
    let (started, before) = (Instant::now(), on_processor());
    work();
    match (before, on_processor()) {
        (Some(before), Some(after)) => after - before,
        _ => started.elapsed(),
    }
}

fn on_processor() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(told.split(' ').next()?.parse().ok()?))
}
