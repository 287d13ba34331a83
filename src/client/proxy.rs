//! Proxies: which one stands between us and a server, and how a tunnel through it is opened.
//!
//! In: a URL or the environment, where to, and the proxy's bytes in any cut. Out: the bytes for the proxy, and an
//! open tunnel or what is wrong. There is no socket here.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::socks::{Socks5, reply_text};
use super::target::Target;
use crate::handshake::{
    HeadError, HeadLimits, HeadReader, HeaderField, MAX_INTERIM, Progress, StartLine, Url,
};

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: ProxyKind,
    host: String,
    port: u16,
    credentials: Option<(String, String)>,
}

/// What a proxy speaks.
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

    /// This proxy with a user name and a password.
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
        self.credentials = credentials;
        Ok(self)
    }

    /// What it speaks.
    pub fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Its host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the server's name is looked up here and not by the proxy.
    pub fn wants_address(&self) -> bool {
        self.kind == ProxyKind::Socks5
    }

    /// The handshake that opens a tunnel to `host` and `port`.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Host`], [`ProxyError::Credentials`].
    pub fn tunnel(&self, host: &str, port: u16) -> Result<Tunnel, ProxyError> {
        let credentials =
            self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
        Ok(match self.kind {
            ProxyKind::Http => Tunnel(Speech::Http(HttpTunnel::new(host, port, credentials)?)),
            ProxyKind::Socks5 | ProxyKind::Socks5h => {
                Tunnel(Speech::Socks(Socks5::new(host, port, credentials)?))
            }
        })
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

/// As displayed: a password is not for logs.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Which proxy for which server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    ws: Option<Result<Proxy, ProxyError>>,
    wss: Option<Result<Proxy, ProxyError>>,
    /// Reached without one.
    direct: Vec<String>,
}

impl ProxySettings {
    /// No proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same one for every server.
    pub fn all(proxy: Proxy) -> Self {
        Self { ws: Some(Ok(proxy.clone())), wss: Some(Ok(proxy)), direct: Vec::new() }
    }

    /// What the environment says: `ws_proxy`, `http_proxy` or `all_proxy` for `ws`, `wss_proxy`, `https_proxy` or
    /// `all_proxy` for `wss`, the first that is set and not empty, lower case before upper case, and `no_proxy`.
    ///
    /// `HTTP_PROXY` in upper case is not looked at: where a program serves CGI requests a client could set it.
    ///
    /// A variable that cannot be used is an error of [`proxy_for`](Self::proxy_for), and only for a server that it
    /// concerns.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// [`from_env`](Self::from_env) with the environment that `lookup` shows.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let first = |names: &[&str]| {
            let (name, value) = names.iter().find_map(|name| Some((*name, set(name)?)))?;
            let proxy = Proxy::parse(value.trim());
            Some(proxy.map_err(|error| ProxyError::Variable(name.to_owned(), Box::new(error))))
        };
        let direct = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
        Self {
            ws: first(&["ws_proxy", "WS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"]),
            wss: first(&["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            direct: Self::list(&direct),
        }
    }

    /// These settings with the servers of a list such as that of `NO_PROXY` reached directly: names (and all below
    /// them), addresses, networks such as `10.0.0.0/8`, each with a port or without, or `*` for all.
    #[must_use]
    pub fn except(mut self, list: &str) -> Self {
        self.direct.extend(Self::list(list));
        self
    }

    fn list(text: &str) -> Vec<String> {
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        entries.map(str::to_ascii_lowercase).collect()
    }

    /// The proxy for a server, if there is one.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Variable`] where the environment names one that cannot be used.
    pub fn proxy_for(&self, target: &Target) -> Result<Option<&Proxy>, ProxyError> {
        let Some((host, port)) = target.host_port() else { return Ok(None) };
        if self.direct.iter().any(|entry| is_listed(entry, host, port)) {
            return Ok(None);
        }
        let proxy = if target.is_secure() { &self.wss } else { &self.ws };
        proxy.as_ref().map(Result::as_ref).transpose().map_err(Clone::clone)
    }
}

