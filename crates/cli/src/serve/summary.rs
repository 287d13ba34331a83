//! A line on a terminal with the server's state.

use std::fmt;
use std::time::{Duration, Instant};

use bowsprit::event_loop::Stats;
use bowsprit_lab::counted;

use crate::output::{LiveLine, si};

/// The line, and what it showed last.
pub(super) struct Summary {
    line: Option<LiveLine>,
    last: Stats,
    at: Instant,
}

const STEP: Duration = Duration::from_secs(1);

impl Summary {
    /// Creates the line if it is `wanted` and stderr is a terminal.
    pub(super) fn new(wanted: bool) -> Self {
        let line = if wanted { LiveLine::new() } else { None };
        Self { line, last: Stats::default(), at: Instant::now() }
    }

    /// Returns when [`tick`](Self::tick) has something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.line.as_ref().and(self.at.checked_add(STEP))
    }

    /// Rewrites the line once a second; `stats` is called only then.
    pub(super) fn tick(&mut self, now: Instant, stats: impl FnOnce() -> Stats) {
        let Some(line) = &mut self.line else { return };
        let passed = now.saturating_duration_since(self.at);
        if passed >= STEP {
            let stats = stats();
            line.write(Rates::between(&self.last, &stats, passed));
            self.last = stats;
            self.at = now;
        }
    }

    /// Removes the line.
    pub(super) fn clear(&mut self) {
        if let Some(line) = &mut self.line {
            line.clear();
        }
    }
}

/// The changes of one second.
#[derive(Debug, PartialEq)]
struct Rates {
    open: u64,
    /// The number of other servers and of clients everywhere, if there is a backplane that is up.
    elsewhere: Option<(usize, u64)>,
    /// Whether there is a backplane that is down.
    is_cut_off: bool,
    /// Messages per second to and from other servers, if there is a backplane, and how many were lost or dropped in
    /// all.
    shared: Option<([f64; 2], u64)>,
    messages: [f64; 2],
    bytes: [f64; 2],
}

impl Rates {
    fn between(then: &Stats, now: &Stats, passed: Duration) -> Self {
        let rate = |then: u64, now: u64| now.saturating_sub(then) as f64 / passed.as_secs_f64();
        let was = then.backplane.unwrap_or_default();
        let shared = now.backplane.map(|link| {
            let rates = [rate(was.published, link.published), rate(was.received, link.received)];
            (rates, link.lost + link.dropped)
        });
        Self {
            shared,
            open: now.open,
            elsewhere: now.backplane.filter(|link| link.up).map(|link| (link.nodes, link.present)),
            is_cut_off: now.backplane.is_some_and(|link| !link.up),
            messages: [rate(then.messages_in, now.messages_in), rate(then.messages_out, now.messages_out)],
            bytes: [rate(then.bytes_in, now.bytes_in), rate(then.bytes_out, now.bytes_out)],
        }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [messages_in, messages_out] = self.messages.map(si);
        let [bytes_in, bytes_out] = self.bytes.map(si);
        let open = self.open;
        write!(f, "{open} open")?;
        match self.elsewhere {
            Some((nodes, present)) => write!(f, ", {present} with {}", counted(nodes, "other server"))?,
            None if self.is_cut_off => write!(f, ", backplane down")?,
            None => {}
        }
        write!(
            f,
            " | messages/s {messages_in} in, {messages_out} out | bytes/s {bytes_in} in, {bytes_out} out"
        )?;
        if let Some((rates, lost)) = self.shared {
            let [published, received] = rates.map(si);
            write!(f, " | others/s {received} in, {published} out, {lost} lost")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bowsprit::backplane::LinkStats;

    use super::*;

    #[test]
    fn rates_are_per_second() {
        let mut then = Stats::default();
        then.messages_in = 1000;
        let mut now = then.clone();
        now.open = 7;
        now.messages_in = 3000;
        now.bytes_out = 5_000_000;
        let rates = Rates::between(&then, &now, Duration::from_secs(2));
        let own = "messages/s 1000 in, 0.0 out | bytes/s 0.0 in, 2.50M out";
        assert_eq!(rates.to_string(), format!("7 open | {own}"));
        // With other servers.
        let mut link = LinkStats::default();
        (link.up, link.nodes, link.present) = (true, 2, 9);
        (link.published, link.received, link.lost, link.dropped) = (100, 4000, 3, 2);
        now.backplane = Some(link);
        let line = |now: &Stats| Rates::between(&then, now, Duration::from_secs(2)).to_string();
        let others = "others/s 2000 in, 50.0 out, 5 lost";
        assert_eq!(line(&now), format!("7 open, 9 with 2 other servers | {own} | {others}"));
        link.up = false;
        now.backplane = Some(link);
        assert_eq!(line(&now), format!("7 open, backplane down | {own} | {others}"));
    }
}
