//! The PROXY protocol, versions 1 and 2: a proxy names its client before the client's first byte.
//!
//! In: bytes in any cut. Out: a [`ProxyHeader`], and how many bytes of the last input belonged to it. Promises: the
//! result does not depend on the cuts; what no header can start with or contain is refused at the byte that shows it;
//! never keeps more than [`MAX_V1`] bytes, and never takes more than [`MAX_V2`]. The caller decides which senders to
//! trust: a header says whatever its sender wants.
//!
//! Source: "The PROXY protocol, versions 1 & 2" of HAProxy, sections 2.1 (a line of text) and 2.2 (binary). What
//! follows the addresses in a header of version 2 (TLVs) is skipped. Addresses of UDP and of sockets in the file system
//! are ignored.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::head_reader::Progress;

/// The maximum length of a version 1 line, including its CR LF (§2.1).
pub const MAX_V1: usize = 107;

/// The maximum length of a version 2 header that is accepted. Its length field could announce 64 KiB; addresses need 52
/// bytes, and what proxies add (names, TLS versions, identifiers) takes some hundred.
pub const MAX_V2: usize = 4096;

/// What a proxy says about the connection that it passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// No client: the proxy makes a health check (`LOCAL`) or does not know its client (`UNKNOWN`), or the client has
    /// no TCP address.
    Own,
    /// The proxy speaks for a client.
    Tcp {
        /// The client's address.
        source: SocketAddr,
        /// The address that the client has connected to.
        destination: SocketAddr,
    },
}

/// Why the bytes are not a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The bytes do not begin like a header.
    Missing,
    /// The line of version 1 is not `PROXY TCP4 source destination port port`, `TCP6` or `UNKNOWN`.
    Line,
    /// The header is longer than [`MAX_V1`] or [`MAX_V2`].
    TooLong,
    /// The version is neither 1 nor 2.
    Version,
    /// A command of version 2 other than `LOCAL` and `PROXY`.
    Command,
    /// An address family or transport that version 2 does not define.
    Family,
    /// The rest of the header is too short for the addresses of its family.
    TooShort,
}

/// Reads the header that precedes a connection.
///
/// ```
/// use bowsprit::handshake::{Progress, ProxyHeader, ProxyHeaderReader};
///
/// let mut reader = ProxyHeaderReader::new();
/// assert_eq!(reader.receive(b"PROXY TCP4 192.0.2.1 192.0.2.9 50"), Ok(Progress::NeedMore));
/// let Ok(Progress::Done { value, used }) = reader.receive(b"000 443\r\nGET /") else { panic!() };
/// assert_eq!((value.source(), used), (Some("192.0.2.1:50000".parse().unwrap()), 9));
/// ```
///
/// After an error it repeats that error.
#[derive(Clone, Debug)]
pub struct ProxyHeaderReader {
    /// The first bytes of the header.
    kept: [u8; MAX_V1],
    /// How many bytes have arrived.
    taken: usize,
    /// The total length, once a header of version 2 has announced it.
    whole: usize,
    failed: Option<ProxyError>,
}

const LINE: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of version 2 before the addresses.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

impl ProxyHeader {
    /// Returns the client's address, if there is one.
    pub const fn source(&self) -> Option<SocketAddr> {
        match self {
            ProxyHeader::Own => None,
            ProxyHeader::Tcp { source, .. } => Some(*source),
        }
    }
}

