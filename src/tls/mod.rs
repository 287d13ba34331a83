//! TLS by `rustls`, for either role, blocking or not (feature `tls`).
//!
//! [`TlsStream`] lays TLS over any byte stream and is one itself; over a socket of mio it is a
//! `Stream` for the event loop. [`TlsClient`] says whom a client trusts and what it shows
//! of itself, [`TlsServer`] what a server shows and whom it lets in.

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
