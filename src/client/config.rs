//! The configuration of a client: the target, the way there, and what to send.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::proxy::ProxySettings;
use super::race::ATTEMPT_DELAY;
use super::reconnect::ReconnectPolicy;
use super::redirect::RedirectPolicy;
use super::resolve::Resolver;
use super::target::Target;
use crate::connection::Config;
use crate::entropy::{Entropy, SystemEntropy};
use crate::extension::Extension;
use crate::handshake::{ClientRequest, HeadLimits, HeaderField, RequestBuildError, UrlError};

/// Where to connect, how, and what to send. Both [`blocking`](crate::blocking) clients and those of a loop use it.
///
/// ```
/// use bowsprit::client::{ClientConfig, ReconnectPolicy, ThreadResolver};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = ClientConfig::new("ws://server.example.com/chat")?
///     .subprotocol("chat")?
///     .header("Cookie", "session=1f2e")?
///     .resolver(ThreadResolver)
///     .connect_timeout(Duration::from_secs(5))
///     .reconnect(ReconnectPolicy::exponential());
/// assert_eq!(config.target().to_string(), "ws://server.example.com/chat");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientConfig {
    pub(crate) target: Target,
    pub(crate) request: ClientRequest,
    pub(crate) proxies: ProxySettings,
    pub(crate) redirects: RedirectPolicy,
    pub(crate) reconnect: ReconnectPolicy,
    pub(crate) while_disconnected: WhileDisconnected,
    pub(crate) resolver: Option<Arc<dyn Resolver>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) attempt_delay: Duration,
    pub(crate) connection: Arc<Config>,
    pub(crate) masks: Arc<dyn Fn() -> Box<dyn Entropy + Send> + Send + Sync>,
    pub(crate) head_limits: HeadLimits,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::tls::TlsClient>,
    #[cfg(feature = "http2")]
    pub(crate) http: Http,
    /// Names of headers that any server may see.
    shared: Vec<String>,
}

/// Headers that reveal nothing but the kind of program: these go to any server.
const HARMLESS: [&str; 6] =
    ["user-agent", "accept", "accept-language", "accept-encoding", "cache-control", "pragma"];

impl ClientConfig {
    /// Creates a configuration for this URL with the defaults: no proxy, no redirects, no reconnects, 10 s until the
    /// connection is open, the limits of [`Config`].
    ///
    /// # Errors
    ///
    /// [`ClientConfigError`] if the URL cannot be used.
    pub fn new(url: &str) -> Result<Self, ClientConfigError> {
        Self::to(Target::parse(url)?)
    }

