//! What one side owes the other: an answer to its Close and to its Ping.
//!
//! The observer stands between the two sides and sees bytes before they arrive: a side that ends the connection at once
//! may not have read the Close yet. A duty therefore counts as broken only if there was time to fulfil it.

use std::time::Duration;

use bowsprit::error::Section;

use super::super::reader::{Frame, Peer};
use super::super::rule::Violation;

/// How long an answer to a Close may take if the connection lasts that long.
const CLOSE: Duration = Duration::from_millis(500);
/// How long an answer to a Ping may take if the connection lasts that long: §5.5.2 says "as soon as is practical".
const PONG: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Duties {
    client: Owed,
    server: Owed,
}

/// What a side owes.
#[derive(Debug, Default)]
struct Owed {
    /// The time and the payload of a Ping that is not answered yet.
    pong: Option<(Duration, Vec<u8>)>,
    /// The time of a Close that is not answered yet.
    close: Option<Duration>,
    has_closed: bool,
}

impl Duties {
    const fn of(&mut self, peer: Peer) -> &mut Owed {
        match peer {
            Peer::Client => &mut self.client,
            Peer::Server => &mut self.server,
        }
    }

    pub(super) const fn has_closed(&self, peer: Peer) -> bool {
        match peer {
            Peer::Client => self.client.has_closed,
            Peer::Server => self.server.has_closed,
        }
    }

    pub(super) fn frame(&mut self, at: Duration, from: Peer, frame: &Frame) {
        match frame.header.opcode {
            8 => {
                let own = self.of(from);
                (own.has_closed, own.close) = (true, None);
                let other = self.of(from.other());
                // "Unless it already received a Close frame."
                other.pong = None;
                if !other.has_closed {
                    other.close = Some(at);
                }
            }
            // Only the latest Ping needs an answer (§5.5.3).
            9 if !self.of(from).has_closed => {
                self.of(from.other()).pong = Some((at, frame.payload.clone()));
            }
            10 => {
                let owed = &mut self.of(from).pong;
                if owed.as_ref().is_some_and(|(_, payload)| *payload == frame.payload) {
                    *owed = None;
                }
            }
            _ => {}
        }
    }

    /// Returns the duties that a side has left undone when it sends nothing more.
    pub(super) fn end(&mut self, at: Duration, from: Peer) -> impl Iterator<Item = Violation> + use<> {
        let owed = self.of(from);
        let is_late = |since: Duration, patience| at.saturating_sub(since) >= patience;
        let close = owed.close.take().filter(|since| is_late(*since, CLOSE));
        let pong = owed.pong.take().filter(|(since, _)| is_late(*since, PONG));
        let close =
            close.map(|_| Violation::new(Section::rfc6455("5.5.1"), "A Close is left without an answer"));
        let pong =
            pong.map(|_| Violation::new(Section::rfc6455("5.5.2"), "A Ping is left without an answer"));
        close.into_iter().chain(pong)
    }
}
