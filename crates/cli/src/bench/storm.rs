//! Connections that open, exchange one message and close, again and again.

use super::echo;
use super::fault::Fault;
use super::fleet::{Fleet, Left, Scene, Stopped};
use super::link::Link;
use super::quota::Quota;
use super::report::{Report, Unit};
use super::tally::Tally;

/// Measures whole connections; the latency is that of the one message.
pub(super) fn run(fleet: &mut Fleet<'_>) -> Result<Report, Stopped> {
    let quota = Quota::of(fleet.plan.length);
    let mut scene = Storm { free: Vec::new(), quota };
    if scene.quota.is_counted() {
        scene.free = (0..fleet.plan.connections).collect();
    } else {
        fleet.open_all(&mut scene)?;
        let warm =
            fleet.now().saturating_add(u64::try_from(fleet.plan.warmup.as_nanos()).unwrap_or(u64::MAX));
        fleet.run(&mut scene, warm, "warm-up")?;
        fleet.tally.restart();
        fleet.tally.opening.clear();
    }
    let stretch = fleet.stretch(&mut scene)?;
    if scene.quota.is_counted() {
        fleet.has_opened_one()?;
    }
    fleet.finish(&mut scene)?;
    Ok(Report::new(fleet, Unit::Connections, stretch))
}

struct Storm {
    /// The numbers of connections that are over or were never open, and should be opened.
    free: Vec<usize>,
    quota: Quota,
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
        // The server ends TCP first (§7.1.1), so no port of ours stays blocked.
        link.close();
        Ok(())
    }

    fn over(&mut self, number: usize, _link: &Link, faulty: bool, tally: &mut Tally) {
        self.quota.over(1);
        // After a failure no further connection is tried in its place: a server that refuses all is not asked forever.
        if !faulty {
            tally.operations += 1;
            self.free.push(number);
        }
    }

    fn tick(&mut self, fleet: &mut Fleet<'_>, _now: u64) -> u64 {
        while fleet.may_dial()
            && let Some(number) = self.free.pop()
        {
            if self.quota.take() && !fleet.dial(number) {
                self.quota.over(1);
            }
        }
        u64::MAX
    }

    fn stop(&mut self) {
        self.quota.stop();
    }

    fn left(&self) -> Left {
        match self.quota.left() {
            // If every place has failed, nothing is left to open the rest.
            Left::Sending if self.free.is_empty() => Left::Nothing,
            left => left,
        }
    }
}
