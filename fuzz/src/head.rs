//! HTTP heads: any cut gives the same head or the same error, limits hold, and nothing in a head is what no head holds.

use crate::support::Cuts;
use bowsprit::handshake::{Head, HeadError, HeadLimits, HeadReader, Progress};

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let limits = match data.first() {
        Some(octet) if octet & 1 != 0 => HeadLimits { max_bytes: 200, max_headers: 3 },
        _ => HeadLimits::default(),
    };
    for reader in [HeadReader::request(limits), HeadReader::response(limits)] {
        let whole = read(reader.clone(), &[data], &limits);
        let cut = read(reader.clone(), &cuts.pieces(data), &limits);
        assert_eq!(cut, whole, "{cuts:?}");
        let each: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(read(reader, &each, &limits), whole, "octet by octet");
        if let Ok(Some((head, _))) = whole {
            judge(&head, &limits);
        }
    }
}

/// The head and the octets that it took, the error, or nothing yet.
fn read(
    mut reader: HeadReader,
    pieces: &[&[u8]],
    limits: &HeadLimits,
) -> Result<Option<(Head, usize)>, HeadError> {
    let mut taken = 0;
    for piece in pieces {
        match reader.receive(piece) {
            Ok(Progress::NeedMore) => taken += piece.len(),
            Ok(Progress::Done { value, used }) => {
                assert!(used <= piece.len());
                return Ok(Some((value, taken + used)));
            }
            Err(error) => {
                assert_eq!(reader.receive(b"GET / HTTP/1.1\r\n\r\n"), Err(error), "an error stays");
                assert!(reader.octets().is_empty(), "and holds nothing");
                return Err(error);
            }
        }
        assert!(reader.octets().len() <= limits.max_bytes, "no more is held than the limit says");
    }
    Ok(None)
}

fn judge(head: &Head, limits: &HeadLimits) {
    assert!(head.octets().len() <= limits.max_bytes);
    assert!(head.octets().ends_with(b"\r\n\r\n"));
    assert_eq!(head.octets().windows(4).filter(|four| four == b"\r\n\r\n").count(), 1);
    let mut fields = 0;
    for (name, value) in head.headers() {
        fields += 1;
        assert!(!name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':'));
        assert!(value.iter().all(|octet| *octet == b'\t' || *octet >= b' ' && *octet != 0x7f), "{value:x?}");
        assert!(value.first().is_none_or(|octet| !octet.is_ascii_whitespace()), "blanks are no part of it");
        assert!(value.last().is_none_or(|octet| !octet.is_ascii_whitespace()));
        assert!(head.has(name) && head.values(name).any(|this| this == value));
    }
    assert!(fields <= limits.max_headers);
}
