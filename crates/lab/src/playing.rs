//! What plays a case: one player for WebSocket frames, one for HTTP/2.

use std::time::Duration;

use crate::http2::Examiner;
use crate::link::Dialogue;
use crate::player::{Player, Record, Wants};
use crate::rule::Violation;

/// A player of frames or of an HTTP/2 exchange.
#[derive(Debug)]
pub(super) enum Playing {
    /// WebSocket frames, over any carrier.
    Frames(Box<Player>),
    /// An HTTP/2 connection.
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

    /// Returns whether the peer has ended in good order, and so has survived the case.
    pub(super) fn has_taken_leave(&self) -> bool {
        match self {
            Self::Frames(player) => player.has_taken_leave(),
            Self::Exchange(_) => false,
        }
    }

    /// Returns when the last of the bytes due so far was sent, counted from the start, if all of them were.
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
