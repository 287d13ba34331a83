//! The server's side of the opening handshake (RFC 6455 §4.2).
//!
//! In: the octets of a request in any cut. Out: a [`Request`] that keeps every rule of §4.2.1, a [`PlainRequest`]
//! that asks for no upgrade, or the rule that the request breaks; then the head of a 101 (§4.2.2). Promises: a
//! 101 answers only a request that was judged here, and says only what the request offered. Who may connect,
//! from which origin and to which resource is left to the application.
//!
//! Where the RFCs leave a choice:
//!
//! * An absolute target overrules `Host` (RFC 9112 §3.2.2), which has to be there and be valid all the same.
//! * The target is handed on as sent, octet for octet: nothing is decoded, so nothing can be decoded twice.
//! * `Upgrade: websocket/13` does not ask for `websocket`; `Connection: close, Upgrade` asks for the upgrade.
//! * A subprotocol that is no token, or comes twice, refuses the request (§4.1 item 10).
//! * A list header without a member refuses the request: §4.3 wants at least one.

use std::collections::HashSet;
use std::fmt;

use super::agreement::{Agreement, Misfit, check_answer};
use super::error::RequestError;
use super::field::{HeaderField, is_owned_by_handshake};
use super::head::{Head, HeadLimits, HeadReader, HttpVersion, Progress, StartLine};
use super::host::is_host;
use super::nonce::Key;
use super::refusal::Refusal;
use crate::extension::{Extension, params};
use crate::token::is_token;

/// The most subprotocols in one request: ten times what any known client offers.
pub const MAX_SUBPROTOCOLS: usize = 100;

/// Reads and judges one request.
///
/// ```
/// use bowsprit::handshake::{Acceptance, HeadLimits, Incoming, Progress, ServerHandshake};
///
/// let input = b"GET /chat HTTP/1.1\r\n\
///               Host: server.example.com\r\n\
///               Upgrade: websocket\r\n\
///               Connection: Upgrade\r\n\
///               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///               Sec-WebSocket-Protocol: chat, superchat\r\n\
///               Sec-WebSocket-Version: 13\r\n\r\n";
/// let mut handshake = ServerHandshake::new(HeadLimits::default());
/// match handshake.receive(input) {
///     Ok(Progress::Done { value: Incoming::Upgrade(request), used }) => {
///         assert_eq!((request.resource(), request.host(), used), ("/chat", "server.example.com", input.len()));
///         let subprotocol = request.choose_subprotocol(&["superchat"]).map(str::to_owned);
///         let (head, agreement) = request.accept(&Acceptance { subprotocol, ..Default::default() }).unwrap();
///         assert!(head.starts_with(b"HTTP/1.1 101 "));
///         assert_eq!(agreement.subprotocol.as_deref(), Some("superchat"));
///     }
///     Ok(Progress::Done { value: Incoming::Plain(_), .. }) => { /* send a page */ }
///     Ok(Progress::NeedMore) => { /* read on */ }
///     Err(error) => { let _answer = handshake.answer(error); /* send it, shut down */ }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandshake {
    reader: HeadReader,
    /// The request is HEAD: no answer has a body.
    is_head: bool,
    failed: Option<RequestError>,
}

/// What came in.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A request to open a WebSocket that keeps every rule.
    Upgrade(Request),
    /// A request for something else.
    Plain(PlainRequest),
}

impl ServerHandshake {
    /// A handshake of which nothing has come yet.
    pub fn new(limits: HeadLimits) -> Self {
        Self { reader: HeadReader::request(limits), is_head: false, failed: None }
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.reader.is_empty() && self.failed.is_none()
    }

