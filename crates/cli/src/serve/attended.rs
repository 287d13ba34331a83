//! The interface between the handlers and the attendant, which looks after signals, counters and the live line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowsprit::event_loop::{Context, Handler};
use mio::Waker;
use mio::event::Event;

use super::visit::Visit;
use crate::output::say;

/// A handler that waits for more than its loop does.
pub(super) trait Attended: Handler<Data = Visit> {
    /// Called when something that the handler has registered is ready.
    fn on_event(&mut self, cx: &mut Context<Visit>, event: &Event) {
        let _ = (cx, event);
    }

    /// Called after all events of a turn.
    fn on_turn(&mut self, cx: &mut Context<Visit>) {
        let _ = cx;
    }

    /// Returns whether the next turn has something to do at once.
    fn is_busy(&self, cx: &Context<Visit>) -> bool {
        let _ = cx;
        false
    }

    /// Returns whether the handler may end once all connections are gone.
    fn is_done(&self) -> bool {
        true
    }
}

/// Held by one of several loops while it runs; tells the attendant when it ends.
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
