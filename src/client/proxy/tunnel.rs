//! The handshake that opens a tunnel: HTTP's CONNECT (RFC 9110 §9.3.6), or SOCKS.
//!
//! In: the destination, and the proxy's bytes in any cut. Out: the bytes for the proxy, and an open tunnel or what is
//! wrong.

use std::net::IpAddr;

use super::error::ProxyError;
use super::socks::Socks5;
use crate::handshake::{Head, HeadLimits, HeadReader, HeaderField, MAX_INTERIM, Progress, StartLine};
use crate::secret::Secret;

/// The handshake that opens a tunnel through a proxy.
///
/// Send what is [`pending`](Self::pending) whenever it is not empty, and pass on what the proxy sends.
#[derive(Clone, Debug)]
pub struct Tunnel(Speech);

#[derive(Clone, Debug)]
enum Speech {
    Http(HttpTunnel),
    Socks(Socks5),
}

impl Tunnel {
    pub(super) fn http(host: &str, port: u16, credentials: Option<(&str, &str)>) -> Result<Self, ProxyError> {
        Ok(Self(Speech::Http(HttpTunnel::new(host, port, credentials)?)))
    }

    pub(super) fn socks5(
        host: &str,
        port: u16,
        credentials: Option<(&str, &str)>,
    ) -> Result<Self, ProxyError> {
        Ok(Self(Speech::Socks(Socks5::new(host, port, credentials)?)))
    }

    /// Returns the bytes to send next; empty while the proxy's answer is awaited.
    pub fn pending(&self) -> &[u8] {
        match &self.0 {
            Speech::Http(http) => http.out.expose(),
            Speech::Socks(socks) => socks.pending(),
        }
    }

    /// Drops the first `len` pending bytes, which have been sent.
    pub fn advance(&mut self, len: usize) {
        match &mut self.0 {
            Speech::Http(http) => drop(http.out.expose_mut().drain(..len)),
            Speech::Socks(socks) => socks.advance(len),
        }
    }

    /// Takes the proxy's next bytes. Returns whether the tunnel is open.
    ///
    /// # Errors
    ///
    /// What is wrong. Bytes after the proxy's answer are wrong, too: no server sends before it has the request.
    pub fn receive(&mut self, input: &[u8]) -> Result<bool, ProxyError> {
        let progress = match &mut self.0 {
            Speech::Http(http) => http.receive(input)?,
            Speech::Socks(socks) => socks.receive(input)?,
        };
        match progress {
            Progress::NeedMore => Ok(false),
            Progress::Done { used, .. } if used == input.len() => Ok(true),
            Progress::Done { .. } => Err(ProxyError::EarlyBytes),
        }
    }
}

/// A tunnel by CONNECT (RFC 9110 §9.3.6).
#[derive(Clone, Debug)]
struct HttpTunnel {
    out: Secret<Vec<u8>>,
    reader: HeadReader,
    interim: usize,
}

