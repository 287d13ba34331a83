//! The buffer that a driver lends for a message that does not arrive whole.

use alloc::boxed::Box;

use super::Assembler;
use crate::message::MessageBuffer;

impl Assembler {
    /// Returns whether there is a buffer already.
    #[inline]
    pub const fn has_buffer(&self) -> bool {
        self.buffer.is_some()
    }

    /// Lends a buffer for the next message that does not arrive whole.
    pub fn lend(&mut self, mut buffer: Box<MessageBuffer>) {
        if self.buffer.is_none() {
            buffer.clear();
            self.buffer = Some(buffer);
        }
    }

    /// Returns the memory of the buffer if it has far more than the open message so far needs.
    pub fn oversized(&self) -> Option<usize> {
        self.buffer.as_ref().filter(|buffer| buffer.is_oversized()).map(|buffer| buffer.capacity())
    }

    /// Replaces a buffer that has far more memory than the open message so far needs by a fitting one, and returns it.
    pub fn reclaim_oversized(&mut self) -> Option<Box<MessageBuffer>> {
        let buffer = self.buffer.as_mut().filter(|buffer| buffer.is_oversized())?;
        let fitted = Box::new(buffer.fitted());
        Some(core::mem::replace(buffer, fitted))
    }

    /// Takes the buffer back unless a message is open in it. It holds the last message.
    #[inline]
    pub fn reclaim(&mut self) -> Option<Box<MessageBuffer>> {
        if self.held() > 0 {
            return None;
        }
        self.whole &= self.is_open(); // the last message leaves with the buffer
        self.buffer.take()
    }
}
