//! What can go wrong with a blocking client.

use std::fmt;
use std::io;

use crate::client::{ClientConfigError, ConnectError, Loss};
use crate::connection::{Due, SendError};
use crate::error::ProtocolError;

/// What went wrong. After [`Timeout`](Error::Timeout) and [`Send`](Error::Send) the connection goes on as if nothing
/// had happened. After any other error it is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The URL or the request cannot be used.
    Config(ClientConfigError),
    /// The server was not reached.
    Connect(ConnectError),
    /// The message must not be sent, and nothing was sent.
    Send(SendError),
    /// The server broke a rule, and has been told so.
    Protocol(ProtocolError),
    /// The call took longer than [`set_timeout`](super::Client::set_timeout) allows. What was to be sent is kept and
    /// goes out with the next call.
    Timeout,
    /// The server is dead or idle, or does not answer the Close frame.
    Due(Due),
    /// The server ended the connection without a Close frame (code 1006).
    Eof,
    /// The connection broke.
    Io(io::Error),
}

impl Error {
    /// Returns what this means for a reconnect; see [`Reconnect`](crate::client::Reconnect).
    pub fn loss(&self) -> Loss {
        match self {
            Error::Config(_) => Loss::Fatal,
            Error::Connect(error) => error.loss(),
            Error::Protocol(_) => Loss::Protocol,
            Error::Timeout | Error::Due(_) => Loss::Timeout,
            Error::Send(_) | Error::Eof | Error::Io(_) => Loss::Broken,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(error) => error.fmt(f),
            Error::Connect(error) => error.fmt(f),
            Error::Send(error) => error.fmt(f),
            Error::Protocol(error) => write!(f, "the server broke a rule: {error}"),
            Error::Timeout => f.write_str("the time was up"),
            Error::Due(Due::Dead) => f.write_str("the server does not answer a Ping"),
            Error::Due(Due::Idle) => f.write_str("the server has been silent for too long"),
            Error::Due(Due::Stalled) => f.write_str("nothing more of a message came for too long"),
            Error::Due(_) => f.write_str("the server does not answer the Close frame"),
            Error::Eof => f.write_str("the server ended the connection without a Close frame"),
            Error::Io(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Config(error) => Some(error),
            Error::Connect(error) => Some(error),
            Error::Send(error) => Some(error),
            Error::Protocol(error) => Some(error),
            Error::Io(error) => Some(error),
            Error::Timeout | Error::Due(_) | Error::Eof => None,
        }
    }
}

impl From<ClientConfigError> for Error {
    fn from(error: ClientConfigError) -> Self {
        Error::Config(error)
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Error::Connect(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Error::Send(error)
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Error::Protocol(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}
