//! Compresses a whole short message into a DEFLATE stream without a context (RFC 1951).
//!
//! The input is a message of at most [`LONGEST`] bytes and the window. The output is blocks that encode the message,
//! without the four bytes that RFC 7692 §7.2.1 leaves out. No distance is larger than the window. The time is linear in
//! the length, with a fixed number of earlier positions compared for each byte. The memory is in proportion to the
//! longest message so far.
//!
//! All other messages are compressed by zlib-rs: long ones, those in parts and those with a context. For a short
//! message zlib-rs takes longer to prepare than to compress: it clears 128 KiB before each message and builds codes
//! that it then does not use. For the longer ones here, comparing two earlier positions, and entering few positions
//! inside a match, takes half as long for a few per cent more bytes. `benches/NOTES.md` has the figures and the
//! alternatives.

mod codes;
pub(super) mod fixed;
mod matches;
mod tables;

use codes::{Code, Used};
pub(super) use matches::Effort;
use matches::{Found, Matches, Reference};
use tables::{
    DIST_BASE, DIST_EXTRA, DIST_SYMBOLS, END_OF_BLOCK, FIXED_DISTANCES, FIXED_LITERALS, LEN_ORDER,
    LEN_SYMBOLS, LENGTH_BASE, LENGTH_EXTRA, LIT_SYMBOLS, dist_symbol, length_symbol,
};

/// The longest message. A message is one block, so one code has to fit all of it; counts and positions have 16 bits.
pub(super) const LONGEST: usize = 32 << 10;

/// Compresses one message after another.
pub(super) struct Short {
    matches: Matches,
    /// The symbols that the current message uses, and the best code for them.
    literals: (Used<LIT_SYMBOLS>, Code<LIT_SYMBOLS>),
    distances: (Used<DIST_SYMBOLS>, Code<DIST_SYMBOLS>),
}

impl Default for Short {
    fn default() -> Self {
        Self {
            matches: Matches::default(),
            literals: (Used::NONE, Code::EMPTY),
            distances: (Used::NONE, Code::EMPTY),
        }
    }
}

impl Short {
    /// Appends the compressed message to `out`, without a distance of more than `window` bytes.
    pub(super) fn compress(&mut self, message: &[u8], window: usize, effort: Effort, out: &mut Vec<u8>) {
        debug_assert!(message.len() <= LONGEST);
        self.matches.find(message, window, effort);
        let Found { literals, distances, references } = &mut self.matches.found;
        literals[END_OF_BLOCK] = 1;
        let (said, literal_code) = &mut self.literals;
        let (far, distance_code) = &mut self.distances;
        said.set(literals);
        far.set(distances);
        let extra = behind_all(said, far);
        let fixed = extra + cost(said, &FIXED_LITERALS) + cost(far, &FIXED_DISTANCES);
        let mut header = None;
        let mut dynamic = usize::MAX;
        if fixed > LONG || fixed > extra + about(said) + about(far) + LEAST_HEADER {
            literal_code.build(said, LONGEST_CODE);
            distance_code.build(far, LONGEST_CODE);
            let described = Header::new((said, literal_code), (far, distance_code));
            dynamic = described.cost() + extra + cost(said, literal_code) + cost(far, distance_code);
            header = Some(described);
        }
        // Up to seven bits of padding to the next byte, then LEN and NLEN.
        let stored = 7 + 32 + 8 * message.len();
        let start = out.len();
        out.resize(start + fixed.min(dynamic).min(stored) / 8 + ROOM, 0);
        let mut bits = Bits { out: &mut out[start..], len: 0, bits: 0, count: 0 };
        if stored < fixed.min(dynamic) {
            bits.store(message);
        } else {
            let codes = match header {
                Some(header) if dynamic < fixed => {
                    bits.put(DYNAMIC, 3);
                    header.write(&mut bits);
                    (&*literal_code, &*distance_code)
                }
                _ => {
                    bits.put(FIXED, 3);
                    (&FIXED_LITERALS, &FIXED_DISTANCES)
                }
            };
            bits.say(message, references, codes);
        }
        // RFC 7692 §7.2.1: an empty stored block follows, of which everything but the header is left out.
        bits.put(STORED, 3);
        bits.align();
        let len = bits.len;
        out.truncate(start + len);
    }

