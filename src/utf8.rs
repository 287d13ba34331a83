//! UTF-8 that arrives in pieces (RFC 6455 §5.6, §8.1; RFC 3629).
//!
//! In: bytes, cut anywhere. Out: nothing while they can still become UTF-8; an error at the first byte after which they
//! cannot, even inside an incomplete character. Holds at most three bytes.

/// The bytes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

/// Converts bytes to text.
///
/// # Errors
///
/// [`NotUtf8`] if they are not UTF-8 or end inside a character.
#[inline]
pub fn validate(bytes: &[u8]) -> Result<&str, NotUtf8> {
    #[cfg(feature = "simd")]
    if bytes.len() >= SIMD_FROM {
        return simdutf8::basic::from_utf8(bytes).map_err(|_| NotUtf8);
    }
    core::str::from_utf8(bytes).map_err(|_| NotUtf8)
}

/// Below this length the standard library is as fast or faster (benches/NOTES.md, "utf8").
#[cfg(feature = "simd")]
const SIMD_FROM: usize = 64;

/// A check that continues across chunks.
///
/// ```
/// use bowsprit::utf8::Utf8Stream;
///
/// let mut stream = Utf8Stream::default();
/// let (front, back) = "κόσμε".as_bytes().split_at(3);
/// assert!(stream.push(front).is_ok());
/// assert!(stream.finish().is_err(), "a character is open");
/// assert!(stream.push(back).is_ok());
/// assert!(stream.finish().is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8Stream {
    /// The start of a character whose end has not arrived yet.
    open: [u8; 3],
    len: u8,
}

impl Utf8Stream {
    /// The state before the first byte.
    pub const EMPTY: Self = Self { open: [0; 3], len: 0 };

    /// Checks the next bytes.
    ///
    /// # Errors
    ///
    /// [`NotUtf8`] as soon as no continuation could make the bytes so far valid.
    pub fn push(&mut self, mut chunk: &[u8]) -> Result<(), NotUtf8> {
        while self.len > 0 {
            let Some((&next, rest)) = chunk.split_first() else { return Ok(()) };
            chunk = rest;
            let held = usize::from(self.len);
            let mut character = [0; 4];
            character[..held].copy_from_slice(&self.open[..held]);
            character[held] = next;
            let character = &character[..=held];
            if !starts_a_character(character) {
                return Err(NotUtf8);
            }
            if character.len() == character_len(character[0]) {
                self.len = 0;
            } else {
                self.open[held] = next;
                self.len += 1;
            }
        }
        let (whole, tail) = chunk.split_at(open_tail(chunk));
        validate(whole)?;
        if !tail.is_empty() {
            if !starts_a_character(tail) {
                return Err(NotUtf8);
            }
            self.open[..tail.len()].copy_from_slice(tail);
            self.len = tail.len() as u8; // at most 3
        }
        Ok(())
    }

    /// Checks that the input may end here.
    ///
    /// # Errors
    ///
    /// [`NotUtf8`] if the last character is incomplete.
    pub const fn finish(&self) -> Result<(), NotUtf8> {
        if self.len == 0 { Ok(()) } else { Err(NotUtf8) }
    }
}

/// Returns where the character starts that `chunk` cuts off at its end, or the length of `chunk` if it cuts none.
fn open_tail(chunk: &[u8]) -> usize {
    for back in 1..=chunk.len().min(3) {
        let at = chunk.len() - back;
        match chunk[at] {
            0x80..=0xbf => {}
            lead if character_len(lead) > back => return at,
            _ => break,
        }
    }
    chunk.len()
}

/// Returns how many bytes a character that starts with `lead` takes.
const fn character_len(lead: u8) -> usize {
    match lead {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

/// Returns whether these bytes, at most four, are a character or the start of one (RFC 3629 §4).
fn starts_a_character(bytes: &[u8]) -> bool {
    let second = match bytes[0] {
        0x00..=0x7f => return bytes.len() == 1,
        0xe0 => 0xa0..=0xbf, // shorter forms exist
        0xed => 0x80..=0x9f, // no surrogates
        0xf0 => 0x90..=0xbf, // shorter forms exist
        0xf4 => 0x80..=0x8f, // nothing above U+10FFFF
        0xc2..=0xdf | 0xe1..=0xef | 0xf1..=0xf3 => 0x80..=0xbf,
        _ => return false,
    };
    bytes.get(1).is_none_or(|byte| second.contains(byte))
        && bytes[1..].iter().skip(1).all(|byte| (0x80..=0xbf).contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns where the standard library sees the first byte that makes the input invalid, or the end.
    fn oracle(bytes: &[u8]) -> Result<(), usize> {
        match core::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(error) => Err(error.valid_up_to()),
        }
    }

    fn stream(chunks: &[&[u8]]) -> Result<Utf8Stream, NotUtf8> {
        let mut stream = Utf8Stream::default();
        for chunk in chunks {
            stream.push(chunk)?;
        }
        Ok(stream)
    }

    fn check_every_cut(bytes: &[u8]) {
        let expected = oracle(bytes).is_ok();
        let complete = core::str::from_utf8(bytes).is_ok();
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let result = stream(&[a, b]);
            assert_eq!(result.is_ok(), expected, "{bytes:x?} cut at {cut}");
            assert_eq!(result.is_ok_and(|s| s.finish().is_ok()), complete, "{bytes:x?} cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(stream(&single).is_ok(), expected, "{bytes:x?} byte by byte");
    }

    /// All sequences of up to three bytes, and all of four from the bytes at the borders of the ranges.
    #[test]
    fn agrees_with_the_standard_library() {
        for a in 0..=255u8 {
            check_every_cut(&[a]);
            for b in 0..=255u8 {
                check_every_cut(&[a, b]);
            }
        }
        let borders = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
            0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ];
        for a in borders {
            for b in borders {
                for c in borders {
                    check_every_cut(&[a, b, c]);
                    for d in borders {
                        check_every_cut(&[a, b, c, d]);
                    }
                }
            }
        }
    }

    #[test]
    fn every_character_passes_at_every_cut() {
        let mut bytes = [0; 4];
        for character in '\0'..=char::MAX {
            let text = character.encode_utf8(&mut bytes).as_bytes();
            for cut in 0..text.len() {
                let stream = stream(&[&text[..cut], &text[cut..]]);
                assert!(stream.is_ok_and(|s| s.finish().is_ok()), "{character:?} cut at {cut}");
            }
        }
    }

    /// Autobahn 6.4: the byte that makes the text invalid is refused at once, though its frame goes on.
    #[test]
    fn fails_on_the_first_bad_byte() {
        let text = "κόσμε".as_bytes();
        let mut bytes = text.to_vec();
        bytes.extend_from_slice(b"\xf4\x90");
        let mut stream = Utf8Stream::default();
        for (at, byte) in bytes.iter().enumerate() {
            let result = stream.push(core::slice::from_ref(byte));
            assert_eq!(result.is_err(), at == bytes.len() - 1, "byte {at}");
        }
    }

    #[test]
    fn long_runs_with_a_fault_anywhere() {
        let mut text = "aé€😀".repeat(40).into_bytes();
        assert_eq!(validate(&text).map(str::len), Ok(400));
        for at in 0..text.len() {
            let kept = core::mem::replace(&mut text[at], 0xff);
            assert!(validate(&text).is_err());
            for cut in [at / 2, at, at + 1] {
                assert!(stream(&[&text[..cut], &text[cut..]]).is_err(), "fault at {at}, cut at {cut}");
            }
            text[at] = kept;
        }
    }
}
