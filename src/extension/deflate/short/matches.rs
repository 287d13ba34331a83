//! Finds repetitions in a message: references back (RFC 1951 §3.2.5), and the count of each symbol.

use super::tables::{DIST_SYMBOLS, LIT_SYMBOLS, dist_symbol, length_symbol};

/// Some literals, followed by a length and a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The number of literals between the last reference and this one.
    pub(super) literals: u16,
    pub(super) len: u16,
    pub(super) dist: u16,
}

/// How thoroughly to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Effort {
    /// Whether to compare the last two positions with the same hash, and not only the last one.
    both: bool,
    /// If a reference is shorter than this, a longer one is looked for at the next position.
    nice: usize,
    /// How many positions inside a reference are entered at each of its ends, so that later references can reach them.
    inside: usize,
}

impl Effort {
    /// Returns the effort of a level for a message of this length, or `None` if another encoder searches harder, or not
    /// at all.
    pub(in super::super) const fn of(level: u8, len: usize) -> Option<Self> {
        let (both, nice, inside) = match level {
            // zlib-rs has its own algorithm for long ones: four fifths of the time, and a quarter more bytes.
            1 if len <= 4096 => (false, 0, 0),
            2 => (false, 8, 1),
            3 => (true, 8, 1),
            4 if len <= 2048 => (true, 8, 1),
            4 => (true, 8, 4),
            // In longer messages it pays to compare more positions.
            5 if len <= 4096 => (true, 32, usize::MAX),
            _ => return None,
        };
        Some(Self { both, nice, inside })
    }
}

/// The shortest reference: they are looked up by hashes of four bytes.
const SHORTEST: usize = 4;
/// The longest reference (§3.2.5).
const LONGEST: usize = 258;

/// Finds references, in memory that it keeps.
#[derive(Default)]
pub(super) struct Matches {
    /// The last position with each hash, or the last two.
    heads: Vec<u16>,
    /// In `heads` positions in the current message are above this, and those in earlier messages are not, so they need
    /// no clearing.
    before: u16,
    pub(super) found: Found,
}

/// The references of a message, and the count of each symbol.
pub(super) struct Found {
    /// Literals may follow the last reference.
    pub(super) references: Vec<Reference>,
    pub(super) literals: [u16; LIT_SYMBOLS],
    pub(super) distances: [u16; DIST_SYMBOLS],
}

impl Default for Found {
    fn default() -> Self {
        Self { references: Vec::new(), literals: [0; LIT_SYMBOLS], distances: [0; DIST_SYMBOLS] }
    }
}

impl Matches {
    /// Finds references in `input`, which has less than 65,535 bytes, with no distance beyond `window`.
    pub(super) fn find(&mut self, input: &[u8], window: usize, effort: Effort) {
        self.found.begin(input.len());
        if effort.both {
            self.search::<2>(input, window, effort);
        } else {
            self.search::<1>(input, window, effort);
        }
    }

    fn search<const PLACES: usize>(&mut self, input: &[u8], window: usize, effort: Effort) {
        // Many more hashes than bytes, within bounds: comparing a wrong position, because two strings share a hash,
        // takes time.
        let bits = (usize::BITS + MORE_BITS - input.len().leading_zeros()).clamp(LEAST_BITS, MOST_BITS);
        let size = PLACES << bits;
        if self.heads.len() < size {
            self.heads.resize(size, 0);
        }
        let len = input.len() as u16; // less than 65,535
        if self.before.checked_add(len).is_none() {
            self.heads.fill(0);
            self.before = 0;
        }
        let heads = self.heads[..size].as_chunks_mut::<PLACES>().0;
        let first = usize::from(self.before) + 1;
        Search { input, window, shift: u32::BITS - bits, first, heads }.all(effort, &mut self.found);
        self.before += len;
    }

    /// Returns the bytes of memory held, besides its own size.
    pub(super) fn memory(&self) -> usize {
        size_of::<u16>() * self.heads.capacity() + size_of::<Reference>() * self.found.references.capacity()
    }
}

impl Found {
    fn begin(&mut self, len: usize) {
        self.references.clear();
        self.references.reserve(len / SHORTEST);
        self.literals = [0; LIT_SYMBOLS];
        self.distances = [0; DIST_SYMBOLS];
    }

    #[inline(always)]
    fn say(&mut self, byte: u8) {
        self.literals[usize::from(byte)] += 1;
    }

    #[inline(always)]
    fn refer(&mut self, literals: usize, Place { len, dist }: Place) {
        self.literals[257 + length_symbol(len)] += 1;
        self.distances[dist_symbol(dist)] += 1;
        self.references.push(Reference { literals: literals as u16, len: len as u16, dist: dist as u16 });
    }
}

