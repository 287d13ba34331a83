//! Where mask keys and handshake nonces come from (RFC 6455 §5.3, §10.3).
//!
//! The core asks for bytes through [`Entropy`]. With feature `entropy`, `SystemEntropy` takes them from the operating
//! system. Tests and fuzzers bring a fixed source. A source that has no bytes returns an error, and the operation that
//! needed them fails: there is no fallback.

use alloc::boxed::Box;
use core::fmt;
#[cfg(any(feature = "backplane", feature = "client"))]
use core::time::Duration;

use crate::frame::MaskKey;

/// A source of unpredictable bytes.
///
/// §5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source of
/// entropy". Only such a source may serve a connection to the outside.
///
/// ```
/// use bowsprit::entropy::{Entropy, EntropyError};
///
/// /// The generator of a board: it gives a word, or nothing while it is not ready.
/// struct Generator(fn() -> Option<u32>);
///
/// impl Entropy for Generator {
///     fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
///         for out in out.chunks_mut(4) {
///             let word = (self.0)().ok_or(EntropyError)?;
///             out.copy_from_slice(&word.to_ne_bytes()[..out.len()]);
///         }
///         Ok(())
///     }
/// }
///
/// assert_eq!(Generator(|| None).nonce(), Err(EntropyError));
/// ```
pub trait Entropy {
    /// Fills the whole of `out` with fresh bytes.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if the source has no bytes; the caller then ignores `out`, whatever it holds. A handshake
    /// cannot begin without a nonce. A client's connection that gets no masking key has failed
    /// ([`SendError::NoEntropy`](crate::connection::SendError::NoEntropy)).
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError>;

    /// Returns a fresh masking key.
    ///
    /// # Errors
    ///
    /// See [`fill`](Self::fill).
    #[inline]
    fn mask_key(&mut self) -> Result<MaskKey, EntropyError> {
        let mut key = [0; 4];
        self.fill(&mut key)?;
        Ok(MaskKey(key))
    }

    /// Returns a fresh nonce for `Sec-WebSocket-Key` (§4.1).
    ///
    /// # Errors
    ///
    /// See [`fill`](Self::fill).
    fn nonce(&mut self) -> Result<[u8; 16], EntropyError> {
        let mut nonce = [0; 16];
        self.fill(&mut nonce)?;
        Ok(nonce)
    }
}

/// The source of entropy has no bytes to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no entropy for masking keys and nonces")
    }
}

impl core::error::Error for EntropyError {}

impl<T: Entropy + ?Sized> Entropy for Box<T> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(out)
    }

    #[inline]
    fn mask_key(&mut self) -> Result<MaskKey, EntropyError> {
        (**self).mask_key()
    }

    fn nonce(&mut self) -> Result<[u8; 16], EntropyError> {
        (**self).nonce()
    }
}

/// Returns a random duration, evenly distributed between `least` and `most`, so that waiting clients do not all come
/// back at once. It need not be secret: without entropy it is `most`.
#[cfg(any(feature = "backplane", feature = "client"))]
pub(crate) fn between(least: Duration, most: Duration, entropy: &mut dyn Entropy) -> Duration {
    let mut bytes = [0; 4];
    let share = match entropy.fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX),
        Err(EntropyError) => 1.0,
    };
    least + most.saturating_sub(least).mul_f64(share)
}

/// The operating system's entropy, drawn in blocks so that a masking key costs no system call of its own.
///
/// With `std`, all sources of a thread share one block, so that a source owns no memory. A process that forks in the
/// middle of a block would use the rest of it twice.
#[cfg(feature = "entropy")]
#[derive(Default)]
pub struct SystemEntropy {
    #[cfg(not(feature = "std"))]
    block: Block,
}

#[cfg(feature = "entropy")]
impl SystemEntropy {
    /// Returns a source that has drawn nothing yet.
    pub const fn new() -> Self {
        Self {
            #[cfg(not(feature = "std"))]
            block: Block::EMPTY,
        }
    }
}

#[cfg(feature = "entropy")]
impl Entropy for SystemEntropy {
    #[inline]
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        #[cfg(feature = "std")]
        return BLOCK.with_borrow_mut(|block| block.fill(out));
        #[cfg(not(feature = "std"))]
        self.block.fill(out)
    }

    #[inline]
    fn mask_key(&mut self) -> Result<MaskKey, EntropyError> {
        #[cfg(feature = "std")]
        return BLOCK.with_borrow_mut(Block::mask_key);
        #[cfg(not(feature = "std"))]
        self.block.mask_key()
    }
}