impl HttpTunnel {
    fn new(host: &str, port: u16, credentials: Option<(&str, &str)>) -> Result<Self, ProxyError> {
        let host = host.split('%').next().unwrap_or(host);
        let authority = match host.parse() {
            Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        // Wherever the host comes from, nothing in it may end the line (CVE-2026-42578).
        if host.is_empty()
            || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte))
        {
            return Err(ProxyError::Host);
        }
        let mut out = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
        if let Some((user, password)) = credentials {
            let field = HeaderField::basic("Proxy-Authorization", user, password);
            let field = field.ok_or(ProxyError::Credentials)?;
            out.extend_from_slice(format!("{}: {}\r\n", field.name(), field.value()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        Ok(Self { out: Secret::new(out), reader: HeadReader::response(HeadLimits::default()), interim: 0 })
    }

    fn receive(&mut self, input: &[u8]) -> Result<Progress<()>, ProxyError> {
        let mut taken = 0;
        loop {
            let (head, used) = match self.reader.receive(&input[taken..]).map_err(ProxyError::Head)? {
                Progress::NeedMore => return Ok(Progress::NeedMore),
                Progress::Done { value, used } => (value, used),
            };
            taken += used;
            match head.start_line() {
                StartLine::Response { status: 100..=199, .. } if self.interim < MAX_INTERIM => {
                    self.interim += 1
                }
                // RFC 9110 §9.3.6: any 2xx; a length that it announces is ignored.
                StartLine::Response { status: 200..=299, .. } => {
                    return Ok(Progress::Done { value: (), used: taken });
                }
                StartLine::Response { status: 407, .. } => return Err(asked_for(&head)),
                StartLine::Response { status, .. } => return Err(ProxyError::Status(status)),
                StartLine::Request { .. } => return Err(ProxyError::Garbage),
            }
        }
    }
}

/// The most schemes that are reported, and the most bytes of one.
const SCHEMES: usize = 4;
const SCHEME: usize = 32;

/// Returns what a proxy asks for, from the scheme of each challenge (RFC 9110 §11.3).
fn asked_for(head: &Head) -> ProxyError {
    let mut schemes: Vec<String> = Vec::new();
    for scheme in head.first_tokens("proxy-authenticate") {
        if scheme.eq_ignore_ascii_case("basic") {
            return ProxyError::Authentication;
        }
        let is_new = !schemes.iter().any(|known| known == scheme);
        if (1..=SCHEME).contains(&scheme.len()) && schemes.len() < SCHEMES && is_new {
            schemes.push(scheme.to_owned());
        }
    }
    if schemes.is_empty() { ProxyError::Authentication } else { ProxyError::Schemes(schemes) }
}

#[cfg(test)]
mod tests {
    use super::super::Proxy;
    use super::*;
    use crate::handshake::HeadError;

    fn connect(answer: &[u8]) -> Result<bool, ProxyError> {
        let whole = Proxy::parse("a").unwrap().tunnel("b", 80).unwrap().receive(answer);
        let mut tunnel = Proxy::parse("a").unwrap().tunnel("b", 80).unwrap();
        let mut split = Ok(false);
        for byte in answer.chunks(1) {
            split = tunnel.receive(byte);
            if split.is_err() {
                break;
            }
        }
        if whole != Err(ProxyError::EarlyBytes) {
            assert_eq!(whole, split, "cuts do not matter");
        }
        whole
    }

    #[test]
    fn what_is_asked_for_is_told() {
        let asks = |lines: &str| connect(format!("HTTP/1.1 407 No\r\n{lines}\r\n").as_bytes());
        let schemes =
            |names: &[&str]| Err(ProxyError::Schemes(names.iter().map(|name| (*name).into()).collect()));
        assert_eq!(asks("Proxy-Authenticate: NTLM\r\n"), schemes(&["NTLM"]));
        let two = "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM TlRMTVNT\r\n";
        assert_eq!(asks(two), schemes(&["Negotiate", "NTLM"]));
        assert_eq!(asks("Proxy-Authenticate: Digest realm=\"a, b\", nonce=\"c\"\r\n"), schemes(&["Digest"]));
        assert_eq!(
            asks("Proxy-Authenticate: NTLM\r\nProxy-Authenticate: basic realm=\"a\"\r\n"),
            Err(ProxyError::Authentication)
        );
        let long = format!("Proxy-Authenticate: {}\r\n", "x".repeat(SCHEME + 1));
        for nothing in ["", "Proxy-Authenticate: \x1b[31m\r\n", &long] {
            assert!(
                matches!(asks(nothing), Err(ProxyError::Authentication | ProxyError::Head(_))),
                "{nothing:?}"
            );
        }
        let text = asks("Proxy-Authenticate: NTLM\r\n").unwrap_err().to_string();
        assert_eq!(text, "the proxy asks for NTLM; of what proxies ask for only Basic is spoken here");
    }

    #[test]
    fn no_tunnel_shows_its_password() {
        for scheme in ["http", "socks5"] {
            let proxy = Proxy::parse(&format!("{scheme}://u:pass@proxy.example")).unwrap();
            let mut tunnel = proxy.tunnel("a", 443).unwrap();
            if scheme == "socks5" {
                tunnel.receive(&[5, 2]).unwrap();
            }
            let shown = format!("{tunnel:?}");
            let bytes = format!("{:?}", tunnel.pending());
            assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
            assert!(!shown.contains("112, 97, 115, 115"), "{shown}"); // pass
        }
    }

    /// PXY-001 to PXY-006.
    #[test]
    fn connect_asks_and_judges() {
        let proxy = Proxy::parse("http://Aladdin:open%20sesame@proxy.example").unwrap();
        let tunnel = proxy.tunnel("2001:db8::1", 443).unwrap();
        assert_eq!(
            tunnel.pending().escape_ascii().to_string(),
            "CONNECT [2001:db8::1]:443 HTTP/1.1\\r\\nHost: [2001:db8::1]:443\\r\\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\\r\\n\\r\\n"
        );
        assert_eq!(connect(b"HTTP/1.1 200 Connection established\r\n\r\n"), Ok(true));
        assert_eq!(
            connect(b"HTTP/1.0 299 x\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Ok(true)
        );
        assert_eq!(connect(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Ok(true));
        assert_eq!(connect(b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0"), Err(ProxyError::EarlyBytes));
        assert_eq!(connect(b"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\n"), Err(ProxyError::Authentication));
        assert_eq!(connect(b"HTTP/1.1 403 No\r\n\r\n"), Err(ProxyError::Status(403)));
        assert_eq!(connect(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Ok(false));
        assert!(matches!(connect(b"SSH-2.0-OpenSSH\r\n"), Err(ProxyError::Head(_))));
        assert!(matches!(connect(&[b'x'; 70_000]), Err(ProxyError::Head(_))));
        let long = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 70_000]].concat();
        assert_eq!(connect(&long), Err(ProxyError::Head(HeadError::TooLong)));
        for host in ["", "a\r\nX: y", "a b", "a/b", "a@b"] {
            assert_eq!(proxy.tunnel(host, 80).err(), Some(ProxyError::Host), "{host:?}");
        }
    }
}
