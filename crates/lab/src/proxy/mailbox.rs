//! One connection of a case: what is to be written, what came, how it ended. The player fills and empties it.

use std::time::Duration;

use crate::link::Dialogue;
use crate::outbox::Outbox;
use crate::player::Wants;
use crate::rule::Violation;

/// Between two writes that are to arrive apart.
const BREATH: Duration = Duration::from_millis(1);
/// No time is due.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// What passes between a socket and the player.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// What is to be written.
    pub(super) out: Outbox,
    /// What has come and was not taken.
    pub(super) inbox: Vec<u8>,
    /// How the peer ended its half, once it has.
    pub(super) ended: Option<Ended>,
    /// Whether nothing is read.
    pub(super) holds: bool,
    /// Our half is to be ended once everything is written, or is.
    pub(super) half: Half,
    /// The connection is to be reset.
    pub(super) reset: bool,
    /// The connection is over.
    pub(super) over: bool,
    /// Bytes written so far.
    pub(super) written: u64,
    /// No more could be written.
    pub(super) broken: bool,
    /// How the peer ended it, in words, unless that was in good order.
    pub(super) farewell: Option<String>,
    /// A rule of HTTP/2 that the peer has broken below the stream.
    pub(super) violation: Option<Violation>,
    breath: Option<Duration>,
}

/// How a peer ended its half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// By a reset, not in order.
    pub(super) reset: bool,
}

/// Where our half of the connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Half {
    #[default]
    Open,
    /// To be ended once everything is written.
    Ending,
    Ended,
}

impl Mailbox {
    /// Of a connection on which this has come.
    pub(super) fn holding(inbox: Vec<u8>) -> Self {
        Self { inbox, ..Self::default() }
    }
}

impl Dialogue for Mailbox {
    fn outgoing(&self) -> Option<&[u8]> {
        if self.breath.is_some() { None } else { self.out.next() }
    }

    fn sent(&mut self, now: Duration, bytes: usize) {
        self.written += bytes as u64;
        if self.out.advance(bytes) {
            self.breath = Some(now + BREATH);
        }
    }

    fn write_failed(&mut self, _: Duration, _: &str) {
        self.out.clear();
        self.broken = true;
    }

    fn receive(&mut self, _: Duration, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
    }

    fn broken(&mut self, _: Duration, violation: Violation) {
        self.violation = Some(violation);
        self.ended.get_or_insert(Ended { reset: true });
    }

    fn eof(&mut self, _: Duration, error: Option<&str>) {
        if self.ended.is_none() {
            self.farewell = error.map(str::to_owned);
        }
        self.ended.get_or_insert(Ended { reset: error.is_some() });
    }

    fn tick(&mut self, _: Duration) {
        self.breath = None;
    }

    fn deadline(&self) -> Duration {
        self.breath.unwrap_or(NEVER)
    }

    fn wants(&self) -> Wants {
        let is_due = self.half == Half::Ending && self.out.is_empty();
        if is_due { Wants::HalfClose } else { Wants::Nothing }
    }

    fn half_closed(&mut self, _: Duration) {
        self.half = Half::Ended;
    }

    fn dropped(&mut self, _: Duration) {
        self.over = true;
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn reads(&self) -> bool {
        self.ended.is_none() && !self.holds
    }
}
