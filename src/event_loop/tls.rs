//! TLS as a stream of the loop.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use mio::event::Source;

use super::transport::Stream;
use crate::tls::TlsStream;

impl<S: Stream> Stream for TlsStream<S> {
    fn source(&mut self) -> Option<&mut dyn Source> {
        self.socket_mut().source()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.close_notify()?;
        // Until the `close_notify` is out the socket stays open; `writable` goes on.
        if self.take_shutdown() { self.socket_mut().shutdown_write() } else { Ok(()) }
    }

    fn writable(&mut self) -> io::Result<()> {
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(()) if self.is_ending() => {
                // It fails where the peer is gone already, which the next read tells.
                let _ = self.shutdown_write();
                Ok(())
            }
            result => result,
        }
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

    fn tls(&self) -> Option<&rustls::Connection> {
        Some(self.tls())
    }
}
