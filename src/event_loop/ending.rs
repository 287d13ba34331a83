//! The part of an engine that ends things: requests that waited for an answer, connections that the program fails,
//! the loop as a whole.

use std::mem;
use std::time::Instant;

use super::engine::Engine;
use super::handler::{Cause, Failed, Handler};
use super::peer::{Answer, Stage, Waiting};
use super::shutdown::Shutdown;
use crate::client::Loss;
use crate::close::{CloseCode, CloseReason};
use crate::handshake::{Refusal, Request};

impl<D: Default> Engine<D> {
    /// The answer to a request comes later; `rest` is what the client has sent behind it.
    pub(super) fn wait(&mut self, slot: usize, request: Request, rest: Vec<u8>) {
        let peer = &mut self.cx.peers[slot];
        // The time still counts from the moment the TCP connection was there (§10.4).
        let since = match &peer.stage {
            Stage::Server(opening) => opening.since,
            _ => self.cx.clock.peer_time(),
        };
        peer.stage = Stage::Waiting(Box::new(Waiting { request, since, rest, answer: None }));
    }

    /// Bytes of a client that waits for its answer stay where they are, but should it go away the program need not
    /// go on to find one.
    pub(super) fn read_waiting<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &self.cx.peers[slot];
        if peer.read_closed && peer.verdict.is_none() {
            self.fail(handler, slot, &Failed::Eof);
        }
    }

    /// The program has answered a request that waited.
    pub(super) fn answer<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        let Stage::Waiting(waiting) = &mut peer.stage else { return };
        let rest = mem::take(&mut waiting.rest);
        match waiting.answer.take() {
            None => {}
            Some(Answer::Refuse(refusal)) => {
                let failed = Failed::Refused(refusal.status());
                self.refuse(handler, slot, &refusal.encode(), &failed);
            }
            Some(Answer::Accept(agreement)) => {
                // It came out of this buffer, so it fits in.
                self.scratch[..rest.len()].copy_from_slice(&rest);
                self.cx.mark_dirty(slot as u32);
                self.open(handler, slot, &agreement, 0, rest.len());
                self.read(handler, slot);
            }
        }
    }

    /// The program met a condition that it did not expect.
    pub(super) fn fail_open<H: Handler<Data = D>>(&mut self, handler: &mut H, slot: usize) {
        let peer = &mut self.cx.peers[slot];
        // §7.4.1: 1011. Refused where a Close frame is sent already, which is as good.
        let _ = peer.outbound.close(Some(CloseReason { code: CloseCode::INTERNAL_ERROR, reason: "" }));
        self.over(handler, slot, Cause::Failed);
        self.cx.mark_dirty(slot as u32);
    }

    /// Begins a shutdown that was asked for.
    pub(super) fn wind_up<H: Handler<Data = D>>(&mut self, handler: &mut H) {
        match &mut self.cx.shutdown {
            Some(shutdown) if !shutdown.begun => shutdown.begun = true,
            _ => return,
        }
        self.stop_listening();
        for slot in self.slots() {
            let peer = &mut self.cx.peers[slot];
            match peer.stage {
                Stage::Open => {
                    let reason = CloseReason { code: CloseCode::GOING_AWAY, reason: "the server shuts down" };
                    // Refused where a Close frame is sent already.
                    let _ = peer.outbound.close(Some(reason));
                    self.cx.mark_dirty(slot as u32);
                }
                Stage::Server(_) | Stage::Waiting(_) => {
                    let answer = Refusal::trusted(503).with_text("The server shuts down.").encode();
                    self.refuse(handler, slot, &answer, &Failed::Aborted);
                }
                Stage::Reaching(_) | Stage::Dialing(_) | Stage::Client(_) => {
                    self.fail(handler, slot, &Failed::Aborted);
                }
                Stage::Ending | Stage::Dead => {}
            }
        }
        let clients: Vec<_> = self.cx.clients().collect();
        for client in clients {
            // One that has a connection ends with it.
            if self.cx.connection_of(client).is_none() {
                self.lost(handler, client, &Loss::Local);
            }
        }
    }

    /// Ends a shutdown once nobody is left or, by `due`, the time is up.
    pub(super) fn finish_shutdown<H: Handler<Data = D>>(&mut self, handler: &mut H, due: Option<Instant>) {
        let Some(Shutdown { begun: true, until, .. }) = self.cx.shutdown else { return };
        if until.zip(due).is_some_and(|(until, due)| until <= due) {
            for slot in self.slots() {
                self.over(handler, slot, Cause::ShutDown);
                if self.cx.peers[slot].is_handshaking() {
                    self.fail(handler, slot, &Failed::Aborted);
                }
                self.kill(slot);
            }
            self.reap();
        } else if !self.cx.peers.is_empty() {
            return;
        }
        if let Some(shutdown) = self.cx.shutdown.take() {
            handler.on_shutdown(&mut self.cx, &shutdown.report);
            self.cx.was_shut_down = true;
            self.cx.stop();
        }
    }

    fn slots(&self) -> Vec<usize> {
        self.cx.peers.iter().map(|(slot, _)| slot).collect()
    }
}
