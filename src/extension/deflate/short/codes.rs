//! Huffman codes (RFC 1951 §3.2): how long each symbol's code is, and which bits it has.

/// A code for each of up to `N` symbols.
#[derive(Clone, Copy)]
pub(super) struct Code<const N: usize> {
    /// How many bits each has.
    pub(super) lens: [u8; N],
    /// The bits, in the order in which they are sent, and above them, from the sixteenth on, how many they are; of symbols
    /// without a code, anything.
    pub(super) codes: [u32; N],
}

/// No code has more bits (§3.2.7 gives lengths of codes four bits).
const LONGEST: usize = 15;

impl<const N: usize> Code<N> {
    pub(super) const EMPTY: Self = Self { lens: [0; N], codes: [0; N] };

    /// The code of these lengths, none of them 0.
    pub(super) const fn of(lens: [u8; N]) -> Self {
        let mut code = Self { lens, codes: [0; N] };
        let mut symbols = [0; N];
        let mut symbol = 0;
        while symbol < N {
            symbols[symbol] = symbol as u32;
            symbol += 1;
        }
        code.assign(&symbols);
        code
    }

    /// The code that takes the fewest bits for symbols that come so often, none of them more than `most`; symbols that do
    /// not come have none.
    ///
    /// Two symbols at least have one, so that the code is complete: decoders are in use that take no other, and zlib
    /// writes no other.
    pub(super) fn build(&mut self, counts: &[u16; N], most: usize) {
        // Symbols that come: the count in the upper half, the symbol in the lower.
        let mut symbols = [0_u32; N];
        let mut used = 0;
        for (symbol, &count) in counts.iter().enumerate() {
            symbols[used] = u32::from(count) << 16 | symbol as u32;
            used += usize::from(count > 0);
        }
        self.lens = [0; N];
        let symbols = match used {
            0 | 1 => {
                // And the first other one.
                let one = if used == 0 { 1 } else { symbols[0] & 0xffff };
                symbols[..2].copy_from_slice(&if one == 0 { [0, 1] } else { [0, one] });
                for symbol in &symbols[..2] {
                    self.lens[*symbol as usize] = 1;
                }
                &symbols[..2]
            }
            _ => {
                // In ascending order of how often they come.
                let mut sorted = symbols;
                let sorted = &mut sorted[..used];
                sorted.sort_unstable();
                let mut depths = [0_u16; N];
                let depths = &mut depths[..used];
                for (depth, &entry) in depths.iter_mut().zip(sorted.iter()) {
                    *depth = (entry >> 16) as u16;
                }
                depths_in_place(depths);
                let mut numbers = numbers_of(depths);
                limit(&mut numbers, most);
                // The rarest symbols get the longest codes.
                let mut rarest = sorted.iter();
                for len in (1..=LONGEST).rev() {
                    for &entry in rarest.by_ref().take(usize::from(numbers[len])) {
                        self.lens[(entry & 0xffff) as usize] = len as u8;
                    }
                }
                &symbols[..used]
            }
        };
        self.assign(symbols);
    }

    /// Gives the symbols, in ascending order in the lower halves, the bits that follow from their lengths (§3.2.2).
    const fn assign(&mut self, symbols: &[u32]) {
        let mut numbers = [0_u16; LONGEST + 1];
        let mut at = 0;
        while at < symbols.len() {
            numbers[self.lens[(symbols[at] & 0xffff) as usize] as usize] += 1;
            at += 1;
        }
        let mut next = [0_u16; LONGEST + 2];
        let mut len = 1;
        while len <= LONGEST {
            next[len + 1] = (next[len] + numbers[len]) << 1;
            len += 1;
        }
        at = 0;
        while at < symbols.len() {
            let symbol = (symbols[at] & 0xffff) as usize;
            let len = self.lens[symbol];
            // The first one to be sent lowest.
            let bits = next[len as usize].reverse_bits() >> (16 - len as u32);
            self.codes[symbol] = (len as u32) << 16 | bits as u32;
            next[len as usize] += 1;
            at += 1;
        }
    }
}

