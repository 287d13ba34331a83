//! `ws` and `wss` URIs (RFC 6455 §3).
//!
//! In: text from a user. Out: a [`Url`] with the parts that are needed: a host and a port to connect to, a `Host`
//! header, a resource name. Promises: no part of it can break out of the request line or a header; user-info gets into
//! neither. `fluent-uri` checks the text against RFC 3986; the rest is checked here.
//!
//! Nothing is repaired: a blank or a non-ASCII letter has to be percent-encoded, and an internationalized host name has
//! to be given as its A-labels, since there are several ways to encode each and the user should see which one was
//! meant.

use alloc::borrow::{Cow, ToOwned as _};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use fluent_uri::Uri;
use fluent_uri::component::Host;

use crate::secret::Secret;

/// A parsed `ws` or `wss` URI.
///
/// ```
/// use bowsprit::handshake::Url;
///
/// let url = Url::parse("wss://[2001:db8::1]:9001?room=7").unwrap();
/// assert!(url.is_secure());
/// assert_eq!((url.host(), url.port()), ("2001:db8::1", 9001));
/// assert_eq!(url.host_header(), "[2001:db8::1]:9001");
/// assert_eq!(url.resource(), "/?room=7");
/// assert_eq!(Url::parse("ws://EXAMPLE.com:80/").unwrap().host_header(), "example.com");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    host_header: String,
    resource: String,
    user_info: Option<(String, Secret<String>)>,
}

impl Url {
    /// Parses an absolute URI with the scheme `ws` or `wss`.
    ///
    /// # Errors
    ///
    /// [`UrlError`] for the first error in the text.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UrlError::Scheme),
        };
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let (user_info, host_port) = match authority.rsplit_once('@') {
            Some((user_info, host_port)) => (user_info, host_port),
            None => ("", authority),
        };
        let (host, zone, port) = split_host_port(host_port)?;
        let port = match port.parse() {
            _ if port.is_empty() => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Ok(0) | Err(_) => return Err(UrlError::Port),
            Ok(port) => port,
        };

        // RFC 6874: a zone has a meaning on this machine only. Without it the text follows the grammar of RFC 3986.
        let plain: Cow<'_, str> = match zone {
            Some(zone) => text.replacen(&format!("%25{zone}]"), "]", 1).into(),
            None => text.into(),
        };
        let uri = Uri::parse(plain.as_ref()).map_err(|error| UrlError::Syntax { at: error.index() })?;
        // §3: "Fragment identifiers are meaningless in the context of WebSocket URIs".
        if uri.has_fragment() {
            return Err(UrlError::Fragment);
        }
        let is_name = match uri.authority().ok_or(UrlError::NoHost)?.host_parsed() {
            Host::RegName(_) => true,
            Host::IpvFuture { .. } => return Err(UrlError::Host),
            _ => false,
        };
        if is_name && !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
            return Err(UrlError::Host);
        }

        let mut host_header = host.to_ascii_lowercase();
        let host = match zone {
            Some(zone) => format!("{}%{zone}", bare(&host_header)),
            None => bare(&host_header).to_owned(),
        };
        // §4.1 item 4: the port is included unless it is the default.
        if port != if secure { 443 } else { 80 } {
            host_header.push_str(&format!(":{port}"));
        }
        // §3: the path, "/" if it is empty, and the query after a "?".
        let mut resource = uri.path().as_str().to_owned();
        if resource.is_empty() {
            resource.push('/');
        }
        if let Some(query) = uri.query() {
            resource.push('?');
            resource.push_str(query.as_str());
        }
        Ok(Self { secure, host, port, host_header, resource, user_info: decode(user_info)? })
    }

    /// Returns whether the scheme is `wss`, so that the connection uses TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the host to connect to: a name or an address in lower case, without brackets, an IPv6 zone after `%`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port to connect to; the scheme's default if none is named.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of `Host` (§4.1 item 4): brackets around IPv6, no zone, no default port.
    pub fn host_header(&self) -> &str {
        &self.host_header
    }

    /// Returns the resource name (§3), percent-encoded as in the URI.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns the decoded user name and password, if the URI has them, for an `Authorization` header.
    pub fn user_info(&self) -> Option<(&str, &str)> {
        self.user_info.as_ref().map(|(user, password)| (user.as_str(), password.expose().as_str()))
    }
}