impl Default for ProxyHeaderReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ProxyHeaderReader {
    /// Creates a reader before the first byte.
    pub const fn new() -> Self {
        Self { kept: [0; MAX_V1], taken: 0, whole: 0, failed: None }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`ProxyError`], at the first byte that shows it.
    pub fn receive(&mut self, input: &[u8]) -> Result<Progress<ProxyHeader>, ProxyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        for (at, &byte) in input.iter().enumerate() {
            match self.take(byte) {
                Ok(None) => {}
                Ok(Some(value)) => return Ok(Progress::Done { value, used: at + 1 }),
                Err(error) => {
                    self.failed = Some(error);
                    return Err(error);
                }
            }
        }
        Ok(Progress::NeedMore)
    }

    fn take(&mut self, byte: u8) -> Result<Option<ProxyHeader>, ProxyError> {
        if let Some(place) = self.kept.get_mut(self.taken) {
            *place = byte;
        }
        self.taken += 1;
        if self.kept[0] == LINE[0] { self.take_of_line(byte) } else { self.take_of_binary(byte) }
    }

    fn take_of_line(&mut self, byte: u8) -> Result<Option<ProxyHeader>, ProxyError> {
        let line = &self.kept[..self.taken];
        if line.len() <= LINE.len() {
            return if LINE.starts_with(line) { Ok(None) } else { Err(ProxyError::Missing) };
        }
        match (line, byte) {
            ([.., b'\r', _], b'\n') => parse_line(&line[LINE.len()..line.len() - 2]).map(Some),
            ([.., b'\r', _], _) | (_, b'\n') => Err(ProxyError::Line),
            _ if line.len() == MAX_V1 => Err(ProxyError::TooLong),
            _ => Ok(None),
        }
    }

    fn take_of_binary(&mut self, byte: u8) -> Result<Option<ProxyHeader>, ProxyError> {
        match self.taken {
            at if at <= SIGNATURE.len() && !SIGNATURE.starts_with(&self.kept[..at]) => {
                return Err(ProxyError::Missing);
            }
            13 if byte >> 4 != 2 => return Err(ProxyError::Version),
            13 if !matches!(byte, LOCAL | PROXY) => return Err(ProxyError::Command),
            14 if !self.is_local() && addresses(byte).is_none() => return Err(ProxyError::Family),
            FIXED => {
                let announced = usize::from(u16::from_be_bytes([self.kept[14], byte]));
                let needed = if self.is_local() { 0 } else { addresses(self.kept[13]).unwrap_or_default() };
                if announced < needed {
                    return Err(ProxyError::TooShort);
                }
                self.whole = FIXED + announced;
                if self.whole > MAX_V2 {
                    return Err(ProxyError::TooLong);
                }
            }
            _ => {}
        }
        Ok((self.taken == self.whole).then(|| self.binary()))
    }

    const fn is_local(&self) -> bool {
        self.kept[12] == LOCAL
    }

    /// Parses a version 2 header that has arrived whole.
    fn binary(&self) -> ProxyHeader {
        let bytes = &self.kept[FIXED..];
        let (source, destination) = match self.kept[13] {
            _ if self.is_local() => return ProxyHeader::Own,
            TCP4 => {
                let (v4, ports) = (|at| array(bytes, at).map(Ipv4Addr::from).map(IpAddr::from), 8);
                (address(v4(0), bytes, ports), address(v4(4), bytes, ports + 2))
            }
            TCP6 => {
                let (v6, ports) = (|at| array(bytes, at).map(Ipv6Addr::from).map(IpAddr::from), 32);
                (address(v6(0), bytes, ports), address(v6(16), bytes, ports + 2))
            }
            _ => return ProxyHeader::Own,
        };
        match (source, destination) {
            (Some(source), Some(destination)) => ProxyHeader::Tcp { source, destination },
            _ => ProxyHeader::Own,
        }
    }
}

/// Returns how many bytes the addresses of a family and transport take, or `None` if it is unknown (§2.2).
const fn addresses(family: u8) -> Option<usize> {
    match family {
        0x00 => Some(0),
        0x11 | 0x12 => Some(12),
        0x21 | 0x22 => Some(36),
        0x31 | 0x32 => Some(216),
        _ => None,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn address(ip: Option<IpAddr>, bytes: &[u8], port: usize) -> Option<SocketAddr> {
    Some(SocketAddr::new(ip?, u16::from_be_bytes(array(bytes, port)?)))
}

/// Parses what follows `PROXY ` in a line.
fn parse_line(line: &[u8]) -> Result<ProxyHeader, ProxyError> {
    let line = str::from_utf8(line).map_err(|_| ProxyError::Line)?;
    // What follows is to be ignored (§2.1).
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Ok(ProxyHeader::Own);
    }
    let mut parts = line.split(' ');
    let mut next = || parts.next().ok_or(ProxyError::Line);
    let family = next()?;
    let mut ip = || match family {
        "TCP4" => next()?.parse().map(IpAddr::V4).map_err(|_| ProxyError::Line),
        "TCP6" => next()?.parse().map(IpAddr::V6).map_err(|_| ProxyError::Line),
        _ => Err(ProxyError::Line),
    };
    let (source, destination) = (ip()?, ip()?);
    let (from, to) = (port(next()?)?, port(next()?)?);
    if parts.next().is_some() {
        return Err(ProxyError::Line);
    }
    Ok(ProxyHeader::Tcp {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    })
}

/// Parses a decimal number up to 65535, without a sign or leading zeros.
fn port(text: &str) -> Result<u16, ProxyError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(ProxyError::Line)
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyError::Missing => "it does not begin with a header of the PROXY protocol",
            ProxyError::Line => "its PROXY line is malformed",
            ProxyError::TooLong => "its PROXY header is too long",
            ProxyError::Version => "its PROXY header has a version other than 1 and 2",
            ProxyError::Command => "its PROXY header has a command that is not known",
            ProxyError::Family => "its PROXY header has an address family that is not known",
            ProxyError::TooShort => "its PROXY header ends inside its addresses",
        })
    }
}

