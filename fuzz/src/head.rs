//! HTTP heads: any cut gives the same head or the same error, limits hold, and a head holds nothing that is not allowed
//! in one.

use crate::support::Cuts;
use bowsprit::handshake::{Head, HeadError, HeadLimits, HeadReader, Progress};

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let limits = match data.first() {
        Some(byte) if byte & 1 != 0 => HeadLimits::new(200, 3),
        _ => HeadLimits::default(),
    };
    for reader in [HeadReader::request(limits), HeadReader::response(limits)] {
        let whole = read(reader.clone(), &[data], &limits);
        let cut = read(reader.clone(), &cuts.pieces(data), &limits);
        assert_eq!(cut, whole, "{cuts:?}");
        let each: Vec<&[u8]> = data.chunks(1).collect();
        assert_eq!(read(reader, &each, &limits), whole, "byte by byte");
        if let Ok(Some((head, _))) = whole {
            judge(&head, &limits);
        }
    }
}

/// Returns the head and the number of bytes that it took, the error, or nothing yet.
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
                assert!(reader.bytes().is_empty(), "and holds nothing");
                return Err(error);
            }
        }
        assert!(reader.bytes().len() <= limits.max_bytes, "no more is held than the limit says");
    }
    Ok(None)
}

fn judge(head: &Head, limits: &HeadLimits) {
    assert!(head.bytes().len() <= limits.max_bytes);
    assert!(head.bytes().ends_with(b"\r\n\r\n"));
    assert_eq!(head.bytes().windows(4).filter(|four| four == b"\r\n\r\n").count(), 1);
    let mut fields = 0;
    for (name, value) in head.headers() {
        fields += 1;
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        assert!(value.iter().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f), "{value:x?}");
        assert!(value.first().is_none_or(|byte| !byte.is_ascii_whitespace()), "blanks are no part of it");
        assert!(value.last().is_none_or(|byte| !byte.is_ascii_whitespace()));
        assert!(head.has(name) && head.values(name).any(|this| this == value));
    }
    assert!(fields <= limits.max_headers);
}
