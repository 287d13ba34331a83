//! Timers of the program, and how long connections live.

use std::time::Duration;

use super::Context;
use crate::event_loop::id::ConnId;
use crate::event_loop::timers::TimerId;

impl<D: Default> Context<D> {
    /// Sets a timer that comes once, `after` from now; `tag` is for the program to know it by.
    pub fn set_timer(&mut self, after: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(after), None, tag, None)
    }

    /// Sets a timer that comes again and again, at most once in a millisecond. It does not drift; where the loop was
    /// too late for some, they come as one.
    pub fn set_timer_every(&mut self, every: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(every), Some(every), tag, None)
    }

    /// Sets a timer that belongs to a connection: it does not come once that is no longer open.
    pub fn set_timer_for(&mut self, id: ConnId, after: Duration, tag: u64) -> TimerId {
        self.timers.set(self.now().checked_add(after), None, tag, Some(id))
    }

    /// Cancels a timer; says whether it was still to come.
    pub fn cancel_timer(&mut self, id: TimerId) -> bool {
        self.timers.cancel(id)
    }

    /// Has a connection live for another time than [`Settings::max_lifetime`](crate::event_loop::Settings::max_lifetime), from its opening on; `None` for ever.
    pub fn set_max_lifetime(&mut self, id: ConnId, most: Option<Duration>) {
        if self.peer(id).is_some() {
            self.peers[id.slot as usize].cold().max_lifetime = Some(most);
            self.watch_deadline(id.slot as usize);
        }
    }
}
