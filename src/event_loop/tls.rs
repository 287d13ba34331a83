//! TLS as a stream of the loop.

use std::io::{self, Write as _};
use std::mem;
use std::net::SocketAddr;

use mio::event::Source;

use super::gone::Gone;
use super::stream::Stream;
use super::transport::{Transport, retry};
use crate::tls::{Session, TlsStream};

impl Transport {
    /// Establishes TLS over the transport.
    pub(super) fn wrap(&mut self, session: Session) {
        let below = mem::replace(self, Transport::other(Gone));
        *self = match below {
            Transport::Tcp(stream) => Transport::other(TlsStream::over(session, stream)),
            #[cfg(unix)]
            Transport::Unix(stream) => Transport::other(TlsStream::over(session, stream)),
            Transport::Other(stream) => Transport::other(TlsStream::over(session, *stream)),
        };
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    fn source(&mut self) -> Option<&mut dyn Source> {
        self.socket_mut().source()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.close_notify()?;
        // Until the `close_notify` has been sent the socket stays open; `writable` continues.
        if self.take_shutdown() { retry(|| self.socket_mut().shutdown_write()) } else { Ok(()) }
    }

    fn writable(&mut self) -> io::Result<()> {
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(()) if self.is_ending() => {
                // It fails if the peer is gone already, which the next read finds.
                let _ = self.shutdown_write();
                Ok(())
            }
            result => result,
        }
    }

    fn short_read_drains(&self) -> bool {
        self.is_drained() && self.socket().short_read_drains()
    }

    fn has_overhead(&self) -> bool {
        true
    }

    fn take_overhead(&mut self) -> usize {
        self.take_overhead() + self.socket_mut().take_overhead()
    }

    fn memory(&self) -> usize {
        self.memory() + self.socket().memory()
    }

    fn buffered(&self) -> usize {
        self.buffered() + self.socket().buffered()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.socket().peer_addr()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.socket().local_addr()
    }

    fn tls(&self) -> Option<&rustls::CommonState> {
        Some(self.tls())
    }
}
