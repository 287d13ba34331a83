//! Checks a request against every rule of RFC 6455 §4.2.1.
//!
//! In: a whole head. Out: what it asks for, or the first rule that it breaks.
//!
//! Where the RFCs leave a choice:
//!
//! * An absolute target overrides `Host` (RFC 9112 §3.2.2), which must still be present and valid.
//! * The target is passed on as sent, byte for byte: nothing is decoded, so nothing can be decoded twice.
//! * `Upgrade: websocket/13` does not ask for `websocket`; `Connection: close, Upgrade` asks for the upgrade.
//! * A subprotocol that is not a token, or appears twice, refuses the request (§4.1 item 10).
//! * A list header without a member refuses the request: §4.3 wants at least one. [`Leniency`] can let it pass.
//! * A request asks for a WebSocket if `Upgrade` names it or there is any `Sec-WebSocket-*` field. Other protocols in
//!   `Upgrade` are offers that a server may ignore (RFC 9110 §7.8): a page is served the same with `Upgrade: h2c`.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::RequestError;
use super::field::is_of_websocket;
use super::head::{Head, HttpVersion};
use super::host::is_host;
use super::leniency::Leniency;
use super::nonce::Key;
use super::request::{Incoming, Offer, PlainRequest, Request, request_line};
use crate::extension::params;
use crate::token::is_token;

/// The most subprotocols in one request: ten times what any known client offers.
pub const MAX_SUBPROTOCOLS: usize = 100;

/// Checks §4.2.1, rule by rule. Returns the head if it breaks one.
pub(super) fn judge(head: Head, leniency: Leniency) -> Result<Incoming, (RequestError, Box<Head>)> {
    match examine(&head, leniency) {
        Ok(Examined::Plain { host }) => Ok(Incoming::Plain(PlainRequest::new(head, host))),
        Ok(Examined::Upgrade(offer)) => Ok(Incoming::Upgrade(Request::new(head, offer))),
        Err(error) => Err((error, Box::new(head))),
    }
}

/// What a head asks for.
enum Examined {
    Plain { host: Option<String> },
    Upgrade(Offer),
}

fn examine(head: &Head, leniency: Leniency) -> Result<Examined, RequestError> {
    let HttpVersion { major, minor } = head.version();
    if major != 1 {
        return Err(RequestError::HttpMajorVersion);
    }
    let host = judge_host(head, minor)?;
    let (method, target) = request_line(head);
    if !asks_for_websocket(head) {
        return Ok(Examined::Plain { host: authority_of(target)?.map(str::to_owned).or(host) });
    }

    // Item 1: an HTTP/1.1 or higher GET request with a resource name.
    if method != "GET" {
        return Err(RequestError::Method);
    }
    if minor == 0 {
        return Err(RequestError::HttpVersionTooOld);
    }
    let (authority, resource) = judge_target(target)?;
    // Item 2; RFC 9112 §3.2.2: the authority of an absolute target takes the place of Host.
    let host = authority.or(host).ok_or(RequestError::HostMissing)?;
    judge_body(head)?;
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
    // Item 6, before item 5: another version may define the key differently.
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
    let origin = judge_origin(head)?;
    let subprotocols = judge_subprotocols(head, leniency)?;
    let extensions = match head.has("sec-websocket-extensions") {
        true => params::parse(head.values("sec-websocket-extensions"))?,
        false => Vec::new(),
    };
    Ok(Examined::Upgrade(Offer { resource, host, key, origin, subprotocols, extensions }))
}

/// RFC 9110 §7.8: looks for the name of the protocol, a version of it, or a field that belongs to it.
fn asks_for_websocket(head: &Head) -> bool {
    let names_it = |token: &[u8]| {
        token.split(|&byte| byte == b'/').next().is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"))
    };
    head.tokens("upgrade").any(names_it) || head.headers().any(|(name, _)| is_of_websocket(name))
}

/// Returns the authority of an absolute target, which takes the place of `Host` (RFC 9112 §3.2.2).
fn authority_of(target: &str) -> Result<Option<&str>, RequestError> {
    if target.starts_with('/') {
        return Ok(None);
    }
    let Some((_, rest)) = target.split_once("://") else { return Ok(None) };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if is_host(authority.as_bytes()) { Ok(Some(authority)) } else { Err(RequestError::TargetForm) }
}

/// RFC 9112 §3.2: exactly one valid `Host`, which only HTTP/1.0 may omit.
fn judge_host(head: &Head, minor: u8) -> Result<Option<String>, RequestError> {
    match head.only("host") {
        Ok(Some(host)) if is_host(host) => Ok(Some(ascii(host))),
        Ok(Some(_)) => Err(RequestError::HostMalformed),
        Ok(None) if minor == 0 => Ok(None),
        Ok(None) => Err(RequestError::HostMissing),
        Err(_) => Err(RequestError::HostRepeated),
    }
}

/// Returns the authority and resource name of a target (§3, §4.1; RFC 9112 §3.2).
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
    // §3: "/" if the path is empty.
    let resource = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((Some(authority.to_owned()), resource))
}

/// RFC 9112 §6.3: the body of a request would come where frames start.
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
    if origin.split(|&byte| byte == b' ').all(visible) {
        Ok(Some(ascii(origin)))
    } else {
        Err(RequestError::OriginMalformed)
    }
}

/// Item 8; §4.1 item 10: unique tokens, and at least one if the header is there.
fn judge_subprotocols(head: &Head, leniency: Leniency) -> Result<Vec<String>, RequestError> {
    const NAME: &str = "sec-websocket-protocol";
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
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
    if names.is_empty() && head.has(NAME) && !leniency.empty_subprotocol {
        return Err(RequestError::SubprotocolEmpty);
    }
    Ok(names)
}

/// Converts bytes that were found to be ASCII to text.
fn ascii(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
