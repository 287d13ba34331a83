//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 §1.3, §4.1, §4.2.2).

use alloc::string::String;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The value of a `Sec-WebSocket-Key`: the base64 text of 16 bytes.
///
/// 24 characters of the standard alphabet, including padding. The last of them has four spare bits, which no encoder
/// sets; RFC 4648 §3.5 lets the reader refuse them. They are accepted, as the example in §4.1 of RFC 6455 has one set,
/// and kept, as `Sec-WebSocket-Accept` is computed from the text that was sent.
///
/// ```
/// use bowsprit::handshake::Key;
///
/// let key = Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
/// assert_eq!(key, Key::from_nonce(*b"the sample nonce"));
/// assert_eq!(key.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    nonce: [u8; 16],
    /// The four spare bits of the last character, in the high half.
    spare: u8,
}

impl Key {
    /// Creates the key of this nonce (§4.1: "a randomly selected 16-byte value").
    pub const fn from_nonce(nonce: [u8; 16]) -> Self {
        Self { nonce, spare: 0 }
    }

    /// Parses the text of a key.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits = text.strip_suffix(b"==").filter(|digits| digits.len() == DIGITS)?;
        // With zeros in place of the padding, the spare bits are those of a byte.
        let mut whole = [b'A'; DIGITS + 2];
        whole[..DIGITS].copy_from_slice(digits);
        let mut bytes = [0; 18];
        STANDARD.decode_slice(whole, &mut bytes).ok()?;
        Some(Self { nonce: *bytes.first_chunk()?, spare: bytes[16] })
    }

    /// Returns the text of the key.
    pub fn text(&self) -> String {
        let mut bytes = [0; 18];
        bytes[..16].copy_from_slice(&self.nonce);
        bytes[16] = self.spare;
        let mut text = STANDARD.encode(bytes);
        text.replace_range(DIGITS.., "==");
        text
    }

    /// Returns the `Sec-WebSocket-Accept` that proves that the key was read (§4.2.2 step 5.4).
    pub fn accept(&self) -> String {
        STANDARD.encode(Sha1::new().chain_update(self.text()).chain_update(GUID).finalize())
    }
}

/// How many characters of a key precede its padding.
const DIGITS: usize = 22;

/// §1.3: "unlikely to be used by network endpoints that do not understand the WebSocket Protocol".
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        for text in [
            "dGhlIHNhbXBsZSBub25jZQ==",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "/////////////////////w==",
            // The example of §4.1, and others whose spare bits are not zero.
            "AQIDBAUGBwgJCgsMDQ4PEC==",
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25jZf==",
            "++++++++++++++++++++++++",
        ] {
            let sixteen = text.ends_with("==");
            assert_eq!(Key::parse(text.as_bytes()).map(|key| key.text()), sixteen.then(|| text.to_owned()));
        }
        for text in [
            "",
            "====",
            // 15 and 17 bytes.
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZTE=",
            "dGhlIHNhbXBsZSBub25jZTEyMw==",
            // Not base64, the other alphabet, padding wrong.
            "!!!!!!!!!!!!!!!!!!!!!!!!",
            "__-_____________________",
            "____________________-w==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZ===",
            "dGhlIHNhbXBs ZSBub25jZQ=",
            "dGhlIHNhbXBs\tSBub25jZQ==",
        ] {
            assert_eq!(Key::parse(text.as_bytes()), None, "{text}");
        }
        let (canonical, other) =
            (Key::parse(b"dGhlIHNhbXBsZSBub25jZQ=="), Key::parse(b"dGhlIHNhbXBsZSBub25jZR=="));
        assert_ne!(
            canonical.unwrap().accept(),
            other.unwrap().accept(),
            "of the text, not of what it decodes to"
        );
        assert_eq!(Key::parse(&[b'A'; 8192]), None);
        assert_eq!(Key::parse(&[0xff; 24]), None);
    }

    #[test]
    fn a_key_survives_its_text() {
        for seed in 0..=255u8 {
            let nonce = core::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add(i as u8 * 17));
            let key = Key::from_nonce(nonce);
            assert_eq!(Key::parse(key.text().as_bytes()), Some(key));
        }
    }
}
