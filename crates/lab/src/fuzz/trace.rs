//! A finding in a file.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Side;
use super::finding::Finding;
use super::oracles::Oracles;
use super::script::Script;
use crate::counted;
use crate::escape::{Clean, Terminal, for_terminal, one_line};
use crate::place::Place;

/// Everything needed to reproduce a finding.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trace {
    /// The side that was fuzzed.
    pub side: Side,
    /// The address of the peer: a URL, or the address we listened on.
    pub place: Place,
    /// The seed of the campaign.
    pub seed: u64,
    /// The number of the iteration that found it.
    pub number: u64,
    /// The finding.
    pub finding: Finding,
    /// Whether the finding recurred when the iteration was played again by itself.
    pub reproduced: bool,
    /// Why it was not played again, or not to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<String>,
    /// How many steps and bytes the script had before it was minimised.
    pub was: (usize, usize),
    /// How long an answer may take, in milliseconds.
    pub timeout: u64,
    /// Whether the peer sends every message back.
    pub echo: bool,
    /// How long a quiet neighbour may wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbour: Option<u64>,
    /// The script.
    pub script: Script,
    /// What came back, a line for each frame.
    pub received: Vec<String>,
}

impl Trace {
    /// Returns what the peer is checked against when the script is played again.
    pub fn oracles(&self, host: &str, target: &str) -> Oracles {
        Oracles {
            side: self.side,
            host: host.to_owned(),
            target: target.to_owned(),
            fields: Vec::new(),
            timeout: Duration::from_millis(self.timeout),
            echo: self.echo,
            neighbour: self.neighbour.map(Duration::from_millis),
        }
    }

    /// Describes what was sent, what came and what the RFC says, with colours if `colour`.
    pub fn show(&self, colour: bool) -> Clean<Terminal> {
        let mut out = Clean::new();
        for (number, line) in self.words().split_inclusive('\n').enumerate() {
            let paint = match line.get(2..6) {
                _ if !colour => "",
                _ if number == 0 => "\x1b[1;31m",
                Some("send") => "\x1b[32m",
                Some("rece") => "\x1b[36m",
                Some("foun") => "\x1b[2m",
                _ => "",
            };
            out.own(paint).add(&for_terminal(line));
            if !paint.is_empty() {
                out.own("\x1b[0m");
            }
        }
        out
    }

    fn words(&self) -> String {
        let Finding { kind, rule, section, what } = &self.finding;
        let mut out = String::new();
        let _ = writeln!(out, "{kind:?}: {}", one_line(what.as_bytes()));
        let _ = writeln!(out, "  rule      {} ({})", one_line(rule.as_bytes()), one_line(section.as_bytes()));
        let _ = writeln!(
            out,
            "  found by  seed {}, iteration {}, {} of {}",
            self.seed,
            self.number,
            counted(self.was.0, "step"),
            counted(self.was.1, "byte")
        );
        if let Some(why) = &self.unasked {
            let _ = writeln!(out, "            it was not played again: {}", one_line(why.as_bytes()));
        } else if !self.reproduced {
            let _ = writeln!(out, "            it did not come out again when played by itself");
        }
        out.push_str(&self.script.show());
        for line in &self.received {
            let _ = writeln!(out, "  received  {}", one_line(line.as_bytes()));
        }
        out
    }
}