    /// Returns the bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.matches.memory()
    }
}

/// BTYPE (§3.2.3), above a BFINAL of 0.
const STORED: u32 = 0b000;
const FIXED: u32 = 0b010;
const DYNAMIC: u32 = 0b100;

/// If the fixed code takes more bits than this, a dynamic code is always built.
const LONG: usize = 8 * 400;

/// The longest dynamic code, in bits, so that four literals fit into one store of bits. Longer ones would save almost
/// nothing.
const LONGEST_CODE: usize = 12;

/// About how many bits a dynamic header has at least.
const LEAST_HEADER: usize = 60;

/// Returns the bits that all symbols take, without their extra bits.
fn cost<const N: usize>(used: &Used<N>, code: &Code<N>) -> usize {
    used.iter().map(|(symbol, count)| count as usize * usize::from(code.lens[symbol])).sum()
}

/// Returns the extra bits of all lengths and distances.
fn behind_all(literals: &Used<LIT_SYMBOLS>, distances: &Used<DIST_SYMBOLS>) -> usize {
    let lengths = literals.iter().rev().take_while(|&(symbol, _)| symbol > END_OF_BLOCK);
    let lengths = lengths.map(|(symbol, count)| count * u32::from(LENGTH_EXTRA[symbol - END_OF_BLOCK - 1]));
    let distances = distances.iter().map(|(symbol, count)| count * u32::from(DIST_EXTRA[symbol]));
    lengths.chain(distances).sum::<u32>() as usize
}

/// Estimates how many bits the symbols take with the best code for them, plus six for each symbol in the header. The
/// estimate is the entropy, with logarithms that are linear between powers of two. It only decides whether the code is
/// worth building.
fn about<const N: usize>(symbols: &Used<N>) -> usize {
    // In units of 1/256.
    let weight = |count: u32| {
        let whole = count.ilog2();
        count * ((whole << 8) + ((count << 8) >> whole) - 256)
    };
    let (mut total, mut sum, mut used) = (0, 0, 0);
    for (_, count) in symbols.iter().filter(|&(_, count)| count > 0) {
        total += count;
        sum += weight(count);
        used += 6;
    }
    if total == 0 { 0 } else { (weight(total).saturating_sub(sum) >> 8) as usize + used }
}

/// The description of a block's codes (§3.2.7).
struct Header {
    /// The number of code lengths for literals.
    literals: usize,
    /// The number of code lengths for distances.
    distances: usize,
    /// The number of code lengths for the code length code.
    lens: usize,
    /// Symbols of the code length code, with the extra bits of each.
    runs: [(u8, u8); LIT_SYMBOLS + DIST_SYMBOLS],
    count: usize,
    code: Code<LEN_SYMBOLS>,
}

impl Header {
    fn new(
        (said, literals): (&Used<LIT_SYMBOLS>, &Code<LIT_SYMBOLS>),
        (far, distances): (&Used<DIST_SYMBOLS>, &Code<DIST_SYMBOLS>),
    ) -> Self {
        let behind = |last: Option<(usize, u32)>| last.map_or(0, |(symbol, _)| symbol + 1);
        let mut header = Self {
            literals: behind(said.iter().next_back()).max(END_OF_BLOCK + 1),
            distances: behind(far.iter().next_back()).max(1),
            lens: 0,
            runs: [(0, 0); LIT_SYMBOLS + DIST_SYMBOLS],
            count: 0,
            code: Code::EMPTY,
        };
        // All code lengths, those of distances after those of literals. Unused symbols between them have the
        // length 0.
        let literal_lens = said.iter().map(|(symbol, _)| (symbol, literals.lens[symbol]));
        let first = header.literals;
        let distance_lens = far.iter().map(|(symbol, _)| (first + symbol, distances.lens[symbol]));
        let mut counts = [0; LEN_SYMBOLS];
        let (mut at, mut run) = (0, (0, 0));
        for (place, len) in literal_lens.chain(distance_lens) {
            if (place, len) == (at, run.0) {
                run.1 += 1;
            } else {
                // Most lengths are not repeated.
                if run.1 == 1 {
                    header.push(run.0, 0, &mut counts);
                } else {
                    header.push_run(run, &mut counts);
                }
                if place > at {
                    header.push_run((0, place - at), &mut counts);
                }
                run = (len, 1);
            }
            at = place + 1;
        }
        header.push_run(run, &mut counts);
        let mut used = Used::NONE;
        used.set(&counts);
        header.code.build(&used, 7);
        let lens = LEN_ORDER.iter().rposition(|&symbol| header.code.lens[usize::from(symbol)] > 0);
        header.lens = lens.map_or(0, |last| last + 1).max(4);
        header
    }