/// Splits an authority into the host with its brackets, the zone and the port.
fn split_host_port(text: &str) -> Result<(Cow<'_, str>, Option<&str>, &str), UrlError> {
    let (host, zone, rest) = if text.starts_with('[') {
        let (literal, rest) = text.split_once(']').ok_or(UrlError::Host)?;
        match literal.split_once('%') {
            None => (format!("{literal}]").into(), None, rest),
            Some((address, zone)) => {
                // RFC 6874 §2: "%25" and unreserved characters.
                let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).ok_or(UrlError::Zone)?;
                if !zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
                    return Err(UrlError::Zone);
                }
                (format!("{address}]").into(), Some(zone), rest)
            }
        }
    } else {
        let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
        if rest.matches(':').count() > 1 {
            return Err(UrlError::Brackets);
        }
        (Cow::Borrowed(host), None, rest)
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let port = match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port,
        Some(_) => return Err(UrlError::Port),
        None if rest.is_empty() => rest,
        None => return Err(UrlError::Host),
    };
    Ok((host, zone, port))
}

/// Returns an IPv6 address without its brackets, and any other host unchanged.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Percent-decodes a user name and password (RFC 3986 §3.2.1).
fn decode(user_info: &str) -> Result<Option<(String, Secret<String>)>, UrlError> {
    if user_info.is_empty() {
        return Ok(None);
    }
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let password = percent_decode(password).map(Secret::new);
    percent_decode(user).zip(password).map(Some).ok_or(UrlError::UserInfo)
}

/// Percent-decodes text (RFC 3986 §2.1). Returns `None` if two digits do not follow a `%`, or the result is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let [high, low] = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
                (high? << 4 | low?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

/// Shows the URI without user-info and zone.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.host_header, self.resource)
    }
}

/// Shows what `Display` shows: a password must not appear in logs.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Why a text is not a [`Url`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `://`.
    NoScheme,
    /// The scheme is neither `ws` nor `wss`.
    Scheme,
    /// There is no host.
    NoHost,
    /// The host is neither a name of letters, digits and `-._~` nor an address.
    Host,
    /// An IPv6 address has no brackets.
    Brackets,
    /// The IPv6 zone is not `%25` and unreserved characters (RFC 6874 §2).
    Zone,
    /// The port is not a number from 1 to 65535.
    Port,
    /// There is a fragment.
    Fragment,
    /// The user-info does not decode to UTF-8.
    UserInfo,
    /// A character is not allowed here by RFC 3986.
    Syntax {
        /// The byte index of the character.
        at: usize,
    },
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoScheme => "start the URL with ws:// or wss://",
            Self::Scheme => {
                "use ws:// in place of http:// and wss:// in place of https://; no other scheme works"
            }
            Self::NoHost => "put a host behind ws:// or wss://",
            Self::Host => {
                "use a host name of ASCII letters (xn-- for others), an IPv4 address or [an IPv6 address]"
            }
            Self::Brackets => "put brackets around the IPv6 address: ws://[::1]:9001/",
            Self::Zone => "write the zone of the IPv6 address as in ws://[fe80::1%25eth0]:9001/",
            Self::Port => "use a port from 1 to 65535",
            Self::Fragment => "take the # and what follows out of the URL, or write %23",
            Self::UserInfo => "percent-encode user name and password as UTF-8",
            Self::Syntax { at } => {
                return write!(f, "percent-encode or remove the character at position {} of the URL", at + 1);
            }
        })
    }
}

