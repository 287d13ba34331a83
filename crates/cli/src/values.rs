//! Types for values on the command line: sizes, times, addresses, URLs, headers.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use bowsprit_lab::Place;

/// Bytes: a number, alone or with K, M or G (of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end_matches(['B', 'b']).trim_end_matches(['i', 'I']);
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
            Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        let number: usize =
            digits.parse().map_err(|_| "use a number of bytes such as 65536, 64K, 16M or 1G")?;
        number.checked_mul(1 << shift).map(Size).ok_or("that is more than this machine can address")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 30 && bytes % (1 << 30) == 0 => write!(f, "{}G", bytes >> 30),
            bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => write!(f, "{}M", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => write!(f, "{}K", bytes >> 10),
            bytes => bytes.fmt(f),
        }
    }
}

/// A time: seconds, possibly with a fraction, or a number with us, ms, s, m or h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = if let Some(digits) = text.strip_suffix("ms") {
            (digits, 0.001)
        } else if let Some(digits) = text.strip_suffix("us").or_else(|| text.strip_suffix("µs")) {
            (digits, 0.000_001)
        } else if let Some(digits) = text.strip_suffix('s') {
            (digits, 1.0)
        } else if let Some(digits) = text.strip_suffix('m') {
            (digits, 60.0)
        } else if let Some(digits) = text.strip_suffix('h') {
            (digits, 3600.0)
        } else {
            (text, 1.0)
        };
        let number: f64 =
            digits.parse().map_err(|_| "use a time such as 10 (seconds), 0.5, 250ms, 5m or 1h")?;
        Duration::try_from_secs_f64(number * unit).map(Time).map_err(|_| "that is no length of time")
    }
}

/// Parses a period in which something has to happen.
pub(super) fn stretch(text: &str) -> Result<Time, &'static str> {
    let time: Time = text.parse()?;
    if time.0 < Duration::from_millis(1) { Err("nothing happens in less than 1ms") } else { Ok(time) }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0.as_secs_f64())
    }
}

/// Parses how many things are done at once.
pub(super) fn jobs(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|jobs| (1..=4096).contains(jobs)).ok_or("use a number from 1 to 4096")
}

/// Parses a header line: name, colon, value; or, as in curl, a name and a semicolon.
pub(super) fn header(text: &str) -> Result<bowsprit::handshake::HeaderField, String> {
    let bare = text.strip_suffix(';').map(|name| (name, ""));
    let (name, value) = text.split_once(':').or(bare).ok_or("use NAME: VALUE")?;
    bowsprit::handshake::HeaderField::new(name.trim(), value).map_err(|error| error.to_string())
}

/// Parses an Origin field (RFC 6454 §7.1). In curl, `-o` is a file.
pub(super) fn origin(text: &str) -> Result<String, &'static str> {
    match text == "null" || text.contains("://") {
        true => Ok(text.to_owned()),
        false => Err(
            "use an origin such as https://example.com, or null; -H 'Origin: VALUE' sends any other; what comes \
             goes to stdout, and from there to a file with the shell's > FILE",
        ),
    }
}

/// Parses an address and a port to listen on; `localhost` stands for 127.0.0.1, and so does a missing address.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    let wrong =
        "use a port such as 9001, or an address and a port such as 0.0.0.0:9001 (all addresses) or [::1]:0";
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    match port.parse() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse().map_err(|_| wrong),
    }
}

/// Returns whether a text is a WebSocket URL.
pub(super) fn is_url(text: &str) -> bool {
    let lower = text.trim_start().to_ascii_lowercase();
    ["ws://", "wss://", "ws+unix:"].iter().any(|scheme| lower.starts_with(scheme))
}

