//! The states of a [`Connector`](super::Connector), each with what it holds.

use std::io;
use std::time::Instant;

use crate::client::error::Phase;
use crate::client::proxy::Tunnel;
use crate::client::race::Race;
use crate::handshake::ClientHandshake;

/// Where a try stands.
#[derive(Debug)]
pub(super) enum State {
    /// The server's addresses are awaited, for a proxy that takes no names.
    LookupServer,
    /// The addresses to connect to are awaited: the server's, or those of the proxy that is to be asked for a tunnel to
    /// this host.
    Lookup { tunnel: Option<String> },
    /// One of several addresses is to answer.
    Race { race: Race, tunnel: Option<String>, last: Option<io::Error> },
    /// The proxy's answer is awaited.
    Tunnel(Tunnel),
    /// The end of the TLS handshake is awaited.
    Tls,
    /// The server's response is awaited.
    Response(ClientHandshake),
    /// The server refuses; what it says beside that is read until then.
    Refusal { handshake: ClientHandshake, until: Option<Instant> },
    /// It is open, or has failed.
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