    /// Creates a configuration for this target, with the defaults of [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// [`ClientConfigError::Request`] if its user-info does not fit in a header.
    pub fn to(target: Target) -> Result<Self, ClientConfigError> {
        Ok(Self {
            request: target.request()?,
            target,
            proxies: ProxySettings::none(),
            redirects: RedirectPolicy::NONE,
            reconnect: ReconnectPolicy::never(),
            while_disconnected: WhileDisconnected::Refuse,
            resolver: None,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            attempt_delay: ATTEMPT_DELAY,
            connection: Arc::new(Config::default()),
            masks: Arc::new(|| Box::new(SystemEntropy::new())),
            head_limits: HeadLimits::default(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "http2")]
            http: Http::default(),
            shared: Vec::new(),
        })
    }

    /// Returns the target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the request.
    pub fn request(&self) -> &ClientRequest {
        &self.request
    }

    /// Returns the time that it may take until the connection is open.
    pub fn connect_limit(&self) -> Duration {
        self.connect_timeout
    }

    /// Changes the target and keeps everything else. If the new target has another origin, headers are dropped that may
    /// be secrets for the old server: `Authorization`, `Cookie`, and each [`header`](Self::header) whose name does not
    /// show that it is harmless (`User-Agent`, `Accept` and its like, `Cache-Control`, `Pragma`).
    ///
    /// # Errors
    ///
    /// [`RequestBuildError`] if the new URL's user-info does not fit in a header.
    pub fn retarget(mut self, target: Target) -> Result<Self, RequestBuildError> {
        let fresh = target.request()?;
        if !self.target.is_same_origin(&target) {
            let is_shared = |field: &HeaderField| {
                HARMLESS.iter().any(|name| field.is(name)) || self.shared.iter().any(|name| field.is(name))
            };
            self.request = self.request.without_secrets(|field| !is_shared(field));
        }
        self.request = self.request.retarget(fresh.host(), fresh.resource())?;
        if let Target::Host(url) = &target
            && let Some((user, password)) = url.user_info()
        {
            self.request = self.request.basic_auth(user, password)?;
        }
        self.target = target;
        Ok(self)
    }

    /// Names another server than the target in the request; see [`ClientRequest::with_host`]. A redirect ends that.
    ///
    /// # Errors
    ///
    /// See [`ClientRequest::with_host`].
    pub fn host(self, host: &str) -> Result<Self, RequestBuildError> {
        self.ask(|request| request.with_host(host))
    }

    /// Names the origin; see [`ClientRequest::origin`].
    ///
    /// # Errors
    ///
    /// See [`ClientRequest::origin`].
    pub fn origin(self, origin: &str) -> Result<Self, RequestBuildError> {
        self.ask(|request| request.origin(origin))
    }

    /// Offers a further subprotocol; see [`ClientRequest::subprotocol`].
    ///
    /// # Errors
    ///
    /// See [`ClientRequest::subprotocol`].
    pub fn subprotocol(self, name: &str) -> Result<Self, RequestBuildError> {
        self.ask(|request| request.subprotocol(name))
    }

    /// Offers a further extension.
    #[must_use]
    pub fn extension(mut self, offer: Extension) -> Self {
        self.request = self.request.extension(offer);
        self
    }

    /// Adds a header for this server. A redirect to another origin drops it; see [`retarget`](Self::retarget).
    ///
    /// # Errors
    ///
    /// [`ClientConfigError::Field`], and the errors of [`ClientRequest::header`].
    pub fn header(self, name: &str, value: &str) -> Result<Self, ClientConfigError> {
        let field = HeaderField::new(name, value).map_err(ClientConfigError::Field)?;
        Ok(self.ask(|request| request.header(field))?)
    }

    /// Adds a header that is also sent to every server that a redirect leads to. `Authorization` and `Cookie` still
    /// stay with their origin.
    ///
    /// # Errors
    ///
    /// See [`header`](Self::header).
    pub fn shared_header(mut self, name: &str, value: &str) -> Result<Self, ClientConfigError> {
        self.shared.push(name.to_owned());
        self.header(name, value)
    }

    /// Uses Basic authentication (RFC 7617).
    ///
    /// # Errors
    ///
    /// See [`ClientRequest::basic_auth`].
    pub fn basic_auth(self, user: &str, password: &str) -> Result<Self, RequestBuildError> {
        self.ask(|request| request.basic_auth(user, password))
    }

    /// Uses a bearer token (RFC 6750).
    ///
    /// # Errors
    ///
    /// See [`ClientRequest::bearer_auth`].
    pub fn bearer_auth(self, token: &str) -> Result<Self, RequestBuildError> {
        self.ask(|request| request.bearer_auth(token))
    }

    /// Connects through proxies. [`ProxySettings::from_env`] does what other programs do.
    #[must_use]
    pub fn proxies(mut self, proxies: ProxySettings) -> Self {
        self.proxies = proxies;
        self
    }

    /// Follows redirects.
    #[must_use]
    pub fn redirects(mut self, policy: RedirectPolicy) -> Self {
        self.redirects = policy;
        self
    }

    /// Reconnects. A blocking client does not do this by itself.
    #[must_use]
    pub fn reconnect(mut self, policy: ReconnectPolicy) -> Self {
        self.reconnect = policy;
        self
    }

    /// Chooses what happens to messages that are sent while there is no connection. For clients of a loop.
    #[must_use]
    pub fn while_disconnected(mut self, policy: WhileDisconnected) -> Self {
        self.while_disconnected = policy;
        self
    }

    /// Looks names up with `resolver`. Without one, a loop connects only to addresses and `localhost`, and a blocking
    /// client looks names up in the calling thread, which no timeout ends.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Limits the time until the connection is open: lookups, TCP, proxy, TLS and handshake, including all of that
    /// again for each redirect. The default is 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Limits the time that TLS and the WebSocket handshake with one server may take together, once the way to it is
    /// open (RFC 6455 §10.4). The default is 10 s; the whole never takes longer than
    /// [`connect_timeout`](Self::connect_timeout).
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Limits the head of a server's answer. The default is 16 KiB and 100 lines.
    #[must_use]
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.head_limits = limits;
        self
    }

    /// Sets how long one address is tried before the next is tried concurrently. The default is 250 ms.
    #[must_use]
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay;
        self
    }

    /// Sets the limits, timeouts and delivery of the connection.
    #[must_use]
    pub fn connection(mut self, config: impl Into<Arc<Config>>) -> Self {
        self.connection = config.into();
        self
    }

    /// Takes masking keys, and the nonce of each handshake, from another source than the system's entropy. `source`
    /// makes one for each use. Its bytes must be unpredictable (RFC 6455 §5.3).
    #[must_use]
    pub fn masks(mut self, source: impl Fn() -> Box<dyn Entropy + Send> + Send + Sync + 'static) -> Self {
        self.masks = Arc::new(source);
        self
    }

    /// Sets up TLS for `wss://`. Without it such a URL is an error: no certificates are trusted by default.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::TlsClient) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets which version of HTTP the WebSocket is opened over. The default is 1.1.
    #[cfg(feature = "http2")]
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.http = http;
        self
    }

    /// Returns whether HTTP/2 is used with prior knowledge: [`Http::Http2`] without TLS.
    pub(crate) fn has_prior_knowledge(&self) -> bool {
        #[cfg(feature = "http2")]
        return self.http == Http::Http2 && !self.target.is_secure();
        #[cfg(not(feature = "http2"))]
        return false;
    }

    /// Returns whether TLS is set up, which a `wss://` URL needs.
    pub(crate) const fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Creates a TLS connection for the name of the server, whatever proxy the connection goes through.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_connection(&self) -> std::io::Result<rustls::client::UnbufferedClientConnection> {
        match (&self.tls, self.target.host_port()) {
            #[cfg(feature = "http2")]
            (Some(tls), Some((host, _))) if self.http != Http::Http1 => {
                let offered = if self.http == Http::Http2 { &["h2"][..] } else { &["h2", "http/1.1"] };
                tls.connection_offering(host, offered).map_err(Into::into)
            }
            (Some(tls), Some((host, _))) => tls.connection(host).map_err(Into::into),
            _ => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    fn ask(
        mut self,
        change: impl FnOnce(ClientRequest) -> Result<ClientRequest, RequestBuildError>,
    ) -> Result<Self, RequestBuildError> {
        self.request = change(self.request)?;
        Ok(self)
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut config = f.debug_struct("ClientConfig");
        config.field("target", &self.target).field("request", &self.request);
        config.field("proxies", &self.proxies).field("redirects", &self.redirects);
        config.field("reconnect", &self.reconnect).finish_non_exhaustive()
    }
}

/// Which version of HTTP a WebSocket is opened over.
#[cfg(feature = "http2")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http {
    /// HTTP/1.1 (RFC 6455).
    #[default]
    Http1,
    /// HTTP/2 (RFC 8441) only: chosen by ALPN over TLS; without TLS the server is known to speak it.
    Http2,
    /// HTTP/2 if ALPN chooses it and the server accepts WebSockets over it, otherwise HTTP/1.1. Only over TLS. If the
    /// server speaks HTTP/2 without WebSockets, a second connection is made.
    Auto,
}

