//! Header fields that we write (RFC 9110 §5).
//!
//! Every field that leaves this crate is a [`HeaderField`], and its bytes can never end the line early: CR, LF, NUL and
//! all other control bytes are refused when the field is made, not when it is sent.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::token::is_token;

/// One header field to be sent: a token and a value on one line.
///
/// ```
/// use bowsprit::handshake::{FieldError, HeaderField};
///
/// let field = HeaderField::new("Cookie", "session=1f2e").unwrap();
/// assert_eq!(field.to_string(), "Cookie: session=1f2e");
/// assert_eq!(HeaderField::new("Cookie", "a\r\nSet-Cookie: b"), Err(FieldError::Value));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderField {
    name: String,
    value: String,
}

/// Why a [`HeaderField`] cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is empty or not a token (RFC 9110 §5.6.2).
    Name,
    /// The value holds CR, LF, NUL or another control byte (RFC 9110 §5.5).
    Value,
}

impl HeaderField {
    /// Creates a field with this name and value. Blanks around the value are dropped, as every reader does.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the name is not a token or the value does not fit in a line.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self, FieldError> {
        let (name, mut value) = (name.into(), value.into());
        if !is_token(name.as_bytes()) {
            return Err(FieldError::Name);
        }
        // RFC 9110 §5.5: visible bytes, obs-text, and blanks between them.
        if value.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err(FieldError::Value);
        }
        let blanks = [' ', '\t'];
        let trimmed = value.trim_matches(blanks);
        if trimmed.len() != value.len() {
            value = trimmed.to_owned();
        }
        Ok(Self { name, value })
    }

    /// Creates a field from parts that are known to be valid: our own literals, or text checked before.
    pub(crate) fn trusted(name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        debug_assert!(HeaderField::new(name, value.as_str()).is_ok(), "{name}: {value:?}");
        Self { name: name.to_owned(), value }
    }

    /// Returns credentials for Basic authentication (RFC 7617 §2), or `None` if they contain control characters or the
    /// user name contains a colon.
    pub(crate) fn basic(name: &str, user: &str, password: &str) -> Option<Self> {
        if user.contains(':') || user.chars().chain(password.chars()).any(char::is_control) {
            return None;
        }
        Some(Self::trusted(name, format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
    }

    /// Returns the name, in its original case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value, without blanks around it.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns whether the field has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Appends the field line, including its CR LF.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        for part in [self.name.as_str(), ": ", &self.value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

impl fmt::Display for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

impl fmt::Debug for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_secret(&self.name) {
            return write!(f, "{}: …", self.name);
        }
        write!(f, "{}: {}", self.name, self.value)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldError::Name => "use a header name of letters, digits and !#$%&'*+-.^_`|~",
            FieldError::Value => "take line breaks, NUL and other control characters out of the header value",
        })
    }
}

impl core::error::Error for FieldError {}

/// Returns whether only the handshake may write this field: those that decide whether a connection is upgraded, and
/// those that frame a body.
pub(crate) fn is_owned_by_handshake(name: &str) -> bool {
    ["upgrade", "connection", "content-length", "transfer-encoding"]
        .iter()
        .any(|owned| name.eq_ignore_ascii_case(owned))
        || is_of_websocket(name)
}

/// Returns whether the field belongs to the protocol (§11.3).
pub(crate) fn is_of_websocket(name: &str) -> bool {
    name.get(..SEC_WEBSOCKET.len()).is_some_and(|start| start.eq_ignore_ascii_case(SEC_WEBSOCKET))
}

/// Returns whether values of this field stay out of logs.
pub(crate) fn is_secret(name: &str) -> bool {
    ["authorization", "proxy-authorization", "cookie", "set-cookie"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// §11.3: all fields of the protocol start with this.
const SEC_WEBSOCKET: &str = "sec-websocket-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_can_be_ended_early() {
        for byte in (0..b' ').chain([0x7f]).filter(|&byte| byte != b'\t') {
            let byte = char::from(byte);
            for text in [format!("{byte}"), format!("a{byte}b"), format!("{byte}a"), format!("a{byte}")] {
                assert_eq!(HeaderField::new("X", text.as_str()), Err(FieldError::Value), "{text:?}");
                assert_eq!(HeaderField::new(text.as_str(), "x"), Err(FieldError::Name), "{text:?}");
            }
        }
        for name in ["", " ", "a b", "a:", ":a", "a\tb", "é", "(a)", "a,b", "a/b", "a\r\nb"] {
            assert_eq!(HeaderField::new(name, "x"), Err(FieldError::Name), "{name:?}");
        }
    }

    #[test]
    fn blanks_around_a_value_are_dropped() {
        let field = HeaderField::new("X-Odd", " \ta\t b é ").unwrap();
        assert_eq!(field.value(), "a\t b é");
        assert_eq!(HeaderField::new("X", " ").unwrap().value(), "");
    }

    #[test]
    fn secrets_are_not_logged() {
        let field = HeaderField::new("authorization", "Bearer 1f2e").unwrap();
        assert!(!format!("{field:?}").contains("1f2e"));
    }

    #[test]
    fn owned_names() {
        for name in ["Upgrade", "CONNECTION", "Sec-WebSocket-Key", "sec-websocket-future", "Content-Length"] {
            assert!(is_owned_by_handshake(name), "{name}");
        }
        for name in ["Sec-WebSocke", "X-Upgrade", "Set-Cookie", "Sec-Fetch-Mode", "Host"] {
            assert!(!is_owned_by_handshake(name), "{name}");
        }
    }
}
