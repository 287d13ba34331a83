//! The buffer for a message that does not arrive whole, as a driver lends it.

use alloc::boxed::Box;

use super::Assembler;
use crate::message::MessageBuffer;

impl Assembler {
    /// Whether there is a buffer already.
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

    /// The memory of a buffer that has far more of it than has come of the open message.
    pub fn oversized(&self) -> Option<usize> {
        self.buffer.as_ref().filter(|buffer| buffer.is_oversized()).map(|buffer| buffer.capacity())
    }

    /// Exchanges a buffer that has far more memory than has come of the open message for a fitting one.
    pub fn reclaim_oversized(&mut self) -> Option<Box<MessageBuffer>> {
        let buffer = self.buffer.as_mut().filter(|buffer| buffer.is_oversized())?;
        let fitted = Box::new(buffer.fitted());
        Some(core::mem::replace(buffer, fitted))
    }

    /// Takes the buffer back, where no message is open in it. What it holds is the last message.
    #[inline]
    pub fn reclaim(&mut self) -> Option<Box<MessageBuffer>> {
        if self.held() > 0 {
            return None;
        }
        self.whole &= self.is_open(); // the last message leaves
        self.buffer.take()
    }
}
