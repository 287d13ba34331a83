//! The result of reading a text.

/// The bytes that a text stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The bytes: a piece for each array, literal or Buffer of the text, in order.
    pub pieces: Vec<Vec<u8>>,
    /// How the text was understood, if other readings are possible.
    pub notes: Vec<String>,
    /// Why there should be more bytes, if the text ends early.
    pub cut: Option<String>,
}

impl Found {
    /// Creates a result of one piece.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { pieces: vec![bytes], ..Self::default() }
    }

    /// Returns all pieces joined.
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}
