//! Field sections: the content of requests and responses, and what makes them malformed (RFC 9113 §8.2, §8.3; RFC 8441
//! §4).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::hpack;
use crate::token::is_token_byte;

/// Fields in order, including pseudo-fields: names in lower case, values as bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    list: Vec<Field>,
    /// The size as RFC 9113 §6.5.2 counts it.
    size: usize,
}

/// Name and value.
type Field = (Box<[u8]>, Box<[u8]>);

/// What makes a field section malformed (RFC 9113 §8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What each field counts beyond its bytes.
const OVERHEAD: usize = 32;

impl Fields {
    /// Creates an empty section.
    pub const fn new() -> Self {
        Self { list: Vec::new(), size: 0 }
    }

    /// Appends a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.push(name.as_bytes(), value.as_ref());
        self
    }

    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.size += name.len() + value.len() + OVERHEAD;
        self.list.push((name.into(), value.into()));
    }

    /// Returns the size of the fields, each 32 bytes more than its name and value (RFC 9113 §6.5.2).
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.list.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the value of the first field with this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// Returns the values of all fields with this name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> + Clone {
        self.iter().filter(move |(this, _)| *this == name.as_bytes()).map(|(_, value)| value)
    }

    /// Returns the status of a response.
    pub fn status(&self) -> Option<u16> {
        match self.get(":status")? {
            &[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                Some([a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
            }
            _ => None,
        }
    }

    /// Returns whether it asks for a tunnel: CONNECT, extended or not.
    pub(super) fn is_connect(&self) -> bool {
        self.get(":method") == Some(b"CONNECT")
    }

    /// Returns the one declared length, if there is one.
    pub(super) fn content_length(&self) -> Result<Option<u64>, Malformed> {
        let mut found = None;
        for value in self.values("content-length") {
            // `u64` would also parse a sign.
            let digits =
                str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let len = digits.and_then(|digits| digits.parse().ok()).ok_or(Malformed)?;
            if found.is_some_and(|found| found != len) {
                return Err(Malformed);
            }
            found = Some(len);
        }
        Ok(found)
    }

    /// Encodes the fields.
    pub(super) fn encode(&self, encoder: &mut hpack::Encoder) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.size / 2);
        encoder.begin(&mut block);
        for (name, value) in self.iter() {
            encoder.field(&mut block, name, value, is_secret(name));
        }
        block
    }

    /// Checks a request (§8.3.1; RFC 8441 §4).
    pub(super) fn check_request(&self) -> Result<(), Malformed> {
        self.check(&[":method", ":scheme", ":path", ":authority", ":protocol"])?;
        let (scheme, path) = (self.get(":scheme"), self.get(":path"));
        let authority = self.get(":authority");
        let is_extended = self.get(":protocol").is_some();
        let host = self.get("host");
        match self.get(":method") {
            None => return Err(Malformed),
            Some(b"CONNECT") if is_extended => {
                if authority.is_none() || scheme.is_none() || path.is_none() {
                    return Err(Malformed);
                }
            }
            // §8.5: "the :scheme and :path pseudo-header fields MUST be omitted".
            Some(b"CONNECT") => {
                return match (scheme, path, authority) {
                    (None, None, Some(_)) => Ok(()),
                    _ => Err(Malformed),
                };
            }
            Some(method)
                if is_extended || method.is_empty() || !method.iter().copied().all(is_token_byte) =>
            {
                return Err(Malformed);
            }
            Some(b"OPTIONS") if path == Some(b"*") => {}
            Some(_) => {}
        }
        let path = path.ok_or(Malformed)?;
        let is_asterisk = path == b"*" && self.get(":method") == Some(b"OPTIONS");
        let is_visible = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_graphic);
        if !(path.starts_with(b"/") || is_asterisk) || !is_visible(path) {
            return Err(Malformed);
        }
        let scheme = scheme.ok_or(Malformed)?;
        if scheme.is_empty() || !is_visible(scheme) {
            return Err(Malformed);
        }
        // §8.3.1: no user-info, not empty, and the same as in Host, if that is there.
        if let Some(authority) = authority
            && (authority.is_empty() || authority.contains(&b'@') || !is_visible(authority))
        {
            return Err(Malformed);
        }
        match (authority, host) {
            (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => Err(Malformed),
            _ => Ok(()),
        }
    }

    /// Checks a response (§8.3.2).
    pub(super) fn check_response(&self) -> Result<u16, Malformed> {
        self.check(&[":status"])?;
        // §8.6: HTTP/2 has no 101.
        self.status().filter(|status| *status != 101).ok_or(Malformed)
    }

    /// Checks trailers (§8.1: they have no pseudo-fields).
    pub(super) fn check_trailers(&self) -> Result<(), Malformed> {
        self.check(&[])
    }

    /// Checks §8.2.1, §8.2.2, and that pseudo-fields are known, single and in front (§8.3).
    fn check(&self, pseudo: &[&str]) -> Result<(), Malformed> {
        let mut seen = 0u8;
        let mut is_behind = false;
        for (name, value) in self.iter() {
            if name.first() == Some(&b':') {
                let at = pseudo.iter().position(|pseudo| pseudo.as_bytes() == name).ok_or(Malformed)?;
                if is_behind || seen >> at & 1 == 1 {
                    return Err(Malformed);
                }
                seen |= 1 << at;
            } else {
                is_behind = true;
                let is_name = |byte: &u8| is_token_byte(*byte) && !byte.is_ascii_uppercase();
                if name.is_empty() || !name.iter().all(is_name) || is_of_connection(name, value) {
                    return Err(Malformed);
                }
            }
            let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
            let is_control = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 127);
            if is_blank(value.first()) || is_blank(value.last()) || value.iter().any(is_control) {
                return Err(Malformed);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_map();
        for (name, value) in self.iter() {
            let value = if is_secret(name) { b"..." } else { value };
            list.entry(&format_args!("{}", name.escape_ascii()), &format_args!("{}", value.escape_ascii()));
        }
        list.finish()
    }
}

