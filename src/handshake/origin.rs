//! Which pages may use a server, and by which names it may be reached (RFC 6455 §10.2).
//!
//! A browser lets any page open a WebSocket to any server, sends the server's cookies along, and names the page's
//! origin in `Origin`. A server that trusts cookies, or that only this machine can reach, has to check it: nothing else
//! keeps a foreign page from acting for the user (cross-site hijacking). Such a server has to check its own name too:
//! if `evil.example` is made to resolve to 127.0.0.1, a page of it has the same origin as the server that it reaches
//! (DNS rebinding).
//!
//! Clients that are not browsers need not send `Origin` and are admitted: they can send whatever they like.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::host::is_host;
use super::refusal::Refusal;
use super::request::Request;

/// A policy that judges requests by their `Origin` and `Host`.
///
/// ```
/// use bowsprit::handshake::OriginPolicy;
///
/// let policy = OriginPolicy::loopback().allow_origin("https://app.example.com").unwrap();
/// assert!(policy.judge(Some("http://localhost:9001"), "localhost:9001").is_ok());
/// assert!(policy.judge(Some("https://app.example.com"), "localhost:9001").is_ok());
/// assert!(policy.judge(None, "localhost:9001").is_ok()); // not a browser
///
/// assert!(policy.judge(Some("https://evil.example"), "localhost:9001").is_err());
/// assert!(policy.judge(Some("http://evil.example:9001"), "evil.example:9001").is_err()); // rebinding
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPolicy {
    any_origin: bool,
    local_pages: bool,
    origins: Vec<Pattern>,
    hosts: Hosts,
    names: Vec<String>,
}

/// By which names a server may be reached, besides those that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hosts {
    Any,
    Addresses,
    Loopback,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OriginError {
    /// The page is of another origin, which is not allowed. Status 403.
    Foreign,
    /// `Host` is not a name of this server. Status 421.
    Host,
}

/// The given text is neither an origin nor a pattern of origins or, where a host was expected, not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginSyntax;

impl OriginPolicy {
    /// Creates a policy for a server that only this machine can reach: admits pages that it served itself, from
    /// `localhost` or a loopback address.
    pub fn loopback() -> Self {
        Self {
            any_origin: false,
            local_pages: false,
            origins: Vec::new(),
            hosts: Hosts::Loopback,
            names: Vec::new(),
        }
    }

    /// Creates a policy for a server that others can reach: admits pages that it served itself, from an address,
    /// `localhost` or a name that is [allowed](Self::allow_host).
    pub fn same_origin() -> Self {
        Self { hosts: Hosts::Addresses, ..Self::loopback() }
    }

    /// Creates a policy for a server that trusts neither cookies nor the network of a request: admits every page.
    pub fn any() -> Self {
        Self { any_origin: true, hosts: Hosts::Any, ..Self::loopback() }
    }

    /// Admits pages of `origin` as well.
    ///
    /// | given | lets in |
    /// |---|---|
    /// | `https://example.com` | that scheme, host and port; a path behind them is not looked at |
    /// | `https://*.example.com` | all names below `example.com`, not that itself |
    /// | `http://localhost:*` | any port |
    /// | `null` | pages that have no origin, such as local files, and frames in a sandbox |
    /// | `file://` | local files in programs that say so instead |
    ///
    /// # Errors
    ///
    /// [`OriginSyntax`] for anything else, including `*` alone: use [`any`](Self::any).
    pub fn allow_origin(mut self, origin: &str) -> Result<Self, OriginSyntax> {
        self.origins.push(Pattern::parse(origin).ok_or(OriginSyntax)?);
        Ok(self)
    }

    /// Admits pages of other servers on this machine, whatever their ports: those from `localhost` and loopback
    /// addresses.
    #[must_use]
    pub fn allow_local_pages(mut self) -> Self {
        self.local_pages = true;
        self
    }

    /// Accepts `name` as a name of this server, with any port.
    ///
    /// # Errors
    ///
    /// [`OriginSyntax`] if it is not a host without a port.
    pub fn allow_host(mut self, name: &str) -> Result<Self, OriginSyntax> {
        if !is_host(name.as_bytes()) || split_port(name).1.is_some() {
            return Err(OriginSyntax);
        }
        self.names.push(normal(name));
        Ok(self)
    }

