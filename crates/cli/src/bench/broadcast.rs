//! One connection sends, and all others receive it.

use std::collections::VecDeque;

use super::fault::Fault;
use super::fleet::{Fleet, Left, Scene, Stopped};
use super::link::Link;
use super::pace::Pacer;
use super::plan::{Pace, Receivers};
use super::quota::Quota;
use super::report::{Report, Unit};
use super::tally::Tally;

/// Measures deliveries.
pub(super) fn run(fleet: &mut Fleet<'_>, to: Receivers) -> Result<Report, Stopped> {
    let mut scene = Broadcast {
        to,
        pace: fleet.plan.pace,
        pacer: None,
        first: 0,
        on_their_way: VecDeque::new(),
        quota: Quota::of(fleet.plan.length),
    };
    let stretch = fleet.measure(&mut scene)?;
    Ok(Report::new(fleet, Unit::Deliveries, stretch))
}

struct Broadcast {
    to: Receivers,
    pace: Pace,
    pacer: Option<Pacer>,
    /// The number of the first message in `on_their_way`.
    first: u64,
    on_their_way: VecDeque<Message>,
    quota: Quota,
}

struct Message {
    due: u64,
    /// How many receivers do not have it yet.
    missing: usize,
}

/// The connection that sends.
const SENDER: usize = 0;

impl Broadcast {
    fn receivers(&self, open: usize) -> usize {
        match self.to {
            Receivers::All => open,
            Receivers::Others => open.saturating_sub(1),
        }
    }

    /// Counts the messages that have reached every receiver.
    fn settle(&mut self, now: u64, tally: &mut Tally) {
        while self.on_their_way.front().is_some_and(|message| message.missing == 0) {
            if let Some(message) = self.on_their_way.pop_front() {
                tally.fan_out.add(now.saturating_sub(message.due));
                self.quota.over(1);
                self.first += 1;
            }
        }
    }

    /// Sends a message; those of one turn are written together.
    fn send(&mut self, fleet: &mut Fleet<'_>, due: u64) {
        let missing = self.receivers(fleet.open);
        let Some(link) = &mut fleet.links[SENDER] else { return };
        if !self.quota.take() {
            return;
        }
        link.send();
        self.on_their_way.push_back(Message { due, missing });
    }
}

impl Scene for Broadcast {
    #[inline]
    fn answered(&mut self, link: &mut Link, messages: u32, now: u64, tally: &mut Tally) -> Result<(), Fault> {
        tally.operations += u64::from(messages);
        // Every receiver gets the messages in the order in which they were sent.
        let newest = link.received;
        for number in newest - u64::from(messages)..newest {
            let message =
                number.checked_sub(self.first).and_then(|at| self.on_their_way.get_mut(at as usize));
            let message = message.filter(|message| message.missing > 0).ok_or(Fault::Unasked)?;
            message.missing -= 1;
            tally.latency.add(now.saturating_sub(message.due));
        }
        self.settle(now, tally);
        Ok(())
    }

    fn over(&mut self, number: usize, link: &Link, _faulty: bool, _tally: &mut Tally) {
        if number == SENDER && self.to == Receivers::Others {
            return;
        }
        // A connection that is over will not get the messages that it has not received.
        let got = link.received.saturating_sub(self.first) as usize;
        for message in self.on_their_way.iter_mut().skip(got) {
            message.missing = message.missing.saturating_sub(1);
        }
    }

    fn tick(&mut self, fleet: &mut Fleet<'_>, now: u64) -> u64 {
        if fleet.links[SENDER].is_none() {
            self.quota.stop();
        }
        if self.quota.is_spent() {
            return u64::MAX;
        }
        let next = match self.pace {
            Pace::InFlight(depth) => {
                while self.on_their_way.len() < depth as usize && !self.quota.is_spent() {
                    self.send(fleet, now);
                }
                u64::MAX
            }
            Pace::Rate(rate) => {
                self.pacer.get_or_insert_with(|| Pacer::new(now, rate));
                while let Some(due) = self.pacer.as_mut().and_then(|pacer| pacer.take(now)) {
                    self.send(fleet, due);
                }
                self.pacer.as_ref().map_or(u64::MAX, Pacer::next)
            }
        };
        fleet.write(SENDER);
        next
    }

    fn stop(&mut self) {
        self.quota.stop();
    }

    fn left(&self) -> Left {
        // If messages waited only for lost receivers, the next answer would settle them, but it may never come.
        match self.quota.left() {
            Left::Answers if self.on_their_way.iter().all(|message| message.missing == 0) => Left::Nothing,
            left => left,
        }
    }
}
