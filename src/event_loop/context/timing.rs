//! Timers of the program, and the lifetime of connections.

use std::time::Duration;

use super::Context;
use crate::event_loop::id::ConnId;
use crate::event_loop::timers::TimerId;

impl<D: Default> Context<D> {
    /// Sets a timer that fires once, `after` from now. The program recognises it by its `tag`.
    pub fn set_timer(&mut self, after: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(after), None, tag, None)
    }

    /// Sets a timer that fires repeatedly, at most once in a millisecond. It does not drift; if the loop was too late
    /// for some of its times, they are merged into one.
    pub fn set_timer_every(&mut self, every: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(every), Some(every), tag, None)
    }

    /// Sets a timer that belongs to a connection: it does not fire once that is no longer open.
    pub fn set_timer_for(&mut self, id: ConnId, after: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(after), None, tag, Some(id))
    }

    /// Cancels a timer. Returns whether it was still to fire.
    pub fn cancel_timer(&mut self, id: TimerId) -> bool {
        self.timers.cancel(id)
    }

    /// Sets the lifetime of a connection from its opening on, in place of
    /// [`Settings::max_lifetime`](crate::event_loop::Settings::max_lifetime); `None` is no limit.
    pub fn set_max_lifetime(&mut self, id: ConnId, most: Option<Duration>) {
        if self.peer(id).is_some() {
            self.peers[id.slot as usize].cold().max_lifetime = Some(most);
            self.watch_deadline(id.slot as usize);
        }
    }
}
