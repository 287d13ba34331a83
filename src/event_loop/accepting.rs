//! The part of an engine that brings connections in: listeners, limits, adoption.

use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::Path;

use mio::Registry;

use super::engine::Engine;
use super::handler::{Handler, LoopError};
use super::id::{ConnId, LISTENERS};
use super::limits::UNCOUNTED;
use super::listener::{Accepted, ListenSocket, Listener};
use super::peer::{Announcing, Stage};
use super::proxied::{is_announced, trusted};
use super::settings::Settings;
use super::transport::Transport;
use super::turn::Turn;
use crate::connection::Outbound;
use crate::handshake::Refusal;
#[cfg(feature = "tls")]
use crate::tls::TlsServer;

/// Connections accepted in a turn before other work continues.
const ACCEPTS: usize = 64;
/// How often this many are accepted before a listener is closed.
const LAST_ACCEPTS: usize = 64;

impl<D: Default> Engine<D> {
    /// Listens on `address`; port 0 takes a free port. Returns the address that was bound.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or there are 64 listeners already.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = ListenSocket::tcp(address, &self.cx.settings)?;
        let address = socket.local_addr().unwrap_or(address);
        self.listen_on(socket)?;
        Ok(address)
    }

    /// Listens on a path in the file system; see [`ListenSocket::unix`].
    ///
    /// # Errors
    ///
    /// See [`listen`](Self::listen).
    #[cfg(unix)]
    pub fn listen_unix(&mut self, path: impl AsRef<Path>) -> io::Result<()> {
        self.listen_on(ListenSocket::unix(path)?)
    }

    /// Accepts connections from an existing listener.
    ///
    /// # Errors
    ///
    /// See [`listen`](Self::listen).
    pub fn listen_on(&mut self, socket: impl Into<ListenSocket>) -> io::Result<()> {
        let number = self.listeners.len();
        if number == LISTENERS {
            return Err(io::Error::other("an engine has at most 64 listeners"));
        }
        let mut listener = Listener::new(socket.into());
        listener.register(&self.cx.registry, self.cx.tokens.listener(number))?;
        self.listeners.push(listener);
        Ok(())
    }

    /// Listens on `address` for TLS.
    ///
    /// # Errors
    ///
    /// See [`listen`](Self::listen).
    #[cfg(feature = "tls")]
    pub fn listen_tls(&mut self, address: SocketAddr, tls: TlsServer) -> io::Result<SocketAddr> {
        let socket = ListenSocket::tcp(address, &self.cx.settings)?;
        let address = socket.local_addr().unwrap_or(address);
        self.listen_tls_on(socket, tls)?;
        Ok(address)
    }

    /// Accepts TLS connections from an existing listener.
    ///
    /// # Errors
    ///
    /// See [`listen`](Self::listen).
    #[cfg(feature = "tls")]
    pub fn listen_tls_on(&mut self, socket: impl Into<ListenSocket>, tls: TlsServer) -> io::Result<()> {
        self.listen_on(socket)?;
        if let Some(listener) = self.listeners.last_mut() {
            listener.tls = Some(tls);
        }
        Ok(())
    }

    /// Opens a WebSocket as its server over an existing transport.
    ///
    /// # Errors
    ///
    /// If the transport cannot be registered, or there is no token for it.
    pub fn adopt(&mut self, transport: Transport) -> io::Result<ConnId> {
        self.cx.look_at_clock();
        self.cx.adopt_from(transport, UNCOUNTED)
    }

    /// Stops accepting connections: the listeners are closed.
    pub fn stop_listening(&mut self) {
        close_listeners(&mut self.listeners, &self.cx.registry);
    }
}

