//! The address of a server.

use std::net::ToSocketAddrs as _;

use bowsprit_lab::runner::Target;
use bowsprit_lab::{Carrier, Place};

use crate::request::RequestArgs;
use crate::trust::Trust;
use crate::values::examined_url;

/// Completes a URL as people type it. Where HTTP/2 is known, a URL with an HTTP scheme gets its own advice.
pub(super) fn with_scheme(url: &str, trust: &Trust) -> Result<String, String> {
    let is_http = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
    if is_http { Ok(url.to_owned()) } else { examined_url(url, trust.is_given()) }
}

/// Returns the target of a URL with a scheme, with its address looked up; `Ok(Err(_))` if it has none.
pub(super) fn target(
    url: &str,
    trust: &Trust,
    request: &RequestArgs,
    carrier: Carrier,
) -> Result<Result<Target, String>, String> {
    let place = parse_url(url, carrier)?;
    let (host, lines) = request.lines(&place.url)?;
    if !place.secure && trust.is_given() {
        return Err("--ca and --insecure are for wss:// and https://".to_owned());
    }
    let addr = match (&*place.name, place.port).to_socket_addrs().map(|mut addrs| addrs.next()) {
        Ok(Some(addr)) => addr,
        Ok(None) => return Ok(Err("the name has no address".to_owned())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let target = Target::new(addr, &host, &place.target).with_fields(lines);
    if place.secure {
        return Ok(Ok(target.with_tls(trust.client(carrier.is_http2())?, &place.name)));
    }
    Ok(Ok(target))
}

/// The parts of a server's URL.
struct Address {
    secure: bool,
    /// The name to look up, which is also that of its certificate.
    name: String,
    port: u16,
    /// The request target.
    target: String,
    /// The URL with a WebSocket scheme.
    url: String,
}

fn parse_url(url: &str, carrier: Carrier) -> Result<Address, String> {
    let shown = Place::of(url);
    let uri = fluent_uri::UriRef::parse(url).map_err(|error| format!("\"{shown}\" is no URL: {error}"))?;
    let scheme = uri.scheme().map(|scheme| scheme.as_str().to_ascii_lowercase());
    let (secure, default) = match scheme.as_deref() {
        Some("ws") => (false, 80),
        Some("wss") => (true, 443),
        // RFC 8441 §5 puts the HTTP scheme in the request, so the command accepts it, too.
        Some("http") if carrier.is_http2() => (false, 80),
        Some("https") if carrier.is_http2() => (true, 443),
        Some("http" | "https") => {
            return Err(format!("\"{shown}\" is for --http2; without it, use ws:// or wss://"));
        }
        _ => return Err(format!("\"{shown}\" starts with neither ws:// nor wss://")),
    };
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| format!("\"{shown}\" names no host"))?;
    let host = authority.host();
    let port = match authority.port().filter(|port| !port.is_empty()) {
        Some(port) => {
            port.as_str().parse().map_err(|_| format!("\"{shown}\" has no port from 0 to 65535"))?
        }
        None => default,
    };
    let path = match uri.path().as_str() {
        "" => "/",
        path => path,
    };
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // An IPv6 address has brackets only in URLs.
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let url = format!("{}:{rest}", if secure { "wss" } else { "ws" });
    Ok(Address { secure, name, port, target, url })
}
