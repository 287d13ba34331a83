//! What a blocking client reads from and writes to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[cfg(feature = "http2")]
use crate::http2::Http2Stream;
#[cfg(feature = "tls")]
use crate::tls::TlsStream;

/// A byte stream that blocks, but not for longer than it is told.
pub trait Socket: Read + Write {
    /// How long a read may wait; `None`: as long as it takes. After that it fails with `WouldBlock` or `TimedOut`.
    ///
    /// # Errors
    ///
    /// What the stream says.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// How long a write may wait, as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    ///
    /// What the stream says.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Tells the peer that nothing more will be written.
    ///
    /// # Errors
    ///
    /// What the stream says.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_write_timeout(self, timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        UnixStream::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        UnixStream::set_write_timeout(self, timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(feature = "tls")]
impl<S: Socket> Socket for TlsStream<S> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket_mut().set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket_mut().set_write_timeout(timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.close_notify()?;
        self.socket_mut().shutdown_write()
    }
}

/// Any `Read + Write` that knows no timeouts: each call waits as long as the stream does.
#[derive(Debug)]
pub struct Untimed<S>(pub S);

impl<S: Read> Read for Untimed<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<S: Write> Write for Untimed<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Socket for Untimed<S> {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What [`connect`](super::connect) makes: TCP or a Unix-domain socket, with TLS or without.
#[derive(Debug)]
pub struct NetStream(pub(super) Layers);

#[derive(Debug)]
pub(super) enum Layers {
    Plain(Wire),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<Wire>>),
    #[cfg(feature = "http2")]
    Http2(Box<Http2Stream<NetStream>>),
}

/// A socket of the operating system.
#[derive(Debug)]
pub(super) enum Wire {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl NetStream {
    fn wire(&self) -> &Wire {
        match &self.0 {
            Layers::Plain(wire) => wire,
            #[cfg(feature = "tls")]
            Layers::Tls(tls) => tls.socket(),
            #[cfg(feature = "http2")]
            Layers::Http2(http2) => http2.below().wire(),
        }
    }

    /// The address of the other side, which is the proxy where there is one; a Unix-domain socket has none.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self.wire() {
            Wire::Tcp(tcp) => tcp.peer_addr().ok(),
            #[cfg(unix)]
            Wire::Unix(_) => None,
        }
    }

    /// The address of this side.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self.wire() {
            Wire::Tcp(tcp) => tcp.local_addr().ok(),
            #[cfg(unix)]
            Wire::Unix(_) => None,
        }
    }

    /// The TLS connection, if there is one: version, cipher suite, the server's certificates.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<&rustls::Connection> {
        match &self.0 {
            Layers::Plain(_) => None,
            Layers::Tls(tls) => Some(tls.tls()),
            #[cfg(feature = "http2")]
            Layers::Http2(http2) => http2.below().tls(),
        }
    }
}

impl Wire {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Wire::Tcp(tcp) => Wire::Tcp(tcp.try_clone()?),
            #[cfg(unix)]
            Wire::Unix(unix) => Wire::Unix(unix.try_clone()?),
        })
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Wire::Tcp(tcp) => tcp.shutdown(how),
            #[cfg(unix)]
            Wire::Unix(unix) => unix.shutdown(how),
        }
    }
}

/// `match` over the kinds of a stream, with the same thing to do for each.
macro_rules! each {
    ($self:expr, $stream:ident => $do:expr) => {
        match $self {
            Wire::Tcp($stream) => $do,
            #[cfg(unix)]
            Wire::Unix($stream) => $do,
        }
    };
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        each!(self, stream => stream.read(buf))
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        each!(self, stream => stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for Wire {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        each!(self, stream => Socket::set_read_timeout(stream, timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        each!(self, stream => Socket::set_write_timeout(stream, timeout))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        each!(self, stream => stream.shutdown_write())
    }
}

macro_rules! each_layer {
    ($self:expr, $stream:ident => $do:expr) => {
        match &mut $self.0 {
            Layers::Plain($stream) => $do,
            #[cfg(feature = "tls")]
            Layers::Tls($stream) => $do,
            #[cfg(feature = "http2")]
            Layers::Http2($stream) => $do,
        }
    };
}

impl Read for NetStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        each_layer!(self, stream => stream.read(buf))
    }
}

impl Write for NetStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        each_layer!(self, stream => stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        each_layer!(self, stream => stream.flush())
    }
}

impl Socket for NetStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        each_layer!(self, stream => stream.set_read_timeout(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        each_layer!(self, stream => stream.set_write_timeout(timeout))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        each_layer!(self, stream => stream.shutdown_write())
    }
}

/// A write waits for windows, which reading opens, and a read may have to write: both take as long as either may.
#[cfg(feature = "http2")]
impl Socket for Http2Stream<NetStream> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.below_mut().set_read_timeout(timeout)?;
        self.below_mut().set_write_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Socket::set_read_timeout(self, timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.is_http2() { self.end() } else { self.below_mut().shutdown_write() }
    }
}