    /// Takes the next octets. Once it says `Done`, the handshake has nothing left to do: octets of the input from
    /// `used` on are frames.
    ///
    /// # Errors
    ///
    /// [`RequestError`] for the first rule that the request breaks, and for every call after that.
    pub fn receive(&mut self, input: &[u8]) -> Result<Progress<Incoming>, RequestError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (head, used) = match self.reader.receive(input) {
            Ok(Progress::Done { value, used }) => (value, used),
            Ok(Progress::NeedMore) => return Ok(Progress::NeedMore),
            Err(error) => return Err(self.fail(error.into())),
        };
        self.is_head = matches!(head.start_line(), StartLine::Request { method: "HEAD", .. });
        match judge(head) {
            Ok(value) => Ok(Progress::Done { value, used }),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The response that tells the peer what it did wrong. Send it, shut down the write side, and read on for a
    /// while so that the peer can read the answer.
    pub fn answer(&self, error: RequestError) -> Vec<u8> {
        if self.is_head { error.refusal().encode_head() } else { error.refusal().encode() }
    }

    fn fail(&mut self, error: RequestError) -> RequestError {
        self.failed = Some(error);
        error
    }
}

/// A request to open a WebSocket (§4.2.1), found right in every point.
#[derive(Clone, Debug)]
pub struct Request {
    head: Head,
    resource: String,
    host: String,
    key: Key,
    origin: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl Request {
    /// The resource name (§3): path and query as sent, never decoded. Starts with `/`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The host, and the port if one is named, as sent; from an absolute target if there is one, from `Host`
    /// otherwise.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The origin (§10.2). Browsers send one; other clients need not.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The offered subprotocols, in the client's order of preference.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The offered extensions, in the client's order of preference; a name may come several times.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The value of the first header line with this name.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// Every header line, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.head.headers()
    }

    /// The whole head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The first of `supported` that the client offers: the server's order of preference decides. Compared with
    /// case (§11.5).
    pub fn choose_subprotocol<'a>(&self, supported: &[&'a str]) -> Option<&'a str> {
        supported.iter().copied().find(|name| self.offers(name))
    }

    fn offers(&self, subprotocol: &str) -> bool {
        self.subprotocols.iter().any(|offer| offer == subprotocol)
    }

    /// The head of the 101 (§4.2.2 item 5), and what the two sides have agreed on by it.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] where the acceptance holds what the request does not offer, or a header of ours.
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

/// What a server says in its 101.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// One of [`Request::subprotocols`], or none.
    pub subprotocol: Option<String>,
    /// Answers to some of [`Request::extensions`], each name at most once.
    pub extensions: Vec<Extension>,
    /// Further fields, such as `Set-Cookie`; several of one name make several lines.
    pub headers: Vec<HeaderField>,
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
    /// The field with this name is written by the handshake itself.
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

impl std::error::Error for AcceptError {}

/// A well-formed HTTP request that asks for no upgrade: neither `Upgrade` nor `Sec-WebSocket-Key` nor
/// `Sec-WebSocket-Version` is there.
///
/// A server answers with a [`Refusal`] of its choice: a page, 404, [`Refusal::upgrade_required`]. Should the
/// request have a body, it is not read, which is one reason why every answer ends the connection.
#[derive(Clone, Debug)]
pub struct PlainRequest {
    head: Head,
    host: Option<String>,
}

impl PlainRequest {
    /// The method, compared with case.
    pub fn method(&self) -> &str {
        request_line(&self.head).0
    }

    /// The request target in any of its forms (RFC 9112 §3.2), as sent.
    pub fn target(&self) -> &str {
        request_line(&self.head).1
    }

    /// The value of `Host`; an HTTP/1.0 request need not have one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The value of the first header line with this name.
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.head.values(name).next()
    }

    /// Every header line, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.head.headers()
    }

    /// The whole head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The octets of an answer to this request: without body where the method is HEAD.
    pub fn answer(&self, refusal: &Refusal) -> Vec<u8> {
        if self.method() == "HEAD" { refusal.encode_head() } else { refusal.encode() }
    }
}

