//! What a client connects to: `ws:`, `wss:` and `ws+unix:` URLs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::handshake::{ClientRequest, RequestBuildError, Url, UrlError, percent_decode};

/// A parsed URL of a server.
///
/// ```
/// use bowsprit::client::Target;
///
/// let target = Target::parse("wss://example.com/chat").unwrap();
/// assert!(target.is_secure());
/// let local = Target::parse("ws+unix:/run/app.sock:/chat?room=7").unwrap();
/// assert_eq!(local.resource(), "/chat?room=7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// `ws://` or `wss://`: a host and a port.
    Host(Url),
    /// `ws+unix:`: a Unix-domain socket.
    Unix(UnixTarget),
}

/// A Unix-domain socket and a resource behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixTarget {
    path: PathBuf,
    resource: String,
}

impl Target {
    /// Parses `ws://host…`, `wss://host…` or `ws+unix:/path/of/socket:/resource`. In the path of a socket, `%3A` stands
    /// for a colon and `%25` for a percent sign; the default resource is `/`.
    ///
    /// # Errors
    ///
    /// [`UrlError`] for the first error in the text.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        const UNIX: &str = "ws+unix:";
        match text.get(..UNIX.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(UNIX) => {
                UnixTarget::parse(&text[UNIX.len()..]).map(Target::Unix)
            }
            _ => Url::parse(text).map(Target::Host),
        }
    }

    /// Returns whether the connection uses TLS.
    pub fn is_secure(&self) -> bool {
        matches!(self, Target::Host(url) if url.is_secure())
    }

    /// Returns the host and the port to connect to. A Unix-domain socket has none.
    pub fn host_port(&self) -> Option<(&str, u16)> {
        match self {
            Target::Host(url) => Some((url.host(), url.port())),
            Target::Unix(_) => None,
        }
    }

    /// Returns the value of `Host`; `localhost` for a Unix-domain socket.
    pub fn host_header(&self) -> &str {
        match self {
            Target::Host(url) => url.host_header(),
            Target::Unix(_) => "localhost",
        }
    }

    /// Returns the resource name (RFC 6455 §3).
    pub fn resource(&self) -> &str {
        match self {
            Target::Host(url) => url.resource(),
            Target::Unix(unix) => &unix.resource,
        }
    }

    /// Creates a request for the target. User-info becomes Basic authentication.
    ///
    /// # Errors
    ///
    /// [`RequestBuildError`] if the user-info does not fit in a header.
    pub fn request(&self) -> Result<ClientRequest, RequestBuildError> {
        match self {
            Target::Host(url) => ClientRequest::to(url),
            Target::Unix(unix) => ClientRequest::new("localhost", &unix.resource),
        }
    }

    /// Returns whether both have the same scheme, host and port, so that secrets may follow (RFC 6454 §5).
    pub fn is_same_origin(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Host(a), Target::Host(b)) => {
                (a.is_secure(), a.host(), a.port()) == (b.is_secure(), b.host(), b.port())
            }
            (Target::Unix(a), Target::Unix(b)) => a.path == b.path,
            _ => false,
        }
    }
}

impl UnixTarget {
    fn parse(rest: &str) -> Result<Self, UrlError> {
        // `ws+unix:///path` means the same: an empty authority.
        let rest = if rest.starts_with("///") { &rest[2..] } else { rest };
        let (path, resource) = rest.split_once(':').unwrap_or((rest, "/"));
        let right = path.starts_with('/') && !path.starts_with("//") && path.len() > 1;
        if !right || !(resource.is_empty() || resource.starts_with(['/', '?'])) {
            return Err(UrlError::Host);
        }
        // No path has a NUL in it.
        let path = percent_decode(path).filter(|path| !path.contains('\0')).ok_or(UrlError::Host)?;
        // The rest is judged like every other URL.
        let resource = Url::parse(&format!("ws://localhost{resource}"))?.resource().to_owned();
        Ok(Self { path: path.into(), resource })
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the resource name.
    pub fn resource(&self) -> &str {
        &self.resource
    }
}

/// Returns the text of a URL, valid or not, without its user-info, for messages about a URL that cannot be parsed.
///
/// If it is not clear what is user-info, more is omitted: a password must not appear in logs.
///
/// ```
/// use bowsprit::client::without_user_info;
///
/// assert_eq!(without_user_info("ws://user:secret@example.com:99999/"), "ws://example.com:99999/");
/// assert_eq!(without_user_info("ws://user:se/cr@t@example.com"), "ws://example.com");
/// assert_eq!(without_user_info("ws://example.com/a"), "ws://example.com/a");
/// ```
pub fn without_user_info(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{}", rest.rsplit_once('@').map_or(rest, |(_, rest)| rest))
}

impl FromStr for Target {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

/// Shows the URL without user-info.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Host(url) => url.fmt(f),
            Target::Unix(unix) => write!(f, "ws+unix:{}:{}", unix.path.display(), unix.resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets() {
        for (text, path, resource) in [
            ("ws+unix:/run/a.sock", "/run/a.sock", "/"),
            ("WS+UNIX:/run/a.sock:/chat", "/run/a.sock", "/chat"),
            ("ws+unix:///run/a.sock:/chat?x=y", "/run/a.sock", "/chat?x=y"),
            ("ws+unix:/run/a%3Ab%25.sock:/", "/run/a:b%.sock", "/"),
            ("ws+unix:/a:?x", "/a", "/?x"),
        ] {
            let target = Target::parse(text).unwrap();
            let Target::Unix(unix) = &target else { panic!("{text}") };
            assert_eq!((unix.path(), unix.resource()), (Path::new(path), resource), "{text}");
            assert_eq!(target.host_header(), "localhost");
            assert!(!target.is_secure() && target.request().is_ok());
        }
        for text in [
            "ws+unix:",
            "ws+unix:/",
            "ws+unix:a.sock",
            "ws+unix://host/a",
            "ws+unix:/a%",
            "ws+unix:/a%zz",
            "ws+unix:/a%00b",
            "ws+unix:/a:chat",
            "ws+unix:/a:/b c",
            "ws+unix:/a:/b#c",
            "ws+unix:/a:/b\r\nX: y",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins() {
        let same = |a, b| Target::parse(a).unwrap().is_same_origin(&Target::parse(b).unwrap());
        assert!(same("ws://a/x", "ws://A:80/y?z"));
        assert!(
            !same("ws://a/", "wss://a/") && !same("ws://a/", "ws://a:81/") && !same("ws://a/", "ws://b/")
        );
        assert!(same("ws+unix:/a:/x", "ws+unix:/a") && !same("ws+unix:/a", "ws+unix:/b"));
    }
}
