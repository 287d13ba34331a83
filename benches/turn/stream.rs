//! A simulated stream: a read finds what was put there for it, a write is accepted and forgotten.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;

use bowsprit::event_loop::Stream;

thread_local! {
    /// What the next read finds.
    static INPUT: RefCell<Option<Rc<[u8]>>> = const { RefCell::new(None) };
}

/// Sets what the next read finds, all of it at once.
pub(crate) fn arrive(bytes: Rc<[u8]>) {
    INPUT.set(Some(bytes));
}

pub(crate) struct InMemory;

impl Read for InMemory {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(bytes) = INPUT.take() else { return Err(ErrorKind::WouldBlock.into()) };
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for InMemory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(black_box(slices).iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for InMemory {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
