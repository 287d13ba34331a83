//! TLS by `rustls`, for either role, blocking or not (feature `tls`).
//!
//! [`TlsStream`] lays TLS over any byte stream and is one itself; over a socket of mio it is a
//! `Stream` for the event loop. [`TlsClient`] says whom a client trusts and what it shows
//! of itself.

mod client;
mod stream;

pub use client::{Fault, TlsClient, TlsClientBuilder, TlsConfigError, Trust};
pub use rustls;
pub use stream::{TlsStream, tls_error};