impl core::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::ClientRequest;

    /// URI-001, URI-004, URI-005, URI-007; HSC-001 to HSC-004.
    #[test]
    fn what_connects_where() {
        // text, secure, host, port, Host, resource
        for (text, secure, host, port, header, resource) in [
            ("ws://host", false, "host", 80, "host", "/"),
            ("ws://host/", false, "host", 80, "host", "/"),
            ("WS://host:80/", false, "host", 80, "host", "/"),
            ("ws://host:/a", false, "host", 80, "host", "/a"),
            ("ws://host:443/", false, "host", 443, "host:443", "/"),
            ("ws://host:0081/", false, "host", 81, "host:81", "/"),
            ("wss://host:443/", true, "host", 443, "host", "/"),
            ("Wss://Host.Example:80", true, "host.example", 80, "host.example:80", "/"),
            ("ws://host?x=y", false, "host", 80, "host", "/?x=y"),
            ("ws://host/?", false, "host", 80, "host", "/?"),
            (
                "ws://host:65535/a/b%20c;d=e?f=%23&g=/?",
                false,
                "host",
                65535,
                "host:65535",
                "/a/b%20c;d=e?f=%23&g=/?",
            ),
            ("ws://host/..//%2e", false, "host", 80, "host", "/..//%2e"),
            ("ws://[::1]:9001/", false, "::1", 9001, "[::1]:9001", "/"),
            ("wss://[2001:DB8::1]", true, "2001:db8::1", 443, "[2001:db8::1]", "/"),
            ("ws://[fe80::1%25eth0]:9001/", false, "fe80::1%eth0", 9001, "[fe80::1]:9001", "/"),
            ("ws://127.0.0.1:1", false, "127.0.0.1", 1, "127.0.0.1:1", "/"),
            ("ws://xn--bcher-kva.example/", false, "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
            ("ws://user@host/a@b:c", false, "host", 80, "host", "/a@b:c"),
            ("ws://a_b.~", false, "a_b.~", 80, "a_b.~", "/"),
        ] {
            let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (url.is_secure(), url.host(), url.port(), url.host_header(), url.resource()),
                (secure, host, port, header, resource),
                "{text}"
            );
            // A request can be made for everything that parses.
            assert!(ClientRequest::to(&url).is_ok(), "{text}");
        }
    }

    /// URI-002, URI-003, URI-005 to URI-008; HSC-005, HSC-011.
    #[test]
    fn what_does_not() {
        use UrlError::*;
        for (text, error) in [
            ("", NoScheme),
            ("host", NoScheme),
            ("host:9001", NoScheme),
            ("ws:host", NoScheme),
            ("//host/", NoScheme),
            ("http://host/", Scheme),
            ("https://host/", Scheme),
            ("ftp://host/", Scheme),
            ("ws+unix://host/", Scheme),
            (" ws://host/", Scheme),
            ("://host/", Scheme),
            ("ws://", NoHost),
            ("ws:///path", NoHost),
            ("ws://:80/", NoHost),
            ("ws://?x", NoHost),
            ("ws://user@/", NoHost),
            ("ws://host:0/", Port),
            ("ws://host:65536/", Port),
            ("ws://host:99999999999999999999/", Port),
            ("ws://host:http/", Port),
            ("ws://host:-1/", Port),
            ("ws://host:+1/", Port),
            ("ws://host:8 0/", Port),
            ("ws://::1/", Brackets),
            ("ws://2001:db8::1/", Brackets),
            ("ws://[::1/", Host),
            ("ws://[::1]9001/", Host),
            ("ws://[v1.a]/", Host),
            ("ws://[::1%eth0]/", Zone),
            ("ws://[::1%25]/", Zone),
            ("ws://[::1%25eth%20]/", Zone),
            ("ws://ho%73t/", Host),
            ("ws://a,b/", Host),
            ("ws://host/#", Fragment),
            ("ws://host/a#b", Fragment),
            ("ws://host#b", Fragment),
            ("ws://%ff@host/", UserInfo),
            ("ws://host/a b", Syntax { at: 11 }),
            ("ws://host/\r\nX: y", Syntax { at: 10 }),
            ("ws://host/?\r\nX: y", Syntax { at: 11 }),
            ("ws://ho\r\nst/", Syntax { at: 7 }),
            ("ws://host/\0", Syntax { at: 10 }),
            ("ws://host/%zz", Syntax { at: 10 }),
            ("ws://host/b\u{fc}cher", Syntax { at: 11 }),
            ("ws://b\u{fc}cher.example/", Syntax { at: 6 }),
            ("ws://a b@host/", Syntax { at: 6 }),
            ("ws://a@b@host/", Syntax { at: 8 }),
            ("ws://[::g]/", Syntax { at: 8 }),
            ("ws://host\\path/", Syntax { at: 9 }),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text:?}");
        }
    }

    /// HSC-014.
    #[test]
    fn user_info_goes_into_authorization_alone() {
        let url = Url::parse("ws://al%69ce:p%40ss%3A@host/").unwrap();
        assert_eq!(url.user_info(), Some(("alice", "p@ss:")));
        let request = ClientRequest::to(&url).unwrap();
        assert_eq!(request.headers()[0].to_string(), "Authorization: Basic YWxpY2U6cEBzczo=");
        for text in [format!("{url}"), format!("{url:?}"), format!("{request:?}")] {
            assert!(!text.contains("alice") && !text.contains("YWxp"), "{text}");
        }
        assert_eq!(Url::parse("ws://user@host/").unwrap().user_info(), Some(("user", "")));
        assert_eq!(Url::parse("ws://@host/").unwrap().user_info(), None);
        // A decoded line break fits in no header.
        assert!(ClientRequest::to(&Url::parse("ws://a%0d%0a@host/").unwrap()).is_err());
        assert!(ClientRequest::to(&Url::parse("ws://a%3ab:c@host/").unwrap()).is_err());
    }

    /// URI-009.
    #[test]
    fn long_ones_are_no_trouble() {
        let text = format!("ws://host/{}", "a".repeat(65_536));
        assert_eq!(Url::parse(&text).unwrap().resource().len(), 65_537);
    }
}
