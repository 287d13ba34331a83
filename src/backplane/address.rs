//! The URL of a backplane: where the engine is, and our credentials there.

use std::fmt;
use std::path::PathBuf;

use fluent_uri::Uri;
use fluent_uri::component::Host;
use fluent_uri::pct_enc::EStr;

use crate::secret::Secret;

/// Which program carries messages between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineKind {
    /// Redis 6 or newer, or a server that speaks its protocol, such as Valkey.
    Redis,
    /// NATS 2 or newer.
    Nats,
}

/// A parsed URL of an engine; see [`parse`](Self::parse).
///
/// | URL | engine |
/// |---|---|
/// | `redis://[USER:PASSWORD@]HOST[:6379][/PREFIX][?db=N]` | Redis |
/// | `rediss://…` | Redis over TLS |
/// | `redis+unix://[USER:PASSWORD@]/PATH[?prefix=PREFIX&db=N]` | Redis on a Unix socket |
/// | `nats://[USER:PASSWORD@]HOST[:4222][/PREFIX]`, or `TOKEN@` | NATS; over TLS where the server wants it |
/// | `tls://…` | NATS over TLS |
///
/// For Redis, the parameter `streams` makes the engine keep the last 10,000 messages of each topic; `streams=N` about
/// N.
///
/// A password without a user is written `:PASSWORD@`. What precedes `@`, and the prefix, may be percent-encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    kind: EngineKind,
    place: Place,
    tls: bool,
    /// For NATS this may be a token.
    user: Option<Secret<String>>,
    password: Option<Secret<String>>,
    prefix: String,
    database: u32,
    streams: Option<usize>,
}

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// At a port of a host, which is a name or an address.
    Tcp {
        /// The name or the address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// On a Unix socket.
    Unix(PathBuf),
}

/// Why a text is not an address of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not a URL.
    Url,
    /// The scheme is none of `redis`, `rediss`, `redis+unix`, `nats` and `tls`.
    Scheme,
    /// There is no host, or no path for a Unix socket.
    Host,
    /// The port is 0 or more than 65535.
    Port,
    /// Percent-encoded bytes are not UTF-8, or a part is longer than 200 bytes.
    Text,
    /// The query contains anything but `db`, `streams` and, for a Unix socket, `prefix`.
    Query,
    /// There is a `#`.
    Fragment,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "this is no URL; write it like redis://127.0.0.1:6379/chat",
            Self::Scheme => {
                "the URL begins with none of redis://, rediss://, redis+unix://, nats:// and tls://"
            }
            Self::Host => "the URL names no host; write it like nats://127.0.0.1:4222/chat",
            Self::Port => "the port of the URL is none from 1 to 65535",
            Self::Text => "user, password and prefix are UTF-8 of at most 200 bytes, percent-encoded",
            Self::Query => "after ? there may be db=NUMBER, streams, streams=NUMBER (Redis) and prefix=PREFIX (Unix sockets)",
            Self::Fragment => "the URL holds a #; write %23 where it is part of a name",
        })
    }
}

impl std::error::Error for AddressError {}

/// The default prefix.
const PREFIX: &str = "bowsprit";
/// How many messages of a topic are kept by default.
const KEPT: usize = 10_000;

impl Address {
    /// Parses a URL.
    ///
    /// ```
    /// use bowsprit::backplane::{Address, EngineKind};
    ///
    /// let address = Address::parse("redis://:secret@127.0.0.1/chat").unwrap();
    /// assert_eq!(address.kind(), EngineKind::Redis);
    /// assert_eq!(address.to_string(), "redis://127.0.0.1:6379/chat"); // never the password
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with the URL. No error repeats the text, which may contain a password.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let uri = Uri::parse(url).map_err(|_| AddressError::Url)?;
        let scheme = uri.scheme().as_str().to_ascii_lowercase();
        let (kind, tls, port) = match &*scheme {
            "redis" => (EngineKind::Redis, false, 6379),
            "rediss" => (EngineKind::Redis, true, 6379),
            "redis+unix" => (EngineKind::Redis, false, 0),
            "nats" => (EngineKind::Nats, false, 4222),
            "tls" => (EngineKind::Nats, true, 4222),
            _ => return Err(AddressError::Scheme),
        };
        if uri.fragment().is_some() {
            return Err(AddressError::Fragment);
        }
        let authority = uri.authority().ok_or(AddressError::Host)?;
        let (user, password) = match authority.userinfo() {
            None => (None, None),
            Some(info) => match info.split_once(':') {
                None => (Some(text(info)?), None),
                Some((user, password)) => {
                    (Some(text(user)?).filter(|user| !user.is_empty()), Some(text(password)?))
                }
            },
        };
        let path = text(uri.path())?;
        let mut prefix = path.trim_start_matches('/').to_owned();
        let place = if scheme == "redis+unix" {
            if path.len() < 2 || !authority.host().is_empty() {
                return Err(AddressError::Host);
            }
            prefix.clear();
            Place::Unix(path.into())
        } else {
            let host = match authority.host_parsed() {
                Host::RegName(name) => text(name)?,
                _ => authority.host().trim_matches(['[', ']']).to_owned(),
            };
            if host.is_empty() {
                return Err(AddressError::Host);
            }
            let port = match authority.port().filter(|port| !port.is_empty()) {
                None => port,
                Some(port) => {
                    port.as_str().parse().ok().filter(|port| *port != 0).ok_or(AddressError::Port)?
                }
            };
            Place::Tcp { host, port }
        };
        let (mut database, mut streams) = (0, None);
        for pair in uri.query().into_iter().flat_map(|query| query.split('&')) {
            match pair.split_once('=') {
                Some((name, value)) if name.as_str() == "db" && kind == EngineKind::Redis => {
                    database = value.as_str().parse().map_err(|_| AddressError::Query)?;
                }
                Some((name, value)) if name.as_str() == "prefix" && matches!(place, Place::Unix(_)) => {
                    prefix = text(value)?;
                }
                Some((name, value)) if name.as_str() == "streams" && kind == EngineKind::Redis => {
                    let length = value.as_str().parse().ok().filter(|length| *length > 0);
                    streams = Some(length.ok_or(AddressError::Query)?);
                }
                None if pair.as_str() == "streams" && kind == EngineKind::Redis => streams = Some(KEPT),
                _ => return Err(AddressError::Query),
            }
        }
        if prefix.is_empty() {
            prefix = PREFIX.into();
        }
        let [user, password] = [user, password].map(|text| text.map(Secret::new));
        Ok(Self { kind, place, tls, user, password, prefix, database, streams })
    }

    /// Returns the kind of engine.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Returns where the engine listens.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Returns whether TLS is required, whatever the server says.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Returns the prefix of the names of all channels: programs with different prefixes do not hear each other.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns about how many messages of each topic the engine keeps, or `None` if it keeps none.
    pub fn streams(&self) -> Option<usize> {
        self.streams
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.expose().as_str())
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.expose().as_str())
    }

    pub(super) fn database(&self) -> u32 {
        self.database
    }
}

