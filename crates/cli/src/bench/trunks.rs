//! The HTTP/2 connections of a run: which link has a stream on which, and which of them are ready.

use std::io;
use std::mem;

use mio::{Interest, Registry, Token};

use super::target::Target;
use super::trunk::{Shared, Trunk};

/// All trunks, including those that are over.
#[derive(Default)]
pub(super) struct Trunks {
    all: Vec<Shared>,
    /// Trunks that accept further links, in order of the links.
    seats: Vec<Shared>,
    /// Trunks that have more to read than one turn takes.
    behind: Vec<usize>,
}

/// The tokens of trunks begin here; those of links are smaller.
const FIRST: usize = 1 << 40;

impl Trunks {
    /// Returns the number of the trunk with this token, if it is a trunk's.
    pub(super) const fn number(token: Token) -> Option<usize> {
        token.0.checked_sub(FIRST)
    }

    /// Returns the connection for link `number`; each carries `streams` links.
    pub(super) fn seat(
        &mut self,
        number: usize,
        streams: usize,
        target: &Target,
        registry: &Registry,
    ) -> io::Result<Shared> {
        let seat = number / streams;
        if let Some(trunk) = self.seats.get(seat).filter(|trunk| trunk.borrow().is_fresh()) {
            return Ok(trunk.clone());
        }
        let trunk = Trunk::new(target.dial()?);
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(trunk.borrow_mut().tcp(), Token(FIRST + self.all.len()), both)?;
        self.all.push(trunk.clone());
        match self.seats.get_mut(seat) {
            Some(old) => *old = trunk.clone(),
            None => self.seats.push(trunk.clone()), // links are dialled in order
        }
        Ok(trunk)
    }

    /// Writes what all trunks have to write. The links that have something to do are added to `ready`. Returns the
    /// trunks that have to be read again although no event will announce it.
    pub(super) fn flush(&mut self, ready: &mut Vec<usize>) -> Vec<usize> {
        for trunk in &self.all {
            trunk.borrow_mut().flush(ready);
        }
        mem::take(&mut self.behind)
    }

    /// Moves the bytes of one trunk; the links that have something to do are added to `ready`.
    pub(super) fn pump(&mut self, number: usize, scratch: &mut [u8], ready: &mut Vec<usize>) {
        if let Some(trunk) = self.all.get(number)
            && trunk.borrow_mut().pump(scratch, ready)
        {
            self.behind.push(number);
        }
    }
}
