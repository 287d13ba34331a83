//! Proxies: which one stands between us and a server, and how a tunnel through it is opened.
//!
//! In: a URL or the environment, the destination, and the proxy's bytes in any cut. Out: the bytes for the proxy, and
//! an open tunnel or what is wrong. There is no socket here.

mod error;
mod settings;
mod socks;
mod tunnel;

use std::fmt;

use crate::handshake::Url;

pub use error::ProxyError;
pub use settings::ProxySettings;
pub use socks::Socks5;
pub use tunnel::Tunnel;

use crate::secret::Secret;

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: ProxyKind,
    host: String,
    port: u16,
    credentials: Option<(String, Secret<String>)>,
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyKind {
    /// HTTP with the method CONNECT (RFC 9110 §9.3.6).
    Http,
    /// SOCKS version 5; we look names up.
    Socks5,
    /// SOCKS version 5; the proxy looks names up.
    Socks5h,
}

impl Proxy {
    /// Parses `http://[user:password@]host[:port]`, `socks5://…` or `socks5h://…`. Without a scheme it is HTTP;
    /// without a port it is 80 for HTTP and 1080 for SOCKS.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Url`], [`ProxyError::Credentials`].
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, default) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyKind::Http, 80),
            "socks5" => (ProxyKind::Socks5, 1080),
            "socks5h" => (ProxyKind::Socks5h, 1080),
            _ => return Err(ProxyError::Url),
        };
        let url = Url::parse(&format!("ws://{rest}")).map_err(|_| ProxyError::Url)?;
        if url.resource() != "/" {
            return Err(ProxyError::Url);
        }
        let names_port =
            rest.trim_end_matches('/').rsplit_once(':').is_some_and(|(_, port)| port.parse() == Ok(80));
        let port = if url.port() == 80 && !names_port { default } else { url.port() };
        let credentials = url.user_info().map(|(user, password)| (user.to_owned(), password.to_owned()));
        Self { kind, host: url.host().to_owned(), port, credentials: None }.with(credentials)
    }

    /// Returns this proxy with a user name and a password.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Credentials`] for control characters, or a colon in the user name.
    pub fn with_credentials(self, user: &str, password: &str) -> Result<Self, ProxyError> {
        self.with(Some((user.to_owned(), password.to_owned())))
    }

    fn with(mut self, credentials: Option<(String, String)>) -> Result<Self, ProxyError> {
        if let Some((user, password)) = &credentials
            && (user.contains(':') || user.chars().chain(password.chars()).any(char::is_control))
        {
            return Err(ProxyError::Credentials);
        }
        self.credentials = credentials.map(|(user, password)| (user, Secret::new(password)));
        Ok(self)
    }

    /// Returns its protocol.
    pub fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Returns its host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether the server's name is looked up here and not by the proxy.
    pub fn wants_address(&self) -> bool {
        self.kind == ProxyKind::Socks5
    }

    /// Creates the handshake that opens a tunnel to `host` and `port`.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Host`], [`ProxyError::Credentials`].
    pub fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, ProxyError> {
        let credentials =
            self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.expose().as_str()));
        match self.kind {
            ProxyKind::Http => Tunnel::http(host, port, credentials),
            ProxyKind::Socks5 | ProxyKind::Socks5h => Tunnel::socks5(host, port, credentials),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Socks5 => "socks5",
            ProxyKind::Socks5h => "socks5h",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Shows what `Display` shows: a password must not appear in logs.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("proxy.example:3128/", "http://proxy.example:3128"),
            ("proxy.example", "http://proxy.example:80"),
            ("HTTP://[::1]:8080", "http://[::1]:8080"),
            ("socks5://127.0.0.1", "socks5://127.0.0.1:1080"),
            ("socks5://127.0.0.1:80", "socks5://127.0.0.1:80"),
            ("socks5h://u:p@a:9050", "socks5h://a:9050"),
        ] {
            assert_eq!(Proxy::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in
            ["", "https://a:1", "socks4://a", "http://a/b", "http://a:0", "http://a b", "http://a\r\nX: y"]
        {
            assert_eq!(Proxy::parse(text), Err(ProxyError::Url), "{text:?}");
        }
        assert_eq!(Proxy::parse("http://u%0d:p@a"), Err(ProxyError::Credentials));

        let bare = || Proxy::parse("http://a").unwrap();
        assert_eq!(bare().with_credentials("u", "p:q"), Proxy::parse("http://u:p%3Aq@a"));
        assert_eq!(bare().with_credentials("u:v", "p"), Err(ProxyError::Credentials));
    }
}
