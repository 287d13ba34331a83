//! The Huffman code of HPACK (RFC 7541 §5.2, Appendix B).

use alloc::vec::Vec;

use super::HpackError;

/// The code lengths of each byte in bits, and of EOS after them. The code is canonical: codes of one length are
/// consecutive numbers in the order of their symbols, so the lengths determine all of it.
#[rustfmt::skip]
const BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

const EOS: u16 = 256;
const LONGEST: usize = 30;

/// What a decoder needs: the symbols by code, and for each length the first code, how many there are, and where their
/// symbols begin.
struct Canonical {
    symbols: [u16; 257],
    first: [u32; LONGEST + 1],
    count: [u32; LONGEST + 1],
    start: [usize; LONGEST + 1],
}

static CODE: Canonical = canonical();

const fn canonical() -> Canonical {
    let mut code = Canonical {
        symbols: [0; 257],
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        start: [0; LONGEST + 1],
    };
    let (mut len, mut next, mut at) = (1, 0u32, 0);
    while len <= LONGEST {
        next <<= 1;
        code.first[len] = next;
        code.start[len] = at;
        let mut symbol = 0;
        while symbol < BITS.len() {
            if BITS[symbol] as usize == len {
                code.symbols[at] = symbol as u16;
                at += 1;
                next += 1;
                code.count[len] += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    code
}

/// Appends the text of a coded string to `out`. It is at most 8/5 as long, as no code has fewer than five bits.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let (mut code, mut len) = (0u32, 0);
    for byte in coded {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            len += 1;
            let index = code.wrapping_sub(CODE.first[len]);
            if index < CODE.count[len] {
                match CODE.symbols[CODE.start[len] + index as usize] {
                    EOS => return Err(HpackError::Huffman),
                    symbol => out.push(symbol as u8),
                }
                (code, len) = (0, 0);
            } else if len == LONGEST {
                return Err(HpackError::Huffman);
            }
        }
    }
    // §5.2: the rest must be the first bits of EOS, fewer than eight.
    if len < 8 && code == (1 << len) - 1 { Ok(()) } else { Err(HpackError::Huffman) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of each symbol, from the table of lengths.
    fn codes() -> Vec<(u32, u8)> {
        let mut codes = alloc::vec![(0, 0); 257];
        for len in 1..=LONGEST {
            for index in 0..CODE.count[len] {
                let symbol = CODE.symbols[CODE.start[len] + index as usize];
                codes[usize::from(symbol)] = (CODE.first[len] + index, len as u8);
            }
        }
        codes
    }

    fn encode(text: &[u8]) -> Vec<u8> {
        let codes = codes();
        let mut bits: Vec<bool> = Vec::new();
        for byte in text {
            let (code, len) = codes[usize::from(*byte)];
            bits.extend((0..len).rev().map(|bit| code >> bit & 1 == 1));
        }
        while !bits.len().is_multiple_of(8) {
            bits.push(true);
        }
        bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
    }

    /// RFC 7541 Appendix B, from its beginning, middle and end.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let codes = codes();
        for (symbol, code, len) in [
            (0, 0x1ff8, 13),
            (1, 0x7fffd8, 23),
            (10, 0x3ffffffc, 30),
            (32, 0x14, 6),
            (48, 0x0, 5),
            (65, 0x21, 6),
            (92, 0x7fff0, 19),
            (127, 0xffffffc, 28),
            (128, 0xfffe6, 20),
            (249, 0xffffffe, 28),
            (255, 0x3ffffee, 26),
            (256, 0x3fffffff, 30),
        ] {
            assert_eq!(codes[symbol], (code, len), "{symbol}");
        }
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        for text in [&b""[..], b"www.example.com", b"no-cache", &all] {
            let mut out = Vec::new();
            decode(&encode(text), &mut out).unwrap();
            assert_eq!(out, text);
        }
    }

    #[test]
    fn what_is_no_code() {
        for coded in [
            &[0xff; 1][..],            // eight bits of padding
            &[0xff, 0xff, 0xff, 0xff], // EOS
            &[0x1f, 0xff],             // a letter, and more than seven bits of padding
            &[0x00],                   // "0" and zeros that are not padding
        ] {
            assert_eq!(decode(coded, &mut Vec::new()), Err(HpackError::Huffman), "{coded:x?}");
        }
    }
}
