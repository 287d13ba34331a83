//! Every message comes back to its sender.

use super::fault::Fault;
use super::fleet::{Fleet, Left, Scene, Stopped};
use super::link::Link;
use super::pace::Pacer;
use super::plan::Pace;
use super::quota::Quota;
use super::report::{Report, Unit};
use super::tally::Tally;

/// Measures echoes.
pub(super) fn run(fleet: &mut Fleet<'_>) -> Result<Report, Stopped> {
    let quota = Quota::of(fleet.plan.length);
    let stretch = match fleet.plan.pace {
        Pace::InFlight(depth) => fleet.measure(&mut Closed { depth: depth as usize, quota, started: false }),
        Pace::Rate(rate) => fleet.measure(&mut Open { rate, pacer: None, turn: 0, quota }),
    }?;
    Ok(Report::new(fleet, Unit::Messages, stretch))
}

/// A closed loop: each connection sends more once half of what it has in flight is back.
struct Closed {
    depth: usize,
    quota: Quota,
    /// Whether the run has started. A run of a number of messages starts once all connections are open, so that its
    /// time covers nothing else.
    started: bool,
}

impl Scene for Closed {
    fn least(&self) -> usize {
        // A connection that has sent its last message has nothing to gather.
        if self.quota.is_spent() { 1 } else { self.depth.div_ceil(2) }
    }

    fn opened(&mut self, link: &mut Link, now: u64) {
        if !self.quota.is_counted() {
            (0..self.depth).for_each(|_| send(link, now));
        }
    }

    #[inline]
    fn answered(&mut self, link: &mut Link, messages: u32, now: u64, tally: &mut Tally) -> Result<(), Fault> {
        count(link, messages, now, tally)?;
        self.quota.over(messages as usize);
        for _ in 0..messages {
            if !self.quota.take() {
                break;
            }
            send(link, now);
        }
        Ok(())
    }

    fn over(&mut self, _number: usize, link: &Link, _faulty: bool, _tally: &mut Tally) {
        self.quota.over(link.waiting.len());
    }

    fn tick(&mut self, fleet: &mut Fleet<'_>, now: u64) -> u64 {
        if self.quota.is_counted() && !std::mem::replace(&mut self.started, true) {
            // One for each connection, then a second one for each: if there are fewer messages than room, they are
            // spread evenly.
            for _ in 0..self.depth {
                for link in fleet.links.iter_mut().flatten().filter(|link| link.is_open()) {
                    if self.quota.take() {
                        send(link, now);
                    }
                }
            }
            (0..fleet.links.len()).for_each(|number| fleet.write(number));
        }
        u64::MAX
    }

    fn stop(&mut self) {
        self.quota.stop();
    }

    fn left(&self) -> Left {
        self.quota.left()
    }
}

/// An open loop: messages are due at fixed times, the connections take turns, and none waits for another.
struct Open {
    rate: f64,
    /// Started when all connections are open.
    pacer: Option<Pacer>,
    turn: usize,
    quota: Quota,
}

impl Scene for Open {
    fn answered(&mut self, link: &mut Link, messages: u32, now: u64, tally: &mut Tally) -> Result<(), Fault> {
        count(link, messages, now, tally)?;
        self.quota.over(messages as usize);
        Ok(())
    }

    fn over(&mut self, _number: usize, link: &Link, _faulty: bool, _tally: &mut Tally) {
        self.quota.over(link.waiting.len());
    }

    fn tick(&mut self, fleet: &mut Fleet<'_>, now: u64) -> u64 {
        let pacer = self.pacer.get_or_insert_with(|| Pacer::new(now, self.rate));
        // A server that is far behind is sent nothing more; messages that fall due meanwhile still count as late.
        if pacer.next() > now {
            return pacer.next();
        }
        let behind: usize = fleet.links.iter().flatten().map(|link| link.waiting.len()).sum();
        let most = MOST_WAITING.saturating_sub(behind).min(IN_A_TURN);
        for _ in 0..most {
            if self.quota.is_spent() || fleet.open == 0 {
                break;
            }
            let Some(due) = pacer.take(now) else { break };
            self.quota.take();
            let number = loop {
                self.turn = (self.turn + 1) % fleet.links.len();
                if fleet.links[self.turn].as_ref().is_some_and(Link::is_open) {
                    break self.turn;
                }
            };
            if let Some(link) = &mut fleet.links[number] {
                send(link, due);
            }
            fleet.write(number);
        }
        pacer.next()
    }

    fn stop(&mut self) {
        self.quota.stop();
    }

    fn left(&self) -> Left {
        self.quota.left()
    }
}

/// How many messages are sent before answers and Ctrl-C get their turn.
const IN_A_TURN: usize = 16 << 10;

/// The most messages without an answer, of all connections together.
const MOST_WAITING: usize = 4 << 20;

#[inline]
pub(super) fn send(link: &mut Link, due: u64) {
    link.waiting.push_back(due);
    link.send();
}

/// Counts answers, which come in the order of the messages.
#[inline]
pub(super) fn count(link: &mut Link, messages: u32, now: u64, tally: &mut Tally) -> Result<(), Fault> {
    tally.operations += u64::from(messages);
    for _ in 0..messages {
        let due = link.waiting.pop_front().ok_or(Fault::Unasked)?;
        tally.latency.add(now.saturating_sub(due));
    }
    Ok(())
}
