//! Why a server was not reached.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use super::proxy::ProxyError;
use super::reconnect::{Loss, retry_after};
use super::redirect::RedirectError;
use super::target::Target;
use crate::entropy::EntropyError;
use crate::handshake::{HeadError, RefusedResponse, RequestBuildError, ResponseError};
#[cfg(feature = "http2")]
use crate::http2::Http2Failure;

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The request cannot be made.
    Request(RequestBuildError),
    /// The name could not be looked up.
    Resolve(io::Error),
    /// The host is a name, and no [`Resolver`](super::Resolver) was given to look it up.
    NoResolver,
    /// The name has no address.
    NoAddress,
    /// No address could be connected to. Contains the error of the last one.
    Connect(io::Error),
    /// There is no way through the proxy.
    Proxy(ProxyError),
    /// TLS failed: a certificate that is not trusted, an alert of the server.
    Tls(io::Error),
    /// The URL is `wss` and no TLS is set up.
    NoTls,
    /// The connection broke before the WebSocket was open.
    Io(io::Error),
    /// HTTP/2 carries no WebSocket to this server, or did not for long enough.
    #[cfg(feature = "http2")]
    Http2(Http2Failure),
    /// The server's answer breaks a rule, or refuses.
    Response(ResponseError),
    /// The server redirects, and the redirect is not followed.
    Redirect(RedirectError),
    /// It took too long.
    Timeout(Phase),
    /// There is no entropy for the nonce of the handshake (RFC 6455 §4.1).
    Entropy(EntropyError),
    /// Any of the other errors, at a server that redirects have led to.
    Redirected(Box<Redirected>),
}

/// What went wrong after redirects, and where.
#[derive(Debug)]
#[non_exhaustive]
pub struct Redirected {
    /// The URL that failed.
    pub target: Target,
    /// The URLs that led to it, in order; never empty.
    pub via: Vec<Target>,
    /// What went wrong there.
    pub error: ConnectError,
}

/// What was going on when the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The name was looked up.
    Resolve,
    /// The TCP connection was made.
    Connect,
    /// The proxy opened the tunnel.
    Proxy,
    /// TLS was agreed on.
    Tls,
    /// The server answered the request.
    Response,
}

impl ConnectError {
    /// Returns what went wrong, without the redirects that led there.
    pub fn root(&self) -> &ConnectError {
        match self {
            Self::Redirected(redirected) => redirected.error.root(),
            error => error,
        }
    }

    /// Converts an error of a connection, which may be an error of TLS or HTTP/2.
    pub(super) fn of_connection(error: io::Error) -> Self {
        #[cfg(feature = "http2")]
        if let Some(failure) = crate::http2::http2_failure(&error) {
            return Self::Http2(failure);
        }
        #[cfg(feature = "tls")]
        if crate::tls::tls_error(&error).is_some() {
            return Self::Tls(error);
        }
        Self::Io(error)
    }

    /// Returns what this means for a reconnect.
    pub fn loss(&self) -> Loss {
        match self {
            Self::Redirected(redirected) => redirected.error.loss(),
            Self::Response(ResponseError::Refused(response)) => {
                Loss::Refused(response.status(), stay_away(response))
            }
            Self::Response(ResponseError::ClosedBeforeResponse | ResponseError::ClosedInHead) => Loss::Broken,
            Self::Response(_) => Loss::Protocol,
            Self::Proxy(ProxyError::Status(status)) => Loss::Refused(*status, None),
            Self::Proxy(ProxyError::Socks(_) | ProxyError::Closed) => Loss::Broken,
            #[cfg(feature = "http2")]
            Self::Http2(failure) => match failure {
                Http2Failure::NotSpoken | Http2Failure::NotAllowed | Http2Failure::Request => Loss::Fatal,
                Http2Failure::Protocol(_) => Loss::Protocol,
                _ => Loss::Broken,
            },
            Self::Request(_)
            | Self::NoResolver
            | Self::NoTls
            | Self::Redirect(_)
            | Self::Proxy(_)
            | Self::Tls(_) => Loss::Fatal,
            Self::Resolve(_) | Self::NoAddress | Self::Connect(_) | Self::Io(_) | Self::Entropy(_) => {
                Loss::Broken
            }
            Self::Timeout(_) => Loss::Timeout,
        }
    }
}

/// Returns how long the server asks us to stay away, by its own clock if it sends one.
fn stay_away(response: &RefusedResponse) -> Option<Duration> {
    let date = response.header("date").and_then(|date| std::str::from_utf8(date).ok());
    let sent = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    response.header("retry-after").and_then(|value| retry_after(value, sent))
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Resolve(error) => write!(f, "the host's name could not be looked up: {error}"),
            Self::NoResolver => {
                f.write_str("the host is a name: set ClientConfig::resolver, to ThreadResolver for example")
            }
            Self::NoAddress => f.write_str("the host's name has no address"),
            Self::Connect(error) => write!(f, "no connection could be made: {error}"),
            Self::Proxy(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::NoTls => f.write_str("a wss:// URL needs TLS: set ClientConfig::tls, of feature \"tls\""),
            Self::Io(error) => write!(f, "the connection broke: {error}"),
            Self::Entropy(error) => error.fmt(f),
            Self::Response(
                error @ ResponseError::Head(
                    HeadError::TooLong | HeadError::StartLineTooLong | HeadError::TooManyHeaders,
                ),
            ) => write!(f, "{error} ClientConfig::head_limits sets them."),
            Self::Response(error) => error.fmt(f),
            #[cfg(feature = "http2")]
            Self::Http2(failure) => failure.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Redirected(redirected) => redirected.fmt(f),
            Self::Timeout(phase) => f.write_str(match phase {
                Phase::Resolve => "looking the host's name up took too long",
                Phase::Connect => "no connection could be made in time",
                Phase::Proxy => "the proxy gave no answer in time",
                Phase::Tls => "TLS was not agreed on in time",
                Phase::Response => "the server did not answer in time",
            }),
        }
    }
}

impl fmt::Display for Redirected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (redirected from ", self.target)?;
        for (at, target) in self.via.iter().enumerate() {
            write!(f, "{}{target}", if at == 0 { "" } else { ", " })?;
        }
        write!(f, "): {}", self.error)
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            #[cfg(feature = "http2")]
            Self::Http2(failure) => Some(failure),
            Self::Resolve(error) | Self::Connect(error) | Self::Tls(error) | Self::Io(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::Response(error) => Some(error),
            Self::Proxy(error) => Some(error),
            Self::Redirect(error) => Some(error),
            Self::Entropy(error) => Some(error),
            Self::Redirected(redirected) => Some(&redirected.error),
            Self::NoResolver | Self::NoAddress | Self::NoTls | Self::Timeout(_) => None,
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Resolve(error)
            | ConnectError::Connect(error)
            | ConnectError::Tls(error)
            | ConnectError::Io(error) => error,
            error => match error.root() {
                ConnectError::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error),
                _ => io::Error::other(error),
            },
        }
    }
}

impl From<ProxyError> for ConnectError {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(error)
    }
}

impl From<RequestBuildError> for ConnectError {
    fn from(error: RequestBuildError) -> Self {
        Self::Request(error)
    }
}
