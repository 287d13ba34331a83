//! The UTF-8 check against the standard library, for every cut: it fails with the first byte after which nothing can
//! be mended, and not before (RFC 6455 §8.1).

use bowsprit::utf8::{Utf8Stream, validate};

/// Every cut of a longer input would be every cut of a short one again.
const MAX: usize = 300;

pub fn run(data: &[u8]) {
    let expected = std::str::from_utf8(data);
    assert_eq!(validate(data).ok(), expected.ok());
    let data = &data[..data.len().min(MAX)];
    // After so many bytes nothing can be mended.
    let bad = match std::str::from_utf8(data) {
        Err(error) if error.error_len().is_some() => {
            Some((error.valid_up_to()..=data.len()).find(|&len| is_bad(&data[..len])).unwrap_or(data.len()))
        }
        _ => None,
    };
    let whole = std::str::from_utf8(data).is_ok();

    let mut stream = Utf8Stream::default();
    for (at, byte) in data.iter().enumerate() {
        let pushed = stream.push(&[*byte]);
        assert_eq!(pushed.is_err(), bad == Some(at + 1), "byte {at} of {data:x?}");
        if pushed.is_err() {
            break;
        }
        assert_eq!(stream.finish().is_ok(), std::str::from_utf8(&data[..=at]).is_ok());
    }
    for cut in 0..=data.len() {
        let mut stream = Utf8Stream::default();
        let front = stream.push(&data[..cut]);
        assert_eq!(front.is_err(), bad.is_some_and(|bad| bad <= cut), "cut at {cut}: {data:x?}");
        if front.is_ok() {
            assert_eq!(stream.push(&data[cut..]).is_err(), bad.is_some(), "cut at {cut}: {data:x?}");
            if bad.is_none() {
                assert_eq!(stream.finish().is_ok(), whole);
            }
        }
    }
}

/// Returns whether no continuation makes this UTF-8.
fn is_bad(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}
