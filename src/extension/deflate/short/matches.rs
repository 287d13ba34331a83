//! What in a message has been said before in it: literals and references back (RFC 1951 §3.2.5), and how often each comes.

use super::tables::{DIST_SYMBOLS, LIT_SYMBOLS, dist_symbol, length_symbol};

/// A literal, or a length and a distance.
///
/// Below 256: a literal; else the length in the upper half, the distance in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(u32);

impl Token {
    #[inline]
    const fn reference(len: usize, dist: usize) -> Self {
        Self((len as u32) << 16 | dist as u32)
    }

    /// The literal, or nothing.
    #[inline]
    pub(super) const fn literal(self) -> Option<u8> {
        if self.0 < 256 { Some(self.0 as u8) } else { None }
    }

    /// Length and distance of a reference.
    #[inline]
    pub(super) const fn parts(self) -> (usize, usize) {
        ((self.0 >> 16) as usize, (self.0 & 0xffff) as usize)
    }
}

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Effort {
    /// Places that are looked at for each position.
    places: usize,
    /// A reference of so many bytes is taken without a look at the next position.
    nice: usize,
}

impl Effort {
    /// What a level asks for, for a message of this length; `None` where another encoder looks harder, or not at all.
    pub(in super::super) const fn of(level: u8, len: usize) -> Option<Self> {
        let (places, nice) = match level {
            1 => (1, 4),
            2 => (2, 8),
            3 => (4, 8),
            // In a longer message more places are worth a look.
            4 if len <= 2048 => (2, 8),
            4 => (4, 16),
            5 => (8, 32),
            _ => return None,
        };
        Some(Self { places, nice })
    }
}

/// References are looked for by hashes of four bytes.
const SHORTEST: usize = 4;
/// §3.2.5.
const LONGEST: usize = 258;
/// Where nothing came before.
const NOWHERE: u16 = 0;

/// Finds them, in memory that it keeps.
#[derive(Default)]
pub(super) struct Matches {
    /// For each hash the last position at which it came, one higher.
    heads: Vec<u16>,
    /// For each position the one before at which its hash came, one higher.
    earlier: Vec<u16>,
    pub(super) found: Found,
}

/// What a message says, and how often it says it.
pub(super) struct Found {
    pub(super) tokens: Vec<Token>,
    pub(super) literals: [u16; LIT_SYMBOLS],
    pub(super) distances: [u16; DIST_SYMBOLS],
}

impl Default for Found {
    fn default() -> Self {
        Self { tokens: Vec::new(), literals: [0; LIT_SYMBOLS], distances: [0; DIST_SYMBOLS] }
    }
}

impl Matches {
    /// Finds them in `input`, which has less than 65,535 bytes, no distance beyond `window`.
    pub(super) fn find(&mut self, input: &[u8], window: usize, effort: Effort) {
        let found = &mut self.found;
        found.begin(input.len());
        // As many hashes as bytes, within bounds: more would only have to be cleared.
        let bits = (usize::BITS - input.len().leading_zeros()).clamp(LEAST_BITS, MOST_BITS);
        self.heads.clear();
        self.heads.resize(1 << bits, NOWHERE);
        if self.earlier.len() < input.len() {
            self.earlier.resize(input.len(), NOWHERE);
        }
        let mut search = Search {
            input,
            window,
            places: effort.places,
            shift: u32::BITS - bits,
            heads: &mut self.heads,
            earlier: &mut self.earlier,
        };
        // Positions from here on have no four bytes.
        let last = input.len().saturating_sub(SHORTEST - 1);
        // The reference from the position before, which waits for a longer one.
        let mut waiting: Option<(usize, usize)> = None;
        let mut at = 0;
        while at < last {
            let known = waiting.map_or(SHORTEST - 1, |(len, _)| len);
            let longer = search.longest(at, known);
            let (start, len, dist) = match (waiting, longer) {
                (Some((len, dist)), None) => (at - 1, len, dist),
                (before, Some((len, dist))) => {
                    if before.is_some() {
                        found.say(input[at - 1]);
                    }
                    if len < effort.nice {
                        waiting = longer;
                        at += 1;
                        continue;
                    }
                    (at, len, dist)
                }
                (None, None) => {
                    found.say(input[at]);
                    at += 1;
                    continue;
                }
            };
            found.refer(len, dist);
            for inside in at + 1..(start + len).min(last) {
                search.enter(inside);
            }
            at = start + len;
            waiting = None;
        }
        if let Some((len, dist)) = waiting {
            found.refer(len, dist);
            at += len - 1;
        }
        for &byte in input.get(at..).unwrap_or_default() {
            found.say(byte);
        }
    }
}

impl Matches {
    /// Bytes of memory held, beside its own size.
    pub(super) fn memory(&self) -> usize {
        size_of::<u16>() * (self.heads.capacity() + self.earlier.capacity())
            + size_of::<Token>() * self.found.tokens.capacity()
    }
}

impl Found {
    fn begin(&mut self, len: usize) {
        self.tokens.clear();
        self.tokens.reserve(len);
        self.literals = [0; LIT_SYMBOLS];
        self.distances = [0; DIST_SYMBOLS];
    }

    #[inline]
    fn say(&mut self, byte: u8) {
        self.literals[usize::from(byte)] += 1;
        self.tokens.push(Token(byte.into()));
    }

    #[inline]
    fn refer(&mut self, len: usize, dist: usize) {
        self.literals[257 + length_symbol(len)] += 1;
        self.distances[dist_symbol(dist)] += 1;
        self.tokens.push(Token::reference(len, dist));
    }
}

/// Bits of a hash.
const LEAST_BITS: u32 = 6;
const MOST_BITS: u32 = 12;

struct Search<'a> {
    input: &'a [u8],
    window: usize,
    places: usize,
    shift: u32,
    heads: &'a mut [u16],
    earlier: &'a mut [u16],
}

impl Search<'_> {
    /// From now on this position is found by the four bytes there; which one was found before.
    #[inline]
    fn enter(&mut self, at: usize) -> u16 {
        let four = self.input[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        // The upper bits of the product depend on all of them.
        let hash = (four.wrapping_mul(0x9e37_79b1) >> self.shift) as usize;
        let before = std::mem::replace(&mut self.heads[hash], at as u16 + 1);
        self.earlier[at] = before;
        before
    }

    /// The longest reference from here that is longer than `known`.
    #[inline]
    fn longest(&mut self, at: usize, known: usize) -> Option<(usize, usize)> {
        let mut place = self.enter(at);
        let (mut best, mut found) = (known, None);
        let rest = &self.input[at..];
        let most = rest.len().min(LONGEST);
        for _ in 0..self.places {
            let Some(before) = usize::from(place).checked_sub(1) else { break };
            let dist = at - before;
            if dist > self.window || best >= most {
                break;
            }
            // One that is longer has this byte in common, too.
            if self.input[before + best] == rest[best] {
                let len = common(&self.input[before..], rest, most);
                if len > best {
                    (best, found) = (len, Some((len, dist)));
                }
            }
            place = self.earlier[before];
        }
        found
    }
}

/// How many bytes two slices have in common at their start, `most` at the most, which neither is shorter than.
#[inline]
fn common(a: &[u8], b: &[u8], most: usize) -> usize {
    let (a, b) = (&a[..most], &b[..most]);
    let mut len = 0;
    while let (Some(x), Some(y)) = (a[len..].first_chunk::<8>(), b[len..].first_chunk::<8>()) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return len + (differ.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len + a[len..].iter().zip(&b[len..]).take_while(|(x, y)| x == y).count()
}
