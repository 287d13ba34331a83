//! TLS by `rustls`, for either role, blocking or not (feature `tls`).
//!
//! [`TlsStream`] runs TLS over any byte stream and is a byte stream itself; over a socket of mio it is a `Stream` for
//! the event loop. [`TlsClient`] holds whom a client trusts and which certificate it presents, [`TlsServer`] which
//! certificates a server presents and which clients it accepts.

mod client;
mod error;
mod explain;
mod files;
mod records;
mod server;
mod session;
mod stream;

pub use client::{Fault, TlsClient, TlsClientBuilder, Trust};
pub use error::TlsConfigError;
pub use explain::{explain_certificate, explain_io};
pub use records::TlsConnection;
pub use rustls;
pub use server::{ClientCertificate, TlsServer, TlsServerBuilder};
#[cfg(any(feature = "blocking", feature = "event-loop"))]
pub(crate) use session::Session;
pub use stream::{TlsStream, tls_error};