/// Parses a server's URL as people type it: without a scheme, or only a port. With flags about TLS it is then wss.
pub(super) fn server_url(text: &str, is_secure: bool) -> Result<String, String> {
    // Text that was copied may have blanks around it.
    let text = text.trim();
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    let rest = text.get(scheme.len()..).unwrap_or_default();
    match &*scheme {
        "ws" | "wss" if rest.starts_with("://") => Ok(percent_encoded(text)),
        // A host may have this name, and the port follows.
        "ws" | "wss" if rest.starts_with(":/") || rest[1..].contains(':') => {
            Err(format!("use {scheme}://{}", rest.trim_start_matches([':', '/'])))
        }
        "http" | "https" if rest.starts_with("://") => Err(format!(
            "use {}{rest}: ws:// stands for http://, and wss:// for https://",
            if scheme == "http" { "ws" } else { "wss" }
        )),
        "ws+unix" => unix_url(&rest[1..]),
        "unix" => Err(format!("use ws+unix:{}", rest.trim_start_matches(':'))),
        _ if text.contains("://") => Err("use a URL that starts with ws://, wss:// or ws+unix:".to_owned()),
        _ if text.starts_with('/') || text.starts_with("./") => Err(format!(
            "use ws+unix:{text} for a Unix-domain socket, or a URL such as ws://127.0.0.1:9001{text}"
        )),
        _ if text.starts_with('-') || text.is_empty() => {
            Err("use a URL such as ws://127.0.0.1:9001/".to_owned())
        }
        _ => Ok(percent_encoded(&without_scheme(text, is_secure))),
    }
}

/// Parses the URL of a server that is examined, fuzzed or measured, which has to be at an address.
pub(super) fn examined_url(text: &str, is_secure: bool) -> Result<String, String> {
    let shown = Place::of(text);
    // The advice repeats the URL, but without a password.
    let url = server_url(text, is_secure).map_err(|error| {
        format!("{shown}: {}", server_url(shown.as_str(), is_secure).err().unwrap_or(error))
    })?;
    match url.starts_with("ws+unix:") {
        true => Err("servers on a Unix-domain socket are not examined: let it listen on an address as well"
            .to_owned()),
        false => Ok(url),
    }
}

