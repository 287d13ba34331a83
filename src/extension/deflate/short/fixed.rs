//! A whole short message in the fixed code becomes bytes (RFC 1951 §3.2.6).
//!
//! In: a payload, what came before it, and room. Out: how many bytes it has become; or nothing, where it is anything but blocks in the
//! fixed code, whole and with their end cut as RFC 7692 §7.2.1 says, or does not fit: then the engine is asked, and says what
//! is wrong, if anything is. So all that can go wrong here is that it takes a message for another one, which tests and a fuzz
//! target rule out.
//!
//! What is too short for a code of its own goes out so from every encoder, and the engine takes longer to get ready for it (it
//! copies the window, and does not use its fast loop for the last bytes) than to inflate it: see `benches/NOTES.md`.

use super::tables::{
    DIST_BASE, DIST_EXTRA, DIST_SYMBOLS, END_OF_BLOCK, FIXED_DISTANCES, FIXED_LITERALS, LENGTH_BASE,
    LENGTH_EXTRA, LIT_SYMBOLS,
};

/// For longer ones the engine is faster.
pub(in super::super) const LONGEST: usize = 512;

/// Inflates it to the start of the room, some of which stays free. `before` is what it may refer to, in two parts.
pub(in super::super) fn inflate(payload: &[u8], before: [&[u8]; 2], room: &mut [u8]) -> Option<usize> {
    let mut bits = Bits { input: payload, at: 0, bits: 0, count: 0 };
    let mut made = 0;
    loop {
        bits.fill();
        match bits.take(3) {
            FIXED => made = block(&mut bits, before, room, made)?,
            // Of the empty block at the end there is no more than its header, and the rest of the byte says nothing.
            STORED if bits.consumed().div_ceil(8) == payload.len() => {
                return (made < room.len()).then_some(made);
            }
            _ => return None,
        }
    }
}

/// §3.2.3: BTYPE, above a BFINAL of 0.
const STORED: usize = 0b000;
const FIXED: usize = 0b010;

/// What a code says: how many bits it has, and those behind it with it; what is added to these, or a literal.
#[derive(Clone, Copy)]
struct Entry {
    bits: u8,
    all: u8,
    base: u16,
}

/// In the place of a base.
const LITERAL: u16 = 1 << 15;
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

/// All of a block behind its header; gives how many bytes have been made then.
fn block(bits: &mut Bits<'_>, before: [&[u8]; 2], room: &mut [u8], mut made: usize) -> Option<usize> {
    loop {
        bits.fill();
        let mut entry = LITERALS[bits.peek(9)];
        // Two of nine bits, and a reference has 31 at most.
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
            // 286 and 287 have a code, and never come.
            return if entry.bits > 0 { Some(made) } else { None };
        }
        let len = bits.value(entry);
        let entry = DISTANCES[bits.peek(5)];
        if entry.bits == 0 {
            return None; // 30 and 31 likewise
        }
        let dist = bits.value(entry);
        made = copy(before, room, made, len, dist)?;
    }
}

/// Says again what came so far before.
#[inline(always)]
fn copy(before: [&[u8]; 2], room: &mut [u8], made: usize, len: usize, dist: usize) -> Option<usize> {
    let end = made + len;
    if end >= room.len() {
        return None;
    }
    let mut at = made;
    if dist > at {
        // The newer part lies in front of what is made, the older one in front of that.
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

/// Bits of a payload, the first one lowest (§3.1.1); zeros behind the last one, which are counted as if there were some.
struct Bits<'a> {
    input: &'a [u8],
    /// So many bytes are in `bits` or gone.
    at: usize,
    bits: u64,
    count: usize,
}

impl Bits<'_> {
    /// At least 56 are there then.
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

    /// A code that is there, with what is behind it.
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
