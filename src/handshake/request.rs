//! A valid request and how it is answered (RFC 6455 §4.2.2).

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::agreement::{Agreement, Misfit, check_answer};
use super::field::{HeaderField, is_owned_by_handshake};
use super::head::{Head, StartLine};
use super::nonce::Key;
use super::refusal::Refusal;
use crate::extension::{Extension, params};

/// A request that has arrived.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A request to open a WebSocket that keeps every rule.
    Upgrade(Request),
    /// A request for something else.
    Plain(PlainRequest),
}

/// A request to open a WebSocket (§4.2.1) that keeps every rule.
#[derive(Clone, Debug)]
pub struct Request {
    head: Head,
    resource: String,
    host: String,
    key: Key,
    origin: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
    client: Option<IpAddr>,
}

impl Request {
    pub(super) fn new(head: Head, offer: Offer) -> Self {
        let Offer { resource, host, key, origin, subprotocols, extensions } = offer;
        Self { head, resource, host, key, origin, subprotocols, extensions, client: None }
    }

    /// Returns the address of the client, which is that of a proxy's client if [`TrustedProxies`] say so. `None` if
    /// nobody has [set](Self::set_client_addr) it, or the transport has no addresses.
    ///
    /// [`TrustedProxies`]: super::TrustedProxies
    pub const fn client_addr(&self) -> Option<IpAddr> {
        self.client
    }

    /// For drivers: sets the address that the request came from, if it is known.
    pub const fn set_client_addr(&mut self, client: Option<IpAddr>) {
        self.client = client;
    }

    /// Returns how many bytes of memory are held, beyond its own size. Parts taken out of the head count as much as the
    /// head.
    pub const fn memory(&self) -> usize {
        2 * self.head.memory()
    }

    /// Returns the resource name (§3): path and query as sent, never decoded. It starts with `/`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns the host, and the port if one is named, as sent: from an absolute target if there is one, from `Host`
    /// otherwise.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the origin (§10.2). Browsers send one; other clients need not.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Returns the offered subprotocols, in the client's order of preference.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Returns the offered extensions, in the client's order of preference. A name may appear several times.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Returns the value of the first header line with this name.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// Returns every header line, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.head.headers()
    }

    /// Returns the whole head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the first of `supported` that the client offers, so the server's order of preference decides. Names are
    /// case-sensitive (§11.5).
    pub fn choose_subprotocol<'a>(&self, supported: &[&'a str]) -> Option<&'a str> {
        supported.iter().copied().find(|name| self.offers(name))
    }

    fn offers(&self, subprotocol: &str) -> bool {
        self.subprotocols.iter().any(|offer| offer == subprotocol)
    }

    /// Returns the head of the 101 (§4.2.2 item 5), and what the two sides agree on by it.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] if the acceptance has something that the request does not offer, or a header that we write
    /// ourselves.
    pub fn accept(&self, acceptance: &Acceptance) -> Result<(Vec<u8>, Agreement), AcceptError> {
        if let Some(name) = acceptance.subprotocol.as_deref().filter(|name| !self.offers(name)) {
            return Err(AcceptError::SubprotocolNotOffered(name.to_owned()));
        }
        check_answer(&acceptance.extensions, &self.extensions).map_err(|misfit| match misfit {
            Misfit::NotOffered => AcceptError::ExtensionNotOffered,
            Misfit::Repeated => AcceptError::ExtensionRepeated,
        })?;
        if let Some(field) = acceptance.headers.iter().find(|field| is_owned_by_handshake(field.name())) {
            return Err(AcceptError::ReservedHeader(field.name().to_owned()));
        }

        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        HeaderField::trusted("Sec-WebSocket-Accept", self.key.accept()).write_to(&mut out);
        if let Some(name) = &acceptance.subprotocol {
            HeaderField::trusted("Sec-WebSocket-Protocol", name).write_to(&mut out);
        }
        if !acceptance.extensions.is_empty() {
            let list = params::write_list(&acceptance.extensions);
            HeaderField::trusted("Sec-WebSocket-Extensions", list).write_to(&mut out);
        }
        for field in &acceptance.headers {
            field.write_to(&mut out);
        }
        out.extend_from_slice(b"\r\n");
        let agreement = Agreement {
            subprotocol: acceptance.subprotocol.clone(),
            extensions: acceptance.extensions.clone(),
        };
        Ok((out, agreement))
    }
}