/// A hash has this many bits more than the length, between the following two bounds.
const MORE_BITS: u32 = 3;
const LEAST_BITS: u32 = 6;
const MOST_BITS: u32 = 14;

struct Search<'a, const PLACES: usize> {
    input: &'a [u8],
    window: usize,
    shift: u32,
    /// The entry in `heads` for the first position; lower entries stand for no position.
    first: usize,
    /// The newer position comes first.
    heads: &'a mut [[u16; PLACES]],
}

/// `len` bytes that repeat those `dist` bytes before.
#[derive(Clone, Copy)]
struct Place {
    len: usize,
    dist: usize,
}

impl<const PLACES: usize> Search<'_, PLACES> {
    #[inline(always)]
    fn all(&mut self, effort: Effort, found: &mut Found) {
        let input = self.input;
        // From here on no four bytes are left.
        let last = input.len().saturating_sub(SHORTEST - 1);
        let (mut at, mut said) = (0, 0);
        while at < last {
            let Some(mut place) = self.longest(at, SHORTEST) else {
                found.say(input[at]);
                at += 1;
                continue;
            };
            let mut entered = at + 1;
            // A longer match may begin at the next position.
            while place.len < effort.nice && at + 1 < last {
                entered = at + 2;
                let Some(longer) = self.longest(at + 1, place.len + 1) else { break };
                found.say(input[at]);
                at += 1;
                place = longer;
            }
            found.refer(at - said, place);
            at += place.len;
            let end = at.min(last);
            let first = end.min(entered.saturating_add(effort.inside));
            let mut inside = entered;
            while inside < first {
                self.enter(inside);
                inside += 1;
            }
            inside = inside.max(end.saturating_sub(effort.inside));
            while inside < end {
                self.enter(inside);
                inside += 1;
            }
            said = at;
        }
        for &byte in input.get(at..).unwrap_or_default() {
            found.say(byte);
        }
    }

    /// Enters this position under the hash of its four bytes. Returns the entries that were there before.
    #[inline(always)]
    fn enter(&mut self, at: usize) -> [u16; PLACES] {
        let four = self.input[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        // The upper bits of the product depend on all four bytes.
        let hash = (four.wrapping_mul(0x9e37_79b1) >> self.shift) as usize;
        let head = &mut self.heads[hash];
        let before = *head;
        let newest = (self.first + at) as u16;
        *head = std::array::from_fn(|place| if place == 0 { newest } else { before[place - 1] });
        before
    }

    /// Returns the longest match at the last one or two positions with this hash, if it has at least `least` bytes.
    #[inline(always)]
    fn longest(&mut self, at: usize, least: usize) -> Option<Place> {
        let before = self.enter(at);
        let newer = usize::from(before[0]).checked_sub(self.first)?;
        let here = eight(self.input, at);
        let same = |place| ((eight(self.input, place) ^ here).trailing_zeros() / 8) as usize;
        // Without a branch, because it would be unpredictable: if there is no older position, the newer one is used
        // twice.
        let older = usize::from(before[PLACES - 1]).checked_sub(self.first).unwrap_or(newer);
        let (near, far) = (same(newer), same(older));
        let (mut len, mut from) = if far > near { (far, older) } else { (near, newer) };
        if len == 8 {
            let most = (self.input.len() - at).min(LONGEST);
            len = common(&self.input[from..], &self.input[at..], most);
            if PLACES > 1 && far == 8 && older != from && len < most
                // A longer match has this byte in common, too.
                && self.input[older + len] == self.input[at + len]
            {
                let further = common(&self.input[older..], &self.input[at..], most);
                if further > len {
                    (len, from) = (further, older);
                }
            }
        } else {
            len = len.min(self.input.len() - at);
        }
        let dist = at - from;
        if len < least || dist > self.window { None } else { Some(Place { len, dist }) }
    }
}

/// Returns the next eight bytes, with zeros after the last byte of the input.
#[inline(always)]
fn eight(input: &[u8], at: usize) -> u64 {
    match input[at..].first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => last_bytes(&input[at..]),
    }
}

#[cold]
fn last_bytes(rest: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(eight)
}

/// Returns how many bytes two slices have in common at their start, at most `most`. Neither slice is shorter than
/// `most`, and the first eight bytes are the same.
#[inline(always)]
fn common(a: &[u8], b: &[u8], most: usize) -> usize {
    let (a, b) = (&a[..most], &b[..most]);
    let mut len = 8.min(most);
    while let (Some(x), Some(y)) = (a[len..].first_chunk::<8>(), b[len..].first_chunk::<8>()) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            return len + (differ.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    len + a[len..].iter().zip(&b[len..]).take_while(|(x, y)| x == y).count()
}
