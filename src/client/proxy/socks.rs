//! SOCKS version 5 (RFC 1928), with or without user name and password (RFC 1929).
//!
//! In: the destination, and the proxy's bytes in any cut. Out: the bytes for the proxy. Promises: never takes a byte
//! that belongs to the server behind the proxy.

use std::net::IpAddr;

use super::error::ProxyError;
use crate::handshake::Progress;
use crate::secret::Secret;

/// One SOCKS handshake.
#[derive(Clone, Debug)]
pub struct Socks5 {
    /// What waits to be sent.
    out: Secret<Vec<u8>>,
    /// What has arrived of the current answer.
    answer: Vec<u8>,
    request: Vec<u8>,
    credentials: Option<Secret<Vec<u8>>>,
    stage: SocksState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SocksState {
    Method,
    Authentication,
    Reply,
    Done,
}

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_PASSWORD: u8 = 2;

impl Socks5 {
    /// Creates a tunnel to `host`: an address is sent as an address, a name as a name that the proxy looks up.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Host`] for a name of more than 255 bytes, [`ProxyError::Credentials`] for a user name or a
    /// password that is empty or longer.
    pub fn new(host: &str, port: u16, credentials: Option<(&str, &str)>) -> Result<Self, ProxyError> {
        let mut request = vec![VERSION, 1, 0]; // CONNECT, reserved
        match host.split('%').next().unwrap_or(host).parse() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            Err(_) => {
                request.push(3);
                push_short(&mut request, host).ok_or(ProxyError::Host)?;
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        let credentials = match credentials {
            None => None,
            Some((user, password)) => {
                let mut bytes = vec![1];
                push_short(&mut bytes, user).ok_or(ProxyError::Credentials)?;
                push_short(&mut bytes, password).ok_or(ProxyError::Credentials)?;
                Some(Secret::new(bytes))
            }
        };
        let out = match credentials {
            None => vec![VERSION, 1, NO_AUTHENTICATION],
            Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, USER_PASSWORD],
        };
        Ok(Self {
            out: Secret::new(out),
            answer: Vec::new(),
            request,
            credentials,
            stage: SocksState::Method,
        })
    }

    /// Returns the bytes to send next; empty while the proxy's answer is awaited.
    pub fn pending(&self) -> &[u8] {
        self.out.expose()
    }

    /// Drops the first `len` pending bytes, which have been sent.
    pub fn advance(&mut self, len: usize) {
        self.out.expose_mut().drain(..len);
    }

    /// Takes the proxy's next bytes. After `Done` the tunnel is open, and bytes from `used` on are the server's.
    ///
    /// # Errors
    ///
    /// [`ProxyError`].
    pub fn receive(&mut self, input: &[u8]) -> Result<Progress<()>, ProxyError> {
        let mut used = 0;
        while self.stage != SocksState::Done {
            let wanted = self.wanted();
            if self.answer.len() >= wanted {
                self.judge()?;
                continue;
            }
            let len = (wanted - self.answer.len()).min(input.len() - used);
            if len == 0 {
                return Ok(Progress::NeedMore);
            }
            self.answer.extend_from_slice(&input[used..used + len]);
            used += len;
        }
        Ok(Progress::Done { value: (), used })
    }

    /// Returns the length of the current answer, as far as what has arrived determines it.
    fn wanted(&self) -> usize {
        match (self.stage, self.answer.as_slice()) {
            (SocksState::Method | SocksState::Authentication, _) => 2,
            // A refusal need not have the rest.
            (_, [_, code, ..]) if *code != 0 => 2,
            // RFC 1928 §6: the address that the proxy has bound, in one of three forms, and a port.
            (_, [_, _, _, 1, ..]) => 4 + 4 + 2,
            (_, [_, _, _, 4, ..]) => 4 + 16 + 2,
            (_, [_, _, _, 3, len, ..]) => 5 + usize::from(*len) + 2,
            (_, [_, _, _, 3]) => 5,
            (_, [] | [_]) => 2,
            _ => 4,
        }
    }

    fn judge(&mut self) -> Result<(), ProxyError> {
        let answer = std::mem::take(&mut self.answer);
        self.stage = match (self.stage, answer.as_slice(), &self.credentials) {
            (SocksState::Method, [VERSION, NO_AUTHENTICATION], _) => {
                self.say(self.request.clone(), SocksState::Reply)
            }
            (SocksState::Method, [VERSION, USER_PASSWORD], Some(credentials)) => {
                self.say(credentials.expose().clone(), SocksState::Authentication)
            }
            (SocksState::Method, [VERSION, 0xff], _) => return Err(ProxyError::Authentication),
            (SocksState::Authentication, [1, 0], _) => self.say(self.request.clone(), SocksState::Reply),
            (SocksState::Authentication, [1, _], _) => return Err(ProxyError::Authentication),
            (SocksState::Reply, [VERSION, 0, 0, 1 | 3 | 4, ..], _) => SocksState::Done,
            (SocksState::Reply, [VERSION, code, ..], _) if *code != 0 => {
                return Err(ProxyError::Socks(*code));
            }
            _ => return Err(ProxyError::Garbage),
        };
        Ok(())
    }

