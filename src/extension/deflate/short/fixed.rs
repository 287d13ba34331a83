//! Inflates a whole short message in the fixed code (RFC 1951 §3.2.6).
//!
//! The input is a payload, the window before it, and room for the output. The result is how many bytes it has become.
//! It is `None` if the payload is anything but complete blocks in the fixed code, with their end cut off as RFC 7692
//! §7.2.1 says, or if the output does not fit. Then the engine inflates it, and reports what is wrong, if anything is.
//! So the only possible fault here is wrong output for a message, which tests and a fuzz target check.
//!
//! Every encoder uses the fixed code for messages that are too short for a code of their own. The engine takes longer
//! to prepare for such a message than to inflate it: it copies the window, and does not use its fast loop for the last
//! bytes. See `benches/NOTES.md`.

use super::tables::{
    DIST_BASE, DIST_EXTRA, DIST_SYMBOLS, END_OF_BLOCK, FIXED_DISTANCES, FIXED_LITERALS, LENGTH_BASE,
    LENGTH_EXTRA, LIT_SYMBOLS,
};

/// The longest payload. For longer ones the engine is faster.
pub(in super::super) const LONGEST: usize = 512;

/// Inflates `payload` to the start of `room`, some of which stays free. `before` is what it may refer to, in two parts.
pub(in super::super) fn inflate(payload: &[u8], before: [&[u8]; 2], room: &mut [u8]) -> Option<usize> {
    let mut bits = Bits { input: payload, at: 0, bits: 0, count: 0 };
    let mut made = 0;
    loop {
        bits.fill();
        match bits.take(3) {
            FIXED => made = block(&mut bits, before, room, made)?,
            // Only the header of the empty block at the end is there, and the rest of the byte has no meaning.
            STORED if bits.consumed().div_ceil(8) == payload.len() => {
                return (made < room.len()).then_some(made);
            }
            _ => return None,
        }
    }
}

/// BTYPE (§3.2.3), above a BFINAL of 0.
const STORED: usize = 0b000;
const FIXED: usize = 0b010;

/// The meaning of a code.
#[derive(Clone, Copy)]
struct Entry {
    /// How many bits the code has.
    bits: u8,
    /// How many bits the code and its extra bits have.
    all: u8,
    /// The value to which the extra bits are added, or [`LITERAL`] with the literal, or [`END`].
    base: u16,
}

/// Set in `base` for a literal.
const LITERAL: u16 = 1 << 15;
/// The end of the block, as `base`.
const END: u16 = 0;

static LITERALS: [Entry; 1 << 9] = {
    let mut table = [Entry { bits: 0, all: 0, base: END }; 1 << 9];
    let mut symbol = 0;
    while symbol < LIT_SYMBOLS {
        let (base, extra) = match symbol {
            0..END_OF_BLOCK => (LITERAL | symbol as u16, 0),
            END_OF_BLOCK => (END, 0),
            _ => (LENGTH_BASE[symbol - END_OF_BLOCK - 1], LENGTH_EXTRA[symbol - END_OF_BLOCK - 1]),
        };
        let code = FIXED_LITERALS.codes[symbol];
        let bits = FIXED_LITERALS.lens[symbol];
        let mut place = (code & 0xffff) as usize;
        while place < table.len() {
            table[place] = Entry { bits, all: bits + extra, base };
            place += 1 << bits;
        }
        symbol += 1;
    }
    table
};

static DISTANCES: [Entry; 1 << 5] = {
    let mut table = [Entry { bits: 0, all: 0, base: END }; 1 << 5];
    let mut symbol = 0;
    while symbol < DIST_SYMBOLS {
        let place = (FIXED_DISTANCES.codes[symbol] & 0xffff) as usize;
        table[place] = Entry { bits: 5, all: 5 + DIST_EXTRA[symbol], base: DIST_BASE[symbol] };
        symbol += 1;
    }
    table
};

/// Inflates a block after its header. Returns how many bytes of `room` are filled then.
fn block(bits: &mut Bits<'_>, before: [&[u8]; 2], room: &mut [u8], mut made: usize) -> Option<usize> {
    loop {
        bits.fill();
        let mut entry = LITERALS[bits.peek(9)];
        // Two literals of nine bits, and a reference of at most 31 bits, are there.
        for _ in 0..2 {
            if entry.base & LITERAL == 0 {
                break;
            }
            bits.drop(entry.bits);
            *room.get_mut(made)? = entry.base as u8;
            made += 1;
            entry = LITERALS[bits.peek(9)];
        }
        if entry.base & LITERAL != 0 {
            continue;
        }
        if entry.base == END {
            bits.drop(entry.bits);
            // 286 and 287 have a code, but must not occur.
            return if entry.bits > 0 { Some(made) } else { None };
        }
        let len = bits.value(entry);
        let entry = DISTANCES[bits.peek(5)];
        if entry.bits == 0 {
            return None; // 30 and 31 must not occur, either
        }
        let dist = bits.value(entry);
        made = copy(before, room, made, len, dist)?;
    }
}

/// Copies `len` bytes from `dist` bytes back.
#[inline(always)]
fn copy(before: [&[u8]; 2], room: &mut [u8], made: usize, len: usize, dist: usize) -> Option<usize> {
    let end = made + len;
    if end >= room.len() {
        return None;
    }
    let mut at = made;
    if dist > at {
        // The newer part comes directly before the output, and the older part before the newer one.
        let [older, newer] = before;
        let (mut part, mut back) = (newer, dist - at);
        if back > part.len() {
            back -= part.len();
            part = older;
            let said = part.get(part.len().checked_sub(back)?..)?;
            let said = &said[..said.len().min(end - at)];
            room[at..at + said.len()].copy_from_slice(said);
            at += said.len();
            (part, back) = (newer, newer.len());
        }
        let said = &part[part.len() - back..];
        let said = &said[..said.len().min(end - at)];
        room[at..at + said.len()].copy_from_slice(said);
        at += said.len();
    }
    if at < end {
        if dist >= end - at {
            room.copy_within(at - dist..end - dist, at);
        } else {
            for at in at..end {
                room[at] = room[at - dist];
            }
        }
    }
    Some(end)
}

/// The bits of a payload, the first bit lowest (§3.1.1). Zeros follow the last one, and count as if they were there.
struct Bits<'a> {
    input: &'a [u8],
    /// How many bytes of `input` are in `bits` or consumed.
    at: usize,
    bits: u64,
    count: usize,
}

impl Bits<'_> {
    /// Fills `bits` up to at least 56 bits.
    #[inline(always)]
    fn fill(&mut self) {
        let eight = self.input.get(self.at..).unwrap_or_default();
        let eight = match eight.first_chunk() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => last_bytes(eight),
        };
        self.bits |= eight << self.count;
        self.at += (63 - self.count) / 8;
        self.count |= 56;
    }

    #[inline(always)]
    const fn peek(&self, count: u8) -> usize {
        (self.bits & ((1 << count) - 1)) as usize
    }

    #[inline(always)]
    const fn drop(&mut self, count: u8) {
        self.bits >>= count;
        self.count -= count as usize;
    }

    #[inline(always)]
    const fn take(&mut self, count: u8) -> usize {
        let bits = self.peek(count);
        self.drop(count);
        bits
    }

    /// Takes a code that is there with its extra bits, and returns its value.
    #[inline(always)]
    const fn value(&mut self, Entry { bits, all, base }: Entry) -> usize {
        base as usize + (self.take(all) >> bits)
    }

    const fn consumed(&self) -> usize {
        8 * self.at - self.count
    }
}

#[cold]
fn last_bytes(rest: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(eight)
}
