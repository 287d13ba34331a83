//! The protocol that ALPN has chosen for a connection that a client has made, and the farewell to one that was to speak
//! HTTP/2 and has not begun.

use super::transport::Transport;
use crate::http2::{Connection, Limits};

/// What ALPN has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    Http2,
    /// HTTP/1.1, or there is no TLS.
    Other,
    /// The TLS handshake has not come that far.
    Unknown,
}

impl Alpn {
    pub(super) fn of(transport: &Transport) -> Self {
        match transport.tls() {
            Some(tls) if tls.alpn_protocol() == Some(b"h2") => Self::Http2,
            // ALPN is settled with the key exchange, at the latest.
            Some(tls) if tls.is_handshaking() && tls.negotiated_key_exchange_group().is_none() => {
                Self::Unknown
            }
            _ => Self::Other,
        }
    }
}

/// Returns the farewell of HTTP/2: SETTINGS, which come first of all (RFC 9113 §3.4), and GOAWAY (§6.8).
pub(super) fn farewell() -> Vec<u8> {
    let mut connection = Connection::server(Limits::default());
    connection.go_away();
    connection.pending().to_vec()
}
