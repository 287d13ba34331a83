//! The waker of a loop, shared by all who wake it from other threads and made for the first of them.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use mio::{Registry, Token, Waker};

/// The waker of a loop, of which there is at most one.
#[derive(Clone, Default)]
pub(super) struct LoopWaker(Arc<OnceLock<Arc<Waker>>>);

impl fmt::Debug for LoopWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoopWaker")
    }
}

impl LoopWaker {
    /// Makes the waker, unless there is one.
    pub(super) fn make(&self, registry: &Registry, token: Token) -> io::Result<()> {
        if self.0.get().is_none() {
            let waker = Waker::new(registry, token)?;
            // Only the loop's own thread sets it.
            let _ = self.0.set(Arc::new(waker));
        }
        Ok(())
    }

    /// Uses the program's own waker.
    pub(super) fn use_of(&self, waker: Arc<Waker>) -> io::Result<()> {
        let used = self.0.get_or_init(|| Arc::clone(&waker));
        if Arc::ptr_eq(used, &waker) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "the loop has a waker already"))
    }

    /// Wakes the loop, if there is a waker.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.0.get()
            && let Err(error) = waker.wake()
        {
            log::error!("cannot wake the loop: {error}");
        }
    }
}