/// Percent-encodes characters of the path and query that people type and a request cannot contain, as browsers do
/// (WHATWG URL §1.3). What is encoded already stays as it is.
fn percent_encoded(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let path = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let mut out = url[..path].to_owned();
    for c in url[path..].chars() {
        if c.is_ascii_control() || (c.is_ascii() && !" \"<>[\\]^`{|}".contains(c)) {
            out.push(c);
        } else {
            out.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    out
}

/// Completes `host:port/path`, `:port/path` or `port`. Port 443 means TLS.
fn without_scheme(text: &str, is_secure: bool) -> String {
    let end = text.find(['/', '?']).unwrap_or(text.len());
    let (authority, path) = text.split_at(end);
    let host = if authority.parse::<u16>().is_ok() {
        format!("127.0.0.1:{authority}")
    } else if authority.starts_with(':') {
        format!("127.0.0.1{authority}")
    } else {
        authority.to_owned()
    };
    let scheme = if is_secure || host.ends_with(":443") { "wss" } else { "ws" };
    format!("{scheme}://{host}{path}")
}

/// Makes the URL of a Unix socket, whose path may be relative to the current directory.
fn unix_url(rest: &str) -> Result<String, String> {
    // Text between two slashes and the third would be a host.
    if let Some(path) = rest.strip_prefix("//").filter(|path| !path.starts_with('/')) {
        return Err(format!("use ws+unix:/{path}, without a host in it"));
    }
    if rest.is_empty() || rest.starts_with('/') {
        return Ok(format!("ws+unix:{rest}"));
    }
    let here = std::env::current_dir().map_err(|error| format!("use a path that starts with /: {error}"))?;
    let here = here.to_str().ok_or("use a path that starts with /")?.replace('%', "%25").replace(':', "%3A");
    Ok(format!("ws+unix:{here}/{}", rest.trim_start_matches("./")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("0", 0), ("65536", 65536), ("64K", 65536), ("16MiB", 16 << 20), ("1G", 1 << 30), ("2kb", 2048)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "K", "-1", "1.5M", "1T", "99999999999G"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for bytes in [0, 1, 1023, 1024, 65536, 16 << 20, 3 << 30] {
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
    }

    #[test]
    fn times() {
        for (text, ms) in
            [("10", 10_000), ("0.5", 500), ("250ms", 250), ("2s", 2000), ("1m", 60_000), ("1h", 3_600_000)]
        {
            assert_eq!(text.parse(), Ok(Time(Duration::from_millis(ms))), "{text}");
        }
        for text in ["50us", "50µs", "0.05ms"] {
            assert_eq!(text.parse(), Ok(Time(Duration::from_micros(50))), "{text}");
        }
        for text in ["", "s", "us", "-1", "1d", "inf", "nan", "1e300"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(listen_address("localhost:80"), Ok(([127, 0, 0, 1], 80).into()));
        assert!(listen_address("[::1]:0").is_ok());
        for text in ["9001", ":9001", "localhost:9001", "127.0.0.1:9001"] {
            assert_eq!(listen_address(text), Ok(([127, 0, 0, 1], 9001).into()), "{text}");
        }
        for text in ["", ":", "127.0.0.1", "example.com:80", "65536", "-1"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins() {
        for text in
            ["https://example.com", "http://localhost:3000", "null", "file://", "chrome-extension://abc"]
        {
            assert_eq!(origin(text).as_deref(), Ok(text));
        }
        for text in ["", "out.txt", "example.com", "localhost:3000"] {
            assert!(origin(text).is_err_and(|why| why.contains("https://example.com")), "{text}");
        }
    }

    #[test]
    fn how_much_at_once() {
        assert_eq!((jobs("1"), jobs("4096")), (Ok(1), Ok(4096)));
        for text in ["", "0", "4097", "-1", "18446744073709551615", "99999999999999999999"] {
            assert!(jobs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_of_the_examined() {
        for text in ["9001", "127.0.0.1:9001", "ws://127.0.0.1:9001"] {
            assert_eq!(examined_url(text, false).as_deref(), Ok("ws://127.0.0.1:9001"), "{text}");
        }
        for (text, hint) in
            [("http://me:pw@a/", "http://a/: use ws://a/: "), ("ws+unix:/run/a.sock", "Unix-domain")]
        {
            assert!(examined_url(text, false).is_err_and(|why| why.contains(hint)), "{text}");
        }
    }

    #[test]
    fn urls() {
        let here = std::env::current_dir().unwrap();
        for (text, url) in [
            ("ws://a/b", "ws://a/b"),
            ("WSS://a", "WSS://a"),
            ("localhost:9001", "ws://localhost:9001"),
            ("127.0.0.1:9001/chat?x=1", "ws://127.0.0.1:9001/chat?x=1"),
            ("[::1]:9001", "ws://[::1]:9001"),
            ("example.com", "ws://example.com"),
            ("example.com/a:b", "ws://example.com/a:b"),
            ("example.com:443/", "wss://example.com:443/"),
            ("9001", "ws://127.0.0.1:9001"),
            (":9001/x", "ws://127.0.0.1:9001/x"),
            ("me:pw@a:1/", "ws://me:pw@a:1/"),
            ("ws:9001/b", "ws://ws:9001/b"),
            ("ws+unix:/run/a.sock:/chat", "ws+unix:/run/a.sock:/chat"),
            (" ws://a/\n", "ws://a/"),
            (
                "ws://a/grüße an?x={\"a\":[1]}&y=%20",
                "ws://a/gr%C3%BC%C3%9Fe%20an?x=%7B%22a%22:%5B1%5D%7D&y=%20",
            ),
            ("a:1?q=a|b", "ws://a:1?q=a%7Cb"),
            // The intended meaning of such a host, or of text after a #, cannot be guessed.
            ("ws://exämple/ä#b", "ws://exämple/%C3%A4#b"),
        ] {
            assert_eq!(server_url(text, false).as_deref(), Ok(url), "{text}");
        }
        for text in ["ws+unix:u.sock:/chat", "ws+unix:./u.sock:/chat"] {
            assert_eq!(server_url(text, false), Ok(format!("ws+unix:{}/u.sock:/chat", here.display())));
        }
        for text in ["a:9443/x", "9443/x", "a/x"] {
            assert!(server_url(text, true).is_ok_and(|url| url.starts_with("wss://")), "{text}");
        }
        assert_eq!(server_url("ws://a/", true), Ok("ws://a/".to_owned()));
        for (text, hint) in [
            ("http://a/b", "use ws://a/b"),
            ("https://a", "use wss://a"),
            ("ws:/a/b", "use ws://a/b"),
            ("ws:127.0.0.1:9001/b", "use ws://127.0.0.1:9001/b"),
            ("ftp://a", "ws://"),
            ("/run/a.sock", "use ws+unix:/run/a.sock"),
            ("unix:/run/a.sock", "use ws+unix:/run/a.sock"),
            ("ws+unix://run/a.sock", "use ws+unix:/run/a.sock"),
            ("", "ws://"),
        ] {
            assert!(server_url(text, false).is_err_and(|why| why.contains(hint)), "{text}");
        }
    }
}
