//! A TLS 1.3 server that sends session tickets without end, one in each record, so that its records contain nothing to
//! read.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;

use bowsprit::tls::rustls;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{
    ConnectionTrafficSecrets, ContentType, ProtocolVersion, ServerConfig, ServerConnection,
    SupportedCipherSuite,
};

/// The smallest ticket (RFC 8446 §4.6.1).
const TICKET: [u8; 18] = [4, 0, 0, 14, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 7, 0, 0];

/// What a server's connection continues with: its keys and the next record's number.
pub(crate) struct Tickets {
    keys: Box<dyn MessageEncrypter>,
    sequence: u64,
}

/// Returns these settings for connections that can become [`Tickets`].
pub(crate) fn open_keys(config: &Arc<ServerConfig>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(config);
    config.enable_secret_extraction = true;
    Arc::new(config)
}

impl Tickets {
    /// Continues after what the connection has sent.
    pub(crate) fn after(connection: ServerConnection) -> Self {
        let Some(SupportedCipherSuite::Tls13(suite)) = connection.negotiated_cipher_suite() else {
            panic!("not TLS 1.3");
        };
        let (sequence, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            panic!("not known");
        };
        Self { keys: suite.aead_alg.encrypter(key, iv), sequence }
    }

    /// Returns `count` records with a ticket each.
    pub(crate) fn records(&mut self, count: usize) -> Vec<u8> {
        (0..count).flat_map(|_| self.record(ContentType::Handshake, &TICKET)).collect()
    }

    pub(crate) fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let payload = OutboundChunks::Single(payload);
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        self.sequence += 1;
        self.keys.encrypt(message, self.sequence - 1).unwrap().encode()
    }
}
