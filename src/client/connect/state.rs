//! The states of a [`Connector`](super::Connector), each with its data.

use std::io;
use std::time::Instant;

use crate::client::error::Phase;
use crate::client::proxy::Tunnel;
use crate::client::race::Race;
use crate::handshake::ClientHandshake;

/// The state of a connector.
#[derive(Debug)]
pub(super) enum State {
    /// Waits for the server's addresses, for a proxy that takes no names.
    LookupServer,
    /// Waits for the addresses to connect to: the server's, or those of the proxy that is to open a tunnel to this
    /// host.
    Lookup { tunnel: Option<String> },
    /// Waits for one of several addresses to answer.
    Race { race: Race, tunnel: Option<String>, last: Option<io::Error> },
    /// Waits for the proxy's answer.
    Tunnel(Tunnel),
    /// Waits for the end of the TLS handshake.
    Tls,
    /// Waits for the server's response.
    Response(ClientHandshake),
    /// The server refuses; the body of the refusal is read until then.
    Refusal { handshake: ClientHandshake, until: Option<Instant> },
    /// The WebSocket is open, or the connector has failed.
    Over,
}

impl State {
    pub(super) const fn phase(&self) -> Phase {
        match self {
            State::LookupServer | State::Lookup { .. } => Phase::Resolve,
            State::Race { .. } => Phase::Connect,
            State::Tunnel(_) => Phase::Proxy,
            State::Tls => Phase::Tls,
            State::Response(_) | State::Refusal { .. } | State::Over => Phase::Response,
        }
    }
}
