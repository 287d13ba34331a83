//! The size of a window (RFC 7692 §7.1.2).

use std::fmt;

/// The size of an LZ77 window as its base-2 logarithm: 8 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32,768 bytes, the default.
    pub const MAX: Self = Self(15);
    /// 4,096 bytes.
    pub(super) const TWELVE: Self = Self(12);

    /// Creates a window of 2 to the power of `bits` bytes, for 8 to 15.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// Returns the logarithm.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the size in bytes.
    pub const fn bytes(self) -> usize {
        1 << self.0
    }

    /// Parses a window. §7.1.2.1: a decimal integer between 8 and 15 without leading zeros.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(Self(match text {
            "8" => 8,
            "9" => 9,
            "10" => 10,
            "11" => 11,
            "12" => 12,
            "13" => 13,
            "14" => 14,
            "15" => 15,
            _ => return None,
        }))
    }
}

impl Default for WindowBits {
    fn default() -> Self {
        Self::MAX
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
