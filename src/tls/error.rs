//! Why TLS cannot be set up.

use std::fmt;
use std::io;

/// Why there is no [`TlsClient`](super::TlsClient) or [`TlsServer`](super::TlsServer), or no connection from one.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// Nobody is trusted: the system has no certificates to offer, or none was named.
    NoRoots,
    /// A server without a certificate to show.
    NoCertificate,
    /// A PEM file, and what is wrong with it.
    Pem(String, String),
    /// A file for key logs, and what is wrong with it.
    KeyLog(String, io::Error),
    /// The host is neither a DNS name nor an address.
    ServerName,
    /// A certificate or a key is of no use.
    Tls(rustls::Error),
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoots => f.write_str("name certificates to trust: the system has none to offer"),
            Self::NoCertificate => f.write_str("name a certificate and its key: a TLS server needs them"),
            Self::Pem(path, fault) => write!(f, "cannot use {path}: {fault}"),
            Self::KeyLog(path, error) => write!(f, "cannot write to {path}: {error}"),
            Self::ServerName => f.write_str("use a DNS name or an IP address: a certificate bears no other"),
            Self::Tls(error) => write!(f, "TLS cannot be set up: {error}"),
        }
    }
}

impl std::error::Error for TlsConfigError {}

impl From<TlsConfigError> for io::Error {
    fn from(error: TlsConfigError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
