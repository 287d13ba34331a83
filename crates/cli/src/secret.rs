//! Credentials in query parameters and header fields, which are never shown.

/// Returns whether this is a name under which credentials travel in queries (browsers cannot set a header of a
/// WebSocket) or in custom fields.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "token",
        "secret",
        "passw",
        "auth",
        "key",
        "sig",
        "session",
        "jwt",
        "code",
        "ticket",
        "credential",
        "pwd",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// Returns a line of an HTTP head in which a credential is reduced to its kind.
pub(super) fn without_secret(line: String) -> String {
    let Some((name, value)) = line.split_once(": ") else { return line };
    let lower = name.to_ascii_lowercase();
    let hidden = match &*lower {
        // How to log in is not a secret, and the handshake holds none.
        "www-authenticate" | "proxy-authenticate" => return line,
        _ if lower.starts_with("sec-websocket-") => return line,
        "authorization" | "proxy-authorization" => match value.split_once(' ') {
            Some((scheme, _)) => format!("{scheme} …"),
            None => "…".to_owned(),
        },
        "cookie" => value.split("; ").map(hide_value).collect::<Vec<_>>().join("; "),
        "set-cookie" => match value.split_once(';') {
            Some((pair, attributes)) => format!("{};{attributes}", hide_value(pair)),
            None => hide_value(value),
        },
        _ if is_secret(name) => "…".to_owned(),
        _ => return line,
    };
    format!("{name}: {hidden}")
}

fn hide_value(pair: &str) -> String {
    pair.split_once('=').map_or_else(|| "…".to_owned(), |(name, _)| format!("{name}=…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_secret_and_not_what() {
        for (line, shown) in [
            ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic …"),
            ("authorization: s3cret", "authorization: …"),
            ("Proxy-Authorization: Bearer s3cret", "Proxy-Authorization: Bearer …"),
            ("Cookie: sid=s3cret; theme=s3cret", "Cookie: sid=…; theme=…"),
            ("Set-Cookie: sid=s3cret; Path=/; HttpOnly", "Set-Cookie: sid=…; Path=/; HttpOnly"),
            ("X-Api-Key: s3cret", "X-Api-Key: …"),
        ] {
            assert_eq!(without_secret(line.to_owned()), shown);
        }
        for line in [
            "GET /chat HTTP/1.1",
            "HTTP/1.1 401 Unauthorized",
            "Host: 127.0.0.1:9001",
            "Origin: https://example.com",
            "WWW-Authenticate: Basic realm=\"a\"",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Extensions: permessage-deflate",
            "User-Agent: curl/8",
            "Transfer-Encoding: chunked",
            "Content-Encoding: gzip",
            "X-Room: 7",
        ] {
            assert_eq!(without_secret(line.to_owned()), line);
        }
    }
}
