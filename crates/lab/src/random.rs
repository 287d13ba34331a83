//! Numbers that follow from a seed: the masking keys, nonces, payloads and random choices of a run are a function of
//! its seed.
//!
//! The algorithm is wyrand, as in `fastrand` 2.5, started with the seed, or with the exclusive or of the seed and the
//! 64-bit FNV-1a hash of an id. The version is pinned and a test holds the first numbers of a seed, so a seed that a
//! report names replays in later releases.

use fastrand::Rng;

/// A random number generator: good enough for test data, useless for secrets.
///
/// ```
/// use bowsprit_lab::random::Random;
///
/// assert_eq!(Random::new(7).next(), Random::new(7).next());
/// assert_ne!(Random::for_case(7, "a").next(), Random::for_case(7, "b").next());
/// ```
#[derive(Clone, Debug)]
pub struct Random(Rng);

impl Random {
    /// Starts the sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// Starts the sequence of this seed for one case or anything else with an id, whatever else runs beside it.
    pub fn for_case(seed: u64, id: &str) -> Self {
        // FNV-1a over the id.
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::new(seed ^ hash)
    }

    /// Returns the next 64 bits.
    #[expect(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// Returns a number below `bound`, or 0 if `bound` is 0; the same on machines of any width.
    pub fn below(&mut self, bound: usize) -> usize {
        // The number fits: it is below a usize.
        self.0.u64(..bound.max(1) as u64) as usize
    }

    /// Returns `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of these numbers changes what seeds in reports mean, so it goes into the changelog.
    #[test]
    fn a_seed_has_these_numbers_in_every_release() {
        let mut random = Random::new(1);
        assert_eq!(
            [(); 4].map(|()| random.next()),
            [
                12_120_239_713_417_281_201,
                9_861_924_296_701_902_397,
                4_420_488_659_902_023_302,
                14_367_571_835_928_699_312
            ]
        );
        assert_eq!([(); 6].map(|()| random.below(1000)), [9, 781, 769, 848, 601, 165]);
        assert_eq!(&random.bytes::<11>(), b"\x8b\x04\xa6\x4f\xfb\x64\x4a\x10\x47\x59\x16");
        assert_eq!(Random::for_case(1, "FRM-001").next(), 7_200_089_106_555_686_031);
    }
}