fn is_listed(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if let Ok(address) = host.parse::<IpAddr>() {
        if let Some((network, bits)) = entry.split_once('/') {
            return match (network.parse(), bits.parse()) {
                (Ok(network), Ok(bits)) => is_within(address, network, bits),
                _ => false,
            };
        }
        let plain = entry.trim_start_matches('[');
        if let Ok(listed) = plain.trim_end_matches(']').parse::<IpAddr>() {
            return listed == address;
        }
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, wanted)) => (name, Some(wanted)),
        None => (entry, None),
    };
    if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_prefix("*.").or_else(|| name.strip_prefix('.')).unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let below = |rest: &str| rest.ends_with('.') && host.parse::<IpAddr>().is_err();
    !name.is_empty() && host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || below(rest))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) if bits <= 32 => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) if bits <= 128 => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// The handshake that opens a tunnel through a proxy.
///
/// Send what is [`pending`](Self::pending) whenever it is not empty, and pass on what the proxy says.
#[derive(Clone, Debug)]
pub struct Tunnel(Speech);

#[derive(Clone, Debug)]
enum Speech {
    Http(HttpTunnel),
    Socks(Socks5),
}

impl Tunnel {
    /// The bytes to send next; empty while the proxy's answer is awaited.
    pub fn pending(&self) -> &[u8] {
        match &self.0 {
            Speech::Http(http) => &http.out,
            Speech::Socks(socks) => socks.pending(),
        }
    }

    /// Drops the first `len` of them: they are sent.
    pub fn advance(&mut self, len: usize) {
        match &mut self.0 {
            Speech::Http(http) => drop(http.out.drain(..len)),
            Speech::Socks(socks) => socks.advance(len),
        }
    }

    /// Takes the proxy's next bytes; says whether the tunnel is open.
    ///
    /// # Errors
    ///
    /// What is wrong. Bytes behind the proxy's answer are wrong, too: no server speaks before it is spoken to.
    pub fn receive(&mut self, input: &[u8]) -> Result<bool, ProxyError> {
        let progress = match &mut self.0 {
            Speech::Http(http) => http.receive(input)?,
            Speech::Socks(socks) => socks.receive(input)?,
        };
        match progress {
            Progress::NeedMore => Ok(false),
            Progress::Done { used, .. } if used == input.len() => Ok(true),
            Progress::Done { .. } => Err(ProxyError::EarlyBytes),
        }
    }
}

/// CONNECT (RFC 9110 §9.3.6).
#[derive(Clone, Debug)]
struct HttpTunnel {
    out: Vec<u8>,
    reader: HeadReader,
    interim: usize,
}

