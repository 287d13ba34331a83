//! Huffman codes (RFC 1951 §3.2): the length and the bits of each symbol's code.

/// A code for each of up to `N` symbols.
#[derive(Clone, Copy)]
pub(super) struct Code<const N: usize> {
    /// How many bits each symbol's code has.
    pub(super) lens: [u8; N],
    /// The bits in the order in which they are sent, and from bit 16 on how many they are. Entries of symbols without a
    /// code are unspecified.
    pub(super) codes: [u32; N],
}

/// The longest code in bits: §3.2.7 has four bits for a code length.
const LONGEST: usize = 15;

impl<const N: usize> Code<N> {
    pub(super) const EMPTY: Self = Self { lens: [0; N], codes: [0; N] };

    /// Returns the code with these lengths, none of which is 0.
    pub(super) const fn of(lens: [u8; N]) -> Self {
        let mut code = Self { lens, codes: [0; N] };
        let (mut symbols, mut numbers) = ([0; N], [0; LONGEST + 1]);
        let mut symbol = 0;
        while symbol < N {
            symbols[symbol] = symbol as u32;
            numbers[lens[symbol] as usize] += 1;
            symbol += 1;
        }
        code.assign(&symbols, &numbers);
        code
    }

    /// Builds the code for the symbols used, with at most `most` bits for each. Other symbols have no code.
    pub(super) fn build(&mut self, used: &Used<N>, most: usize) {
        let used = used.as_slice();
        let mut rarest_first = [0; N];
        let rarest_first = &mut rarest_first[..used.len()];
        sort(used, rarest_first);
        let mut numbers = numbers::<N>(rarest_first);
        limit(&mut numbers, most);
        self.lens = [0; N];
        // The rarest symbols get the longest codes.
        let mut rarest = rarest_first.iter();
        for len in (1..=most).rev() {
            for &entry in rarest.by_ref().take(usize::from(numbers[len])) {
                self.lens[symbol(entry)] = len as u8;
            }
        }
        self.assign(used, &numbers);
    }

    /// Gives the symbols the bits that follow from their lengths (§3.2.2). `symbols` has them in the lower halves, in
    /// ascending order; `numbers` has the number of codes of each length.
    const fn assign(&mut self, symbols: &[u32], numbers: &[u16; LONGEST + 1]) {
        let mut next = [0_u16; LONGEST + 2];
        let mut len = 1;
        while len <= LONGEST {
            next[len + 1] = (next[len] + numbers[len]) << 1;
            len += 1;
        }
        let mut at = 0;
        while at < symbols.len() {
            let symbol = symbol(symbols[at]);
            let len = self.lens[symbol];
            // The first bit to send is the lowest.
            let bits = next[len as usize].reverse_bits() >> (16 - len as u32);
            self.codes[symbol] = (len as u32) << 16 | bits as u32;
            next[len as usize] += 1;
            at += 1;
        }
    }
}

/// The symbols that a block uses, in ascending order.
pub(super) struct Used<const N: usize> {
    /// The count in the upper half, and the symbol in the lower half.
    entries: [u32; N],
    len: usize,
}

impl<const N: usize> Used<N> {
    pub(super) const NONE: Self = Self { entries: [0; N], len: 0 };

    /// Sets the symbols to those with a count other than 0, but to at least two, so that the code is complete: some
    /// decoders in use accept only complete codes, and zlib writes no others.
    pub(super) fn set(&mut self, counts: &[u16; N]) {
        self.len = 0;
        // Usually few symbols are used, and they are next to each other.
        let (eights, rest) = counts.as_chunks::<8>();
        for (eight, counts) in eights.iter().enumerate() {
            if *counts != [0; 8] {
                self.push(8 * eight, counts);
            }
        }
        self.push(8 * eights.len(), rest);
        if self.len < 2 {
            // Adds the first other symbol.
            let other = u32::from(self.len == 1 && symbol(self.entries[0]) == 0);
            self.entries[self.len] = other;
            self.len += 1;
            if self.len < 2 {
                self.entries[1] = 1;
                self.len = 2;
            }
            self.entries[..2].sort_unstable_by_key(|&entry| symbol(entry));
        }
    }

    #[inline(always)]
    fn push(&mut self, first: usize, counts: &[u16]) {
        for (symbol, &count) in (first..).zip(counts) {
            self.entries[self.len.min(N - 1)] = u32::from(count) << 16 | symbol as u32;
            self.len += usize::from(count > 0);
        }
    }

