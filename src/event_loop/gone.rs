//! The placeholder for a stream while another one is layered over it.

use std::io::{self, Read, Write};

use super::stream::Stream;

pub(super) struct Gone;

impl Read for Gone {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::NotConnected.into())
    }
}

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Gone {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
