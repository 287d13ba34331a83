//! One connection of a case: the bytes to write, the bytes that came, and how it ended. The player fills and empties
//! it.

use std::time::Duration;

use crate::link::Dialogue;
use crate::outbox::Outbox;
use crate::player::Wants;
use crate::rule::Violation;

/// The pause between two writes that should arrive apart.
const BREATH: Duration = Duration::from_millis(1);
/// Stands for no deadline.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// The exchange between a socket and the player.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// The bytes to write.
    pub(super) out: Outbox,
    /// The bytes that have come and were not taken.
    pub(super) inbox: Vec<u8>,
    /// How the peer ended its direction, once it has.
    pub(super) ended: Option<Ended>,
    /// Whether reading is suspended.
    pub(super) holds: bool,
    /// Whether our direction is open, ends once everything is written, or has ended.
    pub(super) half: Half,
    /// Whether the connection should be reset.
    pub(super) reset: bool,
    /// Whether the connection is over.
    pub(super) over: bool,
    /// How many bytes were written so far.
    pub(super) written: u64,
    /// Whether writing has failed.
    pub(super) broken: bool,
    /// How the peer ended the connection, in words, unless it ended in good order.
    pub(super) farewell: Option<String>,
    /// A rule of HTTP/2 that the peer has broken in the layer below the stream.
    pub(super) violation: Option<Violation>,
    breath: Option<Duration>,
}

/// How a peer ended its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Whether it was by a reset rather than in order.
    pub(super) reset: bool,
}

/// The state of our direction of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Half {
    #[default]
    Open,
    /// It ends once everything is written.
    Ending,
    Ended,
}

impl Mailbox {
    /// Creates the mailbox of a connection on which these bytes have come.
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
