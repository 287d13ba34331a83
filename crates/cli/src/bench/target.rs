//! Where to connect, and with which request.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bowsprit::blocking;
use bowsprit::client::{ClientConfig, Race, ThreadResolver};
use bowsprit::extension::deflate::{DeflateConfig, DeflateOffer};
use bowsprit::handshake::{ClientRequest, Url};
use bowsprit::tls::{TlsClient, TlsStream};
use bowsprit_lab::Place;
use mio::net::TcpStream;

use super::socket::Socket;
use crate::exit::Exit;
use crate::request::RequestArgs;
use crate::trust::{Trust, advised};

pub(super) struct Target {
    /// The first address of the host that accepts a connection.
    address: SocketAddr,
    pub(super) request: ClientRequest,
    tls: Option<TlsClient>,
    host: String,
}

impl Target {
    pub(super) fn new(
        url: &str,
        request: &RequestArgs,
        deflate: Option<DeflateConfig>,
        trust: &Trust,
        timeout: Duration,
        http2: bool,
    ) -> Result<Self, Exit> {
        let shown = Place::of(url);
        let wrong = |why: String| Exit::Usage.because(format_args!("{shown}: {why}"));
        let config = ClientConfig::new(url).map_err(|error| wrong(error.to_string()))?;
        let (config, _) = request.apply(config).map_err(wrong)?;
        let mut request = config.request().clone();
        if let Some(deflate) = deflate {
            request = request.extension(DeflateOffer::new(&deflate).to_extension());
        }
        let url = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !url.is_secure() && trust.is_given() {
            return Err(wrong("--ca and --insecure are for wss://".to_owned()));
        }
        let tls = url.is_secure().then(|| trust.client(http2)).transpose().map_err(wrong)?;
        let address = reachable(&url, timeout).map_err(|error| {
            let why = advised(shown.as_str(), error);
            Exit::NotConnected.because(format_args!("cannot connect to {shown}: {why}"))
        })?;
        Ok(Self { address, request, tls, host: url.host().trim_matches(['[', ']']).to_owned() })
    }

    /// Dials a connection.
    pub(super) fn dial(&self) -> io::Result<Socket> {
        let tcp = TcpStream::connect(self.address)?;
        // If the socket is gone already, its first use reports that.
        let _ = tcp.set_nodelay(true);
        Ok(match &self.tls {
            None => Socket::Tcp(tcp),
            Some(tls) => {
                let tls = tls.connection(&self.host).map_err(io::Error::other)?;
                Socket::Tls(Box::new(TlsStream::new(tls, tcp)))
            }
        })
    }
}

/// Returns the address for all connections: the first one of the host that accepts, with the address families
/// alternating.
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
