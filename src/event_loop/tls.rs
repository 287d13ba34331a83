//! TLS as a stream of the loop.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use super::transport::Stream;
use crate::tls::TlsStream;

impl<S: Read + Write + Source> Source for TlsStream<S> {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket_mut().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket_mut().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket_mut().deregister(registry)
    }
}

impl<S: Stream> Stream for TlsStream<S> {
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
