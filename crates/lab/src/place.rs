//! The address of a peer in a form that may be shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A URL or an address without user name and password, for output, reports and traces.
///
/// A `Place` cannot be made in any other way, so code that holds one cannot reveal a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Place(String);

impl Place {
    /// Returns the place that a URL names; the URL need not be well-formed.
    pub fn of(url: &str) -> Self {
        let (scheme, rest) = url.split_at(after_scheme(url));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let at = rest[..end].rfind('@').or_else(|| {
            // Text like `host:port` without a number for a port is the start of `user:pass/word@host`.
            let (_, port) = rest[..end].rsplit_once(':')?;
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) || rest.starts_with('[');
            if is_port { None } else { rest.rfind('@') }
        });
        Self(format!("{scheme}{}", at.map_or(rest, |at| &rest[at + 1..])))
    }

    /// Returns the place as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns where the authority starts, with any number of slashes before it.
fn after_scheme(url: &str) -> usize {
    let Some(colon) = url.find(':') else { return 0 };
    let is_scheme = ["ws", "wss", "http", "https"].iter().any(|name| url[..colon].eq_ignore_ascii_case(name));
    let slashes = url[colon + 1..].bytes().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
    if is_scheme || slashes > 0 { colon + 1 + slashes } else { 0 }
}

impl From<String> for Place {
    fn from(url: String) -> Self {
        Self::of(&url)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_in_no_form() {
        for (url, shown) in [
            ("ws://user:secret@h:9001/a?b#c", "ws://h:9001/a?b#c"),
            ("WSS://user:secret@h", "WSS://h"),
            ("ws://user@h/", "ws://h/"),
            ("ws://a@secret@h/", "ws://h/"),
            ("ws:user:secret@h/", "ws:h/"),
            ("ws:/user:secret@h/", "ws:/h/"),
            ("ws:\\\\user:secret@h/", "ws:\\\\h/"),
            ("user:secret@h:1/", "h:1/"),
            ("ws://user:sec/ret@h:99999/", "ws://h:99999/"),
            ("ws://user:sec?ret@h", "ws://h"),
            ("ws://[::1]:9001/@x", "ws://[::1]:9001/@x"),
            ("ws://user:secret@[::1]/", "ws://[::1]/"),
            ("ws://h:9001/users/@me", "ws://h:9001/users/@me"),
            ("ws://h/users/@me", "ws://h/users/@me"),
            ("127.0.0.1:9001", "127.0.0.1:9001"),
            ("", ""),
        ] {
            assert_eq!(Place::of(url).as_str(), shown, "{url}");
            let read: Place = serde_json::from_str(&serde_json::to_string(url).unwrap()).unwrap();
            assert_eq!(read.as_str(), shown, "{url}");
        }
    }
}
