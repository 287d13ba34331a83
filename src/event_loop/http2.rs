//! A client's WebSocket over HTTP/2 as a stream of the loop.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use mio::event::Source;

use super::transport::Stream;
use crate::http2::Http2Stream;

impl<S: Stream> Stream for Http2Stream<S> {
    fn source(&mut self) -> Option<&mut dyn Source> {
        self.below_mut().source()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        if self.is_http2() { self.end() } else { self.below_mut().shutdown_write() }
    }

    fn writable(&mut self) -> io::Result<()> {
        self.below_mut().writable()?;
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    fn takes_more(&mut self) -> bool {
        Http2Stream::takes_more(self)
    }

    fn carry_on(&mut self) -> io::Result<()> {
        Http2Stream::carry_on(self)
    }

    fn is_http2(&self) -> bool {
        Http2Stream::is_http2(self)
    }

    fn memory(&self) -> usize {
        self.memory() + self.below().memory()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.below().peer_addr()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.below().local_addr()
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&rustls::Connection> {
        self.below().tls()
    }
}
