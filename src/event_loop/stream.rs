//! The interface of byte streams to the loop: TCP, Unix-domain sockets, and any that a program brings.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;

/// Whether new bytes, and new room, are an event of their own even if no call has returned `WouldBlock` before, as on
/// epoll and kqueue. On Windows mio asks the system anew only after `WouldBlock`: a caller that stops earlier waits for
/// ever.
pub(super) const EDGES: bool = cfg!(not(windows));

/// A non-blocking byte stream.
///
/// Readiness is edge-triggered: after `WouldBlock` the loop waits for an event before it tries again.
pub trait Stream: Read + Write + Send {
    /// Returns what mio watches. With `None`, the default, nothing is watched, and the program reports when the stream
    /// is ready ([`Engine::ready`](super::Engine::ready)).
    fn source(&mut self) -> Option<&mut dyn Source> {
        None
    }

    /// Tells the peer that nothing more will be written.
    ///
    /// # Errors
    ///
    /// The error of the stream.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Called when the socket below takes bytes again: a stream that holds some back, as TLS does, sends them.
    ///
    /// # Errors
    ///
    /// The error of the stream; `WouldBlock` is not an error.
    fn writable(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Returns, once, whether a write that returned `WouldBlock` may go on though the socket below has no event for it:
    /// a layer with windows of its own finds that out by reading.
    fn takes_more(&mut self) -> bool {
        false
    }

    /// Called when bytes are there and nobody reads from the stream now: a layer takes what concerns itself.
    ///
    /// # Errors
    ///
    /// The error of the stream; `WouldBlock` is not an error.
    fn carry_on(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Keeps the peer from sending more than it may already, while the stream is `held` back: a layer that holds what
    /// comes has to be read all the same. Returns whether it can do that; other streams are not read meanwhile.
    fn hold_back(&mut self, held: bool) -> bool {
        let _ = held;
        false
    }

    /// Returns whether a read that fills less than its buffer has taken all there is, so that what comes next is a new
    /// event. With `false`, the default, the stream is read until it returns `WouldBlock`.
    fn short_read_drains(&self) -> bool {
        false
    }

    /// Returns whether it takes bytes from the peer besides those that reading returns, for messages of the layer
    /// itself, such as new keys of TLS. Called once, before anything is read.
    fn has_overhead(&self) -> bool {
        false
    }

    /// Returns how many such bytes it has taken since the last call. They count for a connection's share of a turn.
    fn take_overhead(&mut self) -> usize {
        0
    }

    /// Returns about how many bytes of memory the stream itself holds, which must not change.
    fn memory(&self) -> usize {
        0
    }

    /// Returns how many bytes of memory it holds besides these, which vary, such as half a record of TLS.
    fn buffered(&self) -> usize {
        0
    }

    /// Returns whether it is a stream of HTTP/2.
    fn is_http2(&self) -> bool {
        false
    }

    /// Returns the peer's address, if the stream knows one.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Returns our address, if the stream knows it.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Returns the TLS connection, if there is one, with its version and the peer's certificates.
    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&rustls::CommonState> {
        None
    }
}

impl Stream for TcpStream {
    fn source(&mut self) -> Option<&mut dyn Source> {
        Some(self)
    }

    fn short_read_drains(&self) -> bool {
        EDGES
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr().ok()
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn source(&mut self) -> Option<&mut dyn Source> {
        Some(self)
    }

    fn short_read_drains(&self) -> bool {
        EDGES
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A stream of another kind, and whether it [has overhead](Stream::has_overhead).
pub struct OtherStream(pub(super) Box<dyn Stream>, pub(super) bool);

impl fmt::Debug for OtherStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherStream")
    }
}

impl OtherStream {
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.0) + self.0.memory()
    }
}

impl Read for OtherStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for OtherStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for OtherStream {
    fn source(&mut self) -> Option<&mut dyn Source> {
        self.0.source()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown_write()
    }

    fn writable(&mut self) -> io::Result<()> {
        self.0.writable()
    }

    fn takes_more(&mut self) -> bool {
        self.0.takes_more()
    }

    fn carry_on(&mut self) -> io::Result<()> {
        self.0.carry_on()
    }

    fn hold_back(&mut self, held: bool) -> bool {
        self.0.hold_back(held)
    }

    fn short_read_drains(&self) -> bool {
        self.0.short_read_drains()
    }

    fn is_http2(&self) -> bool {
        self.0.is_http2()
    }

    fn has_overhead(&self) -> bool {
        self.1
    }

    fn take_overhead(&mut self) -> usize {
        self.0.take_overhead()
    }

    fn memory(&self) -> usize {
        self.held()
    }

    fn buffered(&self) -> usize {
        self.0.buffered()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer_addr()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr()
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&rustls::CommonState> {
        self.0.tls()
    }
}
