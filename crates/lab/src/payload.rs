//! Payloads that a case can name without storing them.
//!
//! Megabytes of test data are made when they are needed: a repeated pattern, or one of five synthetic files of the
//! sizes that the Autobahn suite uses, with the same character (structured text, picture, prose, markup, mostly
//! incompressible). They are the same on every run and every machine.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::random::Random;

/// A description of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// These bytes.
    Bytes(&'static [u8]),
    /// This pattern, repeated up to this many bytes.
    Cycle(&'static [u8], usize),
    /// A close code without a reason.
    Code(u16),
    /// One of the synthetic files in full.
    Data(Data),
}

/// The synthetic files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Data {
    /// Structured text.
    Json,
    /// A grey picture with gradients and noise.
    Bitmap,
    /// Prose.
    Prose,
    /// Markup.
    Html,
    /// Mostly incompressible data with text in between.
    Document,
}

impl Payload {
    /// No bytes.
    pub const EMPTY: Self = Self::Bytes(b"");

    /// Returns the number of bytes.
    pub fn len(self) -> usize {
        match self {
            Payload::Bytes(bytes) => bytes.len(),
            Payload::Cycle(_, len) => len,
            Payload::Code(_) => 2,
            Payload::Data(data) => data.size(),
        }
    }

    /// Returns whether there are no bytes.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes.
    pub fn bytes(self) -> Cow<'static, [u8]> {
        match self {
            Payload::Bytes(bytes) => Cow::Borrowed(bytes),
            Payload::Data(data) => Cow::Borrowed(data.bytes()),
            Payload::Cycle(..) | Payload::Code(_) => {
                let mut bytes = Vec::with_capacity(self.len());
                self.append_to(&mut bytes);
                Cow::Owned(bytes)
            }
        }
    }

    /// Appends the bytes to `out`.
    pub(crate) fn append_to(self, out: &mut Vec<u8>) {
        match self {
            Payload::Bytes(bytes) => out.extend_from_slice(bytes),
            Payload::Data(data) => out.extend_from_slice(data.bytes()),
            Payload::Code(code) => out.extend_from_slice(&code.to_be_bytes()),
            Payload::Cycle(pattern, len) => {
                let (start, end) = (out.len(), out.len() + len);
                out.reserve(len);
                out.extend_from_slice(&pattern[..pattern.len().min(len)]);
                // Doubling keeps megabytes cheap: until the end is reached, the bytes present are whole patterns.
                while out.len() < end && out.len() > start {
                    let again = (out.len() - start).min(end - out.len());
                    out.extend_from_within(start..start + again);
                }
            }
        }
    }

    /// Returns whether these are the bytes. They may be megabytes, so none are made for the comparison.
    pub(crate) fn is(self, bytes: &[u8]) -> bool {
        if bytes.len() != self.len() {
            return false;
        }
        match self {
            Payload::Bytes(own) => own == bytes,
            Payload::Data(data) => data.bytes() == bytes,
            Payload::Code(code) => code.to_be_bytes() == bytes,
            Payload::Cycle(pattern, len) => {
                let first = pattern.len().min(len);
                // The bytes start with the pattern, and each later byte equals the one a pattern before it.
                bytes[..first] == pattern[..first] && bytes[first..] == bytes[..len - first]
            }
        }
    }

    /// Returns `len` bytes from `offset` on, starting over at the end.
    pub fn slice(self, offset: usize, len: usize) -> Cow<'static, [u8]> {
        let whole = self.bytes();
        if whole.is_empty() {
            return Cow::Borrowed(&[]);
        }
        let mut at = offset % whole.len();
        if let Cow::Borrowed(whole) = whole
            && let Some(part) = whole.get(at..at + len)
        {
            return Cow::Borrowed(part);
        }
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let take = (whole.len() - at).min(len - bytes.len());
            bytes.extend_from_slice(&whole[at..at + take]);
            at = 0;
        }
        Cow::Owned(bytes)
    }
}

impl Data {
    /// Returns the size in bytes.
    pub const fn size(self) -> usize {
        match self {
            Data::Json => 194_056,
            Data::Bitmap => 263_222,
            Data::Prose => 222_218,
            Data::Html => 263_647,
            Data::Document => 1_042_328,
        }
    }

    /// Returns the bytes, which are made on first use.
    pub fn bytes(self) -> &'static [u8] {
        static FILES: [OnceLock<Vec<u8>>; 5] = [const { OnceLock::new() }; 5];
        FILES[self as usize].get_or_init(|| {
            let mut bytes = match self {
                Data::Json => json(self.size()),
                Data::Bitmap => bitmap(self.size()),
                Data::Prose => prose(self.size()),
                Data::Html => html(self.size()),
                Data::Document => document(self.size()),
            };
            bytes.truncate(self.size());
            bytes
        })
    }
}

