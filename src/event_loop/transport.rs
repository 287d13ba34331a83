//! The transport of a connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::stream::{EDGES, OtherStream, Stream};

/// A socket, or any other [`Stream`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Transport {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix-domain socket.
    #[cfg(unix)]
    Unix(UnixStream),
    /// Anything else. Boxed twice so that the common kinds stay small.
    Other(Box<OtherStream>),
}

impl Transport {
    /// Wraps any stream.
    pub fn other(stream: impl Stream + 'static) -> Self {
        let has_overhead = stream.has_overhead();
        Transport::Other(Box::new(OtherStream(Box::new(stream), has_overhead)))
    }

    /// Sets the options of a socket that is connecting or connected. If it is gone already, the first read finds that.
    pub(super) fn prepare(&self, nodelay: bool, keepalive: Option<Duration>) {
        let Transport::Tcp(stream) = self else { return };
        if nodelay {
            let _ = stream.set_nodelay(true);
        }
        if let Some(silence) = keepalive {
            let keepalive = socket2::TcpKeepalive::new().with_time(silence.max(Duration::from_secs(1)));
            let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
        }
    }

    /// Returns whether written bytes are the system's at once, and the transport ends when the descriptor is closed.
    #[inline]
    pub(super) const fn is_socket(&self) -> bool {
        !matches!(self, Transport::Other(_))
    }

    /// Returns whether a write that takes less than it was offered has filled the socket, so that the next readiness is
    /// a new event. Another stream is written to until it returns `WouldBlock`.
    #[inline]
    pub(super) const fn short_write_fills(&self) -> bool {
        EDGES && self.is_socket()
    }

    /// Returns how many bytes a layer has taken for itself since the last call.
    #[inline]
    pub(super) fn take_overhead(&mut self) -> usize {
        match self {
            Transport::Other(stream) if stream.1 => stream.0.take_overhead(),
            _ => 0,
        }
    }

    /// Returns whether a write may go on, though no event has reported that.
    #[inline]
    pub(super) fn takes_more(&mut self) -> bool {
        match self {
            Transport::Other(stream) => stream.takes_more(),
            _ => false,
        }
    }

    /// Holds the peer back by the stream's own means, if it has any.
    pub(super) fn hold_back(&mut self, held: bool) -> bool {
        match self {
            Transport::Other(stream) => stream.hold_back(held),
            _ => false,
        }
    }

    /// Takes what concerns the stream itself while nobody reads from it. The next read finds any error.
    pub(super) fn carry_on(&mut self) {
        if let Transport::Other(stream) = self {
            let _ = stream.carry_on();
        }
    }

    /// Returns the TLS connection, if there is one, with its version and the peer's certificates.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<&rustls::CommonState> {
        match self {
            Transport::Other(stream) => stream.tls(),
            _ => None,
        }
    }

    /// Returns whether it is a stream of HTTP/2.
    pub fn is_http2(&self) -> bool {
        match self {
            Transport::Other(stream) => stream.is_http2(),
            _ => false,
        }
    }

    /// Returns the peer's address, over TCP.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Transport::Tcp(stream) => stream.peer_addr().ok(),
            #[cfg(unix)]
            Transport::Unix(_) => None,
            Transport::Other(stream) => stream.0.peer_addr(),
        }
    }

    /// Returns our address, over TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Transport::Tcp(stream) => stream.local_addr().ok(),
            #[cfg(unix)]
            Transport::Unix(_) => None,
            Transport::Other(stream) => stream.0.local_addr(),
        }
    }

    /// Returns whether a read that fills less than its buffer has taken all there is, so that the next readiness is a
    /// new event. Another stream may hold bytes back.
    #[inline]
    pub(super) fn short_read_drains(&self) -> bool {
        match self {
            Transport::Other(stream) => stream.0.short_read_drains(),
            _ => EDGES,
        }
    }

    /// Reads. If a signal has interrupted it, the caller has to try again.
    #[inline]
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.read(buf),
            #[cfg(unix)]
            Transport::Unix(stream) => stream.read(buf),
            Transport::Other(stream) => stream.0.read(buf),
        }
    }

    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| match self {
            Transport::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Transport::Unix(stream) => stream.write(bytes),
            Transport::Other(stream) => stream.0.write(bytes),
        })
    }

    pub(super) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry(|| match self {
            Transport::Tcp(stream) => stream.write_vectored(slices),
            #[cfg(unix)]
            Transport::Unix(stream) => stream.write_vectored(slices),
            Transport::Other(stream) => stream.0.write_vectored(slices),
        })
    }

    /// Returns how many bytes of memory are held, beyond its own size.
    pub(super) fn memory(&self) -> usize {
        match self {
            Transport::Other(stream) => stream.held(),
            _ => 0,
        }
    }

    /// Returns how many bytes of memory the stream holds that vary.
    #[inline]
    pub(super) fn buffered(&self) -> usize {
        match self {
            Transport::Other(stream) => stream.0.buffered(),
            _ => 0,
        }
    }

    /// Sends what a layer has held back, as the socket takes bytes again.
    pub(super) fn flush_held(&mut self) -> io::Result<()> {
        match self {
            Transport::Other(stream) => retry(|| stream.0.writable()),
            _ => Ok(()),
        }
    }

    /// Ends our direction; what is written already still goes out.
    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Transport::Unix(stream) => stream.shutdown(Shutdown::Write),
            Transport::Other(stream) => retry(|| stream.0.shutdown_write()),
        }
    }

    /// Registers for both directions, once: edge-triggered, an unused interest costs nothing.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Transport::Tcp(stream) => registry.register(stream, token, both),
            #[cfg(unix)]
            Transport::Unix(stream) => registry.register(stream, token, both),
            Transport::Other(stream) => match stream.0.source() {
                Some(source) => registry.register(source, token, both),
                None => Ok(()),
            },
        }
    }

    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => registry.deregister(stream),
            #[cfg(unix)]
            Transport::Unix(stream) => registry.deregister(stream),
            Transport::Other(stream) => match stream.0.source() {
                Some(source) => registry.deregister(source),
                None => Ok(()),
            },
        }
    }

    /// Returns the error of a connection attempt that has failed, and `Ok(false)` while it goes on.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        match self {
            Transport::Tcp(stream) => match stream.take_error()? {
                Some(error) => Err(error),
                None => pending(stream.peer_addr().map(drop)),
            },
            #[cfg(unix)]
            Transport::Unix(stream) => match stream.take_error()? {
                Some(error) => Err(error),
                None => pending(stream.peer_addr().map(drop)),
            },
            Transport::Other(_) => Ok(true),
        }
    }
}

fn pending(peer: io::Result<()>) -> io::Result<bool> {
    match peer {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Repeats a call that a signal has interrupted.
#[inline]
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if is(&error, io::ErrorKind::Interrupted) => {}
            result => return result,
        }
    }
}

/// Returns whether an error is of this kind. Kept apart from the path of success.
#[cold]
pub(super) fn is(error: &io::Error, kind: io::ErrorKind) -> bool {
    error.kind() == kind
}