#[cfg(all(feature = "entropy", feature = "std"))]
std::thread_local! {
    static BLOCK: core::cell::RefCell<Block> = const { core::cell::RefCell::new(Block::EMPTY) };
}

/// A block of drawn bytes, of which the last `left` are unused.
#[cfg(feature = "entropy")]
struct Block {
    bytes: [u8; Self::LEN],
    left: usize,
}

#[cfg(feature = "entropy")]
impl Default for Block {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[cfg(feature = "entropy")]
impl Block {
    const LEN: usize = if cfg!(feature = "std") { 1024 } else { 256 };

    const EMPTY: Self = Self { bytes: [0; Self::LEN], left: 0 };

    #[inline]
    fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
        for out in out.chunks_mut(Self::LEN) {
            if self.left < out.len() {
                self.draw()?;
            }
            let start = Self::LEN - self.left;
            let fresh = &mut self.bytes[start..start + out.len()];
            out.copy_from_slice(fresh);
            // Bytes that have been handed out are not kept.
            fresh.fill(0);
            self.left -= out.len();
        }
        Ok(())
    }

    /// Returns what [`fill`](Self::fill) would give for four bytes, in moves of a fixed length.
    #[inline]
    fn mask_key(&mut self) -> Result<MaskKey, EntropyError> {
        let fresh = self.bytes.get_mut(Self::LEN - self.left..).and_then(<[u8]>::first_chunk_mut);
        let Some(fresh) = fresh else {
            let mut key = [0; 4];
            return self.fill(&mut key).map(|()| MaskKey(key));
        };
        self.left -= size_of_val(fresh);
        Ok(MaskKey(core::mem::take(fresh)))
    }

    #[cold]
    fn draw(&mut self) -> Result<(), EntropyError> {
        self.left = 0; // a source that fails may have written something
        getrandom::fill(&mut self.bytes).map_err(|_| EntropyError)?;
        self.left = Self::LEN;
        Ok(())
    }
}

#[cfg(feature = "entropy")]
impl fmt::Debug for SystemEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemEntropy")
    }
}

#[cfg(all(test, feature = "entropy"))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_neither_repeat_nor_stand_still() {
        let mut source = SystemEntropy::new();
        let keys: HashSet<[u8; 4]> = (0..10_000).map(|_| source.mask_key().unwrap().0).collect();
        // Of 10,000 draws from 2^32 about 0.01 collide; 3 would be a fault.
        assert!(keys.len() > 9_997, "{} of 10000 keys differ", keys.len());
    }

    /// All sources of a thread draw from one block, and no two get the same bytes.
    #[test]
    fn sources_own_nothing_and_share_no_key() {
        #[cfg(feature = "std")]
        assert_eq!(size_of::<SystemEntropy>(), 0);
        let mut sources: [SystemEntropy; 8] = Default::default();
        let keys: HashSet<[u8; 4]> =
            (0..10_000).map(|round| sources[round % 8].mask_key().unwrap().0).collect();
        assert!(keys.len() > 9_997, "{} of 10000 keys differ", keys.len());
    }

    #[test]
    fn draws_longer_than_a_block_are_filled() {
        let mut out = [0; 3000];
        SystemEntropy::new().fill(&mut out).unwrap();
        assert!(out.chunks(100).all(|part| part.iter().any(|&byte| byte != 0)));
    }

    #[cfg(any(feature = "backplane", feature = "client"))]
    #[test]
    fn a_time_by_chance_lies_between_both_ends() {
        struct Always(u8);
        impl Entropy for Always {
            fn fill(&mut self, out: &mut [u8]) -> Result<(), EntropyError> {
                out.fill(self.0);
                Ok(())
            }
        }
        struct Nothing;
        impl Entropy for Nothing {
            fn fill(&mut self, _: &mut [u8]) -> Result<(), EntropyError> {
                Err(EntropyError)
            }
        }
        let [least, most] = [3, 5].map(Duration::from_secs);
        assert_eq!(between(least, most, &mut Always(0)), least);
        assert_eq!(between(least, most, &mut Always(0xff)), most);
        assert_eq!(between(least, most, &mut Nothing), most);
        assert_eq!(between(most, least, &mut Always(0xff)), most, "an empty range is its start");
        let middle = between(least, most, &mut Always(0x80));
        assert!(middle > Duration::from_secs(4) && middle < Duration::from_millis(4010), "{middle:?}");
    }
}