    fn say(&mut self, bytes: Vec<u8>, stage: SocksState) -> SocksState {
        self.out.expose_mut().extend_from_slice(&bytes);
        stage
    }
}

/// Appends text after its length in one byte, which must not be 0.
fn push_short(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
    out.push(len);
    out.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the proxy: `script` has what is expected and then the answer, in turn; one byte at a time if asked.
    fn play(mut socks: Socks5, script: &[(&[u8], &[u8])], step: usize) -> Result<usize, ProxyError> {
        let mut left = 0;
        for (expected, answer) in script {
            assert_eq!(socks.pending(), *expected);
            let len = socks.pending().len();
            socks.advance(len);
            for input in answer.chunks(step) {
                left = match socks.receive(input)? {
                    Progress::NeedMore => 0,
                    Progress::Done { used, .. } => input.len() - used,
                };
            }
        }
        assert_eq!(socks.stage, SocksState::Done);
        Ok(left)
    }

    /// PXY-007.
    #[test]
    fn tunnels_open_in_any_cut() {
        let bound = b"\x05\0\0\x01\x7f\0\0\x01\x04\x38";
        for step in [1, 2, 3, usize::MAX] {
            let by_name = Socks5::new("example.com", 80, None).unwrap();
            let request = b"\x05\x01\0\x03\x0bexample.com\0\x50";
            assert_eq!(play(by_name, &[(b"\x05\x01\0", b"\x05\0"), (request, bound)], step), Ok(0));

            let v4 = Socks5::new("127.0.0.1", 0x1234, Some(("user", "pass"))).unwrap();
            let script: [(&[u8], &[u8]); 3] = [
                (b"\x05\x02\0\x02", b"\x05\x02"),
                (b"\x01\x04user\x04pass", b"\x01\0"),
                (b"\x05\x01\0\x01\x7f\0\0\x01\x12\x34", b"\x05\0\0\x03\x03abc\0\x01"),
            ];
            assert_eq!(play(v4, &script, step), Ok(0));

            let v6 = Socks5::new("::1%lo", 443, Some(("user", "pass"))).unwrap();
            let request = b"\x05\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
            let reply = b"\x05\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
            assert_eq!(play(v6, &[(b"\x05\x02\0\x02", b"\x05\0"), (request, reply)], step), Ok(0));
        }
        let early = Socks5::new("a", 80, None).unwrap();
        let reply = [&bound[..], b"xyz"].concat();
        let script: [(&[u8], &[u8]); 2] =
            [(b"\x05\x01\0", b"\x05\0"), (b"\x05\x01\0\x03\x01a\0\x50", &reply)];
        assert_eq!(play(early, &script, usize::MAX), Ok(3));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let first = |answer: &[u8]| Socks5::new("a", 80, None).unwrap().receive(answer).unwrap_err();
        assert_eq!(first(b"\x05\xff"), ProxyError::Authentication);
        assert_eq!(first(b"\x05\x02"), ProxyError::Garbage, "not offered");
        assert_eq!(first(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ProxyError::Garbage);
        assert_eq!(first(b"\x04\0"), ProxyError::Garbage);
        assert_eq!(first(b"\x05\0\x05\x05\0\x01\0\0\0\0\0\0"), ProxyError::Socks(5));
        assert_eq!(first(b"\x05\0\x05\x02"), ProxyError::Socks(2), "cut short");
        assert_eq!(first(b"\x05\0\x05\0\0\x09\0\0\0\0"), ProxyError::Garbage);
        let mut socks = Socks5::new("a", 80, Some(("u", "p"))).unwrap();
        assert_eq!(socks.receive(b"\x05\x02\x01\x01"), Err(ProxyError::Authentication));
        let long = "x".repeat(256);
        assert_eq!(Socks5::new(&long, 80, None).unwrap_err(), ProxyError::Host);
        assert_eq!(Socks5::new("a", 80, Some((&long, "p"))).unwrap_err(), ProxyError::Credentials);
        assert_eq!(Socks5::new("a", 80, Some(("u", ""))).unwrap_err(), ProxyError::Credentials);
    }
}
