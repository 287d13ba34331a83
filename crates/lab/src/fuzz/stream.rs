//! A connection to a peer that is fuzzed.

use std::io::{self, Read, Write};
use std::net::TcpStream;

#[cfg(feature = "tls")]
use bowsprit::tls::{TlsClient, TlsStream};

/// A blocking connection, with or without TLS.
#[derive(Debug)]
pub struct Stream(Layer);

#[derive(Debug)]
enum Layer {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Layer::Tcp(stream))
    }
}

impl Stream {
    /// Starts TLS on the connection; `name` is the name that the server's certificate must have.
    #[cfg(feature = "tls")]
    pub(super) fn under_tls(stream: TcpStream, client: &TlsClient, name: &str) -> io::Result<Self> {
        let tls = client.connection(name).map_err(io::Error::other)?;
        Ok(Self(Layer::Tls(Box::new(TlsStream::new(tls, stream)))))
    }

    /// Returns the socket below.
    pub(super) fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Layer::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Layer::Tls(stream) => stream.socket(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Tcp(stream) => stream.read(into),
            #[cfg(feature = "tls")]
            Layer::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Layer::Tcp(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Layer::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Layer::Tcp(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Layer::Tls(stream) => stream.flush(),
        }
    }
}
