//! Clients of a loop, as a handler sees them.

use std::io;
use std::sync::Arc;

use super::send::Sent;
use super::{Context, shutting_down};
use crate::client::connect::{Action, Connector};
use crate::client::{ClientConfig, ConnectError, Target, WhileDisconnected};
use crate::close::CloseReason;
use crate::event_loop::clients::{Answers, Client, ClientState};
use crate::event_loop::id::{ClientId, ConnId};
use crate::message::Message;

impl<D: Default> Context<D> {
    /// Opens a client: looks the name up, connects, through a proxy and TLS where need be, and again after a loss, all
    /// as `config` says. The first try comes at the end of this turn.
    ///
    /// [`on_open`](crate::event_loop::Handler::on_open) tells of each connection, and is the place to send what a server has to be
    /// told first; [`on_client`](crate::event_loop::Handler::on_client) tells of all that comes before and after. For a
    /// connection of a client that never opened [`on_failed`](crate::event_loop::Handler::on_failed) is not called.
    ///
    /// RFC 6455 §4.1 has a client open one connection to an address after the other; whoever opens thousands from one
    /// loop has reasons, so here they are opened at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](io::ErrorKind::InvalidInput) where nothing can come of it, with the
    /// [`ConnectError`] inside: a host that is a name, and no [`resolver`](ClientConfig::resolver); a `wss` URL, and no
    /// TLS; a proxy that cannot be used. Where a resolver is set and no `mio::Waker` can be made that wakes the loop for
    /// its answers. While the loop [shuts down](Context::shutdown).
    pub fn open(&mut self, config: ClientConfig) -> io::Result<ClientId> {
        if self.is_shutting_down() {
            return Err(shutting_down());
        }
        match Connector::new(config.clone(), self.clock.peer_time()).next() {
            Some(Action::Resolve(..)) if config.resolver.is_none() => {
                return Err(never(ConnectError::NoResolver));
            }
            Some(Action::Failed(error)) => return Err(never(error)),
            _ => {}
        }
        if config.resolver.is_some() {
            self.answers()?;
        }
        Ok(self.clients.insert(config))
    }

    /// Where resolvers send their answers.
    pub(in crate::event_loop) fn answers(&mut self) -> io::Result<Arc<Answers>> {
        if let Some(answers) = &self.clients.answers {
            return Ok(answers.clone());
        }
        self.waker.make(&self.registry, self.tokens.waker())?;
        let answers = Arc::new(Answers::new(self.waker.clone()));
        Ok(self.clients.answers.insert(answers).clone())
    }

    /// The open connection of a client.
    pub fn connection_of(&self, client: ClientId) -> Option<ConnId> {
        self.clients.peek(client)?.conn.filter(|id| self.peer(*id).is_some_and(|peer| peer.is_open()))
    }

    /// The client that a connection belongs to.
    pub fn client_of(&self, id: ConnId) -> Option<ClientId> {
        self.peer(id)?.cold.as_ref()?.client
    }

    /// Where a client stands; [`ClientState::Closed`] once it is gone.
    pub fn client_state(&self, client: ClientId) -> ClientState {
        match self.clients.peek(client) {
            None => ClientState::Closed,
            Some(Client { state: ClientState::Open, conn: Some(id), .. }) if !self.is_open(*id) => {
                ClientState::Closing
            }
            Some(client) => client.state,
        }
    }

    /// The bytes of the request that a client has sent, while it waits for the answer.
    pub fn client_request(&self, client: ClientId) -> Option<&[u8]> {
        self.clients.peek(client)?.connector.as_ref()?.request()
    }

    /// What a client connects to: where redirects have led.
    pub fn client_target(&self, client: ClientId) -> Option<&Target> {
        let client = self.clients.peek(client)?;
        Some(client.connector.as_ref().map_or(&client.target, |connector| connector.target()))
    }

    /// Sends a message over the connection of a client. While it has none, [`ClientConfig::while_disconnected`] says what
    /// becomes of it: kept until the next one opens ([`Sent::Queued`]), too much for that ([`Sent::Dropped`]), or
    /// refused ([`Sent::Closed`]).
    ///
    /// What a connection had not sent when it was lost is lost with it, as nobody knows how much of it arrived; only
    /// what was sent while there was none is kept.
    pub fn send_to<'a>(&mut self, client: ClientId, message: impl Into<Message<'a>>) -> Sent {
        let message = message.into();
        if let Some(id) = self.connection_of(client) {
            return self.send(id, message);
        }
        let Some(client) = self.clients.get(client) else { return Sent::Closed };
        let WhileDisconnected::Queue(most) = client.wanted.while_disconnected else { return Sent::Closed };
        if client.closing || client.state == ClientState::Closed {
            return Sent::Closed;
        }
        client.keep(message, most).map_or(Sent::Dropped, Sent::Queued)
    }

    /// Closes a client: begins the closing handshake of its connection, if it has one, and tries no more.
    /// [`ClientEvent::End`](crate::event_loop::ClientEvent::End) is the last that is heard of it.
    pub fn close_client(&mut self, client: ClientId, reason: Option<CloseReason<'_>>) {
        let Some(found) = self.clients.get(client) else { return };
        found.closing = true;
        match self.connection_of(client) {
            Some(id) => {
                self.close(id, reason);
            }
            None => self.clients.dropped.push(client),
        }
    }

    /// Ends a client at once, without a closing handshake.
    pub fn abort_client(&mut self, client: ClientId) {
        let Some(found) = self.clients.get(client) else { return };
        found.closing = true;
        match found.conn {
            Some(id) => self.abort(id),
            None => self.clients.dropped.push(client),
        }
    }

    /// The clients that are not closed.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.clients
            .slab
            .iter()
            .map(|(slot, client)| ClientId { slot: slot as u32, generation: client.generation })
    }
}

/// What is asked for can never be had.
fn never(error: ConnectError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
