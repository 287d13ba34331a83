//! The part of an engine that keeps clients connected: from one try to the next, over each connection that is lost.

use std::time::Instant;

use super::clients::{Answer, ClientEvent, ClientState};
use super::ended::Cause;
use super::handler::Handler;
use super::id::{ClientId, ConnId};
use super::turn::Turn;
use crate::client::connect::{Connector, Input};
use crate::client::{ConnectError, Loss, Next, Stop};
use crate::close::CloseCode;
use crate::connection::Outcome;
use crate::entropy::SystemEntropy;
use crate::message::Message;

impl<H: Handler> Turn<'_, H> {
    /// Handles what has happened for clients: first tries, answers of resolvers, deadlines.
    ///
    /// Deadlines count up to `due`, in the peers' time; not at all if something has to be heard first.
    pub(super) fn serve_clients(&mut self, due: Option<Instant>) {
        if self.cx.clients.slab.is_empty() {
            return;
        }
        for client in std::mem::take(&mut self.cx.clients.fresh) {
            self.begin(client);
        }
        for client in std::mem::take(&mut self.cx.clients.dropped) {
            self.lost(client, &Loss::Local);
        }
        for Answer { client: id, tries, lookup, result } in self.cx.clients.take_answers() {
            if self.cx.clients.get(id).is_some_and(|client| client.tries == tries) {
                self.step(id, Input::Resolved(lookup, result.map_err(ConnectError::Resolve)));
            }
        }
        let Some(due) = due else { return };
        let last = self.cx.clients.timers.last();
        while let Some(timer) = self.cx.clients.timers.take_due(due, last) {
            let Some(client) = self.cx.clients.slab.get_mut(timer.tag as usize) else { continue };
            if client.timer == Some(timer.id) {
                client.timer = None;
                let id = ClientId { slot: timer.tag as u32, generation: client.generation };
                match client.connector {
                    Some(_) => self.step(id, Input::Time),
                    None => self.begin(id), // it has waited for its next try
                }
            }
        }
    }

    /// Begins a new try, to the target that the program wants.
    fn begin(&mut self, id: ClientId) {
        if self.cx.is_shutting_down() {
            return self.lost(id, &Loss::Local);
        }
        let Some(client) = self.cx.clients.get(id) else { return };
        client.tries += 1;
        let (tries, mut wanted) = (client.tries, client.wanted.clone());
        self.handler.on_try(self.cx, id, tries, &mut wanted);
        let now = self.cx.clock.peer_time();
        let Some(client) = self.cx.clients.get(id) else { return };
        client.wanted = wanted.clone();
        if client.closing {
            return self.lost(id, &Loss::Local);
        }
        client.connector = Some(Box::new(Connector::new(wanted, now)));
        self.pump(id, 0);
    }

    /// Handles a client's connection that has opened, after the program was told.
    pub(super) fn client_opened(&mut self, conn: ConnId) {
        let now = self.cx.clock.peer_time();
        let Some(id) = self.cx.client_of(conn) else { return };
        let Some(client) = self.cx.clients.get(id) else { return };
        client.reconnect.opened(now);
        let kept = client.take_kept();
        self.enter_state(id, ClientState::Open);
        for (kind, bytes) in kept {
            let message = match kind {
                crate::frame::DataKind::Binary => Message::Binary(&bytes),
                // It was text when it was kept.
                crate::frame::DataKind::Text => match std::str::from_utf8(&bytes) {
                    Ok(text) => Message::Text(text),
                    Err(_) => continue,
                },
            };
            self.cx.send(conn, message);
        }
    }

    /// Handles the end of a client's open connection, after the program was told.
    pub(super) fn client_over(&mut self, conn: ConnId, loss: &Loss) {
        let Some(id) = self.cx.client_of(conn) else { return };
        let by_us =
            self.cx.peer(conn).and_then(|peer| peer.cold.as_ref()).is_some_and(|cold| cold.closed_here);
        self.lost(id, if by_us { &Loss::Local } else { loss });
    }

    /// Handles a failed try.
    pub(super) fn unreached(&mut self, id: ClientId, error: &ConnectError) {
        self.cx.stats.failed.count_unreached(error);
        if let Some(client) = self.cx.clients.get(id)
            && let Some(connector) = client.connector.take()
        {
            client.target = connector.target().clone();
        }
        self.handler.on_client(self.cx, id, &ClientEvent::Unreached(error));
        self.lost(id, &error.loss());
    }

    /// Decides what to do without a connection: try again, or end.
    pub(super) fn lost(&mut self, id: ClientId, loss: &Loss) {
        let now = self.cx.clock.peer_time();
        let is_shutting_down = self.cx.is_shutting_down();
        let Some(client) = self.cx.clients.get(id) else { return };
        client.connector = None;
        client.conn = None;
        let left = std::mem::take(&mut client.attempts);
        let next = if client.closing || is_shutting_down {
            Next::Stop(Stop::Done)
        } else {
            client.reconnect.lost(loss, now, &mut SystemEntropy::new())
        };
        for (_, conn) in left {
            if self.cx.peer(conn).is_some() {
                self.kill(conn.slot as usize);
            }
        }
        match next {
            Next::Retry { attempt, delay } => {
                self.cx.clients.set_timer(id, now.checked_add(delay));
                self.enter_state(id, ClientState::Waiting);
                let event = ClientEvent::Retry { attempt, delay, cause: loss };
                self.handler.on_client(self.cx, id, &event);
            }
            Next::Stop(stop) => {
                self.cx.clients.set_timer(id, None);
                self.enter_state(id, ClientState::Closed);
                self.handler.on_client(self.cx, id, &ClientEvent::End { stop, cause: loss });
                self.cx.clients.remove(id);
            }
        }
    }

    pub(super) fn enter_state(&mut self, id: ClientId, state: ClientState) {
        let Some(client) = self.cx.clients.get(id) else { return };
        if client.state != state {
            client.state = state;
            self.handler.on_client(self.cx, id, &ClientEvent::State(state));
        }
    }
}

/// Returns what the end of an open connection means to its client.
pub(super) fn loss_of(outcome: &Outcome, cause: &Cause) -> Loss {
    match cause {
        Cause::Closed => Loss::Closed(outcome.code()),
        Cause::Protocol(_) => Loss::Protocol,
        Cause::Timeout(_) => Loss::Timeout,
        Cause::Aborted | Cause::Failed | Cause::OverBudget | Cause::RateExceeded | Cause::ShutDown => {
            Loss::Local
        }
        // The server may have said why before it went.
        Cause::Eof | Cause::Io(_) | Cause::Overflow if outcome.code() != CloseCode::ABNORMAL => {
            Loss::Closed(outcome.code())
        }
        Cause::Eof | Cause::Io(_) | Cause::Overflow => Loss::Broken,
    }
}