/// §4.2.1, rule by rule.
fn judge(head: Head) -> Result<Incoming, RequestError> {
    let HttpVersion { major, minor } = head.version();
    if major != 1 {
        return Err(RequestError::HttpMajorVersion);
    }
    let host = judge_host(&head, minor)?;
    let asks = ["upgrade", "sec-websocket-key", "sec-websocket-version"].iter().any(|name| head.has(name));
    if !asks {
        return Ok(Incoming::Plain(PlainRequest { head, host }));
    }

    // Item 1: an HTTP/1.1 or higher GET request with a resource name.
    let (method, target) = request_line(&head);
    if method != "GET" {
        return Err(RequestError::Method);
    }
    if minor == 0 {
        return Err(RequestError::HttpVersionTooOld);
    }
    let (authority, resource) = judge_target(target)?;
    // Item 2; RFC 9112 §3.2.2: the authority of an absolute target takes the place of Host.
    let host = authority.or(host).ok_or(RequestError::HostMissing)?;
    judge_body(&head)?;
    // Item 3.
    if !head.has("upgrade") {
        return Err(RequestError::UpgradeMissing);
    }
    if !head.tokens("upgrade").any(|token| token.eq_ignore_ascii_case(b"websocket")) {
        return Err(RequestError::UpgradeNotWebsocket);
    }
    // Item 4.
    if !head.tokens("connection").any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Err(RequestError::ConnectionWithoutUpgrade);
    }
    // Item 6, before item 5: another version may have another idea of the key.
    match head.only("sec-websocket-version") {
        Ok(Some(b"13")) => {}
        Ok(Some(_)) => return Err(RequestError::VersionNot13),
        Ok(None) => return Err(RequestError::VersionMissing),
        Err(_) => return Err(RequestError::VersionRepeated),
    }
    // Item 5.
    let key = match head.only("sec-websocket-key") {
        Ok(Some(text)) => Key::parse(text).ok_or(RequestError::KeyMalformed)?,
        Ok(None) => return Err(RequestError::KeyMissing),
        Err(_) => return Err(RequestError::KeyRepeated),
    };
    // Items 7 to 9.
    let origin = judge_origin(&head)?;
    let subprotocols = judge_subprotocols(&head)?;
    let extensions = match head.has("sec-websocket-extensions") {
        true => params::parse(head.values("sec-websocket-extensions"))?,
        false => Vec::new(),
    };
    Ok(Incoming::Upgrade(Request { head, resource, host, key, origin, subprotocols, extensions }))
}

/// Method and target.
fn request_line(head: &Head) -> (&str, &str) {
    match head.start_line() {
        StartLine::Request { method, target, .. } => (method, target),
        // A reader of requests makes no others.
        StartLine::Response { .. } => ("", ""),
    }
}

/// RFC 9112 §3.2: exactly one valid `Host`, which only HTTP/1.0 may leave out.
fn judge_host(head: &Head, minor: u8) -> Result<Option<String>, RequestError> {
    match head.only("host") {
        Ok(Some(host)) if is_host(host) => Ok(Some(ascii(host))),
        Ok(Some(_)) => Err(RequestError::HostMalformed),
        Ok(None) if minor == 0 => Ok(None),
        Ok(None) => Err(RequestError::HostMissing),
        Err(_) => Err(RequestError::HostRepeated),
    }
}

/// Authority and resource name of a target (§3, §4.1; RFC 9112 §3.2).
fn judge_target(target: &str) -> Result<(Option<String>, String), RequestError> {
    if target.contains('#') {
        return Err(RequestError::TargetFragment);
    }
    if target.starts_with('/') {
        return Ok((None, target.to_owned()));
    }
    let (scheme, rest) = target.split_once("://").ok_or(RequestError::TargetForm)?;
    // §4.1: "an absolute http/https URI".
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(RequestError::TargetForm);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if !is_host(authority.as_bytes()) {
        return Err(RequestError::TargetForm);
    }
    // §3: "/" where the path is empty.
    let resource = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((Some(authority.to_owned()), resource))
}

/// RFC 9112 §6.3: a request with a body would put the body where frames start.
fn judge_body(head: &Head) -> Result<(), RequestError> {
    match head.only("content-length") {
        Ok(None | Some(b"0")) if !head.has("transfer-encoding") => Ok(()),
        _ => Err(RequestError::Body),
    }
}

/// Item 7. RFC 6454 §7.1: `null`, or origins with single blanks between them.
fn judge_origin(head: &Head) -> Result<Option<String>, RequestError> {
    let Some(origin) = head.only("origin").map_err(|_| RequestError::OriginRepeated)? else {
        return Ok(None);
    };
    let visible = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_graphic);
    if origin.split(|&octet| octet == b' ').all(visible) {
        Ok(Some(ascii(origin)))
    } else {
        Err(RequestError::OriginMalformed)
    }
}

/// Item 8; §4.1 item 10: unique tokens, at least one where the header is there.
fn judge_subprotocols(head: &Head) -> Result<Vec<String>, RequestError> {
    const NAME: &str = "sec-websocket-protocol";
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for name in head.tokens(NAME) {
        if !is_token(name) {
            return Err(RequestError::SubprotocolMalformed);
        }
        if names.len() == MAX_SUBPROTOCOLS {
            return Err(RequestError::TooManySubprotocols);
        }
        if !seen.insert(name) {
            return Err(RequestError::SubprotocolRepeated);
        }
        names.push(ascii(name));
    }
    if names.is_empty() && head.has(NAME) { Err(RequestError::SubprotocolEmpty) } else { Ok(names) }
}

/// The text of octets that were found to be ASCII.
fn ascii(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}
