//! The request of a client (RFC 6455 §4.1).
//!
//! In: a host, a resource name and whatever else an application sends. Out: the bytes of a request. Promises: each part
//! is checked when it is given, so nothing malformed or repeated ever reaches the wire.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::field::{HeaderField, is_owned_by_handshake};
use super::host::is_host;
use super::nonce::Key;
use crate::extension::{Extension, params};
use crate::token::is_token;

/// The request of a client (§4.1).
///
/// ```
/// use bowsprit::handshake::{ClientRequest, HeaderField, RequestBuildError};
///
/// # fn main() -> Result<(), RequestBuildError> {
/// let cookie = HeaderField::new("Cookie", "session=1f2e").unwrap();
/// let request = ClientRequest::new("server.example.com", "/chat")?
///     .origin("https://example.com")?
///     .subprotocol("chat")?
///     .header(cookie)?;
/// assert_eq!(request.subprotocols(), ["chat"]);
/// assert_eq!(request.subprotocol("chat").unwrap_err(), RequestBuildError::SubprotocolRepeated);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRequest {
    host: String,
    resource: String,
    origin: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
    headers: Vec<HeaderField>,
}

impl ClientRequest {
    /// Creates a request for `resource` (§3: path and query, percent-encoded, from `/` on) of `host` (the value of the
    /// `Host` header, with the port unless it is the scheme's default).
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::Host`], [`RequestBuildError::Resource`].
    pub fn new(host: &str, resource: &str) -> Result<Self, RequestBuildError> {
        if !is_host(host.as_bytes()) {
            return Err(RequestBuildError::Host);
        }
        let right = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !resource.starts_with('/') || !resource.bytes().all(right) {
            return Err(RequestBuildError::Resource);
        }
        Ok(Self {
            host: host.to_owned(),
            resource: resource.to_owned(),
            origin: None,
            subprotocols: Vec::new(),
            extensions: Vec::new(),
            headers: Vec::new(),
        })
    }

    /// Creates a request for a URL. Its user-info becomes Basic authentication.
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::Credentials`] if the user-info does not fit in a header.
    #[cfg(feature = "url")]
    pub fn to(url: &super::Url) -> Result<Self, RequestBuildError> {
        let request = Self::new(url.host_header(), url.resource())?;
        match url.user_info() {
            Some((user, password)) => request.basic_auth(user, password),
            None => Ok(request),
        }
    }

    /// Names the origin of the code that connects (§10.2): browsers must, others need not. It is sent in lower case, as
    /// origins are written (RFC 6454 §4).
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::Origin`] unless it is `null` or an origin such as `https://example.com`.
    pub fn origin(mut self, origin: &str) -> Result<Self, RequestBuildError> {
        let visible = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
        if !origin.split(' ').all(visible) {
            return Err(RequestBuildError::Origin);
        }
        self.origin = Some(origin.to_ascii_lowercase());
        Ok(self)
    }

    /// Offers a further subprotocol, less preferred than those before.
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::Subprotocol`] unless it is a token, [`RequestBuildError::SubprotocolRepeated`].
    pub fn subprotocol(mut self, name: &str) -> Result<Self, RequestBuildError> {
        if !is_token(name.as_bytes()) {
            return Err(RequestBuildError::Subprotocol);
        }
        if self.subprotocols.iter().any(|earlier| earlier == name) {
            return Err(RequestBuildError::SubprotocolRepeated);
        }
        self.subprotocols.push(name.to_owned());
        Ok(self)
    }

    /// Offers a further extension, less preferred than those before. A name may appear several times, with different
    /// parameters.
    #[must_use]
    pub fn extension(mut self, offer: Extension) -> Self {
        self.extensions.push(offer);
        self
    }

    /// Adds a header field. Several fields with the same name make several lines.
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::ReservedHeader`] for fields that the handshake writes itself: `Host`, `Origin`, `Upgrade`,
    /// `Connection`, `Content-Length`, `Transfer-Encoding` and `Sec-WebSocket-*`.
    pub fn header(mut self, field: HeaderField) -> Result<Self, RequestBuildError> {
        if is_owned_by_handshake(field.name()) || field.is("host") || field.is("origin") {
            return Err(RequestBuildError::ReservedHeader(field.name().to_owned()));
        }
        self.headers.push(field);
        Ok(self)
    }

    /// Sets an `Authorization` header for Basic authentication (RFC 7617), in place of an existing one.
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::Credentials`] for control characters, or a colon in the user name.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Result<Self, RequestBuildError> {
        let field =
            HeaderField::basic("Authorization", user, password).ok_or(RequestBuildError::Credentials)?;
        self.headers.retain(|field| !field.is("authorization"));
        self.headers.push(field);
        Ok(self)
    }

    /// Sets an `Authorization` header with a bearer token (RFC 6750 §2.1), in place of an existing one.
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::Credentials`] if the token has characters other than letters, digits and `-._~+/=`.
    pub fn bearer_auth(mut self, token: &str) -> Result<Self, RequestBuildError> {
        let right = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || !token.bytes().all(right) {
            return Err(RequestBuildError::Credentials);
        }
        self.headers.retain(|field| !field.is("authorization"));
        self.headers.push(HeaderField::trusted("Authorization", format!("Bearer {token}")));
        Ok(self)
    }

    /// Returns this request with another host and resource, both as for [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn retarget(mut self, host: &str, resource: &str) -> Result<Self, RequestBuildError> {
        let Self { host, resource, .. } = Self::new(host, resource)?;
        self.host = host;
        self.resource = resource;
        Ok(self)
    }

    /// Returns this request with another name of the server. `host` is the value of `Host`, as for [`new`](Self::new).
    /// This is for servers that are reached by one name and serve another.
    ///
    /// # Errors
    ///
    /// [`RequestBuildError::Host`].
    pub fn with_host(mut self, host: &str) -> Result<Self, RequestBuildError> {
        if !is_host(host.as_bytes()) {
            return Err(RequestBuildError::Host);
        }
        self.host = host.to_owned();
        Ok(self)
    }

    /// Returns this request without what is meant for one server alone: `Authorization`, `Proxy-Authorization`,
    /// `Cookie`, and any other header that `is_secret` selects.
    #[must_use]
    pub fn without_secrets(mut self, is_secret: impl Fn(&HeaderField) -> bool) -> Self {
        self.headers.retain(|field| {
            let known = ["authorization", "proxy-authorization", "cookie"].iter().any(|name| field.is(name));
            !known && !is_secret(field)
        });
        self
    }

    /// Returns the value of `Host`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the resource name (§3).
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns the offered subprotocols, in order of preference.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Returns the offered extensions, in order of preference.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Returns the added header fields.
    pub fn headers(&self) -> &[HeaderField] {
        &self.headers
    }

    /// Returns the bytes of the request.
    pub(super) fn encode(&self, key: &Key) -> Vec<u8> {
        let mut out = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", self.resource, self.host).into_bytes();
        out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
        HeaderField::trusted("Sec-WebSocket-Key", key.text()).write_to(&mut out);
        if let Some(origin) = &self.origin {
            HeaderField::trusted("Origin", origin).write_to(&mut out);
        }
        if !self.subprotocols.is_empty() {
            HeaderField::trusted("Sec-WebSocket-Protocol", self.subprotocols.join(", ")).write_to(&mut out);
        }
        if !self.extensions.is_empty() {
            let list = params::write_list(&self.extensions);
            HeaderField::trusted("Sec-WebSocket-Extensions", list).write_to(&mut out);
        }
        for field in &self.headers {
            field.write_to(&mut out);
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// Why a [`ClientRequest`] cannot be made. Nothing has been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestBuildError {
    /// The host is not a host with an optional port (RFC 3986 §3.2.2).
    Host,
    /// The resource name does not start with `/`, or contains blanks, control characters, `#` or non-ASCII text.
    Resource,
    /// The origin is empty, or contains anything but visible ASCII and single blanks.
    Origin,
    /// The subprotocol is not a token.
    Subprotocol,
    /// The subprotocol is offered already.
    SubprotocolRepeated,
    /// The handshake itself writes the field with this name.
    ReservedHeader(String),
    /// The user name or password cannot travel in Basic authentication (RFC 7617 §2).
    Credentials,
}

impl fmt::Display for RequestBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "use a host such as example.com, 192.0.2.1:9001 or [2001:db8::1]:9001",
            Self::Resource => {
                "start the resource name with / and percent-encode blanks, # and non-ASCII text"
            }
            Self::Origin => "use an origin such as https://example.com",
            Self::Subprotocol => "use letters, digits and !#$%&'*+-.^_`|~ in a subprotocol",
            Self::SubprotocolRepeated => "offer each subprotocol once",
            Self::ReservedHeader(name) => {
                return write!(
                    f,
                    "leave {name} to the handshake, which has a method for it or writes it itself"
                );
            }
            Self::Credentials => {
                "use no colon in the user name and no control characters in either credential"
            }
        })
    }
}

