//! Buffers of long messages with more memory than the messages so far need.
//!
//! A reused buffer is lent with all of its memory, so that a message as long as the last one finds room there. While
//! the message is on its way it keeps that. But no peer may hold much memory by beginning long messages and sending
//! little of them: what all such buffers hold together is bounded, and the message that has had one for longest is
//! moved to a buffer that fits.

use std::collections::VecDeque;

use super::id::ConnId;

/// The connections that have such a buffer, and how much memory it had.
#[derive(Debug, Default)]
pub(super) struct Oversized {
    held: VecDeque<(ConnId, usize)>,
    memory: usize,
}

impl Oversized {
    /// Records that a connection has such a buffer; it may have been recorded before.
    pub(super) fn note(&mut self, id: ConnId, memory: usize) {
        match self.held.iter_mut().find(|(known, _)| *known == id) {
            Some((_, noted)) => self.memory = self.memory - std::mem::replace(noted, memory) + memory,
            None => {
                self.held.push_back((id, memory));
                self.memory += memory;
            }
        }
    }

    /// Returns the connection that has had its buffer for longest, while all together hold more than `most`.
    pub(super) fn next_beyond(&mut self, most: usize) -> Option<ConnId> {
        if self.memory <= most {
            return None;
        }
        let (id, memory) = self.held.pop_front()?;
        self.memory -= memory;
        Some(id)
    }
}
