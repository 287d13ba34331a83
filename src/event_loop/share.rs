//! Each connection's share of a turn, so that none keeps the others waiting.
//!
//! What is done for a connection has a cost. One that has used up its quantum is cut off between two messages, or inside one
//! that is being inflated: what was read and not looked at is kept for it, and it waits on the agenda. From then on, until
//! it has once needed less than its quantum, it is served from there alone, and all who are served from there get no more
//! than [`TURN`] together: so a hundred of them delay the others no more than one does. Whoever is quiet is served at once.
//!
//! The unit is about what it costs to inflate one byte of a message that compresses very well, a third of a nanosecond.

/// What one connection may cost in a turn before it is cut off. A message is never cut in two while the program has it,
/// so that one may cost more.
pub(super) const QUANTUM: u64 = 512 * 1024;

/// What all may cost in a turn that are served from the agenda. The last of them may pass it by a quantum.
pub(super) const TURN: u64 = 1024 * 1024;

/// A message, or a control frame, that is handed to the program.
pub(super) const MESSAGE: usize = 256;

/// Something that is sent to one receiver; what the system takes for the write is bounded by [`WRITES`].
pub(super) const SEND: usize = 256;

/// One more receiver of what lies in one place for all of them; its bytes count once, and where they are written.
pub(super) const JOIN: usize = 32;

/// Bytes that are read, copied or unmasked for one unit.
pub(super) const BYTES: usize = 8;

/// A byte of a layer below that was no byte for the connection. New keys of TLS take microseconds, and 27 bytes.
pub(super) const OVERHEAD: usize = 8;

/// A byte that is compressed.
pub(super) const COMPRESSED: usize = 8;

/// Receivers of what others have said to which is written in one turn; the next ones wait for the next turn, in order.
/// A write takes the system some microseconds: 128 are half a millisecond.
pub(super) const WRITES: usize = 128;

/// Bytes of a write beyond which it counts as a further one.
pub(super) const WRITE: u64 = 16 * 1024;

/// So much is read at a time for whoever needs more than a quantum.
pub(super) const READ: usize = 64 * 1024;

/// What a turn has cost so far.
#[derive(Debug, Default)]
pub(super) struct Work {
    spent: u64, // no turn is so long that it overflows
    /// Where the connection that is being served is cut off.
    limit: u64,
}

impl Work {
    /// A turn begins.
    pub(super) const fn begin(&mut self) {
        self.spent = 0;
        self.limit = 0;
    }

    /// A connection is served.
    pub(super) const fn serve(&mut self) {
        self.limit = self.spent + QUANTUM;
    }

    #[inline]
    pub(super) const fn spend(&mut self, cost: usize) {
        self.spent += cost as u64;
    }

    /// Nothing more is to be done for the connection that is being served.
    pub(super) const fn cut_off(&mut self) {
        self.limit = self.spent;
    }

    /// Whether the quantum is used up.
    #[inline]
    pub(super) const fn is_spent(&self) -> bool {
        self.spent >= self.limit
    }

    /// What is left of the quantum.
    #[inline]
    pub(super) const fn left(&self) -> usize {
        self.limit.saturating_sub(self.spent) as usize // never more than the quantum
    }

    /// Whether nobody else is to be served from the agenda.
    pub(super) const fn is_over(&self) -> bool {
        self.spent >= TURN
    }
}

/// Bytes that were read and not looked at, from a place on. Where none is left, there is still one before that place while
/// something is to be told that they have said.
#[derive(Debug, Default)]
pub(super) struct Rest {
    pub(super) bytes: Vec<u8>,
    pub(super) from: usize,
}

impl Rest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self { bytes: vec![0], from: 1 };
        }
        Self { bytes: bytes.to_vec(), from: 0 }
    }
}
