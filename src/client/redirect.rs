//! Where a redirect leads (RFC 9110 §15.4), and whether we go there.

use std::fmt;

use fluent_uri::{Uri, UriRef};

use super::target::Target;
use crate::handshake::{RefusedResponse, UrlError};

/// Which redirects are followed. By default none: RFC 6455 §4.1 leaves it to the client, and a moved server is worth
/// knowing about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedirectPolicy {
    /// The most redirects in a row.
    pub limit: u32,
    /// Whether a redirect may lead from `wss` to `ws`, which everybody on the way can read.
    pub allow_downgrade: bool,
}

impl RedirectPolicy {
    /// Follows no redirects.
    pub const NONE: Self = Self { limit: 0, allow_downgrade: false };

    /// Follows at most this many consecutive redirects.
    pub const fn up_to(limit: u32) -> Self {
        Self { limit, allow_downgrade: false }
    }

    /// Returns where `response` leads a request to `from` that has been redirected `before` times, or `None` if it is
    /// no redirect or none is followed.
    ///
    /// # Errors
    ///
    /// [`RedirectError`] for a redirect that must not be followed.
    pub fn follow(
        &self,
        from: &Target,
        response: &RefusedResponse,
        before: u32,
    ) -> Result<Option<Target>, RedirectError> {
        // 300 has nothing to follow automatically, 304 and 305 are not redirects, 306 is gone.
        if self.limit == 0 || !matches!(response.status(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        if before >= self.limit {
            return Err(RedirectError::TooMany);
        }
        let mut lines = response.head().values("location");
        let (Some(location), None) = (lines.next(), lines.next()) else {
            return Err(RedirectError::Location);
        };
        let location = std::str::from_utf8(location).map_err(|_| RedirectError::Location)?;
        let target = resolve(from, location)?;
        if from.is_secure() && !target.is_secure() && !self.allow_downgrade {
            return Err(RedirectError::Downgrade);
        }
        Ok(Some(target))
    }
}

/// Resolves `Location`, a reference relative to the request's URL (RFC 9110 §10.2.2).
fn resolve(from: &Target, location: &str) -> Result<Target, RedirectError> {
    let Target::Host(url) = from else {
        return Err(RedirectError::Location); // a Unix-domain socket is the only one that its server knows
    };
    let base = Uri::parse(url.to_string()).map_err(|_| RedirectError::Location)?;
    let reference = UriRef::parse(location).map_err(|_| RedirectError::Location)?;
    let resolved = reference.resolve_against(&base).map_err(|_| RedirectError::Location)?;
    // A fragment is for whatever shows a document; here nothing does.
    let text = resolved.as_str().split('#').next().unwrap_or_default();
    let (scheme, rest) = text.split_once(':').ok_or(RedirectError::Location)?;
    // HTTP servers name their own schemes; the default ports are the same.
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(RedirectError::Scheme),
    };
    if !rest.starts_with("//") {
        return Err(RedirectError::Location);
    }
    let target = Target::parse(&format!("{scheme}:{rest}")).map_err(RedirectError::Url)?;
    match &target {
        // User-info from the other side would become our credentials.
        Target::Host(url) if url.user_info().is_some() => Err(RedirectError::Location),
        _ => Ok(target),
    }
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// [`RedirectPolicy::limit`] has been reached.
    TooMany,
    /// There is no `Location`, there are several, or it is not a reference.
    Location,
    /// It leads to a scheme other than `ws`, `wss`, `http` and `https`.
    Scheme,
    /// It leads to a URL that cannot be used.
    Url(UrlError),
    /// It leads from `wss` to `ws`.
    Downgrade,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => f.write_str("the server redirects too many times"),
            Self::Location => f.write_str("the server redirects without a usable Location"),
            Self::Scheme => f.write_str("the server redirects to something that is no WebSocket"),
            Self::Url(error) => write!(f, "the server redirects to a URL that cannot be used: {error}"),
            Self::Downgrade => f.write_str("the server redirects from wss to ws, which is not encrypted"),
        }
    }
}

impl std::error::Error for RedirectError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::{ClientHandshake, ResponseError};

    fn refused(status: u16, locations: &[&str]) -> RefusedResponse {
        let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n");
        for location in locations {
            head += &format!("Location: {location}\r\n");
        }
        let request = Target::parse("ws://a/").unwrap().request().unwrap();
        match ClientHandshake::new(request, [0; 16]).receive((head + "\r\n").as_bytes()) {
            Err(ResponseError::Refused(response)) => *response,
            other => panic!("{other:?}"),
        }
    }

    fn follow(from: &str, locations: &[&str]) -> Result<Option<String>, RedirectError> {
        let policy = RedirectPolicy::up_to(2);
        let target = policy.follow(&Target::parse(from).unwrap(), &refused(302, locations), 1)?;
        Ok(target.map(|target| target.to_string()))
    }

    #[test]
    fn locations() {
        for (from, location, to) in [
            ("ws://a/x/y?q", "ws://b/z", "ws://b/z"),
            ("ws://a/x/y?q", "/z", "ws://a/z"),
            ("ws://a/x/y?q", "z?w", "ws://a/x/z?w"),
            ("ws://a/x/y?q", "../z", "ws://a/z"),
            ("ws://a:81/x", "//b/z", "ws://b/z"),
            ("ws://a:81/x", "?w", "ws://a:81/x?w"),
            ("ws://a/", "http://b:8080/#top", "ws://b:8080/"),
            ("ws://a/", "HTTPS://b/", "wss://b/"),
            ("wss://a/", "https://b", "wss://b/"),
        ] {
            assert_eq!(follow(from, &[location]), Ok(Some(to.into())), "{from} {location}");
        }
        for (from, locations, error) in [
            ("ws://a/", &[][..], RedirectError::Location),
            ("ws://a/", &["/a", "/b"], RedirectError::Location),
            ("ws://a/", &["/a b"], RedirectError::Location),
            ("ws://a/", &["http:///x"], RedirectError::Url(UrlError::NoHost)),
            ("ws://a/", &["http:x"], RedirectError::Location),
            ("ws://a/", &["file:///etc/passwd"], RedirectError::Scheme),
            ("ws://a/", &["ws+unix:/run/a"], RedirectError::Scheme),
            ("ws://a/", &["ws://user:pw@b/"], RedirectError::Location),
            ("wss://a/", &["ws://a/"], RedirectError::Downgrade),
            ("wss://a/", &["http://a/"], RedirectError::Downgrade),
            ("ws+unix:/run/a", &["/x"], RedirectError::Location),
        ] {
            assert_eq!(follow(from, locations), Err(error), "{from} {locations:?}");
        }
    }

    #[test]
    fn what_is_followed() {
        let from = Target::parse("wss://a/").unwrap();
        let response = refused(301, &["ws://b/"]);
        assert_eq!(RedirectPolicy::NONE.follow(&from, &response, 0), Ok(None));
        assert_eq!(RedirectPolicy::up_to(3).follow(&from, &response, 3), Err(RedirectError::TooMany));
        let lax = RedirectPolicy { limit: 1, allow_downgrade: true };
        assert!(matches!(lax.follow(&from, &response, 0), Ok(Some(_))));
        for status in [300, 304, 305, 400, 500] {
            assert_eq!(lax.follow(&from, &refused(status, &["/x"]), 0), Ok(None), "{status}");
        }
    }
}