/// The content of a server's 101.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acceptance {
    /// One of [`Request::subprotocols`], or none.
    pub subprotocol: Option<String>,
    /// Answers to some of [`Request::extensions`], each name at most once.
    pub extensions: Vec<Extension>,
    /// Further fields, such as `Set-Cookie`. Several fields with the same name make several lines.
    pub headers: Vec<HeaderField>,
}

impl Acceptance {
    /// Returns this acceptance with one of the subprotocols that the client offers, or with none; see
    /// [`Request::choose_subprotocol`].
    pub fn with_subprotocol(mut self, name: impl Into<Option<String>>) -> Self {
        self.subprotocol = name.into();
        self
    }

    /// Returns this acceptance with a further answer to an extension that the client offers.
    pub fn with_extension(mut self, answer: Extension) -> Self {
        self.extensions.push(answer);
        self
    }

    /// Returns this acceptance with a further field.
    pub fn with_header(mut self, field: HeaderField) -> Self {
        self.headers.push(field);
        self
    }
}

/// Why an [`Acceptance`] does not fit its [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// The client does not offer this subprotocol (§4.2.2 item 4).
    SubprotocolNotOffered(String),
    /// The client does not offer one of the extensions (§9.1).
    ExtensionNotOffered,
    /// One extension is accepted twice (§9.1).
    ExtensionRepeated,
    /// The handshake itself writes the field with this name.
    ReservedHeader(String),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubprotocolNotOffered(name) => {
                write!(f, "accept a subprotocol that the request offers, which {name:?} is not")
            }
            Self::ExtensionNotOffered => f.write_str("accept only extensions that the request offers"),
            Self::ExtensionRepeated => f.write_str("accept each extension at most once"),
            Self::ReservedHeader(name) => write!(f, "leave {name} to the handshake, which writes it itself"),
        }
    }
}

impl core::error::Error for AcceptError {}

/// A well-formed HTTP request that does not ask for a WebSocket: `Upgrade` does not name it, and there is no
/// `Sec-WebSocket-*` field.
///
/// A server answers with a [`Refusal`] of its choice: a page, 404, [`Refusal::upgrade_required`]. If the request has a
/// body, it is not read, which is one reason why every answer ends the connection.
#[derive(Clone, Debug)]
pub struct PlainRequest {
    head: Head,
    host: Option<String>,
}

impl PlainRequest {
    pub(super) const fn new(head: Head, host: Option<String>) -> Self {
        Self { head, host }
    }

    /// Returns how many bytes of memory are held, beyond its own size. Parts taken out of the head count as much as the
    /// head.
    pub const fn memory(&self) -> usize {
        2 * self.head.memory()
    }

    /// Returns the method, which is case-sensitive.
    pub fn method(&self) -> &str {
        request_line(&self.head).0
    }

    /// Returns the request target in any of its forms (RFC 9112 §3.2), as sent.
    pub fn target(&self) -> &str {
        request_line(&self.head).1
    }

    /// Returns the host, and the port if one is named, as sent: from an absolute target if there is one, from `Host`
    /// otherwise (RFC 9112 §3.2.2). An HTTP/1.0 request need not have one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the value of the first header line with this name.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// Returns every header line, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.head.headers()
    }

    /// Returns the whole head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the bytes of an answer to this request, without the body if the method is HEAD.
    pub fn answer(&self, refusal: &Refusal) -> Vec<u8> {
        if self.method() == "HEAD" { refusal.encode_head() } else { refusal.encode() }
    }
}

/// What a [`Request`] contains besides its head.
pub(super) struct Offer {
    pub(super) resource: String,
    pub(super) host: String,
    pub(super) key: Key,
    pub(super) origin: Option<String>,
    pub(super) subprotocols: Vec<String>,
    pub(super) extensions: Vec<Extension>,
}

/// Returns the method and target.
pub(super) fn request_line(head: &Head) -> (&str, &str) {
    match head.start_line() {
        StartLine::Request { method, target, .. } => (method, target),
        // A reader of requests returns no other start lines.
        StartLine::Response { .. } => ("", ""),
    }
}
