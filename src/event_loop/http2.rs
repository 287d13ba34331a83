//! A client's WebSocket over HTTP/2 as a stream of the loop, and how it is layered over another.

use std::io::{self, Write as _};
use std::mem;
use std::net::SocketAddr;

use mio::event::Source;

use super::gone::Gone;
#[cfg(feature = "tls")]
use super::stream::OtherStream;
use super::stream::Stream;
use super::transport::Transport;
#[cfg(feature = "tls")]
use crate::client::Http;
use crate::http2::{Chosen, Http2Stream};

impl Transport {
    /// Establishes HTTP/2 over TLS, as far as ALPN may choose it.
    #[cfg(feature = "tls")]
    pub(super) fn lay_http2(&mut self, http: Http) {
        if http == Http::Http1 {
            return;
        }
        let below = mem::replace(self, Transport::other(Gone));
        let Transport::Other(stream) = below else {
            *self = below;
            return;
        };
        let choice = |stream: &OtherStream| {
            let tls = stream.tls().filter(|tls| !tls.is_handshaking())?;
            Some(tls.alpn_protocol() == Some(b"h2"))
        };
        let chosen = Chosen::ByAlpn { choice, required: http == Http::Http2 };
        *self = Transport::other(Http2Stream::new(*stream, chosen, false));
    }

    /// Establishes HTTP/2 over the transport, with prior knowledge.
    pub(super) fn know_http2(&mut self) {
        let below = mem::replace(self, Transport::other(Gone));
        *self = match below {
            Transport::Tcp(stream) => Transport::other(Http2Stream::new(stream, Chosen::Known, false)),
            #[cfg(unix)]
            Transport::Unix(stream) => Transport::other(Http2Stream::new(stream, Chosen::Known, false)),
            Transport::Other(stream) => Transport::other(Http2Stream::new(*stream, Chosen::Known, false)),
        };
    }
}

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

    fn hold_back(&mut self, held: bool) -> bool {
        Http2Stream::hold_back(self, held)
    }

    fn is_http2(&self) -> bool {
        Http2Stream::is_http2(self)
    }

    fn has_overhead(&self) -> bool {
        self.below().has_overhead()
    }

    fn take_overhead(&mut self) -> usize {
        self.below_mut().take_overhead()
    }

    fn memory(&self) -> usize {
        self.memory() + self.below().memory()
    }

    fn buffered(&self) -> usize {
        self.below().buffered()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.below().peer_addr()
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.below().local_addr()
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<&rustls::CommonState> {
        self.below().tls()
    }
}
