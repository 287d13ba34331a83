//! The rates of connections, applied while they are read; see `rate.rs`.

use std::cmp::Reverse;
use std::time::Duration;

use super::agenda::Verdict;
use super::context::Context;
use super::handler::Handler;
use super::id::ConnId;
use super::rate::{Meter, Rate, RateExceeded, RatePolicy};
use super::turn::Turn;
use crate::connection::Delivery;
use crate::frame::{Header, Kind};
use crate::message::Message;

impl<D: Default> Context<D> {
    /// Sets the rate of a connection from now on, in place of that of [`Settings`](super::Settings); `None` is no
    /// limit.
    pub fn set_rate(&mut self, id: ConnId, rate: Option<Rate>) {
        if self.peer(id).is_none() {
            return;
        }
        let now = self.now();
        let peer = &mut self.peers[id.slot as usize];
        peer.metered = rate.is_some();
        if let Some(rate) = rate {
            peer.cold().meter = Some(Meter::new(rate, now));
        }
        self.speed_up(id);
    }

    /// Continues reading from a connection that was slowed down.
    pub(super) fn speed_up(&mut self, id: ConnId) {
        if self.peer(id).is_none() {
            return;
        }
        let now = self.clock.peer_time();
        let peer = &mut self.peers[id.slot as usize];
        if let Some(cold) = &mut peer.cold
            && cold.slowed
        {
            cold.slowed = false;
            // A peer that was not listened to has not fallen silent.
            peer.deadlines.paused(now);
            self.release(id.slot as usize);
        }
    }

    fn slow_down(&mut self, id: ConnId, wait: Duration) {
        let peer = &mut self.peers[id.slot as usize];
        peer.held = true;
        peer.cold().slowed = true;
        self.stats.slowed += 1;
        self.slowed.wait(self.now().checked_add(wait), id);
    }

    /// Returns what is left of the rate of a connection that has to keep to one now. While it is being closed it may
    /// send whatever it likes, as it is done soon.
    fn meter(&mut self, id: ConnId) -> Option<&mut Meter> {
        let now = self.now();
        let peer = self.peers.get_mut(id.slot as usize).filter(|peer| peer.generation == id.generation)?;
        if !peer.metered || peer.outbound.sent_close() {
            return None;
        }
        let meter = peer.cold.as_mut()?.meter.as_mut()?;
        meter.fill(now);
        Some(meter)
    }
}

/// Counts bytes that have been read.
#[cold]
pub(super) fn count_bytes<H: Handler>(handler: &mut H, cx: &mut Context<H::Data>, id: ConnId, len: usize) {
    let Some(meter) = cx.meter(id) else { return };
    match meter.rate.policy {
        RatePolicy::Drop => {} // counted by messages
        RatePolicy::Close if !meter.has(0, len as u64) => cx.agenda.decide(id.slot as usize, Verdict::Rate),
        RatePolicy::SlowDown | RatePolicy::Close => {
            meter.spend(0, len as u64);
            wait(handler, cx, id);
        }
    }
}

/// Delivers a message, unless it is to be dropped.
#[cold]
pub(super) fn deliver<H: Handler>(
    handler: &mut H,
    cx: &mut Context<H::Data>,
    id: ConnId,
    message: Message<'_>,
) {
    if count_message(handler, cx, id, message.len()) {
        cx.stats.messages_in += 1;
        handler.on_message(cx, id, message);
        wait(handler, cx, id);
    }
}

/// Counts a frame. One that begins a message which is delivered only in frames counts as that message.
#[cold]
pub(super) fn count_frame<H: Handler>(
    handler: &mut H,
    cx: &mut Context<H::Data>,
    id: ConnId,
    header: &Header,
) {
    let delivery = cx.peers[id.slot as usize].outbound.config().delivery;
    if delivery == Delivery::Frames
        && matches!(header.kind(), Kind::First { .. })
        && let Some(meter) = cx.meter(id)
    {
        match meter.rate.policy {
            RatePolicy::Drop => {}
            RatePolicy::Close if !meter.has(1, 0) => cx.agenda.decide(id.slot as usize, Verdict::Rate),
            RatePolicy::SlowDown | RatePolicy::Close => {
                meter.spend(1, 0);
                wait(handler, cx, id);
            }
        }
    }
}

/// Counts a message and returns whether it is to be delivered.
fn count_message<H: Handler>(handler: &mut H, cx: &mut Context<H::Data>, id: ConnId, len: usize) -> bool {
    let Some(meter) = cx.meter(id) else { return true };
    match meter.rate.policy {
        RatePolicy::Drop => {
            let fits = meter.has(1, len as u64);
            if fits {
                meter.spend(1, len as u64);
            } else {
                cx.stats.rate_dropped += 1;
                handler.on_rate_exceeded(cx, id, RateExceeded::Dropped(len));
            }
            fits
        }
        RatePolicy::Close if !meter.has(1, 0) => {
            cx.agenda.decide(id.slot as usize, Verdict::Rate);
            false
        }
        RatePolicy::SlowDown | RatePolicy::Close => {
            meter.spend(1, 0);
            true
        }
    }
}

/// Makes a connection wait, if it has to. What was read before is still taken if only its bytes were too many.
fn wait<H: Handler>(handler: &mut H, cx: &mut Context<H::Data>, id: ConnId) {
    let Some(meter) = cx.meter(id) else { return };
    if meter.rate.policy == RatePolicy::SlowDown
        && let Some(wait) = meter.wait()
    {
        if meter.is_out_of_messages() {
            cx.work.cut_off();
        }
        if !cx.peers[id.slot as usize].cold().slowed {
            cx.slow_down(id, wait);
            handler.on_rate_exceeded(cx, id, RateExceeded::Slowed(wait));
        }
    }
}

impl<H: Handler> Turn<'_, H> {
    /// Continues reading from the connections that have waited long enough.
    pub(super) fn speed_up(&mut self) {
        let now = self.cx.now();
        while let Some(Reverse((at, id))) = self.cx.slowed.until.peek().copied()
            && at <= now
        {
            self.cx.slowed.until.pop();
            // It may have got another rate meanwhile, or have begun to wait anew.
            match self.cx.meter(id).and_then(|meter| meter.wait()) {
                Some(wait) => self.cx.slowed.wait(now.checked_add(wait), id),
                None => self.cx.speed_up(id),
            }
        }
    }
}
