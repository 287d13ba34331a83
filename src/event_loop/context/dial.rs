//! Beginning connections that no listener has accepted.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;

use super::Context;
use crate::client::connect::EXCERPT;
use crate::connection::Outbound;
use crate::entropy::{Entropy, SystemEntropy};
use crate::event_loop::id::ConnId;
use crate::event_loop::peer::{Opening, Stage};
use crate::event_loop::settings::Settings;
use crate::event_loop::transport::Transport;
use crate::handshake::{ClientHandshake, ClientRequest, ServerHandshake};

impl<D: Default> Context<D> {
    /// Opens a connection to the server at `address`. [`on_open`](crate::event_loop::Handler::on_open) or
    /// [`on_failed`](crate::event_loop::Handler::on_failed) reports the result.
    ///
    /// # Errors
    ///
    /// If no socket can be made, and the errors of [`dial`](Self::dial).
    pub fn connect(&mut self, address: SocketAddr, request: ClientRequest) -> io::Result<ConnId> {
        let transport = Transport::Tcp(TcpStream::connect(address)?);
        transport.prepare(self.settings.nodelay, self.settings.tcp_keepalive);
        self.dial(transport, request)
    }

    /// Opens a WebSocket over a transport that is connected or being connected. Permessage-deflate is offered if
    /// [`Config::deflate`](crate::connection::Config::deflate) is set.
    ///
    /// # Errors
    ///
    /// If the transport cannot be registered, if the system has no entropy for the nonce (§4.1), and while the loop
    /// [shuts down](Self::shutdown).
    pub fn dial(&mut self, transport: Transport, request: ClientRequest) -> io::Result<ConnId> {
        let (deflate, nonce) =
            (self.settings.connection.deflate, self.entropy.nonce().map_err(io::Error::other)?);
        let handshake = ClientHandshake::offering(request, deflate, nonce).with_max_refusal_body(EXCERPT);
        let stage = Stage::Dialing(Box::new(Opening { handshake, until: self.handshake_until() }));
        let masks = Box::new(SystemEntropy::new());
        let outbound = Outbound::client(self.settings.connection.clone(), masks);
        let id = self.insert(transport, outbound, stage)?;
        self.stats.dialed += 1;
        Ok(id)
    }

    /// Returns when a handshake that begins now has to be done.
    pub(in crate::event_loop) fn handshake_until(&self) -> Option<Instant> {
        self.clock.peer_time().checked_add(self.settings.handshake_timeout)
    }

    /// Opens a WebSocket as its server over an existing transport, from an address that is counted by this number.
    pub(in crate::event_loop) fn adopt_from(
        &mut self,
        transport: Transport,
        address: u32,
    ) -> io::Result<ConnId> {
        let Settings { head, leniency, .. } = self.settings;
        let handshake = ServerHandshake::new(head).with_leniency(leniency);
        let stage = Stage::Server(Box::new(Opening { handshake, until: self.handshake_until() }));
        self.adopt_at(transport, stage, address)
    }

    /// Adds a connection at a stage of its handshake.
    pub(in crate::event_loop) fn adopt_at(
        &mut self,
        transport: Transport,
        stage: Stage,
        address: u32,
    ) -> io::Result<ConnId> {
        let outbound = Outbound::server(self.settings.connection.clone());
        let id = self.insert(transport, outbound, stage)?;
        self.peers[id.slot as usize].address = address;
        self.stats.accepted += 1;
        Ok(id)
    }
}
