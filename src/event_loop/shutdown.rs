//! Ending a loop gracefully.

use std::time::Instant;

use super::context::Shutdown;
use super::ended::{Cause, Failed};
use super::handler::Handler;
use super::peer::Stage;
use super::turn::Turn;
use crate::client::Loss;
use crate::close::{CloseCode, CloseReason};
use crate::handshake::Refusal;

impl<H: Handler> Turn<'_, H> {
    /// Begins a requested shutdown.
    pub(super) fn begin_shutdown(&mut self) {
        match &mut self.cx.shutdown {
            Some(shutdown) if !shutdown.begun => shutdown.begun = true,
            _ => return,
        }
        self.stop_listening();
        for slot in self.slots() {
            self.cx.settle(slot);
            self.cx.encode_all_kept(slot);
            let peer = &mut self.cx.peers[slot];
            match peer.stage {
                Stage::Open => {
                    let reason = CloseReason { code: CloseCode::GOING_AWAY, reason: "the server shuts down" };
                    // Refused if a Close frame has been sent already.
                    let _ = peer.outbound.close(Some(reason));
                    self.cx.agenda.write(slot);
                }
                Stage::Server(_) | Stage::Waiting(_) => {
                    let answer = Refusal::trusted(503).with_text("The server shuts down.").encode();
                    self.refuse(slot, &answer, &Failed::Aborted);
                }
                Stage::Connecting(_) | Stage::Announcing(_) | Stage::Dialing(_) | Stage::Client(_) => {
                    self.fail(slot, &Failed::Aborted);
                }
                #[cfg(feature = "http2")]
                Stage::Carrier(_) => self.end_carrier(slot),
                Stage::Ending | Stage::Dead => {}
            }
        }
        let clients: Vec<_> = self.cx.clients().collect();
        for client in clients {
            // A client that has a connection ends with it.
            if self.cx.connection_of(client).is_none() {
                self.lost(client, &Loss::Local);
            }
        }
    }

    /// Ends a shutdown once no connection is left or, by `due`, the time is up.
    pub(super) fn finish_shutdown(&mut self, due: Option<Instant>) {
        let Some(Shutdown { begun: true, until, .. }) = self.cx.shutdown else { return };
        if until.zip(due).is_some_and(|(until, due)| until <= due) {
            for slot in self.slots() {
                if let Stage::Ending = self.cx.peers[slot].stage {
                    self.part(slot); // all is sent, and the peer has not ended TCP
                    continue;
                }
                self.over(slot, Cause::ShutDown);
                if self.cx.peers[slot].is_handshaking() {
                    self.fail(slot, &Failed::Aborted);
                }
                self.kill(slot);
            }
            self.remove_dead();
        } else if !self.cx.peers.is_empty() {
            return;
        }
        if let Some(shutdown) = self.cx.shutdown.take() {
            self.handler.on_shutdown(self.cx, &shutdown.report);
            self.cx.was_shut_down = true;
            self.cx.stop();
        }
    }
}