    /// Adds a run of equal code lengths.
    fn push_run(&mut self, (len, mut run): (u8, usize), counts: &mut [u16; LEN_SYMBOLS]) {
        if run == 0 {
            return;
        }
        // A length other than 0 is written once, and then repeated.
        if len > 0 {
            self.push(len, 0, counts);
            run -= 1;
        }
        while run > 0 {
            let (symbol, least, most) = match (len, run) {
                (_, 1..3) => (len, 1, 1),
                (0, 3..11) => (17, 3, 10),
                (0, _) => (18, 11, 138),
                _ => (16, 3, 6),
            };
            let part = run.min(most);
            self.push(symbol, (part - least) as u8, counts);
            run -= part;
        }
    }

    #[inline(always)]
    fn push(&mut self, symbol: u8, behind: u8, counts: &mut [u16; LEN_SYMBOLS]) {
        self.runs[self.count] = (symbol, behind);
        self.count += 1;
        counts[usize::from(symbol)] += 1;
    }

    /// Returns the size in bits.
    fn cost(&self) -> usize {
        let of = |&(symbol, _): &(u8, u8)| usize::from(self.code.lens[usize::from(symbol)] + behind(symbol));
        14 + 3 * self.lens + self.runs[..self.count].iter().map(of).sum::<usize>()
    }

    #[inline(always)]
    fn write(&self, bits: &mut Bits<'_>) {
        bits.put(self.literals as u32 - 257, 5);
        bits.put(self.distances as u32 - 1, 5);
        bits.put(self.lens as u32 - 4, 4);
        bits.spill();
        for &symbol in &LEN_ORDER[..self.lens] {
            bits.put(self.code.lens[usize::from(symbol)].into(), 3); // at most 57 bits in all
        }
        bits.spill();
        for four in self.runs[..self.count].chunks(4) {
            for &(symbol, more) in four {
                bits.symbol(&self.code, symbol.into());
                bits.put(more.into(), behind(symbol)); // at most 14 bits
            }
            bits.spill();
        }
    }
}

/// Returns the number of extra bits of a symbol of the code length code.
const fn behind(symbol: u8) -> u8 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

/// Packs bits into bytes, the first bit lowest (§3.1.1).
struct Bits<'a> {
    out: &'a mut [u8],
    /// How many bytes of `out` are written.
    len: usize,
    bits: u64,
    /// How many bits `bits` has; at most 7 after [`spill`](Self::spill).
    count: u32,
}

