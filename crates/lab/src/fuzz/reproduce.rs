//! Checks whether a script, or a smaller one, reproduces a finding.

use std::io;

use super::finding::{Finding, Kind};
use super::neighbour;
use super::oracles::Oracles;
use super::peer::Peer;
use super::process::resident;
use super::script::Script;

/// Plays scripts to look for one finding.
pub struct Reproducer<'a> {
    /// The peer.
    pub peer: &'a Peer,
    /// What the peer is checked against.
    pub oracles: &'a Oracles,
    /// What two findings of one fault have in common.
    pub key: (Kind, String),
    /// For a finding about memory: the process to measure, and how many bytes it may grow by.
    pub watch: Option<(u32, u64)>,
    /// What the peer sent in the last script that was played.
    pub received: Vec<String>,
}

/// How often a script is played between two measurements of the peer's memory.
const TIMES: u64 = 20;

impl<'a> Reproducer<'a> {
    /// Creates a reproducer that looks for the fault of `finding`.
    pub fn new(peer: &'a Peer, oracles: &'a Oracles, finding: &Finding, watch: Option<(u32, u64)>) -> Self {
        Self { peer, oracles, key: finding.key(), watch, received: Vec::new() }
    }

    /// Returns the finding, if this script reproduces it.
    ///
    /// # Errors
    ///
    /// Fails if the peer is not there to begin with.
    pub fn find(&mut self, script: &Script) -> io::Result<Option<Finding>> {
        Ok(self.any(script)?.filter(|finding| finding.key() == self.key))
    }

    /// Returns any finding that this script produces.
    ///
    /// # Errors
    ///
    /// Fails if the peer is not there to begin with.
    pub fn any(&mut self, script: &Script) -> io::Result<Option<Finding>> {
        if self.key.0 == Kind::Memory {
            return self.grows(script);
        }
        self.peer.ready()?;
        if let (Kind::NeighbourWaits, Some(within)) = (self.key.0, self.oracles.neighbour) {
            let (mut found, mut played) = neighbour::beside(self.peer, script, self.oracles, within)?;
            // The script's effect recurs; a machine that was slow for a moment is not a finding.
            if found.as_ref().is_some_and(|found| found.key().0 == Kind::NeighbourWaits) {
                (found, played) = neighbour::beside(self.peer, script, self.oracles, within)?;
            }
            self.received = played.received;
            return Ok(found);
        }
        let played = self.peer.play(script, self.oracles);
        if self.key.0 == Kind::Gone || played.is_err() {
            self.received = played.map(|played| played.received).unwrap_or_default();
            let gone = self.peer.gone(self.oracles);
            if gone.is_some()
                && let Some(process) = &self.peer.process
            {
                process.stop(); // it may hang
            }
            return Ok(gone.map(|why| Finding::gone(&why)));
        }
        let played = played?;
        self.received = played.received;
        let gone = played.finding.as_ref().and_then(|finding| self.peer.gone_by(finding, self.oracles));
        Ok(gone.map(|why| Finding::gone(&why)).or(played.finding))
    }

    fn grows(&mut self, script: &Script) -> io::Result<Option<Finding>> {
        let Some((pid, most)) = self.watch else { return Ok(None) };
        let before = resident(pid)?;
        for _ in 0..TIMES {
            self.received = self.peer.play(script, self.oracles)?.received;
        }
        let now = resident(pid)?;
        // A leak shows with each iteration; warming up does not.
        let grown = now > before + (most / 100).max(TIMES * 4096);
        Ok(grown.then(|| Finding::memory(before, now, TIMES)))
    }
}