impl HttpTunnel {
    fn new(host: &str, port: u16, credentials: Option<(&str, &str)>) -> Result<Self, ProxyError> {
        let host = host.split('%').next().unwrap_or(host);
        let authority = match host.parse() {
            Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        // Whoever gives the host, nothing in it may end the line (CVE-2026-42578).
        if host.is_empty()
            || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte))
        {
            return Err(ProxyError::Host);
        }
        let mut out = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
        if let Some((user, password)) = credentials {
            let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            let field =
                HeaderField::new("Proxy-Authorization", value).map_err(|_| ProxyError::Credentials)?;
            out.extend_from_slice(format!("{}: {}\r\n", field.name(), field.value()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        Ok(Self { out, reader: HeadReader::response(HeadLimits::default()), interim: 0 })
    }

    fn receive(&mut self, input: &[u8]) -> Result<Progress<()>, ProxyError> {
        let mut taken = 0;
        loop {
            let (head, used) = match self.reader.receive(&input[taken..]).map_err(ProxyError::Head)? {
                Progress::NeedMore => return Ok(Progress::NeedMore),
                Progress::Done { value, used } => (value, used),
            };
            taken += used;
            match head.start_line() {
                StartLine::Response { status: 100..=199, .. } if self.interim < MAX_INTERIM => {
                    self.interim += 1
                }
                // RFC 9110 §9.3.6: any 2xx; the length that it may announce counts for nothing.
                StartLine::Response { status: 200..=299, .. } => {
                    return Ok(Progress::Done { value: (), used: taken });
                }
                StartLine::Response { status: 407, .. } => return Err(ProxyError::Authentication),
                StartLine::Response { status, .. } => return Err(ProxyError::Status(status)),
                StartLine::Request { .. } => return Err(ProxyError::Garbage),
            }
        }
    }
}

/// Why there is no way through a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy's URL cannot be used.
    Url,
    /// The environment variable with this name cannot be used.
    Variable(String, Box<ProxyError>),
    /// The host cannot be named to the proxy.
    Host,
    /// The user name or password cannot be sent.
    Credentials,
    /// The proxy wants credentials, or others.
    Authentication,
    /// The proxy refuses with this HTTP status.
    Status(u16),
    /// The proxy refuses with this SOCKS code (RFC 1928 §6).
    Socks(u8),
    /// The proxy's HTTP answer is faulty.
    Head(HeadError),
    /// The proxy's answer is no SOCKS version 5.
    Garbage,
    /// The proxy sent more than its answer.
    EarlyBytes,
    /// The proxy closed the connection without an answer.
    Closed,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str(
                "use a proxy such as http://host:3128, socks5://user:password@host or socks5h://host:1080",
            ),
            Self::Variable(name, error) => write!(f, "{name}: {error}"),
            Self::Host => f.write_str("the host cannot be named to the proxy"),
            Self::Credentials => f.write_str("the user name or password cannot be sent to the proxy"),
            Self::Authentication => {
                f.write_str("the proxy asks for a user name and a password, or for others")
            }
            Self::Status(status) => write!(f, "the proxy refuses with status {status}"),
            Self::Socks(code) => write!(f, "the proxy refuses: {} ({code})", reply_text(*code)),
            Self::Head(error) => write!(f, "the proxy's answer is faulty: {error}"),
            Self::Garbage => f.write_str("the proxy's answer is not SOCKS version 5"),
            Self::EarlyBytes => f.write_str("the proxy sends more than its answer"),
            Self::Closed => f.write_str("the proxy closed the connection without an answer"),
        }
    }
}