    /// Judges a request.
    ///
    /// # Errors
    ///
    /// [`OriginError`], which [`OriginError::refusal`] turns into the answer.
    pub fn check(&self, request: &Request) -> Result<(), OriginError> {
        self.judge(request.origin(), request.host())
    }

    /// Judges the values of `Origin`, if there is one, and `Host`.
    ///
    /// # Errors
    ///
    /// See [`check`](Self::check).
    pub fn judge(&self, origin: Option<&str>, host: &str) -> Result<(), OriginError> {
        let Some(origin) = origin else { return Ok(()) };
        self.judge_host(host)?;
        if self.any_origin {
            return Ok(());
        }
        let origin = Origin::parse(origin).ok_or(OriginError::Foreign)?;
        let is_allowed = self.origins.iter().any(|pattern| pattern.matches(&origin));
        if is_allowed || origin.serves(host) || self.local_pages && origin.is_local() {
            Ok(())
        } else {
            Err(OriginError::Foreign)
        }
    }

    /// Judges the value of `Host` alone, for answers to requests without `Origin` that only our own pages should read.
    ///
    /// # Errors
    ///
    /// [`OriginError::Host`].
    pub fn judge_host(&self, host: &str) -> Result<(), OriginError> {
        let name = normal(split_port(host).0);
        let known = match self.hosts {
            Hosts::Any => true,
            Hosts::Addresses => is_address(&name) || is_loopback(&name),
            Hosts::Loopback => is_loopback(&name),
        };
        if known || self.names.contains(&name) { Ok(()) } else { Err(OriginError::Host) }
    }
}

impl OriginError {
    /// Returns the answer, which says what is wrong and repeats nothing of the request.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Foreign => Refusal::trusted(403),
            // RFC 9110 §15.5.20: this server does not answer for that name.
            Self::Host => Refusal::trusted(421),
        }
        .with_text(&self.to_string())
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "Pages of this origin may not connect here; the server has to allow the origin.",
            Self::Host => "This server does not go by the name in Host; the server has to allow the name.",
        })
    }
}

impl core::error::Error for OriginError {}

impl fmt::Display for OriginSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "use an origin such as https://example.com, https://*.example.com or null, and a host such as example.com",
        )
    }
}

impl core::error::Error for OriginSyntax {}

/// An origin in the form of RFC 6454 §6.2.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Null,
    /// An origin of three parts. Local files have no host.
    Tuple {
        scheme: String,
        host: String,
        port: Option<u16>,
    },
}

/// Origins that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    One(Origin),
    Tuple { scheme: String, host: HostPattern, port: PortPattern },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Is(String),
    /// Any name that ends with this text, which starts with a dot.
    Below(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    Is(Option<u16>),
    Any,
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        if !text.contains('*') {
            return Origin::parse(text).map(Self::One);
        }
        let (scheme, rest) = text.split_once("://")?;
        let (rest, any_port) = match rest.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (rest, below) = match rest.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        // A name may contain `*`; in other places we do not know what it should mean.
        let Origin::Tuple { scheme, host, port } = Origin::parse(&format!("{scheme}://{rest}"))? else {
            return None;
        };
        let has_port = split_port(rest).1.is_some();
        if host.is_empty() || host.contains('*') || (any_port && has_port) || (below && is_address(&host)) {
            return None;
        }
        Some(Self::Tuple {
            scheme,
            host: if below { HostPattern::Below(format!(".{host}")) } else { HostPattern::Is(host) },
            port: if any_port { PortPattern::Any } else { PortPattern::Is(port) },
        })
    }

    fn matches(&self, origin: &Origin) -> bool {
        match (self, origin) {
            (Self::One(one), origin) => one == origin,
            (Self::Tuple { .. }, Origin::Null) => false,
            (
                Self::Tuple { scheme, host, port },
                Origin::Tuple { scheme: its_scheme, host: its_host, port: its_port },
            ) => {
                let host = match host {
                    HostPattern::Is(host) => host == its_host,
                    HostPattern::Below(end) => its_host.len() > end.len() && its_host.ends_with(end.as_str()),
                };
                scheme == its_scheme
                    && host
                    && (*port == PortPattern::Any || *port == PortPattern::Is(*its_port))
            }
        }
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let (scheme, rest) = text.split_once("://")?;
        // Some clients send the URL of a page, or one with an empty path (a documented `Dial` in Go): what follows the
        // authority is not part of the origin (RFC 6454 §4).
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let (first, rest) = scheme.as_bytes().split_first()?;
        let follows = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let scheme = scheme.to_ascii_lowercase();
        let is_file = scheme == "file" && authority.is_empty();
        if !first.is_ascii_alphabetic()
            || !rest.iter().all(follows)
            || !(is_file || is_host(authority.as_bytes()))
        {
            return None;
        }
        let (host, port) = split_port(authority);
        let port = port.or(default_port(&scheme));
        Some(Self::Tuple { host: normal(host), port, scheme })
    }

    /// Returns whether a page of this origin came from a server on this machine.
    fn is_local(&self) -> bool {
        matches!(self, Self::Tuple { scheme, host, .. } if matches!(scheme.as_str(), "http" | "https") && is_loopback(host))
    }

    /// Returns whether a page of this origin came from the server with the name `host`.
    ///
    /// The server may be behind a proxy that speaks TLS, so that it cannot know its own scheme: the page's counts.
    fn serves(&self, host: &str) -> bool {
        let Self::Tuple { scheme, host: origin, port } = self else { return false };
        let (name, host_port) = split_port(host);
        matches!(scheme.as_str(), "http" | "https")
            && *origin == normal(name)
            && *port == host_port.or(default_port(scheme))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Splits a value that [`is_host`] accepts into host and port.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

/// Normalises a name: case and a final dot make no difference.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
}

