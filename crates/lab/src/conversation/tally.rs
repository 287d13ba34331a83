//! Counts of a conversation's traffic and faults.

use super::super::reader::{Frame, Peer};
use super::super::rule::Violation;

/// How many different faults are kept by name; a peer could produce any number.
const MOST_KINDS: usize = 64;

/// A connection in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What the client sent.
    pub client: Tally,
    /// What the server sent.
    pub server: Tally,
    /// How many requests there were.
    pub requests: u64,
    /// Whether the connection opened.
    pub opened: bool,
    /// The status of a response other than 101.
    pub refused: Option<u16>,
}

/// One side in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many bytes, heads included.
    pub bytes: u64,
    /// How many bytes of heads.
    pub(super) heads: u64,
    /// How many frames.
    pub frames: u64,
    /// How many text messages.
    pub texts: u64,
    /// How many binary messages.
    pub binaries: u64,
    /// How many Pings.
    pub pings: u64,
    /// How many Pongs.
    pub pongs: u64,
    /// The code of the side's Close; `Some(None)` for a Close without a code.
    pub close: Option<Option<u16>>,
    /// How often the side broke a rule.
    pub faults: u64,
    /// The rules that the side broke, and how often; not all of them if there are very many.
    pub broken: Vec<(String, u64)>,
}

impl Summary {
    pub(super) const fn of(&mut self, peer: Peer) -> &mut Tally {
        match peer {
            Peer::Client => &mut self.client,
            Peer::Server => &mut self.server,
        }
    }

    /// Returns how often a rule was broken.
    pub const fn faults(&self) -> u64 {
        self.client.faults + self.server.faults
    }

    pub(super) fn frame(&mut self, from: Peer, frame: &Frame) {
        for fault in &frame.faults {
            self.broken(from, fault);
        }
        let tally = self.of(from);
        tally.frames += 1;
        match (frame.header.opcode, &frame.message) {
            (8, _) => tally.close = Some(frame.close().map(|(code, _)| code)),
            (9, _) => tally.pings += 1,
            (10, _) => tally.pongs += 1,
            (_, Some(message)) if message.text => tally.texts += 1,
            (_, Some(_)) => tally.binaries += 1,
            _ => {}
        }
    }

    pub(super) fn broken(&mut self, from: Peer, violation: &Violation) {
        let tally = self.of(from);
        tally.faults += 1;
        let text = violation.to_string();
        let known = tally.broken.iter().position(|(known, _)| *known == text);
        match known {
            Some(at) => tally.broken[at].1 += 1,
            None if tally.broken.len() < MOST_KINDS => tally.broken.push((text, 1)),
            None => {}
        }
    }
}
