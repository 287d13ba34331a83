//! The ids of connections and clients, and the tokens of events.

use std::fmt;
use std::io;
use std::ops::Range;

use mio::Token;

/// Identifies a connection for as long as it lives, and nothing after that: slots are reused, ids are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// Identifies a client of a loop for as long as it lives, and nothing after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}.{}", self.slot, self.generation)
    }
}

/// The tokens of an engine: one for its waker, one for its backplane, then those of listeners, then those of connections.
///
/// The token of a connection has its slot in the low bits and above them as much of its generation as fits. So a late
/// event for a connection that is gone finds no connection, though the slot is reused.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    range: Range<usize>,
    /// The maximum number of connections.
    slots: usize,
    /// The bits of the generation that a token has; none in a short range.
    generations: u32,
}

/// The source that a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Waker,
    #[cfg(feature = "backplane")]
    Backplane,
    Listener(usize),
    Connection(Name),
}

/// The id of a connection, as far as a token contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) slot: usize,
    generation: u32,
    mask: u32,
}

/// How many listeners an engine can have.
pub(super) const LISTENERS: usize = 64;

/// The tokens before those of connections: the waker's, the backplane's, and those of listeners.
pub(super) const RESERVED: usize = 2 + LISTENERS;

/// A range with more tokens than slots of this many bits has room for generations: no process has that many
/// descriptors.
const SLOT_BITS: u32 = 24;

impl Tokens {
    /// # Errors
    ///
    /// If the range leaves no token for a connection.
    pub(super) fn new(range: Range<usize>) -> io::Result<Self> {
        let numbers = range.len().saturating_sub(RESERVED);
        if numbers == 0 {
            let needed = format!("an engine needs {RESERVED} tokens and one for each connection");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, needed));
        }
        // A power of two, less one: generations are told apart by their last bits.
        let generations = match u32::try_from(numbers >> SLOT_BITS) {
            Ok(0 | 1) => 0,
            Ok(times) => (1 << times.ilog2()) - 1,
            Err(_) => u32::MAX,
        };
        Ok(Self { range, slots: numbers.min(1 << SLOT_BITS), generations })
    }

    /// Returns the maximum number of connections.
    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    pub(super) const fn range(&self) -> &Range<usize> {
        &self.range
    }

    pub(super) const fn contains(&self, token: Token) -> bool {
        self.range.start <= token.0 && token.0 < self.range.end
    }

    pub(super) const fn waker(&self) -> Token {
        Token(self.range.start)
    }

    #[cfg(feature = "backplane")]
    pub(super) const fn backplane(&self) -> Token {
        Token(self.range.start + 1)
    }

    pub(super) const fn listener(&self, number: usize) -> Token {
        Token(self.range.start + 2 + number)
    }

    pub(super) const fn connection(&self, id: ConnId) -> Token {
        let generation = (id.generation & self.generations) as usize;
        Token(self.range.start + RESERVED + (generation << SLOT_BITS | id.slot as usize))
    }

    /// Returns what a token belongs to, or `None` if it is not one of these.
    #[inline]
    pub(super) fn owner(&self, token: Token) -> Option<Owner> {
        if !self.contains(token) {
            return None;
        }
        let number = token.0 - self.range.start;
        Some(match number.checked_sub(RESERVED) {
            Some(number) => Owner::Connection(Name {
                slot: number & ((1 << SLOT_BITS) - 1),
                generation: (number >> SLOT_BITS) as u32,
                mask: self.generations,
            }),
            None => match number {
                0 => Owner::Waker,
                #[cfg(feature = "backplane")]
                1 => Owner::Backplane,
                #[cfg(not(feature = "backplane"))]
                1 => return None,
                _ => Owner::Listener(number - 2),
            },
        })
    }
}

impl Name {
    /// Returns whether it may be the id of a connection in its slot with this generation.
    #[inline]
    pub(super) const fn is_of(self, generation: u32) -> bool {
        generation & self.mask == self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_owners() {
        for range in [0..usize::MAX, 1000..usize::MAX, 7..7 + RESERVED + 10, 0..5 << SLOT_BITS] {
            let tokens = Tokens::new(range.clone()).unwrap();
            assert_eq!(tokens.owner(tokens.waker()), Some(Owner::Waker));
            for number in [0, LISTENERS - 1] {
                assert_eq!(tokens.owner(tokens.listener(number)), Some(Owner::Listener(number)));
            }
            for generation in [0, 1, 2, 77, u32::MAX - 1, u32::MAX] {
                for slot in [0, 1, tokens.slots() - 1] {
                    let token = tokens.connection(ConnId { slot: slot as u32, generation });
                    assert!(range.contains(&token.0));
                    let Some(Owner::Connection(name)) = tokens.owner(token) else { panic!("{token:?}") };
                    assert!(name.slot == slot && name.is_of(generation));
                    assert_eq!(name.is_of(generation.wrapping_sub(1)), tokens.generations == 0);
                }
            }
            for outside in [range.start.checked_sub(1), Some(range.end)].into_iter().flatten() {
                assert_eq!(tokens.owner(Token(outside)), None);
            }
        }
        assert!(Tokens::new(0..RESERVED).is_err());
    }

    #[test]
    fn a_long_range_tells_generations_apart() {
        assert_eq!(Tokens::new(0..5 << SLOT_BITS).unwrap().generations, 3);
        assert_eq!(Tokens::new(0..1 << SLOT_BITS).unwrap().generations, 0);
        #[cfg(target_pointer_width = "64")]
        assert_eq!(Tokens::new(0..usize::MAX).unwrap().generations, u32::MAX);
    }
}