fn is_loopback(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback());
    }
    match host.parse::<Ipv4Addr>() {
        Ok(address) => address.is_loopback(),
        // RFC 6761 §6.3: localhost and all names below it.
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:9001";

    #[test]
    fn loopback_serves_its_own_pages() {
        let policy = OriginPolicy::loopback();
        for (origin, host) in [
            (None, HERE),
            (None, "server.example.com"), // not a browser
            (Some("http://127.0.0.1:9001"), HERE),
            (Some("http://localhost:9001"), "LOCALHOST:9001"),
            (Some("http://localhost"), "localhost"),
            (Some("http://localhost"), "localhost:80"),
            (Some("https://localhost"), "localhost"),
            (Some("http://app.localhost:9001"), "app.localhost:9001"),
            (Some("http://[::1]:9001"), "[::1]:9001"),
            (Some("http://[::ffff:127.0.0.1]:9001"), "[::ffff:127.0.0.1]:9001"),
            (Some("http://localhost.:9001"), "localhost.:9001"),
            // Only its origin is compared.
            (Some("http://127.0.0.1:9001/"), HERE),
            (Some("http://127.0.0.1:9001/a?b#c"), HERE),
        ] {
            assert_eq!(policy.judge(origin, host), Ok(()), "{origin:?} at {host}");
        }
        for (origin, host, error) in [
            ("https://evil.example", HERE, OriginError::Foreign),
            ("http://127.0.0.1:3000", HERE, OriginError::Foreign),
            ("http://localhost:9001", HERE, OriginError::Foreign),
            ("null", HERE, OriginError::Foreign),
            ("file://", HERE, OriginError::Foreign),
            ("chrome-extension://abcdef", HERE, OriginError::Foreign),
            ("ftp://127.0.0.1:9001", HERE, OriginError::Foreign),
            ("http://127.0.0.1.evil.example:9001", HERE, OriginError::Foreign),
            ("http://evil.example http://127.0.0.1:9001", HERE, OriginError::Foreign),
            ("http://evil.example/http://127.0.0.1:9001", HERE, OriginError::Foreign),
            ("http://evil.example?@127.0.0.1:9001", HERE, OriginError::Foreign),
            ("http://evil.example#127.0.0.1:9001", HERE, OriginError::Foreign),
            ("http:///127.0.0.1:9001", HERE, OriginError::Foreign),
            ("http://user@127.0.0.1:9001", HERE, OriginError::Foreign),
            ("http://evil.example:9001", "evil.example:9001", OriginError::Host),
            ("http://localhost.evil.example", "localhost.evil.example", OriginError::Host),
            ("http://notlocalhost", "notlocalhost", OriginError::Host),
            ("http://192.0.2.1", "192.0.2.1", OriginError::Host),
        ] {
            assert_eq!(policy.judge(Some(origin), host), Err(error), "{origin} at {host}");
        }
    }

    #[test]
    fn a_public_server_names_itself() {
        let policy = OriginPolicy::same_origin();
        assert_eq!(policy.judge(Some("http://192.0.2.1"), "192.0.2.1"), Ok(()));
        let own = (Some("https://www.example.com"), "www.example.com");
        assert_eq!(policy.judge(own.0, own.1), Err(OriginError::Host));
        let policy = policy.allow_host("www.Example.com").unwrap();
        assert_eq!(policy.judge(own.0, own.1), Ok(()));
        assert_eq!(policy.judge(Some("https://example.com"), own.1), Err(OriginError::Foreign));
    }

    #[test]
    fn what_is_allowed_is_let_in() {
        let policy = OriginPolicy::loopback().allow_origin("https://Example.com:443").unwrap();
        assert_eq!(policy.judge(Some("https://example.com"), HERE), Ok(()));
        assert_eq!(policy.judge(Some("http://example.com"), HERE), Err(OriginError::Foreign));
        assert_eq!(policy.judge(Some("https://example.com:8443"), HERE), Err(OriginError::Foreign));
        // An allowed page does not make up for a rebound name.
        assert_eq!(policy.judge(Some("https://example.com"), "evil.example"), Err(OriginError::Host));
        let policy = policy.allow_origin("null").unwrap();
        assert_eq!(policy.judge(Some("null"), HERE), Ok(()));
        assert_eq!(OriginPolicy::any().judge(Some("anything goes"), "evil.example"), Ok(()));
    }

    #[test]
    fn local_pages_are_of_this_machine() {
        let policy = OriginPolicy::loopback().allow_local_pages();
        for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:1", "http://a.localhost/"]
        {
            assert_eq!(policy.judge(Some(origin), HERE), Ok(()), "{origin}");
        }
        for origin in
            ["null", "file://", "https://evil.example", "http://localhost.evil.example", "app://localhost"]
        {
            assert_eq!(policy.judge(Some(origin), HERE), Err(OriginError::Foreign), "{origin}");
        }
        assert_eq!(policy.judge(Some("http://localhost"), "evil.example"), Err(OriginError::Host));
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, let_in, kept_out) in [
            (
                "https://*.example.com",
                &["https://a.example.com", "https://a.b.example.com", "https://A.Example.com."][..],
                &[
                    "https://example.com",
                    "https://.example.com",
                    "http://a.example.com",
                    "https://a.example.com:8443",
                    "https://aexample.com",
                    "https://a.example.com.evil.example",
                    "null",
                ][..],
            ),
            (
                "http://localhost:*",
                &["http://localhost", "http://localhost:1", "http://localhost:3000/x"],
                &["https://localhost", "http://localhost.evil.example", "http://a.localhost:3000"],
            ),
            ("http://*.localhost:*", &["http://a.localhost:3000"], &["http://localhost:3000"]),
            ("file://", &["file://", "file:///"], &["null", "http://localhost"]),
            ("file:///home/a.html", &["file://"], &[]),
            ("https://example.com/chat/", &["https://example.com"], &["https://a.example.com"]),
            ("chrome-extension://abcdef", &["chrome-extension://abcdef"], &["chrome-extension://abcdeg"]),
        ] {
            let policy = OriginPolicy::same_origin().allow_origin(pattern).unwrap();
            for origin in let_in {
                assert_eq!(policy.judge(Some(origin), HERE), Ok(()), "{pattern}: {origin}");
            }
            for origin in kept_out {
                assert_eq!(
                    policy.judge(Some(origin), HERE),
                    Err(OriginError::Foreign),
                    "{pattern}: {origin}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_origin_is_not_taken_for_one() {
        for text in [
            "",
            "example.com",
            "*",
            "://a",
            "http://",
            "http:///a",
            "1http://a",
            "http://a:b",
            "http://*",
            "http://*.",
            "http://a.*.example",
            "http://*a.example",
            "*://example.com",
            "http://*.*.example",
            "http://a:80:*",
            "http://*.127.0.0.1",
            "http://*.[::1]",
            "file://*",
        ] {
            assert_eq!(OriginPolicy::any().allow_origin(text), Err(OriginSyntax), "{text:?}");
        }
        for name in ["", "a:80", "a/b", "http://a"] {
            assert_eq!(OriginPolicy::any().allow_host(name), Err(OriginSyntax), "{name:?}");
        }
        assert_eq!(OriginError::Foreign.refusal().status(), 403);
        assert_eq!(OriginError::Host.refusal().status(), 421);
    }
}
