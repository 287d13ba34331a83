//! How connections end, and that each end is reported once.

use std::io;

use super::agenda::Verdict;
#[cfg(all(feature = "http2", feature = "tls"))]
use super::alpn::{self, Alpn};
use super::ended::{Cause, Ended, Failed};
use super::handler::Handler;
use super::peer::Stage;
use super::reconnecting::loss_of;
use super::turn::Turn;
use crate::client::Loss;
use crate::close::{CloseCode, CloseReason};
use crate::connection::driver::{self, InboundExt as _};
use crate::connection::{CloseStep, Inbound};

impl<H: Handler> Turn<'_, H> {
    /// Acts on the decisions of the program or a policy.
    pub(super) fn act_on_decisions(&mut self) {
        for _ in 0..self.cx.agenda.decisions() {
            let Some((slot, verdict)) = self.cx.agenda.next_decision() else { return };
            self.act_on(slot, verdict);
        }
    }

    fn act_on(&mut self, slot: usize, verdict: Verdict) {
        let is_open = self.cx.peers[slot].is_open();
        let (cause, failed) = match verdict {
            Verdict::Answer => return self.answer(slot),
            Verdict::Fail if is_open => {
                return self.end_with(slot, CloseCode::INTERNAL_ERROR, "", Cause::Failed);
            }
            Verdict::Rate if is_open => {
                self.cx.stats.rate_closed += 1;
                let reason = "more came than the rate allows";
                return self.end_with(slot, CloseCode::POLICY, reason, Cause::RateExceeded);
            }
            Verdict::Rate => (Cause::RateExceeded, Failed::Aborted),
            Verdict::Fail => (Cause::Failed, Failed::Aborted),
            Verdict::Abort => (Cause::Aborted, Failed::Aborted),
            Verdict::Overflow => {
                self.cx.stats.overflowed += 1;
                (Cause::Overflow, Failed::Aborted)
            }
        };
        if is_open {
            self.over(slot, cause);
            self.kill(slot);
        } else if let Stage::Ending = self.cx.peers[slot].stage {
            self.part(slot);
        } else {
            self.fail(slot, &failed);
        }
    }

    /// Fails an open connection with this code.
    fn end_with(&mut self, slot: usize, code: CloseCode, reason: &str, cause: Cause) {
        self.cx.settle(slot);
        let peer = &mut self.cx.peers[slot];
        // Refused if a Close frame has been sent already, which is as good.
        let _ = peer.outbound.close(Some(CloseReason { code, reason }));
        self.over(slot, cause);
        self.cx.agenda.write(slot);
    }

    /// Answers a handshake and ends the connection.
    pub(super) fn refuse(&mut self, slot: usize, answer: &[u8], failed: &Failed) {
        #[cfg(all(feature = "http2", feature = "tls"))]
        let farewell = match Alpn::of(&self.cx.peers[slot].transport) {
            Alpn::Http2 => Some(alpn::farewell()),
            // It may become HTTP/2, where an HTTP/1.1 answer would mean nothing.
            Alpn::Unknown => return self.fail(slot, failed),
            Alpn::Other => None,
        };
        #[cfg(all(feature = "http2", feature = "tls"))]
        let answer = farewell.as_deref().unwrap_or(answer);
        let id = self.id(slot);
        self.cx.peers[slot].end_after(answer, self.cx.clock.peer_time());
        self.cx.agenda.write(slot);
        self.cx.watch_deadline(slot);
        self.cx.stats.failed.count(failed);
        self.handler.on_failed(self.cx, id, failed);
    }

    /// Ends a connection that has not opened. One whose end the program knows is only removed.
    pub(super) fn fail(&mut self, slot: usize, failed: &Failed) {
        if !self.cx.peers[slot].is_handshaking() {
            return self.kill(slot);
        }
        if let Stage::Connecting(client) = self.cx.peers[slot].stage {
            self.kill(slot);
            return self.lost(client, &Loss::Local);
        }
        let id = self.id(slot);
        self.cx.stats.failed.count(failed);
        self.kill(slot);
        self.handler.on_failed(self.cx, id, failed);
    }

    /// Handles the end of the peer's direction.
    pub(super) fn eof(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        peer.readable = false;
        peer.eof = true;
        if peer.is_open() {
            self.over(slot, Cause::Eof);
            return self.cx.agenda.write(slot);
        }
        let failed = peer.stage.eof();
        self.fail(slot, &failed);
    }

    /// Handles a failed read: nothing passes in either direction any more.
    pub(super) fn broken(&mut self, slot: usize, error: io::Error) {
        match self.cx.peers[slot].stage {
            Stage::Open => {
                self.over(slot, Cause::Io(error));
                self.kill(slot);
            }
            Stage::Connecting(client) => self.connecting_broken(slot, client, error),
            _ => self.fail(slot, &Failed::Io(error)),
        }
    }

    /// Tells the program that an open connection is over.
    pub(super) fn over(&mut self, slot: usize, cause: Cause) {
        let id = self.id(slot);
        self.cx.settle(slot);
        let peer = &mut self.cx.peers[slot];
        if !peer.is_open() {
            return;
        }
        peer.stage = Stage::Ending;
        peer.drop_rest();
        peer.deadlines.closing(self.cx.clock.peer_time());
        let outcome = driver::outcome(&self.inbounds[slot], &peer.outbound);
        self.inbounds[slot].discard();
        // Once both Close frames have passed, it does not matter how TCP ends (§7.1.4).
        let cause = if outcome.is_clean() { Cause::Closed } else { cause };
        self.cx.watch_deadline(slot);
        self.cx.leave_all(slot);
        self.cx.count_end(id, &outcome);
        let loss = self.cx.client_of(id).map(|_| loss_of(&outcome, &cause));
        self.handler.on_close(self.cx, id, &Ended { outcome, cause });
        if let Some(loss) = loss {
            self.client_over(id, &loss);
        }
    }

    /// Takes the next step towards the end, if the connection is on its way there.
    #[inline]
    pub(super) fn progress(&mut self, slot: usize) {
        let peer = &self.cx.peers[slot];
        if !peer.is_open() || peer.outbound.sent_close() {
            self.progress_to_end(slot);
        }
    }

    #[inline(never)]
    fn progress_to_end(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if peer.is_open() {
            let (inbound, now) = (&self.inbounds[slot], self.cx.clock.peer_time());
            match driver::step_to_end(inbound, &peer.outbound, &mut peer.deadlines, now) {
                CloseStep::None | CloseStep::EchoClose => return,
                CloseStep::AwaitClose => return self.cx.watch_deadline(slot),
                CloseStep::CloseTcp | CloseStep::AwaitEof => self.over(slot, Cause::Closed),
            }
        }
        let peer = &mut self.cx.peers[slot];
        if !matches!(peer.stage, Stage::Ending) || peer.outbound.queued() > 0 {
            return;
        }
        if peer.eof {
            return self.part(slot);
        }
        // §7.1.1: the server ends TCP first; a client that was not told to go waits for it.
        let step = self.inbounds.get(slot).map(|inbound| driver::close_step(inbound, &peer.outbound));
        if step == Some(CloseStep::AwaitEof) {
            return;
        }
        // Closing a socket with unread bytes resets it, which may overtake our Close frame. Nothing is unread if the
        // peer's Close frame was the last that came. Otherwise our direction is ended, and what comes is read until the
        // peer ends. A stream over a socket may hold bytes back and has an end of its own to send (TLS: close_notify).
        let nothing_unread = !peer.readable && self.inbounds.get(slot).is_some_and(Inbound::ends_with_close);
        if nothing_unread && !peer.outbound.has_failed() && peer.transport.is_socket() {
            return self.kill(slot);
        }
        peer.finish_writing();
    }

    /// Ends a connection in order: a layer over the socket first sends an end of its own (TLS: close_notify).
    pub(super) fn part(&mut self, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        if !peer.transport.is_socket() && !peer.transport.is_http2() {
            peer.finish_writing();
        }
        self.kill(slot);
    }

    /// Ends a connection: it is gone at the end of the turn.
    pub(super) fn kill(&mut self, slot: usize) {
        self.cx.peers[slot].stage = Stage::Dead;
        self.cx.agenda.remove(slot);
    }

    /// Frees the slots of the connections that are over. This happens only here: until now no other connection had
    /// their numbers.
    pub(super) fn remove_dead(&mut self) {
        if !self.cx.agenda.has_removed() {
            return;
        }
        let mut over = Vec::new();
        self.cx.agenda.take_removed(&mut over);
        for slot in over {
            let slot = slot as usize;
            let mut peer = self.cx.peers.remove(slot);
            self.cx.budget.leave(slot, peer.transport.memory());
            self.cx.admission.leave_from(peer.address);
            if peer.is_turned_away() {
                self.cx.turned_away -= 1;
            } else {
                self.cx.admission.leave();
            }
            // Dropping the socket ends it in any case.
            let _ = peer.transport.deregister(&self.cx.registry);
            if let Some(inbound) = self.inbounds.get_mut(slot) {
                *inbound = Inbound::new();
            }
        }
    }
}
