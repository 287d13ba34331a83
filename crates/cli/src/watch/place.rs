//! The address of the server, and the address where we listen.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs as _};
#[cfg(unix)]
use std::path::PathBuf;

use bowsprit::client;
use bowsprit::tls::{TlsClient, TlsServer, TlsStream};
use mio::net::TcpStream;

use super::socket::Socket;
use crate::trust::Trust;
use crate::values::server_url;

/// The server to connect to.
pub(super) struct Target {
    url: client::Target,
    place: Place,
    tls: Option<TlsClient>,
}

#[derive(Debug)]
enum Place {
    Tcp(Vec<SocketAddr>),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Target {
    /// Looks up the name, once.
    pub(super) fn new(url: &str, trust: &Trust) -> Result<Self, String> {
        let shown = client::without_user_info(url);
        let url = &server_url(url, trust.is_given()).map_err(|error| format!("{shown}: {error}"))?;
        let url = client::Target::parse(url).map_err(|error| format!("{shown}: {error}"))?;
        let place = match (&url, url.host_port()) {
            (_, Some(address)) => {
                let addresses = address.to_socket_addrs().map_err(|error| format!("{shown}: {error}"))?;
                Place::Tcp(addresses.collect())
            }
            #[cfg(unix)]
            (client::Target::Unix(unix), None) => Place::Unix(unix.path().to_owned()),
            _ => return Err(format!("{shown}: no place to connect to")),
        };
        let tls = if url.is_secure() { Some(trust.client(false)?) } else { None };
        Ok(Self { url, place, tls })
    }

    /// Returns the part of the URL after its authority, which our own URL gets as well so that it can be used in its
    /// place.
    pub(super) fn resource(&self) -> &str {
        self.url.resource()
    }

    /// Returns how many addresses can be tried.
    pub(super) const fn addresses(&self) -> usize {
        match &self.place {
            Place::Tcp(addresses) => addresses.len(),
            #[cfg(unix)]
            Place::Unix(_) => 1,
        }
    }

    /// Connects to the address with this number.
    pub(super) fn connect(&self, number: usize) -> io::Result<Socket> {
        match &self.place {
            Place::Tcp(addresses) => {
                let address = addresses.get(number).ok_or(ErrorKind::AddrNotAvailable)?;
                let stream = TcpStream::connect(*address)?;
                let (Some(tls), Some((host, _))) = (&self.tls, self.url.host_port()) else {
                    return Ok(Socket::Tcp(stream));
                };
                let tls = tls.connection(host).map_err(io::Error::other)?;
                Ok(Socket::Tls(Box::new(TlsStream::new(tls, stream))))
            }
            #[cfg(unix)]
            Place::Unix(path) => mio::net::UnixStream::connect(path).map(Socket::Unix),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Wraps a client's connection, in TLS if that is wanted.
pub(super) fn accepted(stream: TcpStream, tls: Option<&TlsServer>) -> io::Result<Socket> {
    match tls {
        None => Ok(Socket::Tcp(stream)),
        Some(tls) => {
            let tls = tls.connection().map_err(io::Error::other)?;
            Ok(Socket::Tls(Box::new(TlsStream::new(tls, stream))))
        }
    }
}