impl core::error::Error for ProxyError {}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<(ProxyHeader, usize), ProxyError>;

    /// Returns the outcome of reading pieces of a length, or `None` if more is needed.
    fn read(bytes: &[u8], step: usize) -> Option<Read> {
        let (mut reader, mut taken) = (ProxyHeaderReader::new(), 0);
        for piece in bytes.chunks(step) {
            match reader.receive(piece) {
                Ok(Progress::NeedMore) => taken += piece.len(),
                Ok(Progress::Done { value, used }) => return Some(Ok((value, taken + used))),
                Err(error) => {
                    assert_eq!(reader.receive(b"PROXY UNKNOWN\r\n"), Err(error), "it stays");
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Returns the outcome, which is the same in each cut.
    fn in_every_cut(bytes: &[u8]) -> Option<Read> {
        let whole = read(bytes, bytes.len().max(1));
        for step in 1..bytes.len().min(200) {
            assert_eq!(read(bytes, step), whole, "in pieces of {step}");
        }
        whole
    }

    fn tcp(source: &str, destination: &str) -> ProxyHeader {
        ProxyHeader::Tcp { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap();
        [SIGNATURE, &[command, family], &len.to_be_bytes(), rest].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 9, 0xc3, 0x50, 0x01, 0xbb];

    #[test]
    fn lines() {
        let v6 = "ffff:f...f:ffff";
        for (line, header) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.9 50000 443\r\n", tcp("192.0.2.1:50000", "192.0.2.9:443")),
            ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", tcp("255.255.255.255:65535", "0.0.0.0:0")),
            ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", tcp("[2001:db8::1]:1", "[::1]:2")),
            ("PROXY UNKNOWN\r\n", ProxyHeader::Own),
            (&*format!("PROXY UNKNOWN {v6} {v6} 65535 65535\r\n"), ProxyHeader::Own),
        ] {
            assert_eq!(in_every_cut(line.as_bytes()), Some(Ok((header, line.len()))), "{line}");
            let followed = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(in_every_cut(followed.as_bytes()), Some(Ok((header, line.len()))), "{line}");
            assert_eq!(in_every_cut(&line.as_bytes()[..line.len() - 1]), None, "{line}");
        }
    }

    #[test]
    fn a_line_has_107_bytes_at_most() {
        let of = |len: usize| format!("PROXY UNKNOWN {:x<1$}\r\n", "", len - 16);
        assert_eq!(in_every_cut(of(MAX_V1).as_bytes()), Some(Ok((ProxyHeader::Own, MAX_V1))));
        assert_eq!(in_every_cut(of(MAX_V1 + 1).as_bytes()), Some(Err(ProxyError::TooLong)));
        assert_eq!(in_every_cut(&of(MAX_V1 + 1).as_bytes()[..MAX_V1 - 1]), None);
        assert_eq!(in_every_cut(&of(MAX_V1 + 1).as_bytes()[..MAX_V1]), Some(Err(ProxyError::TooLong)));
    }

    #[test]
    fn lines_that_are_none() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 50000\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 50000 443 \r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.9 50000 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 50000 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 50000 +443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9 050 443\r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.9 50 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.9  443\r\n",
            "PROXY TCP4 ::1 ::1 50000 443\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.9 50000 443\r\n",
            "PROXY TCP5 192.0.2.1 192.0.2.9 50000 443\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.9 50000 443\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.9 50000 443\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY UNKNOWN\n",
            "PROXY UNKNOWN\rx",
            "PROXY UNKNOWN \u{e9}\r\r\n",
        ] {
            assert_eq!(in_every_cut(line.as_bytes()), Some(Err(ProxyError::Line)), "{line:?}");
        }
        assert_eq!(in_every_cut(b"PROXY UNKNOWN \xff\r\n"), Some(Err(ProxyError::Line)));
    }

    #[test]
    fn what_does_not_begin_as_one_is_refused_at_its_first_byte() {
        for (bytes, shown) in [
            (&b"GET / HTTP/1.1\r\n"[..], 1),
            (b"\x16\x03\x01", 1),
            (b"POST", 2),
            (b"PROXYTCP4", 6),
            (b"\r\n\r\n\0\r\nQUIT\r", 12),
            (b"\r\nGET", 3),
            (b"\0", 1),
        ] {
            assert_eq!(in_every_cut(&bytes[..shown - 1]), None, "{bytes:?}");
            assert_eq!(in_every_cut(&bytes[..shown]), Some(Err(ProxyError::Missing)), "{bytes:?}");
        }
    }

    #[test]
    fn binary_headers() {
        let v6 = {
            let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
            [&ip("2001:db8::1")[..], &ip("::1"), &[0, 1, 0, 2]].concat()
        };
        let with_tlv = [&V4[..], &[0x02, 0, 3], b"a.b", &[0x04, 0, 0]].concat();
        let far = tcp("192.0.2.1:50000", "192.0.2.9:443");
        for (bytes, header) in [
            (binary(PROXY, TCP4, &V4), far),
            (binary(PROXY, TCP4, &with_tlv), far),
            (binary(PROXY, TCP4, &[&V4[..], &[0xee; MAX_V2 - FIXED - 12]].concat()), far),
            (binary(PROXY, TCP6, &v6), tcp("[2001:db8::1]:1", "[::1]:2")),
            (binary(LOCAL, 0, &[]), ProxyHeader::Own),
            (binary(LOCAL, TCP4, &V4), ProxyHeader::Own),
            (binary(LOCAL, 0xff, &[1, 2]), ProxyHeader::Own),
            (binary(PROXY, 0x00, &[]), ProxyHeader::Own),
            (binary(PROXY, 0x00, &[0; 40]), ProxyHeader::Own),
            (binary(PROXY, 0x12, &V4), ProxyHeader::Own),
            (binary(PROXY, 0x22, &v6), ProxyHeader::Own),
            (binary(PROXY, 0x31, &[b'/'; 216]), ProxyHeader::Own),
        ] {
            assert_eq!(in_every_cut(&bytes), Some(Ok((header, bytes.len()))), "{bytes:x?}");
            let followed = [&bytes[..], b"\x16\x03\x01"].concat();
            assert_eq!(in_every_cut(&followed), Some(Ok((header, bytes.len()))), "{bytes:x?}");
            assert_eq!(in_every_cut(&bytes[..bytes.len() - 1]), None, "{bytes:x?}");
        }
    }

    #[test]
    fn binary_headers_that_are_none() {
        for (bytes, error) in [
            (binary(0x11, TCP4, &V4), ProxyError::Version),
            (binary(0x31, TCP4, &V4), ProxyError::Version),
            (binary(0x22, TCP4, &V4), ProxyError::Command),
            (binary(0x2f, TCP4, &V4), ProxyError::Command),
            (binary(PROXY, 0x10, &V4), ProxyError::Family),
            (binary(PROXY, 0x13, &V4), ProxyError::Family),
            (binary(PROXY, 0x41, &V4), ProxyError::Family),
            (binary(PROXY, TCP4, &V4[..11]), ProxyError::TooShort),
            (binary(PROXY, TCP6, &V4), ProxyError::TooShort),
            (binary(PROXY, 0x31, &[0; 215]), ProxyError::TooShort),
            (binary(PROXY, TCP4, &[0; MAX_V2 - FIXED + 1]), ProxyError::TooLong),
            (binary(LOCAL, 0, &[0; u16::MAX as usize]), ProxyError::TooLong),
        ] {
            assert_eq!(in_every_cut(&bytes), Some(Err(error)), "{:x?}", &bytes[..FIXED]);
            // The fixed part shows it: nothing more is needed.
            assert_eq!(in_every_cut(&bytes[..FIXED]), Some(Err(error)), "{:x?}", &bytes[..FIXED]);
        }
    }
}
