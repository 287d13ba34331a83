//! The alphabets of RFC 1951 §3.2.5 and the codes of §3.2.6.

use super::codes::Code;

/// The number of symbols for literals, the end of a block, and lengths.
pub(super) const LIT_SYMBOLS: usize = 286;
pub(super) const DIST_SYMBOLS: usize = 30;
/// The number of symbols for code lengths and their repetitions.
pub(super) const LEN_SYMBOLS: usize = 19;
/// The symbol that ends a block.
pub(super) const END_OF_BLOCK: usize = 256;
/// The order of the lengths of the code length code (§3.2.7).
pub(super) const LEN_ORDER: [u8; LEN_SYMBOLS] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The extra bits of the symbols 257 to 285.
pub(super) const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// The extra bits of the distance symbols.
pub(super) const DIST_EXTRA: [u8; DIST_SYMBOLS] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

/// The shortest length of each symbol from 257 on.
pub(super) const LENGTH_BASE: [u16; 29] = {
    let mut base = [3; 29];
    let mut symbol = 1;
    while symbol < 28 {
        base[symbol] = base[symbol - 1] + (1 << LENGTH_EXTRA[symbol - 1]);
        symbol += 1;
    }
    base[28] = 258;
    base
};

/// The shortest distance of each symbol.
pub(super) const DIST_BASE: [u16; DIST_SYMBOLS] = {
    let mut base = [1; DIST_SYMBOLS];
    let mut symbol = 1;
    while symbol < DIST_SYMBOLS {
        base[symbol] = base[symbol - 1] + (1 << DIST_EXTRA[symbol - 1]);
        symbol += 1;
    }
    base
};

/// The symbol for a length, counted from 257 on; the index is the length minus 3.
static LENGTH_SYMBOL: [u8; 256] = {
    let mut symbols = [0; 256];
    let (mut len, mut symbol) = (3, 0);
    while len < 259 {
        while symbol < 28 && LENGTH_BASE[symbol + 1] as usize <= len {
            symbol += 1;
        }
        symbols[len - 3] = symbol as u8;
        len += 1;
    }
    symbols
};

/// The symbol for a distance. Up to 256 the index is the distance minus 1; beyond, it is 256 plus a 128th of that.
static DIST_SYMBOL: [u8; 512] = {
    let mut symbols = [0; 512];
    let (mut place, mut symbol) = (0, 0);
    while place < 512 {
        let dist = if place < 256 { place + 1 } else { (place - 256) * 128 + 1 };
        if place == 256 {
            symbol = 0;
        }
        while symbol + 1 < DIST_SYMBOLS && DIST_BASE[symbol + 1] as usize <= dist {
            symbol += 1;
        }
        symbols[place] = symbol as u8;
        place += 1;
    }
    symbols
};

/// Returns the symbol for a length from 3 to 258, counted from 257 on.
#[inline]
pub(super) const fn length_symbol(len: usize) -> usize {
    LENGTH_SYMBOL[(len - 3) & 0xff] as usize
}

/// Returns the symbol for a distance from 1 to 32,768.
#[inline]
pub(super) const fn dist_symbol(dist: usize) -> usize {
    let place = dist - 1;
    (if place < 256 { DIST_SYMBOL[place] } else { DIST_SYMBOL[(256 + (place >> 7)) & 0x1ff] }) as usize
}

/// The fixed literal code (§3.2.6). The symbols 286 and 287, which never occur, take part in its construction.
pub(super) static FIXED_LITERALS: Code<LIT_SYMBOLS> = {
    let mut lens = [8; 288];
    let mut symbol = 144;
    while symbol < 280 {
        lens[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    let whole = Code::of(lens);
    let mut code = Code::EMPTY;
    symbol = 0;
    while symbol < LIT_SYMBOLS {
        code.lens[symbol] = whole.lens[symbol];
        code.codes[symbol] = whole.codes[symbol];
        symbol += 1;
    }
    code
};

/// The fixed distance code (§3.2.6). The symbols 30 and 31 take part in its construction.
pub(super) static FIXED_DISTANCES: Code<DIST_SYMBOLS> = Code::of([5; DIST_SYMBOLS]);