/// What happens to messages that are sent while there is no connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhileDisconnected {
    /// They are refused.
    #[default]
    Refuse,
    /// They are kept until there is one, up to this many bytes; further ones are dropped.
    Queue(usize),
}

/// Why there is no [`ClientConfig`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientConfigError {
    /// The URL cannot be used.
    Url(UrlError),
    /// The request cannot be made.
    Request(RequestBuildError),
    /// A header cannot be sent.
    Field(crate::handshake::FieldError),
}

impl fmt::Display for ClientConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Field(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientConfigError {}

impl From<UrlError> for ClientConfigError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<RequestBuildError> for ClientConfigError {
    fn from(error: RequestBuildError) -> Self {
        Self::Request(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HSC-023: headers for one server do not follow a redirect to another.
    #[test]
    fn secrets_stay_with_their_origin() {
        let config = ClientConfig::new("ws://user:pw@a/").unwrap();
        let config = config.header("Cookie", "a=b").unwrap().header("X-Api-Key", "1").unwrap();
        let config = config.header("user-agent", "x").unwrap().shared_header("Traceparent", "2").unwrap();
        let names = |config: &ClientConfig| -> Vec<String> {
            config.request.headers().iter().map(|field| field.name().to_owned()).collect()
        };
        let same = config.clone().retarget(Target::parse("ws://a:80/other?x").unwrap()).unwrap();
        assert_eq!(same.request.resource(), "/other?x");
        assert_eq!(names(&same), ["Authorization", "Cookie", "X-Api-Key", "user-agent", "Traceparent"]);
        for other in ["ws://b/", "wss://a/", "ws://a:81/"] {
            let other = config.clone().retarget(Target::parse(other).unwrap()).unwrap();
            assert_eq!(names(&other), ["user-agent", "Traceparent"]);
            let back = other.retarget(Target::parse("ws://c/").unwrap()).unwrap();
            assert_eq!(names(&back), ["user-agent", "Traceparent"]);
        }
    }
}
