//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 §1.3, §4.1, §4.2.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The value of a `Sec-WebSocket-Key`: the base64 text of 16 bytes.
///
/// Only the canonical text of exactly 16 bytes is a key: 24 characters of the standard alphabet, padding
/// included, and zero in the four bits that the last character has to spare. RFC 4648 §3.5 lets a reader refuse
/// other bits there; no encoder writes them, so whoever does made the text up.
///
/// ```
/// use bowsprit::handshake::Key;
///
/// let key = Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
/// assert_eq!(key, Key::from_nonce(*b"the sample nonce"));
/// assert_eq!(key.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of this nonce (§4.1: "a randomly selected 16-byte value").
    pub const fn from_nonce(nonce: [u8; 16]) -> Self {
        Self(nonce)
    }

    /// The key with this text, if it is one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        // 24 characters decode to 18 bytes at most, so that is the room the decoder asks for.
        let mut bytes = [0; 18];
        if text.len() != 24 || STANDARD.decode_slice(text, &mut bytes) != Ok(16) {
            return None;
        }
        bytes.first_chunk().map(|nonce| Self(*nonce))
    }

    /// The text of the key.
    pub fn text(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The `Sec-WebSocket-Accept` that proves the key was read (§4.2.2 step 5.4).
    pub fn accept(&self) -> String {
        STANDARD.encode(Sha1::new().chain_update(self.text()).chain_update(GUID).finalize())
    }
}

/// §1.3: "unlikely to be used by network endpoints that do not understand the WebSocket Protocol".
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_canonical_base64() {
        for text in [
            "dGhlIHNhbXBsZSBub25jZQ==",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "/////////////////////w==",
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
            // Bits to spare that are not zero.
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25jZf==",
        ] {
            assert_eq!(Key::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Key::parse(&[b'A'; 8192]), None);
        assert_eq!(Key::parse(&[0xff; 24]), None);
    }

    #[test]
    fn a_key_survives_its_text() {
        for seed in 0..=255u8 {
            let nonce = std::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add(i as u8 * 17));
            let key = Key::from_nonce(nonce);
            assert_eq!(Key::parse(key.text().as_bytes()), Some(key));
        }
    }
}