impl Bits<'_> {
    #[inline(always)]
    const fn put(&mut self, bits: u32, count: u8) {
        self.bits |= (bits as u64) << self.count;
        self.count += count as u32;
    }

    #[inline(always)]
    fn symbol<const N: usize>(&mut self, code: &Code<N>, symbol: usize) {
        let code = code.codes[symbol];
        self.put(code & 0xffff, (code >> 16) as u8);
    }

    /// Writes out all whole bytes. The bits that are left and four literals of 12 bits, or a reference of 12, 5, 12 and
    /// 13 bits, fit into 64 bits.
    #[inline(always)]
    fn spill(&mut self) {
        if let Some(room) = self.out.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            *room = self.bits.to_le_bytes();
        } else {
            debug_assert!(false, "more bits than were counted");
        }
        self.len += (self.count / 8) as usize;
        self.bits >>= self.count & !7;
        self.count %= 8;
    }

    /// Writes the whole message and the end of the block.
    #[inline(always)]
    fn say(
        &mut self,
        mut message: &[u8],
        references: &[Reference],
        (literals, distances): (&Code<LIT_SYMBOLS>, &Code<DIST_SYMBOLS>),
    ) {
        self.spill();
        for &Reference { literals: said, len, dist } in references {
            let (said, rest) = message.split_at(said.into());
            let (len, dist) = (usize::from(len), usize::from(dist));
            message = &rest[len..];
            let (fours, rest) = said.as_chunks::<4>();
            for &[a, b, c, d] in fours {
                self.symbol(literals, a.into());
                self.symbol(literals, b.into());
                self.symbol(literals, c.into());
                self.symbol(literals, d.into());
                self.spill();
            }
            for &byte in rest {
                self.symbol(literals, byte.into());
            }
            self.spill();
            let symbol = length_symbol(len);
            self.symbol(literals, END_OF_BLOCK + 1 + symbol);
            self.put(len as u32 - u32::from(LENGTH_BASE[symbol]), LENGTH_EXTRA[symbol]);
            let symbol = dist_symbol(dist);
            self.symbol(distances, symbol);
            self.put(dist as u32 - u32::from(DIST_BASE[symbol]), DIST_EXTRA[symbol]);
            self.spill();
        }
        for &byte in message {
            self.symbol(literals, byte.into());
            self.spill();
        }
        self.symbol(literals, END_OF_BLOCK);
        self.spill();
    }

    /// Writes a stored block (§3.2.4).
    #[inline(always)]
    fn store(&mut self, message: &[u8]) {
        self.put(STORED, 3);
        self.align();
        let len = message.len() as u16; // at most `LONGEST`
        for part in [&len.to_le_bytes(), &(!len).to_le_bytes(), message] {
            self.out[self.len..self.len + part.len()].copy_from_slice(part);
            self.len += part.len();
        }
    }

    /// Pads to the next byte.
    #[inline(always)]
    fn align(&mut self) {
        self.count = self.count.next_multiple_of(8);
        self.spill();
    }
}

