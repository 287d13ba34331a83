//! Why TLS cannot be set up.

use std::fmt;
use std::io;

/// Why there is no [`TlsClient`](super::TlsClient) or [`TlsServer`](super::TlsServer), or no connection from one.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// Nobody is trusted: the system has no usable certificates, or none was added.
    NoRoots,
    /// A server has no certificate to present.
    NoCertificate,
    /// The path of a file with certificates or a key, and what is wrong with the file.
    Pem(String, String),
    /// The path of a key log file, and why the file cannot be opened for writing.
    KeyLog(String, io::Error),
    /// The host is neither a DNS name nor an IP address.
    ServerName,
    /// `rustls` cannot use a certificate, a key or another part of the configuration.
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
