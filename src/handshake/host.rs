//! The grammar of `Host` (RFC 9110 §7.2, RFC 3986 §3.2.2): a host and an optional port.

use core::net::Ipv6Addr;

/// Returns whether this is `uri-host [ ":" port ]` with a host that is not empty.
///
/// HTTP has an empty `Host` for targets without authority; a `ws` URI always names a host (RFC 6455 §3), so an empty
/// one is refused. User-info, paths, blanks and zones are refused as well. The port is from 0 to 65535, or empty after
/// the colon.
pub(crate) fn is_host(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else { return false };
    let (host_is_right, rest) = if let Some(literal) = text.strip_prefix('[') {
        let Some((literal, rest)) = literal.split_once(']') else { return false };
        (is_ip_literal(literal), rest)
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        (is_name(name.as_bytes()), rest)
    };
    host_is_right && is_port(rest)
}

/// Returns whether this is empty, or a colon and a port.
fn is_port(rest: &str) -> bool {
    match rest.strip_prefix(':') {
        None => rest.is_empty(),
        Some("") => true,
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

/// Returns whether this is `IPv6address / IPvFuture`.
fn is_ip_literal(literal: &str) -> bool {
    if literal.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let Some(future) = literal.strip_prefix(['v', 'V']) else { return false };
    let Some((version, address)) = future.split_once('.') else { return false };
    !version.is_empty()
        && version.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !address.is_empty()
        && address.bytes().all(|byte| is_unreserved(byte) || is_sub_delim(byte) || byte == b':')
}

/// Returns whether this is a `reg-name`, which includes IPv4 addresses, and not empty.
fn is_name(mut name: &[u8]) -> bool {
    if name.is_empty() {
        return false;
    }
    while let Some((&byte, rest)) = name.split_first() {
        name = match (byte, rest) {
            (b'%', [a, b, rest @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            (byte, rest) if is_unreserved(byte) || is_sub_delim(byte) => rest,
            _ => return false,
        };
    }
    true
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn is_sub_delim(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "example.com",
            "EXAMPLE.com.",
            "example.com:9001",
            "example.com:",
            "example.com:00080",
            "localhost:65535",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:9001",
            "[::ffff:127.0.0.1]:1",
            "[v1.fe80::a+en1]",
            "a_b",
            "ex%61mple",
            "xn--bcher-kva.example",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "user@example.com",
            "user:pw@example.com",
            "example.com/path",
            "example.com?x",
            "example.com#x",
            "a b",
            "a\tb",
            "a\\b",
            "example.com:65536",
            "example.com:80a",
            "example.com:+80",
            "example.com:80:80",
            "::1",
            "[::1",
            "[::1]x",
            "[]",
            "[::1%25eth0]",
            "[::1%eth0]",
            "[127.0.0.1]",
            "[example]",
            "[v.x]",
            "[v1.]",
            "[v1.a]b",
            "ex%6",
            "ex%zz",
            "b\u{fc}cher.example",
            "a, b ",
            "http://example.com",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host(b"\xff"));
    }
}