impl<H: Handler> Turn<'_, H> {
    /// Stops accepting connections: the listeners are closed.
    pub(super) fn stop_listening(&mut self) {
        close_listeners(self.listeners, &self.cx.registry);
    }

    /// Stops accepting connections, but first accepts what waits at a socket that shares its address: the system would
    /// reset it, though others listen there. A socket that was passed on leaves its connections to the others.
    pub(super) fn stop_listening_for_others(&mut self) {
        for number in 0..self.listeners.len() {
            let listener = &mut self.listeners[number];
            listener.ready |= listener.shares_address();
            for _ in 0..LAST_ACCEPTS {
                self.accept(number);
            }
        }
        self.stop_listening();
    }

    /// Accepts what waits at any listener.
    pub(super) fn accept_all(&mut self) {
        for number in 0..self.listeners.len() {
            self.accept(number);
        }
    }

    /// Accepts what waits at a listener, within the limits.
    pub(super) fn accept(&mut self, number: usize) {
        let now = self.cx.now();
        for _ in 0..ACCEPTS {
            let Some(listener) = self.listeners.get_mut(number) else { return };
            if !listener.ready || !self.cx.accepting || listener.paused_until.is_some_and(|until| now < until)
            {
                return;
            }
            listener.paused_until = None;
            if let Some(rate) = self.cx.settings.accept_rate
                && let Err(until) = self.cx.admission.take(rate, now)
            {
                listener.paused_until = Some(until);
                return;
            }
            match listener.accept(now) {
                Accepted::Stream(transport, from) => self.accepted(number, transport, from),
                Accepted::Nothing => {
                    if self.cx.settings.accept_rate.is_some() {
                        self.cx.admission.give_back();
                    }
                    return;
                }
                Accepted::Exhausted(error) => {
                    self.cx.stats.accept_errors += 1;
                    return self.handler.on_error(self.cx, &LoopError::Accept(error));
                }
            }
        }
    }

    fn accepted(&mut self, number: usize, transport: Transport, from: Option<IpAddr>) {
        let Settings { nodelay, tcp_keepalive, .. } = self.cx.settings;
        transport.prepare(nodelay && !self.listeners[number].hands_on_nodelay, tcp_keepalive);
        let announcing = is_announced(&self.cx.settings, from).then(|| {
            let announcing = Announcing::until(self.cx.handshake_until());
            #[cfg(feature = "tls")]
            let announcing = announcing.with_tls(self.listeners[number].tls.clone());
            announcing
        });
        if !self.cx.reserve() {
            self.cx.stats.failed.no_room += 1;
            if announcing.is_some_and(|announcing| !announcing.is_plain()) {
                return; // an answer in the clear would be meaningless
            }
            return self.turn_away(
                number,
                transport,
                503,
                "No room for another connection; try again later.",
            );
        }
        let mut address = UNCOUNTED;
        // A proxy's connections count by the client, once the proxy has named it.
        let from = from.filter(|from| trusted(&self.cx.settings, Some(*from)).is_none());
        if let (Some(most), Some(from)) = (self.cx.settings.max_per_address, from) {
            match self.cx.admission.enter_from(from, most) {
                Some(number) => address = number,
                None => {
                    self.cx.admission.leave();
                    self.cx.stats.failed.address += 1;
                    return self.turn_away(number, transport, 429, "Too many connections from this address.");
                }
            }
        }
        let adopted = match announcing {
            Some(announcing) => self.cx.adopt_at(transport, Stage::Announcing(Box::new(announcing)), address),
            None => self
                .lay_tls_of(number, transport)
                .and_then(|transport| self.cx.adopt_from(transport, address)),
        };
        self.cx.admission.leave(); // it counts by itself now, or not at all
        if let Err(error) = adopted {
            self.cx.admission.leave_from(address);
            self.handler.on_error(self.cx, &LoopError::Adopt(error));
        }
    }

    /// Wraps a connection of this listener in TLS, if the listener has it.
    fn lay_tls_of(&self, number: usize, transport: Transport) -> io::Result<Transport> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.listeners[number].tls {
            return Ok(lay_tls(transport, tls.connection()?));
        }
        let _ = number;
        Ok(transport)
    }

    /// Tells a client that it cannot stay. Over a bare socket one write does that. Under TLS the handshake has to be
    /// done first: a few clients at a time may do that, within the time of a closing handshake, and take no place of a
    /// connection. Further ones are just ended.
    fn turn_away(&mut self, number: usize, mut transport: Transport, status: u16, why: &str) {
        let answer = Refusal::trusted(status).with_text(why).encode();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.listeners[number].tls {
            if self.cx.turned_away >= TURNED_AWAY {
                return;
            }
            let Ok(tls) = tls.connection_of_http1() else { return };
            transport = lay_tls(transport, tls);
        }
        let _ = number;
        if !matches!(transport, Transport::Other(_)) {
            let _ = transport.write(&answer);
            let _ = transport.shutdown_write();
            return;
        }
        let outbound = Outbound::server(self.cx.settings.connection.clone());
        if let Ok(id) = self.cx.insert(transport, outbound, Stage::Ending) {
            let peer = &mut self.cx.peers[id.slot as usize];
            peer.cold().turned_away = true;
            peer.end_after(&answer, self.cx.clock.peer_time());
            self.cx.admission.leave();
            self.cx.turned_away += 1;
            self.cx.watch_deadline(id.slot as usize);
            self.cx.agenda.write(id.slot as usize);
        }
    }
}

fn close_listeners(listeners: &mut Vec<Listener>, registry: &Registry) {
    for mut listener in listeners.drain(..) {
        // Dropping the socket ends it in any case.
        let _ = listener.deregister(registry);
    }
}

/// How many clients at once are told, under TLS, that they cannot stay.
#[cfg(feature = "tls")]
const TURNED_AWAY: usize = 64;

#[cfg(feature = "tls")]
fn lay_tls(transport: Transport, tls: rustls::server::UnbufferedServerConnection) -> Transport {
    use crate::tls::TlsStream;
    match transport {
        Transport::Tcp(stream) => Transport::other(TlsStream::new(tls, stream)),
        #[cfg(unix)]
        Transport::Unix(stream) => Transport::other(TlsStream::new(tls, stream)),
        other @ Transport::Other(_) => other, // listeners never accept one
    }
}