impl core::error::Error for RequestBuildError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> ClientRequest {
        ClientRequest::new("server.example.com", "/chat").unwrap()
    }

    #[test]
    fn the_host_may_be_another() {
        let request = plain().with_host("example.org:81").unwrap();
        assert_eq!((request.host(), request.resource()), ("example.org:81", "/chat"));
        assert_eq!(plain().with_host("a b"), Err(RequestBuildError::Host));
    }

    #[test]
    fn nothing_wrong_is_sent() {
        for host in ["", "a b", "a\r\nX: y", "a\0", "user@a", "a/b", "::1", "a:65536", "[::1%25lo]", "\u{e9}"]
        {
            assert_eq!(ClientRequest::new(host, "/"), Err(RequestBuildError::Host), "{host:?}");
        }
        for resource in
            ["", "a", "?a", "*", "/a b", "/a\r\nX: y", "/\0", "/\t", "/#a", "/\u{e9}", "http://a/"]
        {
            assert_eq!(ClientRequest::new("a", resource), Err(RequestBuildError::Resource), "{resource:?}");
        }
        for origin in ["", " ", "a  b", "a\r\nX: y", "a\0", "\u{e9}"] {
            assert_eq!(plain().origin(origin), Err(RequestBuildError::Origin), "{origin:?}");
        }
        for name in ["", "a b", "a,b", "a\r\nX: y", "a\0", "\"a\"", "\u{e9}"] {
            assert_eq!(plain().subprotocol(name), Err(RequestBuildError::Subprotocol), "{name:?}");
        }
        let twice = plain().subprotocol("a").unwrap().subprotocol("a");
        assert_eq!(twice, Err(RequestBuildError::SubprotocolRepeated));
        for name in [
            "Host",
            "origin",
            "Upgrade",
            "CONNECTION",
            "Sec-WebSocket-Key",
            "sec-websocket-version",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Content-Length",
            "Transfer-Encoding",
        ] {
            let field = HeaderField::new(name, "1").unwrap();
            assert_eq!(plain().header(field), Err(RequestBuildError::ReservedHeader(name.into())));
        }
        for (user, password) in [("a:b", ""), ("a\r\n", ""), ("a", "b\0"), ("a", "\u{85}")] {
            assert_eq!(plain().basic_auth(user, password), Err(RequestBuildError::Credentials));
        }
        for token in ["", "a b", "a\r\nX: y", "\u{e9}"] {
            assert_eq!(plain().bearer_auth(token), Err(RequestBuildError::Credentials), "{token:?}");
        }
        let request = plain().basic_auth("x", "y").unwrap().bearer_auth("mF_9.B5f-4.1JqM").unwrap();
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()[0].value(), "Bearer mF_9.B5f-4.1JqM");
        // The example of RFC 7617 §2.
        let request = plain().basic_auth("x", "y").unwrap().basic_auth("Aladdin", "open sesame").unwrap();
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()[0].value(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
