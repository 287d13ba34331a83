//! The server to examine, and how it is reached.

use std::io;
use std::net::SocketAddr;

#[cfg(feature = "tls")]
use bowsprit::tls::{TlsClient, TlsStream};
use mio::net::TcpStream;

use crate::case::Case;
use crate::http2::Examiner;
use crate::options::Options;
use crate::player::Player;
use crate::playing::Playing;
use crate::socket::Socket;

/// A server under test.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address of the server.
    pub addr: SocketAddr,
    /// The value of the Host field.
    pub host: String,
    /// The request target.
    pub path: String,
    /// Further lines of each request.
    pub fields: Vec<String>,
    /// The trust settings, and the name that its certificate must have.
    #[cfg(feature = "tls")]
    tls: Option<(TlsClient, String)>,
}

impl Target {
    /// Creates a target at this address, with the Host field and the request target.
    pub fn new(addr: SocketAddr, host: &str, path: &str) -> Self {
        Self {
            addr,
            host: host.to_owned(),
            path: path.to_owned(),
            fields: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Adds these lines, which have no line ends, to each request.
    #[must_use]
    pub fn with_fields(self, fields: Vec<String>) -> Self {
        Self { fields, ..self }
    }

    /// Puts the server behind TLS; `name` is the name that its certificate must have.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, client: TlsClient, name: &str) -> Self {
        Self { tls: Some((client, name.to_owned())), ..self }
    }

    /// Creates a player of a case against this server.
    pub(super) fn playing(&self, case: &'static Case, options: Options) -> Playing {
        let (host, path, fields) = (&*self.host, &*self.path, &*self.fields);
        match case.http2 {
            Some(exchange) => {
                let scheme = self.scheme();
                Playing::Exchange(Box::new(Examiner::new(
                    case, exchange, scheme, host, path, fields, options,
                )))
            }
            None => Playing::Frames(Box::new(Player::asking(case, host, path, fields, options))),
        }
    }

    /// Returns the scheme that HTTP URLs use for this server.
    pub(super) fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return "https";
        }
        "http"
    }

    pub(crate) fn connect(&self) -> io::Result<Socket> {
        let stream = TcpStream::connect(self.addr)?;
        #[cfg(feature = "tls")]
        if let Some((client, name)) = &self.tls {
            let tls = client.connection(name).map_err(io::Error::other)?;
            return Ok(Socket::Tls(Box::new(TlsStream::new(tls, stream))));
        }
        Ok(Socket::Tcp(stream))
    }
}
