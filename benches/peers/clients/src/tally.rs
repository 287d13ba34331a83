//! What a client has to do, and how much of it was done.

use std::time::{Duration, Instant};

pub struct Load {
    pub port: u16,
    pub connections: usize,
    pub message: Vec<u8>,
    /// How many messages each connection sends together.
    pub in_flight: usize,
}

/// Counts messages in the measured stretch, which follows a warm-up of a fifth of its length with all connections open.
pub struct Tally {
    stretch: Duration,
    begun: Option<(Instant, Duration)>,
    warm: Option<Instant>,
    messages: u64,
}

pub struct Done {
    pub messages_per_s: f64,
    pub us_per_message: f64,
}

impl Tally {
    pub fn new(seconds: usize) -> Self {
        Self { stretch: Duration::from_secs(seconds as u64), begun: None, warm: None, messages: 0 }
    }

    /// Counts messages that have come back. Returns the measurement once it is complete.
    pub fn count(&mut self, messages: usize) -> Option<Done> {
        self.messages += messages as u64;
        let now = Instant::now();
        let Some((begun, busy)) = self.begun else {
            let warm = *self.warm.get_or_insert(now + self.stretch / 5);
            if now >= warm {
                (self.begun, self.messages) = (Some((now, busy_time())), 0);
            }
            return None;
        };
        let elapsed = now - begun;
        (elapsed >= self.stretch).then(|| Done {
            messages_per_s: self.messages as f64 / elapsed.as_secs_f64(),
            us_per_message: (busy_time() - busy).as_secs_f64() * 1e6 / self.messages as f64,
        })
    }
}

/// Returns the CPU time that this process has used.
fn busy_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is ours, and Linux has this clock.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "the time of the process");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
