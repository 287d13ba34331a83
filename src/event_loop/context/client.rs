//! The clients of a loop, as a handler sees them.

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
    /// Opens a client: looks the name up, connects, through a proxy and TLS if necessary, and reconnects after a loss,
    /// all as `config` says. The first try comes at the end of this turn.
    ///
    /// [`on_open`](crate::event_loop::Handler::on_open) reports each connection, and is the place to send what the
    /// server has to be told first. [`on_client`](crate::event_loop::Handler::on_client) reports all that comes before
    /// and after. [`on_failed`](crate::event_loop::Handler::on_failed) is not called for a client's connection that
    /// never opened.
    ///
    /// RFC 6455 §4.1 asks a client to open connections to one address one after the other. A program that opens
    /// thousands from one loop has its reasons, so here they are opened at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](io::ErrorKind::InvalidInput), with the [`ConnectError`] inside, if the client can
    /// never connect: the host is a name and there is no [`resolver`](ClientConfig::resolver), the URL is `wss` and
    /// there is no TLS, or the proxy cannot be used. Other errors if a resolver is set and no `mio::Waker` can be made
    /// for its answers, and while the loop [shuts down](Context::shutdown).
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

    /// Returns where resolvers send their answers.
    pub(in crate::event_loop) fn answers(&mut self) -> io::Result<Arc<Answers>> {
        if let Some(answers) = &self.clients.answers {
            return Ok(answers.clone());
        }
        self.waker.make(&self.registry, self.tokens.waker())?;
        let answers = Arc::new(Answers::new(self.waker.clone()));
        Ok(self.clients.answers.insert(answers).clone())
    }

    /// Returns the open connection of a client.
    pub fn connection_of(&self, client: ClientId) -> Option<ConnId> {
        self.clients.peek(client)?.conn.filter(|id| self.peer(*id).is_some_and(|peer| peer.is_open()))
    }

    /// Returns the client that a connection belongs to.
    pub fn client_of(&self, id: ConnId) -> Option<ClientId> {
        self.peer(id)?.cold.as_ref()?.client
    }

    /// Returns the state of a client; [`ClientState::Closed`] once it is gone.
    pub fn client_state(&self, client: ClientId) -> ClientState {
        match self.clients.peek(client) {
            None => ClientState::Closed,
            Some(Client { state: ClientState::Open, conn: Some(id), .. }) if !self.is_open(*id) => {
                ClientState::Closing
            }
            Some(client) => client.state,
        }
    }

    /// Returns the bytes of the request that a client has sent, while it waits for the answer.
    pub fn client_request(&self, client: ClientId) -> Option<&[u8]> {
        self.clients.peek(client)?.connector.as_ref()?.request()
    }

    /// Returns the target of a client, after redirects.
    pub fn client_target(&self, client: ClientId) -> Option<&Target> {
        let client = self.clients.peek(client)?;
        Some(client.connector.as_ref().map_or(&client.target, |connector| connector.target()))
    }

    /// Sends a message over the connection of a client. While it has none, [`ClientConfig::while_disconnected`]
    /// decides: the message is kept until the next connection opens ([`Sent::Queued`]), exceeds what may be kept
    /// ([`Sent::Dropped`]), or is refused ([`Sent::Closed`]).
    ///
    /// What a connection had not sent when it was lost is lost with it, as nobody knows how much of it arrived. Only
    /// what was sent while there was no connection is kept.
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

    /// Closes a client: begins the closing handshake of its connection, if it has one, and makes no further tries.
    /// [`ClientEvent::End`](crate::event_loop::ClientEvent::End) is its last event.
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

    /// Returns the clients that are not closed.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.clients
            .slab
            .iter()
            .map(|(slot, client)| ClientId { slot: slot as u32, generation: client.generation })
    }
}

/// Wraps an error of a configuration that can never connect.
fn never(error: ConnectError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
