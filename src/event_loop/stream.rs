//! What the loop asks of a byte stream: TCP, Unix-domain sockets, and any that a program brings.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;

/// Whether new bytes, and new room, are an event of their own even where no call has said `WouldBlock` before, as on epoll and
/// kqueue. On Windows mio asks the system anew only after `WouldBlock`: who stops earlier waits for ever.
pub(super) const EDGES: bool = cfg!(not(windows));

/// A non-blocking byte stream.
///
/// Readiness is taken as edge-triggered: after `WouldBlock` the loop waits for an event before it tries again.
pub trait Stream: Read + Write + Send {
    /// What mio watches. `None`, as by default: nothing, and whoever runs the loop says when the stream is ready
    /// ([`Engine::ready`](super::Engine::ready)).
    fn source(&mut self) -> Option<&mut dyn Source> {
        None
    }

    /// Tells the peer that nothing more will be written.
    ///
    /// # Errors
    ///
    /// What the stream says.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// The socket below takes bytes again: a stream that holds some back, as TLS does, sends them.
    ///
    /// # Errors
    ///
    /// What the stream says; `WouldBlock` is none.
    fn writable(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether a write that said `WouldBlock` may go on though the socket below has no event to tell: a layer with windows of
    /// its own finds that out by reading. To be said once.
    fn takes_more(&mut self) -> bool {
        false
    }

    /// Bytes are there, and nobody reads from the stream now: a layer takes what concerns itself.
    ///
    /// # Errors
    ///
    /// What the stream says; `WouldBlock` is none.
    fn carry_on(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Has the peer send no more than it may already, while the stream is `held` back: a layer that holds what comes has to be
    /// read all the same. Whether it can do that; from others nothing is read meanwhile.
    fn hold_back(&mut self, held: bool) -> bool {
        let _ = held;
        false
    }

    /// Whether a read that has just filled less than its buffer has taken all there is, so that what comes next is a new event.
    /// Where it is unknown, as by default, the stream is read until it says `WouldBlock`.
    fn short_read_drains(&self) -> bool {
        false
    }

    /// Whether it takes bytes from the peer beside those that reading gives, for what a layer says to its own kind, as new keys of
    /// TLS. Asked once, before anything is read.
    fn has_overhead(&self) -> bool {
        false
    }

    /// How many of them it has taken since this was asked last. They count for a connection's share of a turn.
    fn take_overhead(&mut self) -> usize {
        0
    }

    /// Bytes of memory that the stream holds for itself, about: always the same.
    fn memory(&self) -> usize {
        0
    }

    /// Bytes of memory that it holds beside these for what comes and goes, as TLS does for half a record.
    fn buffered(&self) -> usize {
        0
    }

    /// Whether it is a stream of HTTP/2.
    fn is_http2(&self) -> bool {
        false
    }

    /// The peer's address, if the stream knows one.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Our address, if the stream knows it.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// The TLS connection, if there is one: its version, the peer's certificates.
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

/// A stream that the loop knows nothing of, and whether it [has overhead](Stream::has_overhead).
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