impl std::error::Error for ProxyError {}

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

    /// PXY-008.
    #[test]
    fn the_environment_and_its_exceptions() {
        let environment = |name: &str| match name {
            "http_proxy" => Some("http://plain:1".to_owned()),
            "HTTPS_PROXY" => Some("secure:2".to_owned()),
            "all_proxy" => Some("socks5://all".to_owned()),
            "no_proxy" => Some(
                "internal.example, .dot.example,10.0.0.0/8 192.0.2.7,fd00::/8,only.example:9001,[::1]".into(),
            ),
            _ => None,
        };
        let settings = ProxySettings::from_lookup(environment);
        for (url, proxy) in [
            ("ws://example.com/", Some("http://plain:1")),
            ("wss://example.com/", Some("http://secure:2")),
            ("ws://internal.example/", None),
            ("ws://INTERNAL.example./", None),
            ("ws://a.internal.example/", None),
            ("ws://notinternal.example/", Some("http://plain:1")),
            ("ws://dot.example/", None),
            ("ws://a.dot.example/", None),
            ("ws://10.1.2.3/", None),
            ("ws://11.1.2.3/", Some("http://plain:1")),
            ("ws://192.0.2.7:5/", None),
            ("ws://192.0.2.70/", Some("http://plain:1")),
            ("ws://[fd12::1]/", None),
            ("ws://[fe80::1]/", Some("http://plain:1")),
            ("ws://[::1]:7/", None),
            ("ws://only.example:9001/", None),
            ("ws://only.example/", Some("http://plain:1")),
            ("ws+unix:/run/a", None),
        ] {
            let target = Target::parse(url).unwrap();
            let found = settings.proxy_for(&target).unwrap().map(ToString::to_string);
            assert_eq!(found.as_deref(), proxy, "{url}");
        }
        let all = ProxySettings::all(Proxy::parse("a").unwrap()).except("*");
        assert_eq!(all.proxy_for(&Target::parse("ws://b/").unwrap()), Ok(None));
        let upper = ProxySettings::from_lookup(|name| (name == "HTTP_PROXY").then(|| "evil".to_owned()));
        assert_eq!(upper, ProxySettings::none());
    }

    /// What cannot be used is told to whom it concerns and to nobody else.
    #[test]
    fn a_variable_is_judged_where_it_is_used() {
        let settings = ProxySettings::from_lookup(|name| match name {
            "all_proxy" => Some("socks://a:1".to_owned()),
            "https_proxy" => Some("http://b:2".to_owned()),
            "no_proxy" => Some("127.0.0.1".to_owned()),
            _ => None,
        });
        let proxy_for =
            |url: &str| settings.proxy_for(&Target::parse(url).unwrap()).map(|proxy| proxy.cloned());
        assert_eq!(proxy_for("ws://127.0.0.1:9001/"), Ok(None));
        assert_eq!(proxy_for("ws+unix:/run/a"), Ok(None));
        assert_eq!(proxy_for("wss://c/"), Ok(Some(Proxy::parse("b:2").unwrap())));
        let error = proxy_for("ws://c/").unwrap_err();
        assert_eq!(error, ProxyError::Variable("all_proxy".to_owned(), Box::new(ProxyError::Url)));
        assert!(error.to_string().starts_with("all_proxy: use a proxy such as http://"), "{error}");
    }

    fn connect(answer: &[u8]) -> Result<bool, ProxyError> {
        let whole = Proxy::parse("a").unwrap().tunnel("b", 80).unwrap().receive(answer);
        let mut tunnel = Proxy::parse("a").unwrap().tunnel("b", 80).unwrap();
        let mut split = Ok(false);
        for byte in answer.chunks(1) {
            split = tunnel.receive(byte);
            if split.is_err() {
                break;
            }
        }
        if whole != Err(ProxyError::EarlyBytes) {
            assert_eq!(whole, split, "cuts do not matter");
        }
        whole
    }

    /// PXY-001 to PXY-006.
    #[test]
    fn connect_asks_and_judges() {
        let proxy = Proxy::parse("http://Aladdin:open%20sesame@proxy.example").unwrap();
        let tunnel = proxy.tunnel("2001:db8::1", 443).unwrap();
        assert_eq!(
            tunnel.pending().escape_ascii().to_string(),
            "CONNECT [2001:db8::1]:443 HTTP/1.1\\r\\nHost: [2001:db8::1]:443\\r\\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\\r\\n\\r\\n"
        );
        assert_eq!(connect(b"HTTP/1.1 200 Connection established\r\n\r\n"), Ok(true));
        assert_eq!(
            connect(b"HTTP/1.0 299 x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Ok(true)
        );
        assert_eq!(connect(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Ok(true));
        assert_eq!(connect(b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0"), Err(ProxyError::EarlyBytes));
        assert_eq!(connect(b"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\n"), Err(ProxyError::Authentication));
        assert_eq!(connect(b"HTTP/1.1 403 No\r\n\r\n"), Err(ProxyError::Status(403)));
        assert_eq!(connect(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Ok(false));
        assert!(matches!(connect(b"SSH-2.0-OpenSSH\r\n"), Err(ProxyError::Head(_))));
        assert!(matches!(connect(&[b'x'; 70_000]), Err(ProxyError::Head(_))));
        let long = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 70_000]].concat();
        assert_eq!(connect(&long), Err(ProxyError::Head(HeadError::TooLong)));
        for host in ["", "a\r\nX: y", "a b", "a/b", "a@b"] {
            assert_eq!(proxy.tunnel(host, 80).err(), Some(ProxyError::Host), "{host:?}");
        }
    }
}
