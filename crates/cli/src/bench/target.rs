//! Where to connect, and with which request.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowsprit::blocking;
use bowsprit::client::{Race, ThreadResolver};
use bowsprit::handshake::{ClientRequest, HeaderField, Url};
use bowsprit::tls::{TlsClient, TlsStream};
use bowsprit_lab::Place;
use mio::net::TcpStream;

use super::link::Stream;
use crate::exit::Exit;

pub(super) struct Target {
    /// The first address of the host that takes a connection.
    address: SocketAddr,
    pub(super) request: ClientRequest,
    tls: Option<TlsClient>,
    host: String,
}

impl Target {
    pub(super) fn new(
        url: &str,
        headers: Vec<HeaderField>,
        insecure: bool,
        timeout: Duration,
    ) -> Result<Self, Exit> {
        let shown = Place::of(url);
        let url = Url::parse(url).map_err(|error| Exit::Usage.because(format_args!("{shown}: {error}")))?;
        let mut request = ClientRequest::to(&url).map_err(|error| Exit::Usage.because(error))?;
        for field in headers {
            request = request.header(field).map_err(|error| Exit::Usage.because(error))?;
        }
        let tls = url.is_secure().then(|| if insecure { anybody() } else { TlsClient::system_roots() });
        let tls = tls.transpose().map_err(|error| Exit::Usage.because(error))?;
        let address = reachable(&url, timeout)
            .map_err(|error| Exit::NotConnected.because(format_args!("{shown}: {error}")))?;
        Ok(Self { address, request, tls, host: url.host().trim_matches(['[', ']']).to_owned() })
    }

    /// Sets out for a connection.
    pub(super) fn dial(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect(self.address)?;
        // A socket that is gone already tells so when it is used.
        let _ = tcp.set_nodelay(true);
        Ok(match &self.tls {
            None => Stream::Tcp(tcp),
            Some(tls) => {
                let tls = tls.connection(&self.host).map_err(io::Error::other)?;
                Stream::Tls(Box::new(TlsStream::new(tls, tcp)))
            }
        })
    }
}

fn anybody() -> Result<TlsClient, bowsprit::tls::TlsConfigError> {
    TlsClient::builder().insecure().build()
}

/// The address that all connections go to: the first one of the host where somebody listens, the families by turns.
fn reachable(url: &Url, timeout: Duration) -> io::Result<SocketAddr> {
    let addresses = blocking::look_up(&ThreadResolver, url.host(), url.port(), Some(timeout))?;
    let mut turns = Race::new(addresses, Duration::ZERO);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    while let Some(address) = turns.start(Instant::now()) {
        match std::net::TcpStream::connect_timeout(&address, timeout) {
            Ok(_) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}