    fn as_slice(&self) -> &[u32] {
        &self.entries[..self.len]
    }

    /// Iterates over each symbol and its count.
    #[inline]
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, u32)> {
        self.as_slice().iter().map(|&entry| (symbol(entry), entry >> 16))
    }
}

#[inline(always)]
const fn symbol(entry: u32) -> usize {
    (entry & 0xffff) as usize
}

/// Up to this many symbols are sorted by comparing them.
const FEW: usize = 20;

/// Counts from here on are sorted by comparing them.
const MANY: usize = 64;

/// Sorts by count, the lowest first, and equal counts by symbol.
fn sort(used: &[u32], sorted: &mut [u32]) {
    if used.len() <= FEW {
        sorted.copy_from_slice(used);
        sorted.sort_unstable();
        return;
    }
    let bucket = |entry: u32| ((entry >> 16) as usize).min(MANY - 1);
    let mut places = [0_u16; MANY];
    for &entry in used {
        places[bucket(entry)] += 1;
    }
    let mut place = 0;
    for next in &mut places {
        place += std::mem::replace(next, place);
    }
    let many = usize::from(places[MANY - 1]);
    for &entry in used {
        let place = &mut places[bucket(entry)];
        sorted[usize::from(*place)] = entry;
        *place += 1;
    }
    sorted[many..].sort_unstable();
}

/// Returns how many symbols have a code of each length in a Huffman tree over these symbols, of which there are at
/// least two, in ascending order of their counts. Codes that are too long count as [`LONGEST`].
fn numbers<const N: usize>(sorted: &[u32]) -> [u16; LONGEST + 1] {
    // More than all counts together, and a sum of two does not overflow.
    const NONE: u32 = 1 << 24;
    // The weights of inner nodes, in the order in which they are made, which is ascending (van Leeuwen, 1976); and for
    // each the first inner node that is not below an earlier one.
    let mut weights = [NONE; N];
    let mut first_below = [0_u16; N];
    let root = sorted.len() - 2;
    let (mut leaf, mut node) = (0, 0);
    for next in 0..=root {
        let count = |leaf: usize| sorted.get(leaf).map_or(NONE, |&entry| entry >> 16);
        let leaves = [count(leaf), count(leaf + 1)];
        let nodes = [weights[node], weights[node + 1]];
        first_below[next] = node as u16;
        // Joins the two lightest, without a branch, because it would be unpredictable.
        weights[next] = (leaves[0] + leaves[1]).min(leaves[0] + nodes[0]).min(nodes[0] + nodes[1]);
        let taken = 1 + usize::from(leaves[1] <= nodes[0]) - usize::from(nodes[1] < leaves[0]);
        leaf += taken;
        node += 2 - taken;
    }
    let mut numbers = [0; LONGEST + 1];
    // From the root down: the nodes at each depth are next to each other, and each has two children.
    let (mut first, mut at_depth, mut depth) = (root, 1, 0);
    while at_depth > 0 {
        let below = first - usize::from(first_below[first]);
        first -= below;
        depth += 1;
        numbers[depth.min(LONGEST)] += (2 * at_depth - below) as u16;
        at_depth = below;
    }
    numbers
}

/// Limits codes to `most` bits, and keeps the code complete: the Kraft sum becomes 1.
fn limit(numbers: &mut [u16; LONGEST + 1], most: usize) {
    for len in most + 1..=LONGEST {
        numbers[most] += std::mem::take(&mut numbers[len]);
    }
    let mut sum: u32 = (1..=most).map(|len| u32::from(numbers[len]) << (most - len)).sum();
    while sum > 1 << most {
        // One of the longest codes moves next to a shorter code, which becomes a bit longer for that.
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

    fn built<const N: usize>(counts: &[u16; N], most: usize) -> Code<N> {
        let (mut used, mut code) = (Used::NONE, Code::EMPTY);
        used.set(counts);
        code.build(&used, most);
        code
    }

    /// The lengths are those of a complete code, none too long, and none with fewer bits for what comes more rarely.
    fn check<const N: usize>(counts: [u16; N], most: usize) -> usize {
        let code = built(&counts, most);
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
        let code = built(&[1_u16, 1, 2, 4], 15);
        assert_eq!(code.lens, [3, 3, 2, 1]);
        // 0, 10, 110, 111, the first bit lowest.
        assert_eq!(code.codes, [0x3_0003, 0x3_0007, 0x2_0001, 0x1_0000]);
    }
}
