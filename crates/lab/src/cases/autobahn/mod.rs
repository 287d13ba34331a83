//! The 517 cases of the Autobahn test suite under their own ids, written from a description of what each case sends and
//! expects. Groups 8 and 11 do not exist.
//!
//! Known differences, on purpose:
//!
//! * In 9.*, echoes are compared byte by byte, where the suite compares type and length.
//! * In every case, what the peer sends is checked against every rule of §5: a server that answers 7.3.6 with a Close
//!   of 126 bytes fails it here, while the suite ignores this.
//! * 3.2 to 3.4, 4.1.3 to 4.1.5, 4.2.3 to 4.2.5 and 5.15 are OK or NON-STRICT depending on whether the echo of a good
//!   message is sent before the connection fails: a race in many peers, in both suites.
//! * A Ping of the peer is answered and is not an event, nor is a Pong that answers no Ping of ours; in the suite both
//!   spoil the case. Pings that must stay unanswered hold data, which identifies a Pong for them.
//! * 12.* and 13.* take their messages from synthetic files of the same sizes, and send half a mebibyte for each case
//!   (at least four messages) instead of 1000 messages; `--full` sends them all.
//! * Patience is 4 s after the last sign of life, where the suite has deadlines of 0.5 s to 1000 s.

pub(super) mod closing;
pub(super) mod deflate;
pub(super) mod fragmentation;
pub(super) mod framing;
pub(super) mod limits;
pub(super) mod pings;
pub(super) mod reserved;
pub(super) mod utf8;

use super::rules;
use crate::case::{Case, Class, Ending, Event, Expect};

/// The base of every case of the suite.
const BASE: Case = Case { tags: &["autobahn"], ..Case::BASE };

/// The peer fails the connection at once.
const FAILS: Expect = Expect { outcomes: &[(Class::Ok, &[])], close: Ending::FAILS };

/// These events, then a clean closing handshake that we start.
const fn echoes(outcomes: &'static [(Class, &'static [Event])]) -> Expect {
    Expect { outcomes, close: Ending::CLEAN }
}

/// These events, then the peer fails the connection.
const fn fails_after(outcomes: &'static [(Class, &'static [Event])]) -> Expect {
    Expect { outcomes, close: Ending::FAILS }
}
