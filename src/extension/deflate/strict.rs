//! A decoder for tests that shares nothing with the engine: slow, plain, and strict about the window.

/// Inflates a payload as §7.2.2 describes: the tail is appended, and all of it has to be whole blocks.
///
/// `history` is the content of earlier messages. References reach back at most `window` bytes in it and in the message
/// itself. Returns the message.
pub(crate) fn inflate(payload: &[u8], history: &[u8], window: usize) -> Result<Vec<u8>, &'static str> {
    let input = [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    let mut bits = Bits { input: &input, at: 0 };
    let mut out = history.to_vec();
    while bits.at + 3 <= input.len() * 8 {
        if bits.take(1)? != 0 {
            return Err("a last block");
        }
        match bits.take(2)? {
            0 => {
                bits.at = bits.at.next_multiple_of(8);
                let (len, complement) = (bits.take(16)?, bits.take(16)?);
                if len ^ complement != 0xffff {
                    return Err("LEN and NLEN");
                }
                for _ in 0..len {
                    let byte = bits.take(8)?;
                    out.push(byte as u8);
                }
            }
            1 => {
                let mut lengths = vec![8; 144];
                lengths.extend([9; 112]);
                lengths.extend([7; 24]);
                lengths.extend([8; 8]);
                block(&mut bits, &mut out, window, &lengths, &[5; 30])?;
            }
            2 => {
                let (lengths, distances) = codes(&mut bits)?;
                block(&mut bits, &mut out, window, &lengths, &distances)?;
            }
            _ => return Err("BTYPE"),
        }
    }
    Ok(out.split_off(history.len()))
}

struct Bits<'a> {
    input: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, &'static str> {
        let mut value = 0;
        for bit in 0..count {
            let byte = self.input.get(self.at / 8).ok_or("the end")?;
            value |= usize::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Ok(value)
    }

    /// Reads the next symbol of a canonical code (RFC 1951 §3.2.2).
    fn symbol(&mut self, code: &Code) -> Result<usize, &'static str> {
        let (mut bits, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..] {
            bits |= self.take(1)?;
            if bits < first + count {
                return Ok(code.symbols[index + bits - first]);
            }
            index += count;
            first = (first + count) << 1;
            bits <<= 1;
        }
        Err("no code")
    }
}

/// How many codes have each length, and their symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        for &length in lengths.iter().filter(|&&length| length > 0) {
            counts[usize::from(length)] += 1;
        }
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|&at| lengths[at] > 0).collect();
        symbols.sort_by_key(|&at| lengths[at]);
        Self { counts, symbols }
    }
}

fn codes(bits: &mut Bits<'_>) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let (literals, distances, orders) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut order = [0; 19];
    for at in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].into_iter().take(orders) {
        order[at] = bits.take(3)? as u8;
    }
    let order = Code::new(&order);
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (value, times) = match bits.symbol(&order)? {
            16 => (*lengths.last().ok_or("nothing to repeat")?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            length => (length as u8, 1),
        };
        lengths.extend(std::iter::repeat_n(value, times));
    }
    let distances = lengths.split_off(literals);
    Ok((lengths, distances))
}

fn block(
    bits: &mut Bits<'_>,
    out: &mut Vec<u8>,
    window: usize,
    lengths: &[u8],
    distances: &[u8],
) -> Result<(), &'static str> {
    const LENGTHS: [usize; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
        195, 227, 258,
    ];
    const DISTANCES: [usize; 30] = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
        3073, 4097, 6145, 8193, 12289, 16385, 24577,
    ];
    let (lengths, distances) = (Code::new(lengths), Code::new(distances));
    loop {
        match bits.symbol(&lengths)? {
            literal @ 0..256 => out.push(literal as u8),
            256 => return Ok(()),
            symbol => {
                let at = symbol - 257;
                let base = *LENGTHS.get(at).ok_or("length code")?;
                let extra = if (8..28).contains(&at) { (at - 4) / 4 } else { 0 };
                let length = base + bits.take(extra)?;
                let at = bits.symbol(&distances)?;
                let base = *DISTANCES.get(at).ok_or("distance code")?;
                let extra = if at >= 4 { (at - 2) / 2 } else { 0 };
                let distance = base + bits.take(extra)?;
                if distance > window || distance > out.len() {
                    return Err("a distance beyond the window");
                }
                for _ in 0..length {
                    out.push(out[out.len() - distance]);
                }
            }
        }
    }
}

#[test]
fn reads_the_examples_of_the_rfc() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflate(&hello, b"", 256), Ok(b"Hello".to_vec()));
    let short = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(inflate(&short, b"Hello", 256), Ok(b"Hello".to_vec()));
    assert!(inflate(&short, b"", 256).is_err());
    assert!(inflate(&short, b"Hello", 4).is_err());
}
