//! Field sections in HPACK encoding (RFC 7541).
//!
//! In: whole blocks, in the order in which the peer wrote them. Out: their fields, one after the other, borrowed.
//! Promises: no block makes the decoder hold more than its table of 4,096 bytes and one decoded string; a declared
//! length reserves nothing. What we send refers only to the static table and is not kept by the peer, so that nothing
//! can be learned of a secret from how well it compresses (§7.1).

mod decoder;
mod encoder;
mod huffman;
mod table;

use core::fmt;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;

/// What is wrong with a block. After any of these the tables of both sides differ, so it ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HpackError {
    /// It ends inside a field (§5).
    Truncated,
    /// A number of more than 32 bits (§5.1).
    Integer,
    /// An index without an entry, including 0 (§2.3.3, §6.1).
    Index,
    /// A string that is not valid Huffman code (§5.2).
    Huffman,
    /// A table larger than we allow (§6.3).
    TableSize,
    /// A change of the table's size after the first field (§4.2).
    TableSizeLate,
}

impl HpackError {
    /// Returns the section of RFC 7541.
    pub(super) const fn section(self) -> &'static str {
        match self {
            HpackError::Truncated => "5",
            HpackError::Integer => "5.1",
            HpackError::Index => "2.3.3",
            HpackError::Huffman => "5.2",
            HpackError::TableSize => "6.3",
            HpackError::TableSizeLate => "4.2",
        }
    }
}

impl fmt::Display for HpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HpackError::Truncated => "a field section ends inside a field",
            HpackError::Integer => "a field section holds a number of more than 32 bits",
            HpackError::Index => "a field section refers to an entry that no table has",
            HpackError::Huffman => "a field section holds a string that is no Huffman code",
            HpackError::TableSize => "a field section asks for a larger table than was allowed",
            HpackError::TableSizeLate => "a field section changes the table's size behind its first field",
        })
    }
}
