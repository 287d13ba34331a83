//! The transport of a link: TCP, or TLS over it.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;

#[cfg(feature = "tls")]
use bowsprit::tls::TlsStream;

/// Returns whether the next connection may be accepted after this error: a signal, or a connection that ended before it
/// was accepted.
pub(super) fn passes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// Describes a socket error.
pub(super) fn words(error: &io::Error) -> String {
    #[cfg(feature = "tls")]
    return bowsprit::tls::explain_io(error);
    #[cfg(not(feature = "tls"))]
    error.to_string()
}

/// A TCP connection, with or without TLS.
#[derive(Debug)]
pub(super) enum Socket {
    /// Plain.
    Tcp(TcpStream),
    /// `wss:`.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Returns the TCP connection.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.socket(),
        }
    }

    /// Returns the TCP connection, to register it.
    pub(super) fn tcp_mut(&mut self) -> &mut TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.socket_mut(),
        }
    }

    /// Returns whether the connection has come up.
    ///
    /// # Errors
    ///
    /// Returns why it never will.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        match self.tcp().peer_addr() {
            Ok(_) => {
                // Cuts between writes are part of a case; without this they would be joined.
                let _ = self.tcp().set_nodelay(true);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => match self.tcp().take_error() {
                Ok(Some(error)) | Err(error) => Err(error),
                Ok(None) => Ok(false),
            },
            Err(error) => Err(error),
        }
    }

    /// Returns the scheme that HTTP URLs use for the connection.
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "http",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "https",
        }
    }

    /// Returns the protocol that the server has chosen (ALPN), if it is not the wanted one.
    pub(super) fn other_protocol(&self, _wanted: &[u8]) -> Option<String> {
        match self {
            Self::Tcp(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(stream) if stream.is_handshaking() => None,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => match stream.tls().alpn_protocol() {
                Some(chosen) if chosen == _wanted => None,
                Some(chosen) => Some(chosen.escape_ascii().to_string()),
                None => Some("nothing".to_owned()),
            },
        }
    }

    /// Ends our direction.
    pub(super) fn end_writing(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Self::Tls(stream) = self {
            // The peer writes the rest; its own close_notify may still come.
            return stream.close_notify();
        }
        self.tcp().shutdown(Shutdown::Write)
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }
}
