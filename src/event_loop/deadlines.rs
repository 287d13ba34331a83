//! Connections whose deadlines have passed.

use std::mem;
use std::time::Instant;

use super::ended::{Cause, Failed};
use super::handler::Handler;
use super::peer::Stage;
use super::turn::Turn;
use crate::close::{CloseCode, CloseReason};
use crate::connection::{Due, driver};
use crate::handshake::Refusal;

impl<H: Handler> Turn<'_, H> {
    /// Handles the connections whose deadlines may have passed by `now`, in the peers' time.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut due = mem::take(&mut self.cx.due);
        self.cx.wheel.expire(now, &mut due);
        for (slot, step) in due.drain(..) {
            let slot = slot as usize;
            let Some(peer) = self.cx.peers.get_mut(slot) else { continue };
            if peer.wheel != step {
                continue; // another entry counts
            }
            peer.wheel = 0;
            if peer.deadline(&self.cx.settings, &self.cx.wheel).is_some_and(|at| at <= now) {
                self.timeout(slot, now);
            }
            self.cx.watch_deadline(slot);
        }
        self.cx.due = due;
    }

    fn timeout(&mut self, slot: usize, now: Instant) {
        let ping = self.cx.timed_ping(self.id(slot));
        if self.cx.agenda.is_decided(slot) {
            return; // decisions come first
        }
        self.cx.settle(slot);
        let peer = &mut self.cx.peers[slot];
        match &peer.stage {
            Stage::Waiting(_) => {
                self.refuse(slot, &Refusal::trusted(503).encode(), &Failed::Timeout);
            }
            Stage::Announcing(_) | Stage::Dialing(_) | Stage::Client(_) => {
                let failed = self.cx.peers[slot].stage.too_late();
                self.fail(slot, &failed);
            }
            Stage::Server(opening) => match Refusal::new(408) {
                Ok(refusal) if !opening.handshake.is_empty() => {
                    self.refuse(slot, &refusal.encode(), &Failed::Timeout);
                }
                _ => self.fail(slot, &Failed::Timeout),
            },
            Stage::Open
                if peer.end_of_life(&self.cx.settings, &self.cx.wheel).is_some_and(|at| at <= now) =>
            {
                let reason =
                    CloseReason { code: CloseCode::GOING_AWAY, reason: "open for as long as it may be" };
                self.cx.encode_all_kept(slot);
                let peer = &mut self.cx.peers[slot];
                let _ = peer.outbound.close(Some(reason));
                peer.deadlines.closing(now);
                self.cx.agenda.write(slot);
            }
            // A peer that is not listened to has not fallen silent.
            Stage::Open if peer.held && !peer.outbound.sent_close() => peer.deadlines.paused(now),
            Stage::Open => {
                let due = driver::expire_with(&mut peer.deadlines, &mut peer.outbound, now, &ping);
                if let Some(due) = due {
                    self.over(slot, Cause::Timeout(due));
                }
                match due {
                    Some(Due::CloseTimeout) => self.kill(slot),
                    _ => self.cx.agenda.write(slot), // a Ping or a Close frame may have been queued
                }
            }
            #[cfg(feature = "http2")]
            Stage::Carrier(_) => self.end_carrier(slot),
            Stage::Ending => self.part(slot),
            Stage::Connecting(_) | Stage::Dead => {}
        }
    }
}