/// §8.2.2: returns whether a field belongs to one connection of HTTP/1.1.
fn is_of_connection(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => true,
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}

/// Returns whether a field may not be stored on the way, nor shown in a log.
fn is_secret(name: &[u8]) -> bool {
    matches!(name, b"authorization" | b"proxy-authorization" | b"cookie" | b"set-cookie")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &str) -> Fields {
        lines.split('|').filter(|line| !line.is_empty()).fold(Fields::new(), |fields, line| {
            let at = line[1..].find('=').map_or(line.len(), |at| at + 1);
            fields.with(&line[..at], line.get(at + 1..).unwrap_or_default())
        })
    }

    #[test]
    fn requests() {
        let connect = ":method=CONNECT|:protocol=websocket|:scheme=https|:path=/chat|:authority=a";
        let get = ":method=GET|:scheme=https|:path=/|:authority=a";
        for (lines, is_right) in [
            (connect, true),
            (get, true),
            (":method=OPTIONS|:scheme=https|:path=*|:authority=a", true),
            (":method=CONNECT|:authority=a:443", true),
            (&[get, "|te=trailers|cookie=a=b|x=\u{fc}"].concat(), true),
            (&[get, "|host=A"].concat(), true),
            // Pseudo-fields that are missing, doubled, unknown, misplaced.
            (":method=CONNECT|:protocol=websocket|:path=/|:authority=a", false),
            (":method=CONNECT|:protocol=websocket|:scheme=https|:authority=a", false),
            (":method=CONNECT|:protocol=websocket|:scheme=https|:path=/", false),
            (":method=CONNECT|:authority=a|:path=/", false),
            (":method=GET|:protocol=websocket|:scheme=https|:path=/|:authority=a", false),
            (":scheme=https|:path=/|:authority=a", false),
            (":method=GET|:path=/|:authority=a", false),
            (":method=GET|:scheme=https|:authority=a", false),
            (":method=GET|:scheme=https|:path=|:authority=a", false),
            (":method=GET|:scheme=https|:path=chat|:authority=a", false),
            (":method=GET|:scheme=https|:path=*|:authority=a", false),
            (&[get, "|:path=/"].concat(), false),
            (&[get, "|:status=200"].concat(), false),
            (&[get, "|:x=1"].concat(), false),
            (":method=GET|:scheme=https|:path=/|x=1|:authority=a", false),
            (":method=GET|:scheme=https|:path=/ HTTP/1.1|:authority=a", false),
            (":method=GET|:scheme=https|:path=/|:authority=u:p@a", false),
            (":method=G T|:scheme=https|:path=/|:authority=a", false),
            (&[get, "|host=b"].concat(), false),
            // §8.2.1, §8.2.2.
            (&[get, "|X=1"].concat(), false),
            (&[get, "|x y=1"].concat(), false),
            (&[get, "|x= 1"].concat(), false),
            (&[get, "|x=1\t"].concat(), false),
            (&[get, "|x=1\r\ny: 2"].concat(), false),
            (&[get, "|x=1\0"].concat(), false),
            (&[get, "|connection=close"].concat(), false),
            (&[get, "|upgrade=websocket"].concat(), false),
            (&[get, "|transfer-encoding=chunked"].concat(), false),
            (&[get, "|te=gzip"].concat(), false),
        ] {
            assert_eq!(fields(lines).check_request().is_ok(), is_right, "{lines:?}");
        }
    }

    #[test]
    fn responses_and_trailers() {
        for (lines, status) in [
            (":status=200", Some(200)),
            (":status=103|link=x", Some(103)),
            (":status=999", Some(999)),
            (":status=101", None),
            (":status=20", None),
            (":status=2000", None),
            (":status=099", None),
            ("x=1", None),
            (":status=200|:status=200", None),
            (":status=200|:path=/", None),
            (":status=200|upgrade=websocket", None),
        ] {
            assert_eq!(fields(lines).check_response().ok(), status, "{lines}");
        }
        assert!(fields("x=1").check_trailers().is_ok());
        assert!(fields(":status=200").check_trailers().is_err());
    }

    #[test]
    fn lengths_that_are_declared() {
        for (lines, len) in [
            ("", Ok(None)),
            ("content-length=5", Ok(Some(5))),
            ("content-length=5|content-length=5", Ok(Some(5))),
            ("content-length=5|content-length=6", Err(Malformed)),
            ("content-length=", Err(Malformed)),
            ("content-length=+5", Err(Malformed)),
            ("content-length=99999999999999999999", Err(Malformed)),
            ("content-length=\u{ff}", Err(Malformed)),
        ] {
            assert_eq!(fields(lines).content_length(), len, "{lines}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = alloc::format!("{:?}", fields("cookie=abc|x=1"));
        assert_eq!(shown, "{cookie: ..., x: 1}");
    }
}
