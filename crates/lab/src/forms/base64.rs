//! Base64, in either alphabet, on one line or wrapped.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::found::Found;

/// Shorter texts without padding may be words.
const SHORTEST: usize = 12;

pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    if let Some((_, data)) = text.rsplit_once(";base64,") {
        return Some(declared(data));
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    let width = lines.peek()?.len();
    let lines: Vec<&str> = lines.collect();
    let (last, wrapped) = lines.split_last()?;
    let is_wrapped =
        last.len() <= width && wrapped.iter().all(|line| line.len() == width && width.is_multiple_of(4));
    let packed = lines.concat();
    let is_in_alphabet = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'-' | b'_' | b'=');
    let is_hexadecimal =
        packed.starts_with("0x") || packed.bytes().all(|c| c.is_ascii_hexdigit() || matches!(c, b'-' | b'_'));
    let is_whole = packed.len().is_multiple_of(4);
    // Random bytes give digits and letters of both cases; words do not.
    let has_all = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase]
        .iter()
        .all(|kind| packed.bytes().any(|c| kind(&c)));
    let is_likely = is_whole || packed.ends_with('=') || (packed.len() >= SHORTEST && has_all);
    if !is_wrapped || !packed.bytes().all(is_in_alphabet) || is_hexadecimal || !is_likely {
        return None;
    }
    let mut found = decode(&packed).ok()?;
    if is_whole && !packed.contains(['+', '/', '=', '-', '_']) {
        found.notes.push("read as base64".to_owned());
    }
    Some(Ok(found))
}

/// Reads a text that is declared to be base64.
pub(super) fn declared(text: &str) -> Result<Found, String> {
    decode(&text.split_whitespace().collect::<String>())
}

fn decode(packed: &str) -> Result<Found, String> {
    let alphabet = if packed.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let data = packed.trim_end_matches('=');
    let padding = packed.len() - data.len();
    let is_padded = packed.len().is_multiple_of(4) && padding <= 2;
    let is_odd = data.len() % 4 == 1;
    let whole = if is_odd { data.get(..data.len() - 1).unwrap_or(data) } else { data };
    let read = |takes_any_bits| {
        let config = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(takes_any_bits);
        GeneralPurpose::new(alphabet, config).decode(whole)
    };
    let exact = read(false);
    // A cut text ends with bits of a byte that is not there.
    let is_cut = !is_padded && (is_odd || padding > 0 || exact.is_err());
    let bytes = if is_cut { read(true) } else { exact };
    let mut found = Found::of(bytes.map_err(|error| format!("this is no base64: {error}"))?);
    if is_cut {
        found.cut = Some("the base64 ends inside a group".to_owned());
    } else if !is_padded {
        found.notes.push("this base64 has no padding, as if it ended early".to_owned());
    }
    Ok(found)
}