const WORDS: [&str; 48] = [
    "anchor", "and", "are", "astern", "ballast", "beam", "below", "block", "boom", "bow", "by", "cable",
    "calm", "chart", "current", "deck", "drift", "fathom", "for", "from", "gale", "halyard", "harbour",
    "helm", "hull", "in", "jib", "keel", "knot", "lee", "log", "mast", "of", "on", "port", "reef", "rig",
    "sail", "shroud", "spar", "stern", "swell", "tack", "the", "tide", "to", "wake", "windward",
];

fn words(random: &mut Random, count: usize, out: &mut Vec<u8>) {
    for i in 0..count {
        if i > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(WORDS[random.below(WORDS.len())].as_bytes());
    }
}

fn json(size: usize) -> Vec<u8> {
    let mut random = Random::new(1);
    let mut out = b"[\n".to_vec();
    let mut id = 0;
    while out.len() < size {
        out.extend_from_slice(
            format!(
                "  {{\"id\": {id}, \"lat\": {}.{:05}, \"name\": \"",
                random.below(90),
                random.below(100_000)
            )
            .as_bytes(),
        );
        words(&mut random, 2, &mut out);
        out.extend_from_slice(b"\", \"note\": \"");
        words(&mut random, 9, &mut out);
        out.extend_from_slice(b"\", \"open\": true},\n");
        id += 1;
    }
    out
}

fn bitmap(size: usize) -> Vec<u8> {
    let mut random = Random::new(2);
    (0..size).map(|i| ((i % 512) / 3 + (i / 512) / 5 + random.below(8)) as u8).collect()
}

fn prose(size: usize) -> Vec<u8> {
    let mut random = Random::new(3);
    let mut out = Vec::new();
    while out.len() < size {
        let count = 5 + random.below(9);
        words(&mut random, count, &mut out);
        out.extend_from_slice(if random.below(6) == 0 { b".\r\n\r\n" } else { b",\r\n" });
    }
    out
}

fn html(size: usize) -> Vec<u8> {
    let mut random = Random::new(4);
    let mut out = b"<!DOCTYPE html>\n<html><body>\n".to_vec();
    while out.len() < size {
        out.extend_from_slice(
            format!("<div class=\"entry c{}\"><a href=\"/view/{}\">", random.below(9), random.below(10_000))
                .as_bytes(),
        );
        words(&mut random, 3, &mut out);
        out.extend_from_slice(b"</a><p>");
        words(&mut random, 20, &mut out);
        out.extend_from_slice(b"</p></div>\n");
    }
    out
}

fn document(size: usize) -> Vec<u8> {
    let mut random = Random::new(5);
    let mut out = Vec::new();
    while out.len() < size {
        out.extend_from_slice(b"<< /Type /Page /Parent 2 0 R /Resources 4 0 R >>\nstream\n");
        for _ in 0..512 {
            out.extend_from_slice(&random.next().to_le_bytes());
        }
        out.extend_from_slice(b"\nendstream\nendobj\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_has_its_length_and_its_period() {
        for len in [0, 1, 9, 10, 11, 25, 1000] {
            let payload = Payload::Cycle(b"0123456789", len);
            let bytes = payload.bytes();
            assert_eq!(bytes.len(), len);
            assert!(bytes.iter().enumerate().all(|(i, byte)| *byte == b'0' + (i % 10) as u8));
            assert!(payload.is(&bytes) && !payload.is(&[&bytes[..], b"0"].concat()));
            for at in 0..len {
                let mut other = bytes.to_vec();
                other[at] ^= 1;
                assert!(!payload.is(&other), "byte {at} of {len}");
            }
            let mut behind = b"before".to_vec();
            payload.append_to(&mut behind);
            assert_eq!(behind, [b"before", &bytes[..]].concat());
        }
        assert!(Payload::Cycle(b"", 5).bytes().is_empty());
    }

    #[test]
    fn a_slice_starts_over_at_the_end() {
        assert_eq!(*Payload::Bytes(b"abc").slice(2, 5), *b"cabca");
        assert_eq!(*Payload::Bytes(b"abc").slice(4, 2), *b"bc");
        assert_eq!(*Payload::EMPTY.slice(2, 5), *b"");
    }

    #[test]
    fn the_synthetic_files_have_their_sizes() {
        for data in [Data::Json, Data::Bitmap, Data::Prose, Data::Html, Data::Document] {
            assert_eq!(data.bytes().len(), data.size(), "{data:?}");
        }
    }
}
