//! What the forms make of a text.

/// What a text stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The bytes: a piece for each array, literal or Buffer of the text, in order.
    pub pieces: Vec<Vec<u8>>,
    /// How it was understood, where that is not plain.
    pub notes: Vec<String>,
    /// Why there should be more, if the text ends early.
    pub cut: Option<String>,
}

impl Found {
    /// In one piece.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { pieces: vec![bytes], ..Self::default() }
    }

    /// All pieces, one behind the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}