/// From ascending counts to the depths of a Huffman tree, the greatest depth first, in the same memory (Moffat and Katajainen, "In-place
/// calculation of minimum-redundancy codes", 1995). At least two counts, whose sum fits.
fn depths_in_place(a: &mut [u16]) {
    let n = a.len();
    // Pairs the two smallest; what has a parent keeps its place instead of a count.
    a[0] += a[1];
    let (mut root, mut leaf) = (0, 2);
    for next in 1..n - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            if leaf >= n || (root < next && a[root] < a[leaf]) {
                sum += a[root];
                a[root] = next as u16;
                root += 1;
            } else {
                sum += a[leaf];
                leaf += 1;
            }
        }
        a[next] = sum;
    }
    // From parents to depths of the nodes within.
    a[n - 2] = 0;
    for next in (0..n - 2).rev() {
        a[next] = a[usize::from(a[next])] + 1;
    }
    // From those to the depths of the leaves.
    let (mut available, mut depth) = (1, 0);
    let mut inner = n - 1; // one behind the next one to look at
    let mut next = n;
    while available > 0 {
        let mut taken = 0;
        while inner > 0 && a[inner - 1] == depth {
            taken += 1;
            inner -= 1;
        }
        while available > taken {
            next -= 1;
            a[next] = depth;
            available -= 1;
        }
        available = 2 * taken;
        depth += 1;
    }
}

/// How many symbols have each depth; what is deeper than any code may be counts as the longest.
fn numbers_of(depths: &[u16]) -> [u16; LONGEST + 1] {
    let mut numbers = [0; LONGEST + 1];
    for &depth in depths {
        numbers[usize::from(depth).min(LONGEST)] += 1;
    }
    numbers
}

/// Makes codes no longer than `most` bits, and as many as fit: Kraft's sum becomes 1.
fn limit(numbers: &mut [u16; LONGEST + 1], most: usize) {
    for len in most + 1..=LONGEST {
        numbers[most] += std::mem::take(&mut numbers[len]);
    }
    let mut sum: u32 = (1..=most).map(|len| u32::from(numbers[len]) << (most - len)).sum();
    while sum > 1 << most {
        // One of the longest takes a place beside another code, which becomes a bit longer for that.
        let Some(len) = (1..most).rev().find(|&len| numbers[len] > 0) else { return };
        numbers[most] -= 1;
        numbers[len] -= 1;
        numbers[len + 1] += 2;
        sum -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths are those of a complete code, none too long, and none with fewer bits for what comes more rarely.
    fn check<const N: usize>(counts: [u16; N], most: usize) -> usize {
        let mut code = Code::EMPTY;
        code.build(&counts, most);
        let kraft: u32 = code.lens.iter().filter(|&&len| len > 0).map(|&len| 1 << (15 - len)).sum();
        assert_eq!(kraft, 1 << 15, "{:?}", code.lens);
        for (symbol, &count) in counts.iter().enumerate() {
            assert!(count == 0 || code.lens[symbol] > 0);
            assert!(usize::from(code.lens[symbol]) <= most);
            for (other, &more) in counts.iter().enumerate() {
                assert!(count == 0 || more <= count || code.lens[other] <= code.lens[symbol]);
            }
        }
        counts.iter().zip(&code.lens).map(|(&count, &len)| usize::from(count) * usize::from(len)).sum()
    }

    #[test]
    fn codes_are_complete_and_bounded() {
        let mut random = fastrand::Rng::with_seed(2);
        check([0_u16; 30], 15);
        check([0, 0, 7_u16, 0], 15);
        check([7_u16, 0, 0, 0], 15);
        for _ in 0..300 {
            let reach = random.u16(1..60);
            check::<19>(std::array::from_fn(|_| random.u16(..reach).saturating_sub(reach / 2)), 7);
            check::<286>(std::array::from_fn(|_| random.u16(..reach).saturating_sub(reach / 2)), 15);
        }
        // Fibonacci's numbers have the deepest tree.
        let mut counts = [0_u16; 21];
        (counts[0], counts[1]) = (1, 1);
        for at in 2..counts.len() {
            counts[at] = counts[at - 1] + counts[at - 2];
        }
        check(counts, 15);
        let few: [u16; 19] = std::array::from_fn(|at| counts[at]);
        check(few, 7);
    }

    /// A code by hand: 1, 1, 2, 4 want 3, 3, 2 and 1 bits.
    #[test]
    fn codes_take_the_fewest_bits() {
        assert_eq!(check([1_u16, 1, 2, 4], 15), 3 + 3 + 4 + 4);
        let mut code = Code::EMPTY;
        code.build(&[1_u16, 1, 2, 4], 15);
        assert_eq!(code.lens, [3, 3, 2, 1]);
        // 0, 10, 110, 111, the first bit lowest.
        assert_eq!(code.codes, [0x3_0003, 0x3_0007, 0x2_0001, 0x1_0000]);
    }
}
