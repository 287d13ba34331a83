//! The server that is examined, and how it is reached.

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
    /// Where it listens.
    pub addr: SocketAddr,
    /// What the Host field says.
    pub host: String,
    /// The request target.
    pub path: String,
    /// Further lines of each request.
    pub fields: Vec<String>,
    /// How it is trusted, and the name that its certificate has to bear.
    #[cfg(feature = "tls")]
    tls: Option<(TlsClient, String)>,
}

impl Target {
    /// A server at this address, with what the Host field and the request line say.
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

    /// The same with these lines in each request, which have no line ends.
    #[must_use]
    pub fn with_fields(self, fields: Vec<String>) -> Self {
        Self { fields, ..self }
    }

    /// The same behind TLS; `name` is the one that its certificate has to bear.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, client: TlsClient, name: &str) -> Self {
        Self { tls: Some((client, name.to_owned())), ..self }
    }

    /// What plays a case against it.
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

    /// What URLs of HTTP call it.
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
