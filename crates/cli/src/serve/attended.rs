//! What stands between the handlers and the attendant, which looks after signals, counters and the live line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowsprit::event_loop::{Context, Handler};
use mio::Waker;
use mio::event::Event;

use super::visit::Visit;
use crate::output::say;

/// A handler that waits for more than its loop does.
pub(super) trait Attended: Handler<Data = Visit> {
    /// Something that it has registered is ready.
    fn on_event(&mut self, cx: &mut Context<Visit>, event: &Event) {
        let _ = (cx, event);
    }

    /// All events of a turn have been told.
    fn on_turn(&mut self, cx: &mut Context<Visit>) {
        let _ = cx;
    }

    /// Whether the next turn has something to do at once.
    fn is_busy(&self, cx: &Context<Visit>) -> bool {
        let _ = cx;
        false
    }

    /// Whether it may end once all connections are gone.
    fn is_done(&self) -> bool {
        true
    }
}

/// One of several loops, for as long as it runs; lets the attendant know when it does not.
pub(super) struct Running {
    pub(super) number: usize,
    pub(super) count: Arc<AtomicUsize>,
    pub(super) waker: Arc<Waker>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            say(format_args!("cannot wake the main thread: {error}"));
        }
    }
}
