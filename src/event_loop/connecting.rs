//! The part of an engine that reaches servers for its clients: it does what a [`Connector`] asks for and reports the
//! results to it.
//!
//! Each attempt is a connection like any other, in a stage of its own until its WebSocket is open.

use std::io;

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;

use super::clients::{Answer, ClientState};
use super::handler::Handler;
use super::id::ClientId;
use super::peer::{Filled, Stage};
use super::transport::Transport;
use super::turn::Turn;
use crate::client::connect::{Action, Address, Attempt, Connector, Input, Lookup};
use crate::client::{ConnectError, Phase, Reply};
use crate::connection::Outbound;
use crate::handshake::Response;
#[cfg(feature = "tls")]
use crate::tls::Session;

impl<H: Handler> Turn<'_, H> {
    /// Reports an input to the client's connector, and does what follows.
    pub(super) fn step(&mut self, id: ClientId, input: Input<'_>) {
        self.feed(id, input);
        self.pump(id, 0);
    }

    /// Reports an input to the client's connector.
    fn feed(&mut self, id: ClientId, input: Input<'_>) {
        let now = self.cx.clock.peer_time();
        if let Some(connector) = self.cx.clients.connector(id) {
            connector.handle(input, now);
        }
    }

    /// Does what the connector asks for, until it only waits. The first `len` bytes of the receive buffer have just
    /// been read.
    pub(super) fn pump(&mut self, id: ClientId, len: usize) {
        while let Some(action) = self.cx.clients.connector(id).and_then(Connector::next) {
            match action {
                Action::Resolve(lookup, host, port) => self.look_up(id, lookup, &host, port),
                Action::Dial(attempt, address) => {
                    self.enter_state(id, ClientState::Connecting);
                    if let Err(error) = self.dial(id, attempt, &address) {
                        self.feed(id, Input::Failed(attempt, error));
                    }
                }
                Action::Drop(attempt) => self.drop_attempt(id, attempt),
                Action::Write(bytes) => {
                    if let Some(slot) = self.standing(id) {
                        self.cx.queue_of(slot).push(&bytes);
                        self.flush(slot);
                        self.count(slot);
                    }
                }
                Action::StartTls => self.start_tls(id),
                Action::StartHttp2 => self.start_http2(id),
                Action::Open { response, used } => return self.opened(id, *response, used, len),
                Action::Failed(error) => return self.unreached(id, &error),
            }
            if let Some(phase) = self.cx.clients.connector(id).and_then(|connector| connector.phase()) {
                self.enter_state(id, ClientState::from(phase));
            }
        }
        if let Some(connector) = self.cx.clients.connector(id) {
            let at = connector.deadline();
            self.cx.clients.set_timer(id, at);
        }
    }

    fn look_up(&mut self, id: ClientId, lookup: Lookup, host: &str, port: u16) {
        let Some(client) = self.cx.clients.get(id) else { return };
        let tries = client.tries;
        let Some(resolver) = client.wanted.resolver.clone() else {
            return self.feed(id, Input::Resolved(lookup, Err(ConnectError::NoResolver)));
        };
        match self.cx.answers() {
            Ok(answers) => {
                let reply =
                    Reply::new(move |result| answers.push(Answer { client: id, tries, lookup, result }));
                resolver.resolve(host, port, reply);
            }
            Err(error) => self.feed(id, Input::Resolved(lookup, Err(ConnectError::Resolve(error)))),
        }
    }

    fn dial(&mut self, id: ClientId, attempt: Attempt, address: &Address) -> io::Result<()> {
        let transport = match address {
            Address::Tcp(address) => Transport::Tcp(TcpStream::connect(*address)?),
            #[cfg(unix)]
            Address::Unix(path) => Transport::Unix(UnixStream::connect(path)?),
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        transport.prepare(self.cx.settings.nodelay, self.cx.settings.tcp_keepalive);
        let Some(client) = self.cx.clients.get(id) else { return Ok(()) };
        let outbound = Outbound::client(client.wanted.connection.clone(), (client.wanted.masks)());
        let conn = self.cx.insert(transport, outbound, Stage::Connecting(id))?;
        self.cx.stats.dialed += 1;
        if let Some(client) = self.cx.clients.get(id) {
            client.attempts.push((attempt, conn));
        }
        Ok(())
    }

    /// Establishes TLS over the standing connection; the next turn begins its handshake.
    #[cfg(feature = "tls")]
    fn start_tls(&mut self, id: ClientId) {
        let Some(slot) = self.standing(id) else { return };
        let Some(connector) = self.cx.clients.connector(id) else { return };
        match (connector.config().tls_connection(), connector.standing()) {
            (Ok(tls), _) => {
                let peer = &mut self.cx.peers[slot];
                let bare = peer.transport.memory();
                peer.transport.wrap(Session::new(tls));
                #[cfg(feature = "http2")]
                peer.transport.lay_http2(connector.config().http);
                self.cx.budget.enter(peer.transport.memory() - bare);
                peer.readable = true;
                self.read_later(slot);
            }
            (Err(error), Some(attempt)) => {
                self.drop_attempt(id, attempt);
                self.feed(id, Input::Failed(attempt, error));
            }
            (Err(_), None) => {}
        }
    }

    /// A target that needs TLS has been refused before.
    #[cfg(not(feature = "tls"))]
    fn start_tls(&mut self, _: ClientId) {}

    /// Establishes HTTP/2 over the standing connection.
    #[cfg(feature = "http2")]
    fn start_http2(&mut self, id: ClientId) {
        let Some(slot) = self.standing(id) else { return };
        let transport = &mut self.cx.peers[slot].transport;
        let bare = transport.memory();
        transport.know_http2();
        self.cx.budget.enter(transport.memory() - bare);
    }

    /// Nobody asks for it.
    #[cfg(not(feature = "http2"))]
    fn start_http2(&mut self, _: ClientId) {}

    /// Returns the slot of the standing connection.
    fn standing(&mut self, id: ClientId) -> Option<usize> {
        let conn = self.cx.clients.get(id)?.conn?;
        self.cx.peer(conn).map(|_| conn.slot as usize)
    }

    /// Closes the socket of an attempt.
    fn drop_attempt(&mut self, id: ClientId, attempt: Attempt) {
        let Some(client) = self.cx.clients.get(id) else { return };
        let Some(at) = client.attempts.iter().position(|(this, _)| *this == attempt) else { return };
        let (_, conn) = client.attempts.swap_remove(at);
        client.conn.take_if(|standing| *standing == conn);
        if self.cx.peer(conn).is_some() {
            self.kill(conn.slot as usize);
        }
    }

    /// Handles readiness of a connection that is not open yet. Readiness to write alone only means that an attempt has
    /// ended.
    pub(super) fn connecting(&mut self, slot: usize, id: ClientId) {
        let conn = self.id(slot);
        let Some(client) = self.cx.clients.get(id) else { return };
        let Some(&(attempt, _)) = client.attempts.iter().find(|(_, this)| *this == conn) else { return };
        if client.conn == Some(conn) {
            return self.read_connecting(slot, id, attempt);
        }
        match self.cx.peers[slot].transport.is_connected() {
            Ok(false) => {}
            Ok(true) => {
                self.feed(id, Input::Connected(attempt));
                let Some(client) = self.cx.clients.get(id) else { return };
                if client.connector.as_ref().is_some_and(|connector| connector.standing() == Some(attempt)) {
                    client.conn = Some(conn);
                    self.cx.peers[slot].cold().client = Some(id);
                }
                self.pump(id, 0);
            }
            Err(error) => self.attempt_failed(id, attempt, error),
        }
    }

    /// Reads from the proxy or the server, and continues the TLS handshake.
    fn read_connecting(&mut self, slot: usize, id: ClientId, attempt: Attempt) {
        let peer = &mut self.cx.peers[slot];
        if !peer.readable {
            return;
        }
        let result = peer.fill(self.scratch);
        #[cfg(feature = "tls")]
        if peer.transport.tls().is_some_and(|tls| !tls.is_handshaking())
            && let Some(connector) = self.cx.clients.connector(id)
            && connector.phase() == Some(Phase::Tls)
        {
            self.step(id, Input::Secured);
        }
        let now = self.cx.clock.peer_time();
        let Some(connector) = self.cx.clients.connector(id) else { return };
        match result {
            Filled::Nothing => return,
            Filled::End => {
                self.cx.peers[slot].readable = false;
                connector.handle(Input::Ended, now);
            }
            Filled::Bytes(len) => {
                connector.handle(Input::Received(&self.scratch[..len]), now);
                self.cx.stats.bytes_in += len as u64;
                return self.pump(id, len);
            }
            Filled::Broken(error) => return self.attempt_failed(id, attempt, error),
        }
        self.pump(id, 0);
    }

    /// Handles the failure of an attempt, whose connection has broken or was never made.
    fn attempt_failed(&mut self, id: ClientId, attempt: Attempt, error: io::Error) {
        self.drop_attempt(id, attempt);
        self.step(id, Input::Failed(attempt, error));
    }

    /// Handles a failure of a connection that is not open yet.
    pub(super) fn connecting_broken(&mut self, slot: usize, id: ClientId, error: io::Error) {
        let conn = self.id(slot);
        let Some(client) = self.cx.clients.get(id) else { return };
        if let Some(&(attempt, _)) = client.attempts.iter().find(|(_, this)| *this == conn) {
            self.attempt_failed(id, attempt, error);
        }
    }

    /// Handles an accepted upgrade; bytes `used..len` of the receive buffer are frames.
    fn opened(&mut self, id: ClientId, response: Response, used: usize, len: usize) {
        let Some(client) = self.cx.clients.get(id) else { return };
        let (Some(connector), Some(conn)) = (client.connector.take(), client.conn) else { return };
        client.target = connector.target().clone();
        client.attempts.clear();
        self.cx.clients.set_timer(id, None);
        self.handler.on_response(self.cx, conn, &response);
        let slot = conn.slot as usize;
        self.open(slot, &response.into_agreement());
        self.take_frames(self.id(slot), used..len);
    }
}

impl From<Phase> for ClientState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Resolve => ClientState::Resolving,
            Phase::Connect => ClientState::Connecting,
            Phase::Proxy => ClientState::Tunneling,
            Phase::Tls | Phase::Response => ClientState::Handshaking,
        }
    }
}
