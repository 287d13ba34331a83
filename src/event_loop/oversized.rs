//! Long messages whose buffers have more memory than has come of them.
//!
//! A buffer that another message has had is lent with all the memory that it has, so that a message like that one finds its
//! room there. While it is on its way it keeps that. But nobody may hold much by beginning long messages and saying little of them: what
//! all of these hold together is bounded, and whoever has held his the longest goes on in a buffer that fits.

use std::collections::VecDeque;

use super::id::ConnId;

/// Who may have such a buffer, and how much memory it had.
#[derive(Debug, Default)]
pub(super) struct Oversized {
    held: VecDeque<(ConnId, usize)>,
    memory: usize,
}

impl Oversized {
    /// A connection has such a buffer; it may have been noted before.
    pub(super) fn note(&mut self, id: ConnId, memory: usize) {
        match self.held.iter_mut().find(|(known, _)| *known == id) {
            Some((_, noted)) => self.memory = self.memory - std::mem::replace(noted, memory) + memory,
            None => {
                self.held.push_back((id, memory));
                self.memory += memory;
            }
        }
    }

    /// Who has had his the longest, while they hold more than `most`.
    pub(super) fn next_beyond(&mut self, most: usize) -> Option<ConnId> {
        if self.memory <= most {
            return None;
        }
        let (id, memory) = self.held.pop_front()?;
        self.memory -= memory;
        Some(id)
    }
}
