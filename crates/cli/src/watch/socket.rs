//! One connection to either program: TCP, TLS over it, or a Unix-domain socket.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use bowsprit::tls::TlsStream;
use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use socket2::SockRef;

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// Returns the source, to register it.
    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.socket_mut(),
            #[cfg(unix)]
            Self::Unix(stream) => stream,
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Tls(stream) => Some(stream.socket()),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// Returns the address at its other end, if it has one.
    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        self.tcp().and_then(|tcp| tcp.peer_addr().ok())
    }

    /// Returns whether it is connected by now.
    ///
    /// # Errors
    ///
    /// Returns why it never will be.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        let Some(tcp) = self.tcp() else { return Ok(true) };
        if let Some(error) = tcp.take_error()? {
            return Err(error);
        }
        match tcp.peer_addr() {
            Ok(_) => {
                let _ = tcp.set_nodelay(true); // one that is gone tells at the first read
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends our direction once TLS has nothing more to send. Returns whether it is ended.
    pub(super) fn end_writing(&mut self) -> bool {
        match self {
            Self::Tls(stream) => {
                // Each of these fails if the connection is gone already, which the next read reports.
                let _ = stream.close_notify();
                let is_sent = !stream.wants_write();
                if is_sent {
                    let _ = stream.socket().shutdown(Shutdown::Write);
                }
                is_sent
            }
            Self::Tcp(stream) => {
                let _ = stream.shutdown(Shutdown::Write);
                true
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                let _ = stream.shutdown(Shutdown::Write);
                true
            }
        }
    }

    /// Makes dropping it reset the connection, if its kind has resets.
    pub(super) fn reset(&self) {
        if let Some(tcp) = self.tcp() {
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO)); // else it ends in order
        }
    }

    /// Returns whether bytes have to be sent before others are written.
    pub(super) fn holds_back(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.wants_write())
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.flush(),
        }
    }
}
