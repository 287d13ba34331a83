//! Headers of the PROXY protocol. Any cut gives the same header or the same error, no more is taken than allowed, and
//! what is written is read back.

use std::net::SocketAddr;

use crate::support::Cuts;
use bowsprit::handshake::{MAX_PROXY_V1, MAX_PROXY_V2, Progress, ProxyError, ProxyHeader, ProxyHeaderReader};

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let whole = read(&[data]);
    assert_eq!(read(&cuts.pieces(data)), whole, "{cuts:?}");
    let each: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(read(&each), whole, "byte by byte");
    if let Ok(Some((header, used))) = whole {
        let is_line = data.starts_with(b"PROXY ");
        assert!(used <= if is_line { MAX_PROXY_V1 } else { MAX_PROXY_V2 });
        if let ProxyHeader::Tcp { source, destination } = header {
            for written in [line(source, destination), binary(source, destination)] {
                let again = [&written[..], b"GET"].concat();
                assert_eq!(read(&cuts.pieces(&again)), Ok(Some((header, written.len()))), "{header:?}");
            }
        }
    }
}

/// Returns the header and the number of bytes that it took, the error, or nothing yet.
fn read(pieces: &[&[u8]]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
    let (mut reader, mut taken) = (ProxyHeaderReader::new(), 0);
    for piece in pieces {
        match reader.receive(piece) {
            Ok(Progress::NeedMore) => taken += piece.len(),
            Ok(Progress::Done { value, used }) => {
                assert!(used <= piece.len());
                return Ok(Some((value, taken + used)));
            }
            Err(error) => {
                assert_eq!(reader.receive(b"PROXY UNKNOWN\r\n"), Err(error), "an error stays");
                return Err(error);
            }
        }
        assert!(taken < MAX_PROXY_V2, "a header that is too long is refused");
    }
    Ok(None)
}

fn line(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.port(), destination.port());
    format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), destination.ip()).into_bytes()
}

fn binary(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (family, addresses) = match (source, destination) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => (0x11, [from.ip().octets(), to.ip().octets()].concat()),
        (SocketAddr::V6(from), SocketAddr::V6(to)) => (0x21, [from.ip().octets(), to.ip().octets()].concat()),
        families => panic!("{families:?}"),
    };
    let len = addresses.len() as u8 + 4;
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    bytes.extend([family, 0, len]);
    bytes.extend(addresses);
    bytes.extend(source.port().to_be_bytes());
    bytes.extend(destination.port().to_be_bytes());
    bytes
}
