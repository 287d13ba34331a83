//! The content of messages: a pattern, text and JSON that follow from a seed, or what the user gives.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bowsprit::frame::DataKind;
use bowsprit_lab::random::Random;
use clap::ValueEnum;

/// What the text consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Script {
    /// One sentence again and again.
    Ascii,
    /// The same, mostly in letters of two bytes.
    Cyrillic,
    /// Random words, each message different.
    Words,
    /// Random JSON, each message different.
    Json,
}

/// The source of the payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Bytes that count up.
    Pattern,
    Text(Script),
    /// The user's own bytes, from the command line or a file.
    Given(Vec<u8>),
}

/// Payloads of the same length, which are sent in turn.
#[derive(Debug)]
pub(super) struct Payloads {
    pub(super) kind: DataKind,
    /// The number of bytes in each.
    pub(super) size: usize,
    /// How many there are.
    pub(super) count: usize,
    bytes: Vec<u8>,
}

/// The longest message: it and its frame fit into memory together.
const LONGEST: usize = 1 << 30;

impl Payloads {
    /// Creates `count` payloads if they are random, else one.
    pub(super) fn new(
        kind: DataKind,
        source: Source,
        size: usize,
        count: usize,
        seed: u64,
    ) -> Result<Self, &'static str> {
        if size > LONGEST {
            return Err("--size is at most 1G");
        }
        let mut random = Random::new(seed);
        let (bytes, count) = match source {
            Source::Pattern => ((0..size).map(|at| (at % 251) as u8).collect(), 1),
            Source::Text(Script::Ascii) => {
                (sentence("The quick brown fox jumps over the lazy dog. ", size), 1)
            }
            Source::Text(Script::Cyrillic) => {
                (sentence("Съешь ещё этих мягких французских булок, да выпей чаю. ", size), 1)
            }
            Source::Text(Script::Words) => (each(count, || words(size, &mut random)), count),
            Source::Text(Script::Json) => (each(count, || json(size, &mut random)), count),
            Source::Given(bytes) => (bytes, 1),
        };
        let size = bytes.len() / count;
        Ok(Self { kind, size, count, bytes })
    }

    /// Returns the payload of message `number` of a connection.
    #[inline]
    pub(super) fn of(&self, number: u64) -> &[u8] {
        if self.count == 1 {
            return &self.bytes;
        }
        let at = (number % self.count as u64) as usize;
        &self.bytes[at * self.size..][..self.size]
    }
}

/// Reads a message from a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let wrong = |error: std::io::Error| format!("{shown}: {error}");
    let mut bytes = Vec::new();
    File::open(path).map_err(wrong)?.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > LONGEST { Err(format!("{shown} has more than 1G")) } else { Ok(bytes) }
}

fn each(count: usize, mut make: impl FnMut() -> String) -> Vec<u8> {
    (0..count).flat_map(|_| make().into_bytes()).collect()
}

/// Returns exactly `size` bytes of a repeated sentence.
fn sentence(pattern: &str, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size);
    for character in pattern.chars().cycle() {
        if text.len() + character.len_utf8() > size {
            break;
        }
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    text.resize(size, b'.');
    text
}

/// Returns exactly `size` bytes of words, with short ones more frequent than long ones, as in a language.
fn words(size: usize, random: &mut Random) -> String {
    let mut text = String::with_capacity(size + 16);
    while text.len() < size {
        let word = random.below(1 + random.clone().below(WORDS.len()));
        text += WORDS[word];
        text.push(if random.below(10) == 0 { '\n' } else { ' ' });
    }
    text.truncate(size);
    text
}

const WORDS: [&str; 48] = [
    "the",
    "of",
    "and",
    "to",
    "a",
    "in",
    "is",
    "it",
    "for",
    "that",
    "on",
    "with",
    "as",
    "be",
    "at",
    "by",
    "not",
    "this",
    "are",
    "or",
    "from",
    "have",
    "you",
    "which",
    "one",
    "was",
    "all",
    "message",
    "their",
    "when",
    "there",
    "server",
    "more",
    "other",
    "about",
    "client",
    "would",
    "time",
    "between",
    "frame",
    "connection",
    "without",
    "payload",
    "through",
    "another",
    "network",
    "question",
    "compression",
];

/// Returns exactly `size` bytes of JSON like that of an exchange: keys repeat, values do not.
fn json(size: usize, random: &mut Random) -> String {
    if size < 2 {
        return "7"[..size].to_owned();
    }
    let mut text = "[".to_owned();
    loop {
        let start = text.len();
        if start > 1 {
            text.push(',');
        }
        let symbol = ["AAPL", "MSFT", "GOOG", "NVDA"][random.below(4)];
        let side = ["buy", "sell"][random.below(2)];
        // A String accepts everything written to it.
        let _ = write!(
            text,
            r#"{{"id":{},"symbol":"{symbol}","side":"{side}","price":{}.{:02},"size":{}}}"#,
            random.below(100_000_000),
            random.below(1024),
            random.below(100),
            random.below(4096),
        );
        if text.len() >= size {
            text.truncate(start);
            break;
        }
    }
    // The rest is filled with a string, or with white space if that does not fit.
    let comma = if text.len() > 1 { "," } else { "" };
    let letters = (size - 1 - text.len()).checked_sub(comma.len() + 2);
    if let Some(letters) = letters {
        text += comma;
        text.push('"');
        text.extend((0..letters).map(|_| char::from(b'a' + random.below(26) as u8)));
        text.push('"');
    }
    text.extend(std::iter::repeat_n(' ', size - 1 - text.len()));
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_has_its_size_and_is_what_it_says() {
        for size in (0..200).chain([1000, 1001, 70_000]) {
            for script in [Script::Ascii, Script::Cyrillic, Script::Words, Script::Json] {
                let made = Payloads::new(DataKind::Text, Source::Text(script), size, 3, 1).unwrap();
                for number in 0..4 {
                    let text = std::str::from_utf8(made.of(number)).unwrap();
                    assert_eq!(text.len(), size, "{script:?}");
                    if script == Script::Json && size > 0 {
                        serde_json::from_str::<serde_json::Value>(text).expect(text);
                    }
                }
            }
        }
    }

    #[test]
    fn a_seed_says_which_and_each_differs() {
        for script in [Script::Words, Script::Json] {
            let make = |seed| Payloads::new(DataKind::Text, Source::Text(script), 500, 2, seed).unwrap();
            assert_eq!(make(1).of(0), make(1).of(2));
            assert_eq!(make(1).of(1), make(1).of(1));
            assert_ne!(make(1).of(0), make(1).of(1));
            assert_ne!(make(1).of(0), make(2).of(0));
        }
    }

    #[test]
    fn what_is_given_is_sent_as_it_is() {
        let given = Payloads::new(DataKind::Binary, Source::Given(b"xyz".to_vec()), 16, 64, 1).unwrap();
        assert_eq!((given.of(0), given.of(5), given.size), (&b"xyz"[..], &b"xyz"[..], 3));
        assert!(read(Path::new("no/such/file")).is_err_and(|why| why.starts_with("no/such/file: ")));
    }
}
