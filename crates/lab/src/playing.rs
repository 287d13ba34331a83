//! Whatever plays a case: one for what WebSocket says, one for what HTTP/2 says.

use std::time::Duration;

use crate::http2::Examiner;
use crate::link::Dialogue;
use crate::player::{Player, Record, Wants};
use crate::rule::Violation;

/// One of both.
#[derive(Debug)]
pub(super) enum Playing {
    /// Frames, over whatever carries them.
    Frames(Box<Player>),
    /// A connection of HTTP/2.
    Exchange(Box<Examiner>),
}

impl Playing {
    pub(super) fn finish(self) -> Record {
        match self {
            Self::Frames(player) => player.finish(),
            Self::Exchange(examiner) => examiner.finish(),
        }
    }

    pub(super) fn unconnected(&mut self, error: &str) {
        match self {
            Self::Frames(player) => player.unconnected(error),
            Self::Exchange(examiner) => examiner.unconnected(error),
        }
    }

    /// Whether the peer has taken its leave in good order, and so has survived what the case did.
    pub(super) fn has_taken_leave(&self) -> bool {
        match self {
            Self::Frames(player) => player.has_taken_leave(),
            Self::Exchange(_) => false,
        }
    }

    /// When the last of what has to be sent so far was sent, counted from the start, if all of it was.
    pub(super) fn last_word(&self) -> Option<Duration> {
        match self {
            Self::Frames(player) => player.last_word(),
            Self::Exchange(_) => None,
        }
    }

    pub(super) fn shows_life(&self) -> bool {
        match self {
            Self::Frames(player) => player.shows_life(),
            Self::Exchange(examiner) => examiner.shows_life(),
        }
    }

    fn dialogue(&self) -> &dyn Dialogue {
        match self {
            Self::Frames(player) => &**player,
            Self::Exchange(examiner) => &**examiner,
        }
    }

    fn dialogue_mut(&mut self) -> &mut dyn Dialogue {
        match self {
            Self::Frames(player) => &mut **player,
            Self::Exchange(examiner) => &mut **examiner,
        }
    }
}

impl Dialogue for Playing {
    fn outgoing(&self) -> Option<&[u8]> {
        self.dialogue().outgoing()
    }
    fn sent(&mut self, now: Duration, bytes: usize) {
        self.dialogue_mut().sent(now, bytes);
    }
    fn write_failed(&mut self, now: Duration, error: &str) {
        self.dialogue_mut().write_failed(now, error);
    }
    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        self.dialogue_mut().receive(now, bytes);
    }
    fn broken(&mut self, now: Duration, violation: Violation) {
        self.dialogue_mut().broken(now, violation);
    }
    fn lost(&mut self) {
        self.dialogue_mut().lost();
    }
    fn eof(&mut self, now: Duration, error: Option<&str>) {
        self.dialogue_mut().eof(now, error);
    }
    fn tick(&mut self, now: Duration) {
        self.dialogue_mut().tick(now);
    }
    fn deadline(&self) -> Duration {
        self.dialogue().deadline()
    }
    fn wants(&self) -> Wants {
        self.dialogue().wants()
    }
    fn half_closed(&mut self, now: Duration) {
        self.dialogue_mut().half_closed(now);
    }
    fn dropped(&mut self, now: Duration) {
        self.dialogue_mut().dropped(now);
    }
    fn is_over(&self) -> bool {
        self.dialogue().is_over()
    }
}
