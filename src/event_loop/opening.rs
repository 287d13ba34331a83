//! From a TCP connection to an open WebSocket: requests and responses.

use std::mem;
use std::ops::Range;

use super::ended::Failed;
use super::handler::{Decision, Handler, LoopError};
use super::peer::{Answer, Filled, Stage, Waiting};
use super::rate::Meter;
use super::turn::Turn;
use crate::client::connect::EXCERPT_WAIT;
use crate::connection::driver::{InboundExt as _, OutboundExt as _};
use crate::connection::{Deadlines, Inbound};
use crate::handshake::{Agreement, Incoming, Progress, Refusal, Request};
use crate::role::Role;

impl<H: Handler> Turn<'_, H> {
    /// Reads the next part of a handshake. If that opens the connection, returns the range of the receive buffer that
    /// came after it: frames.
    pub(super) fn read_handshake(&mut self, slot: usize) -> Option<Range<usize>> {
        let len = self.read_head(slot, self.scratch.len())?;
        self.take_handshake(slot, 0..len)
    }

    /// Reads at most `most` bytes of what precedes the first frame. Returns how many came, if any did.
    pub(super) fn read_head(&mut self, slot: usize, most: usize) -> Option<usize> {
        match self.cx.peers[slot].fill(&mut self.scratch[..most]) {
            Filled::Bytes(len) => {
                self.cx.stats.bytes_in += len as u64;
                return Some(len);
            }
            Filled::Nothing => {}
            Filled::End => self.eof(slot),
            Filled::Broken(error) => self.broken(slot, error),
        }
        None
    }

    /// Takes the next part of a handshake, which is in the receive buffer. If that opens the connection, returns the
    /// range that came after it: frames.
    pub(super) fn take_handshake(&mut self, slot: usize, part: Range<usize>) -> Option<Range<usize>> {
        #[cfg(feature = "http2")]
        if self.speaks_http2(slot, &part) {
            self.carry(slot, part);
            return None;
        }
        let peer = &mut self.cx.peers[slot];
        let input = &self.scratch[part.clone()];
        let behind = |used: usize| part.start + used..part.end;
        match &mut peer.stage {
            Stage::Server(opening) => match opening.handshake.receive(input) {
                Ok(Progress::NeedMore) => None,
                Ok(Progress::Done { value, used }) => self.requested(slot, value, behind(used)),
                Err(error) => {
                    let answer = opening.handshake.answer(error);
                    if let Some(head) = opening.handshake.refused_head().cloned() {
                        let id = self.id(slot);
                        self.handler.on_bad_request(self.cx, id, &head, error);
                    }
                    self.refuse(slot, &answer, &Failed::Request(error));
                    None
                }
            },
            Stage::Client(opening) => match opening.handshake.receive(input) {
                Ok(Progress::NeedMore) => {
                    // The body of a refusal may come right after its head, or never.
                    if opening.handshake.refusal().is_some() {
                        let wait = self.cx.clock.peer_time().checked_add(EXCERPT_WAIT);
                        opening.until = [opening.until, wait].into_iter().flatten().min();
                        self.cx.watch_deadline(slot);
                    }
                    None
                }
                Ok(Progress::Done { value: response, used }) => {
                    let id = self.id(slot);
                    self.handler.on_response(self.cx, id, &response);
                    self.open(slot, &response.into_agreement());
                    Some(behind(used))
                }
                Err(error) => {
                    self.fail(slot, &Failed::Response(error));
                    None
                }
            },
            _ => None,
        }
    }

    /// Handles a client's request; `behind` is the range of what it has sent after that.
    fn requested(&mut self, slot: usize, incoming: Incoming, behind: Range<usize>) -> Option<Range<usize>> {
        let id = self.id(slot);
        let head = match &incoming {
            Incoming::Plain(request) => request.head(),
            Incoming::Upgrade(request) => request.head(),
        };
        if !self.ask_proxy(slot, head) {
            self.too_many(slot);
            return None;
        }
        let mut request = match incoming {
            Incoming::Plain(request) => {
                let refusal = self.handler.on_plain(self.cx, id, &request);
                let answer = request.answer(&refusal);
                self.refuse(slot, &answer, &Failed::Refused(refusal.status()));
                return None;
            }
            Incoming::Upgrade(request) => request,
        };
        request.set_client_addr(self.cx.client_addr(id));
        match self.handler.on_request(self.cx, id, &request) {
            Decision::Refuse(refusal) => {
                self.refuse(slot, &refusal.encode(), &Failed::Refused(refusal.status()));
                None
            }
            Decision::Later => {
                let rest = self.scratch[behind].to_vec();
                self.wait_for_answer(slot, request, rest);
                None
            }
            Decision::Accept(acceptance) => match request.accept(&self.cx.complete(acceptance, &request)) {
                Ok((response, agreement)) => {
                    self.cx.queue_of(slot).push(&response);
                    self.open(slot, &agreement);
                    Some(behind)
                }
                Err(error) => {
                    self.handler.on_error(self.cx, &LoopError::Answer(error));
                    self.refuse(slot, &Refusal::trusted(500).encode(), &Failed::Refused(500));
                    None
                }
            },
        }
    }

    /// Defers the answer to a request; `rest` is what the client has sent after it.
    fn wait_for_answer(&mut self, slot: usize, request: Request, rest: Vec<u8>) {
        let peer = &mut self.cx.peers[slot];
        // The time still counts from the moment the TCP connection existed (§10.4).
        let until = match &peer.stage {
            Stage::Server(opening) => opening.until,
            _ => None,
        };
        peer.stage = Stage::Waiting(Box::new(Waiting { request, until, rest, answer: None }));
    }

    /// Leaves the bytes of a client that waits for its answer where they are. But if the client goes away, the program
    /// need not continue to look for an answer.
    pub(super) fn read_waiting(&mut self, slot: usize) {
        if self.cx.peers[slot].read_closed && !self.cx.agenda.is_decided(slot) {
            self.fail(slot, &Failed::Eof);
        }
    }

    /// Handles the program's answer to a request that waited.
    pub(super) fn answer(&mut self, slot: usize) {
        let Stage::Waiting(waiting) = &mut self.cx.peers[slot].stage else { return };
        let rest = mem::take(&mut waiting.rest);
        match waiting.answer.take() {
            None => {}
            Some(Answer::Refuse(refusal)) => {
                self.refuse(slot, &refusal.encode(), &Failed::Refused(refusal.status()));
            }
            Some(Answer::Accept(agreement)) => {
                // It came out of this buffer, so it fits.
                self.scratch[..rest.len()].copy_from_slice(&rest);
                self.cx.agenda.write(slot);
                self.open(slot, &agreement);
                self.take_frames(self.id(slot), 0..rest.len());
                self.read(slot);
            }
        }
    }

    /// Opens the connection after the handshake. What came after it has to be [taken](Self::take_frames) next.
    pub(super) fn open(&mut self, slot: usize, agreement: &Agreement) {
        if self.inbounds.len() <= slot {
            self.inbounds.resize_with(slot + 1, Inbound::new);
        }
        let peer = &mut self.cx.peers[slot];
        peer.stage = Stage::Open;
        if let Some(agreed) = agreement.deflate() {
            self.inbounds[slot].use_deflate(agreed, peer.outbound.role());
            peer.outbound.use_deflate(agreed);
        }
        if let (Some(rate), Role::Server) = (self.cx.settings.rate, peer.outbound.role()) {
            peer.metered = true;
            peer.cold().meter = Some(Meter::new(rate, self.cx.clock.now()));
        }
        let now = self.cx.clock.peer_time();
        peer.deadlines = Deadlines::new(now);
        peer.opened = self.cx.wheel.step_of(now);
        self.cx.stats.opened += 1;
        self.cx.watch_deadline(slot);
        let id = self.id(slot);
        self.handler.on_open(self.cx, id, agreement);
        self.cx.settle(slot); // what came after the handshake may be answered
        if self.cx.peers[slot].cold.is_some() {
            self.client_opened(id);
        }
        self.cx.work.serve();
    }
}
