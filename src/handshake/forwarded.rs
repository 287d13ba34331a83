//! The address of a client behind a proxy: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Anybody can write these fields, so they count only as far as they come from trusted proxies: they are read from the
//! right, where the nearest proxy has written, and the first untrusted address is the client's. The caller has to say
//! which of the two fields to read: a proxy that writes one passes on the other as its client wrote it.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::head::Head;
use crate::token::trim_blanks;

/// The proxies that are trusted to name their client.
///
/// ```
/// use bowsprit::handshake::{ForwardedField, TrustedProxies};
///
/// let proxies = TrustedProxies::new(ForwardedField::XForwardedFor).allow("10.0.0.0/8").unwrap();
/// let peer = "10.0.0.1".parse().unwrap();
/// let client = proxies.client_of(peer, ["198.51.100.7, 192.0.2.1", "10.0.0.2"]);
/// assert_eq!(client.to_string(), "192.0.2.1"); // anybody may have written what stands before it
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    field: ForwardedField,
    networks: Vec<Network>,
}

/// The field that proxies write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedField {
    /// `X-Forwarded-For: client, proxy`, which most proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239 §5.2).
    Forwarded,
}

/// The given text is neither an address nor an address, a slash and a number of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSyntax;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: u128,
    bits: u32,
}

impl TrustedProxies {
    /// Trusts no proxies yet.
    pub const fn new(field: ForwardedField) -> Self {
        Self { field, networks: Vec::new() }
    }

    /// Trusts the proxies of a network such as `10.0.0.0/8`, or the one at an address.
    ///
    /// # Errors
    ///
    /// [`NetworkSyntax`].
    pub fn allow(mut self, network: &str) -> Result<Self, NetworkSyntax> {
        self.networks.push(Network::parse(network).ok_or(NetworkSyntax)?);
        Ok(self)
    }

    /// Returns whether a proxy at this address is trusted.
    pub fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }

    /// Returns the address of the client whose request came from `peer`: `peer` itself unless it is trusted and names
    /// another.
    pub fn client(&self, peer: IpAddr, head: &Head) -> IpAddr {
        let name = match self.field {
            ForwardedField::XForwardedFor => "x-forwarded-for",
            ForwardedField::Forwarded => "forwarded",
        };
        self.client_of(peer, head.values(name).map(|value| str::from_utf8(value).unwrap_or_default()))
    }

    /// Returns what [`client`](Self::client) does, given the values of the field, each of which may be a list.
    pub fn client_of<'v>(&self, peer: IpAddr, values: impl IntoIterator<Item = &'v str>) -> IpAddr {
        let values: Vec<&str> = values.into_iter().collect();
        let mut nearest = peer.to_canonical();
        // From the right: each address is what the proxy before it has seen.
        for member in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            if !self.trust(nearest) {
                break;
            }
            let address = match self.field {
                ForwardedField::XForwardedFor => node(text_of(member)),
                ForwardedField::Forwarded => forwarded_for(member),
            };
            match address {
                Some(address) => nearest = address.to_canonical(),
                // `unknown`, an obfuscated name, or nonsense: only the proxy that wrote it is known.
                None => break,
            }
        }
        nearest
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(bits.parse::<u32>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = match (address, bits) {
            (IpAddr::V4(_), bits) => 96 + bits.unwrap_or(32),
            (IpAddr::V6(_), bits) => bits.unwrap_or(128),
        };
        (bits <= 128).then(|| Self { address: wide(address), bits })
    }

    fn holds(self, address: IpAddr) -> bool {
        let differ = self.address ^ wide(address);
        differ.leading_zeros() >= self.bits
    }
}

/// Maps all addresses to IPv6, as systems show IPv4 addresses on a dual-stack socket.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => Ipv6Addr::into(v6),
    }
}

/// Parses an address, and perhaps a port, in any of the forms that proxies write. A port may be obfuscated, too (RFC
/// 7239 §6).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.rsplit_once(':').filter(|(_, port)| port.starts_with('_')).map_or(text, |(node, _)| node);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

/// Returns the `for` of one element of `Forwarded` (RFC 7239 §4). A quoted string with a comma or an escape names no
/// address.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = text_of(pair).split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            let value = value.strip_prefix('"').map_or(Some(value), |value| value.strip_suffix('"'))?;
            // Once only (§4); a repeated one has no known meaning.
            if found.replace(node(value)?).is_some() {
                return None;
            }
        }
    }
    found
}

fn text_of(part: &str) -> &str {
    str::from_utf8(trim_blanks(part.as_bytes())).unwrap_or_default()
}

impl fmt::Display for NetworkSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use an address or a network such as 127.0.0.1, 10.0.0.0/8 or fd00::/8")
    }
}

impl core::error::Error for NetworkSyntax {}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(field: ForwardedField) -> TrustedProxies {
        let networks = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"];
        networks.iter().fold(TrustedProxies::new(field), |proxies, network| proxies.allow(network).unwrap())
    }

    #[test]
    fn the_first_from_the_right_that_is_not_trusted_is_the_client() {
        let proxies = proxies(ForwardedField::XForwardedFor);
        for (peer, values, client) in [
            ("10.0.0.1", &["192.0.2.1"][..], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7", "192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1, 10.0.0.9", "fd00::1"], "192.0.2.1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["192.0.2.1:5000"], "192.0.2.1"),
            ("10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            // A field from an untrusted peer does not count.
            ("192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
            ("11.0.0.1", &["10.0.0.1"], "11.0.0.1"),
            // No names, or none with a meaning.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, x, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["192.0.2.1,"], "10.0.0.1"),
            // All are proxies: the farthest counts.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            let found = proxies.client_of(peer.parse().unwrap(), values.iter().copied());
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {values:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_the_rfc_writes_it() {
        let proxies = proxies(ForwardedField::Forwarded);
        for (value, client) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("proto=http; for=192.0.2.60", "192.0.2.60"),
            ("for=198.51.100.17, for=192.0.2.43", "192.0.2.43"),
            ("for=192.0.2.43, for=10.0.0.7", "192.0.2.43"),
            ("for=_hidden, for=10.0.0.7", "10.0.0.7"),
            ("for=\"192.0.2.43:_hidden\"", "192.0.2.43"),
            ("for=\"[2001:db8:cafe::17]:_x.-_9\"", "2001:db8:cafe::17"),
            ("for=\"_hidden:47011\"", "10.0.0.1"),
            ("for=\"unknown:_hidden\"", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("by=192.0.2.1", "10.0.0.1"),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
            ("for=\"192.0.2.1", "10.0.0.1"),
            ("for=192.0.2.1;x=\"a,b\"", "10.0.0.1"),
            ("192.0.2.1", "10.0.0.1"),
        ] {
            let found = proxies.client_of("10.0.0.1".parse().unwrap(), [value]);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{value}");
        }
    }

    #[test]
    fn networks() {
        for (network, address, holds) in [
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "192.0.2.1", true),
            ("192.0.2.0/25", "192.0.2.127", true),
            ("192.0.2.0/25", "192.0.2.128", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::1", "::1", true),
            ("::1", "::2", false),
        ] {
            let proxies = TrustedProxies::new(ForwardedField::default()).allow(network).unwrap();
            assert_eq!(proxies.trust(address.parse().unwrap()), holds, "{network} {address}");
        }
        for wrong in
            ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "10.0.0.1:80", "/8"]
        {
            assert_eq!(
                TrustedProxies::new(ForwardedField::default()).allow(wrong),
                Err(NetworkSyntax),
                "{wrong}"
            );
        }
    }
}