/// Percent-decodes a part.
fn text<E: fluent_uri::pct_enc::Encoder>(part: &EStr<E>) -> Result<String, AddressError> {
    let text = part.decode().to_string().map_err(|_| AddressError::Text)?.into_owned();
    if text.len() > 200 { Err(AddressError::Text) } else { Ok(text) }
}

/// Shows the URL without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.kind, self.tls, &self.place) {
            (EngineKind::Redis, _, Place::Unix(path)) => {
                return write!(f, "redis+unix://{}", path.display());
            }
            (EngineKind::Redis, false, _) => "redis",
            (EngineKind::Redis, true, _) => "rediss",
            (EngineKind::Nats, false, _) => "nats",
            (EngineKind::Nats, true, _) => "tls",
        };
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => {
                write!(f, "{scheme}://[{host}]:{port}/{}", self.prefix)
            }
            Place::Tcp { host, port } => write!(f, "{scheme}://{host}:{port}/{}", self.prefix),
            Place::Unix(path) => write!(f, "{scheme}+unix://{}", path.display()),
        }
    }
}

/// Shows what `Display` shows: a password must not appear in logs.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, shown, user, password) in [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379/bowsprit", None, None),
            ("redis://:pa%20ss@a.example:1/chat", "redis://a.example:1/chat", None, Some("pa ss")),
            ("REDISS://u:p@[::1]/x?db=3", "rediss://[::1]:6379/x", Some("u"), Some("p")),
            ("redis+unix:///run/redis.sock?prefix=x", "redis+unix:///run/redis.sock", None, None),
            ("nats://token@n.example", "nats://n.example:4222/bowsprit", Some("token"), None),
            ("tls://u:p@n.example/", "tls://n.example:4222/bowsprit", Some("u"), Some("p")),
        ] {
            let address = Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(
                (address.to_string().as_str(), address.user(), address.password()),
                (shown, user, password)
            );
            assert!(!format!("{address:?}").contains("p@"));
        }
        let unix = Address::parse("redis+unix:///run/redis.sock?prefix=x&db=2").unwrap();
        assert_eq!((unix.prefix(), unix.database()), ("x", 2));
        for (url, streams) in
            [("redis://a", None), ("redis://a?streams", Some(KEPT)), ("redis://a/x?db=1&streams=5", Some(5))]
        {
            assert_eq!(Address::parse(url).unwrap().streams(), streams, "{url}");
        }
        assert_eq!(unix.place(), &Place::Unix("/run/redis.sock".into()));
    }

    #[test]
    fn what_is_none() {
        use AddressError::*;
        let long = format!("redis://a/{}", "x".repeat(201));
        for (url, expected) in [
            ("127.0.0.1:6379", Url),
            ("redis", Url),
            ("http://a/", Scheme),
            ("redis:a", Host),
            ("redis:///x", Host),
            ("redis+unix://host/x", Host),
            ("redis+unix://", Host),
            ("redis://a:0/", Port),
            ("redis://a:65536/", Port),
            ("redis://%ff@a/", Text),
            (&long, Text),
            ("redis://a/?db=x", Query),
            ("redis://a/?x=1", Query),
            ("redis://a/?streams=0", Query),
            ("redis://a/?streams=many", Query),
            ("nats://a/?streams", Query),
            ("nats://a/?db=1", Query),
            ("redis://a/x#y", Fragment),
        ] {
            assert_eq!(Address::parse(url), Err(expected), "{url}");
        }
    }
}