/// Room after the counted bytes, because eight are written at once.
const ROOM: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::strict;
    use super::*;

    /// Checks that another inflater reads the message back, and returns the compressed length.
    fn compressed(short: &mut Short, message: &[u8], window: usize, level: u8) -> usize {
        let mut out = b"before".to_vec();
        let effort = Effort::of(level, message.len()).unwrap();
        short.compress(message, window, effort, &mut out);
        let payload = out.strip_prefix(b"before").unwrap();
        let back = strict::inflate(payload, b"", window);
        assert!(back.as_deref() == Ok(message), "{} bytes, level {level}: {:?}", message.len(), back.err());
        // Of another hand, and not strict about the window.
        let whole = [payload, &[0x00, 0x00, 0xff, 0xff, 0x03, 0x00]].concat();
        assert!(miniz_oxide::inflate::decompress_to_vec(&whole).is_ok_and(|back| back == message));
        payload.len()
    }

    /// `values` different bytes, with what came before again and again, at every distance.
    fn made(random: &mut fastrand::Rng, len: usize, values: u8, again: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 600);
        while out.len() < len {
            out.push(random.u8(..=values.saturating_sub(1)));
            if again > 0 && random.usize(..again) == 0 {
                let from = random.usize(..out.len());
                for at in from..from + random.usize(..520) {
                    out.push(out[at]);
                }
            }
        }
        out.truncate(len);
        out
    }

    #[test]
    fn every_length_window_and_kind_is_read_by_others() {
        let mut random = fastrand::Rng::with_seed(18);
        let mut short = Short::default();
        for len in (0..300).chain([1000, 2047, 2048, 2049, 4095, 4096, 4097, 9999, LONGEST - 1, LONGEST]) {
            for (values, again) in [(1, 0), (2, 0), (4, 9), (40, 20), (255, 0), (255, 40)] {
                let message = made(&mut random, len, values, again);
                let window = [256, 512, 4096, 32_768][random.usize(..4)];
                let level = random.u8(if len > 4096 { 2..=4 } else { 1..=5 });
                compressed(&mut short, &message, window, level);
            }
        }
        assert_eq!(compressed(&mut short, b"", 256, 4), 2, "a block without anything in it, and what is cut");
    }

    #[test]
    fn no_distance_passes_the_window() {
        let mut random = fastrand::Rng::with_seed(7);
        let message = made(&mut random, LONGEST, 255, 6);
        let sizes = [256, 512, 1024, 2048, 32_768].map(|window| {
            let mut short = Short::default();
            (2..=4).map(|level| compressed(&mut short, &message, window, level)).min()
        });
        assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes[4] < sizes[0], "{sizes:?}");
    }

    /// The output does not depend on earlier messages, whatever is left of them in the tables.
    #[test]
    fn a_message_becomes_what_it_does_without_those_before() {
        let mut random = fastrand::Rng::with_seed(21);
        let mut short = Short::default();
        let noise: Vec<u8> = (0..LONGEST).map(|_| random.u8(..8)).collect();
        for _ in 0..300 {
            let longest = [100, 1000, 4000, LONGEST][random.usize(..4)];
            let len = random.usize(..longest);
            let message = &noise[random.usize(..LONGEST - len)..][..len];
            let level = random.u8(if len > 4096 { 2..=4 } else { 1..=5 });
            let effort = Effort::of(level, len).unwrap();
            let (mut after, mut fresh) = (Vec::new(), Vec::new());
            short.compress(message, 32_768, effort, &mut after);
            Short::default().compress(message, 32_768, effort, &mut fresh);
            assert!(after == fresh, "{len} bytes, level {level}");
        }
    }

    #[test]
    fn what_cannot_shrink_grows_by_a_few_bytes() {
        let mut random = fastrand::Rng::with_seed(3);
        for len in [1, 10, 100, 3000, LONGEST] {
            let noise: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
            assert!(compressed(&mut Short::default(), &noise, 32_768, 4) <= len + 6);
        }
    }

    /// References reach from one end of a long message to the other.
    #[test]
    fn long_messages_refer_back_over_all_of_them() {
        let mut random = fastrand::Rng::with_seed(9);
        let noise: Vec<u8> = (0..LONGEST / 2).map(|_| random.u8(..)).collect();
        for len in [8_000, LONGEST / 2] {
            let twice = noise[..len].repeat(2);
            for level in 2..=4 {
                let size = compressed(&mut Short::default(), &twice, 32_768, level);
                assert!(size < len + len / 40, "{size} of {len} twice, level {level}");
            }
        }
    }

    #[test]
    fn memory_is_what_is_promised_at_most() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut short = Short::default();
        assert_eq!(short.memory(), size_of::<Short>());
        for len in [1, 200, LONGEST, 200, LONGEST] {
            let noise: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
            compressed(&mut short, &noise, 32_768, 4);
        }
        assert!(short.memory() <= 120_000, "{}", short.memory());
    }

    /// JSON, as most messages are, becomes at most 5 % longer than with level 4 of zlib-rs, and at most 2 % up to 1,000
    /// bytes.
    #[test]
    fn json_is_about_as_short_as_by_zlib() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut zlib = zlib_rs::Deflate::new(4, false, 15);
        let mut short = Short::default();
        for (len, percent) in [(125, 102), (300, 102), (1000, 102), (4000, 105), (16_000, 105), (30_000, 105)]
        {
            let (mut ours, mut theirs) = (0, 0);
            for _ in 0..8 {
                let mut json = String::from("[");
                while json.len() < len {
                    let (id, price) = (random.u32(..100_000_000), random.u32(..1024));
                    let side = ["buy", "sell"][random.usize(..2)];
                    json += &format!(r#"{{"id":{id},"side":"{side}","price":{price}.25,"open":true}},"#);
                }
                let mut out = vec![0; 2 * len + 100];
                zlib.reset();
                zlib.compress(json.as_bytes(), &mut out, zlib_rs::DeflateFlush::SyncFlush).unwrap();
                theirs += zlib.total_out() as usize - 4;
                ours += compressed(&mut short, json.as_bytes(), 32_768, 4);
            }
            assert!(ours * 100 <= theirs * percent, "{len} bytes of JSON: {ours} by us, {theirs} by zlib");
        }
    }
}
