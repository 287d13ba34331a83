//! Connections that open, exchange one message and close, again and again.

use super::echo;
use super::fleet::{Fleet, Scene, Stopped};
use super::link::{Fault, Link};
use super::report::{Report, Unit};
use super::tally::Tally;

/// Measures whole connections; the latency is that of the one message.
pub(super) fn run(fleet: &mut Fleet<'_>) -> Result<Report, Stopped> {
    let mut scene = Storm { free: Vec::new(), stopped: false };
    fleet.open_all(&mut scene)?;
    let warm = fleet.now().saturating_add(u64::try_from(fleet.plan.warmup.as_nanos()).unwrap_or(u64::MAX));
    fleet.run(&mut scene, warm, "warm-up")?;
    fleet.tally.restart();
    fleet.tally.opening.clear();
    let stretch = fleet.stretch(&mut scene)?;
    fleet.finish(&mut scene)?;
    Ok(Report::new(fleet, Unit::Connections, stretch))
}

struct Storm {
    /// Connections that are over and to be opened again.
    free: Vec<usize>,
    stopped: bool,
}

impl Scene for Storm {
    fn opened(&mut self, link: &mut Link, now: u64) {
        echo::send(link, now);
    }

    fn answered(&mut self, link: &mut Link, messages: u32, now: u64, tally: &mut Tally) -> Result<(), Fault> {
        for _ in 0..messages {
            let sent = link.waiting.pop_front().ok_or(Fault::Unasked)?;
            tally.latency.add(now - sent);
        }
        // The server ends TCP first (§7.1.1), so that no port of ours stays blocked.
        link.close();
        Ok(())
    }

    fn over(&mut self, number: usize, _link: &Link, faulty: bool, tally: &mut Tally) {
        // Where one has failed no further one is tried: a server that refuses all is not asked for ever.
        if !faulty && !self.stopped {
            tally.operations += 1;
            self.free.push(number);
        }
    }

    fn tick(&mut self, fleet: &mut Fleet<'_>, _now: u64) -> u64 {
        for number in std::mem::take(&mut self.free) {
            fleet.dial(number);
        }
        u64::MAX
    }

    fn stop(&mut self) {
        self.stopped = true;
    }
}
