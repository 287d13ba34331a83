//! Each connection's share of a turn, so that none keeps the others waiting.
//!
//! Everything that is done for a connection has a cost. One that has used up its quantum is cut off between two
//! messages, or inside one that is being inflated: what was read and not looked at is kept for it, and it waits on the
//! agenda. From then on, until it has once needed less than its quantum, it is served only from there, and all
//! connections that are served from there get no more than [`TURN`] together: so a hundred of them delay the others no
//! more than one does. A quiet connection is served at once.
//!
//! The unit is about the cost of inflating one byte of a message that compresses very well, a third of a nanosecond.

/// What one connection may cost in a turn before it is cut off. The program always gets a message whole, so one message
/// may cost more.
pub(super) const QUANTUM: u64 = 512 * 1024;

/// What all connections served from the agenda may cost in a turn. The last of them may exceed it by a quantum.
pub(super) const TURN: u64 = 1024 * 1024;

/// The cost of handing a message or a control frame to the program.
pub(super) const MESSAGE: usize = 256;

/// The cost of sending something to one receiver; the system's part of the write is bounded by [`WRITES`].
pub(super) const SEND: usize = 256;

/// The cost of one more receiver of a shared copy; its bytes count once, and when they are written.
pub(super) const JOIN: usize = 32;

/// How many bytes are read, copied or unmasked for one unit.
pub(super) const BYTES: usize = 8;

/// The cost of a byte that a lower layer kept to itself. New keys of TLS take microseconds, and 27 bytes.
pub(super) const OVERHEAD: usize = 8;

/// The cost of compressing a byte.
pub(super) const COMPRESSED: usize = 8;

/// How many receivers of messages from others are written to in one turn; the others wait for the next turn, in order.
/// A write takes the system some microseconds: 128 are half a millisecond.
pub(super) const WRITES: usize = 128;

/// A write counts as a further one for each of this many bytes.
pub(super) const WRITE: u64 = 16 * 1024;

/// How much is read at a time for a connection that needs more than a quantum.
pub(super) const READ: usize = 64 * 1024;

/// What a turn has cost so far.
#[derive(Debug, Default)]
pub(super) struct Work {
    spent: u64, // no turn is so long that it overflows
    /// The cost at which the connection that is being served is cut off.
    limit: u64,
}

impl Work {
    /// Begins a turn.
    pub(super) const fn begin(&mut self) {
        self.spent = 0;
        self.limit = 0;
    }

    /// Begins to serve a connection.
    pub(super) const fn serve(&mut self) {
        self.limit = self.spent + QUANTUM;
    }

    #[inline]
    pub(super) const fn spend(&mut self, cost: usize) {
        self.spent += cost as u64;
    }

    /// Ends the quantum of the connection that is being served.
    pub(super) const fn cut_off(&mut self) {
        self.limit = self.spent;
    }

    /// Returns whether the quantum is used up.
    #[inline]
    pub(super) const fn is_spent(&self) -> bool {
        self.spent >= self.limit
    }

    /// Returns what is left of the quantum.
    #[inline]
    pub(super) const fn left(&self) -> usize {
        self.limit.saturating_sub(self.spent) as usize // never more than the quantum
    }

    /// Returns whether no other connection is to be served from the agenda.
    pub(super) const fn is_over(&self) -> bool {
        self.spent >= TURN
    }
}

/// Bytes that were read and not looked at, from a place on. If none is left, one byte before that place remains while
/// there are events in them to be reported.
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
