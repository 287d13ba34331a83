//! All connections in numbers.

use std::time::Duration;

use bowsprit_lab::conversation::{Summary, Tally};
use bowsprit_lab::counted;
use bowsprit_lab::escape::Json;
use serde_json::{Value, json};

use crate::exit::Exit;

#[derive(Debug, Default)]
pub(super) struct Total {
    pub(super) connections: u64,
    pub(super) not_reached: u64,
    opened: u64,
    refused: u64,
    client: Side,
    server: Side,
}

/// What one side of all connections sent.
#[derive(Debug, Default)]
struct Side {
    bytes: u64,
    frames: u64,
    texts: u64,
    binaries: u64,
    faults: u64,
    broken: Vec<(String, u64)>,
}

/// How many different faults of one side are kept by name.
const MOST_KINDS: usize = 256;

impl Side {
    fn add(&mut self, tally: &Tally) {
        self.bytes += tally.bytes;
        self.frames += tally.frames;
        self.texts += tally.texts;
        self.binaries += tally.binaries;
        self.faults += tally.faults;
        for (text, times) in &tally.broken {
            let known = self.broken.iter().position(|(known, _)| known == text);
            match known {
                Some(at) => self.broken[at].1 += times,
                None if self.broken.len() < MOST_KINDS => self.broken.push((text.clone(), *times)),
                None => {}
            }
        }
    }

    fn line(&self, name: &str) -> String {
        format!(
            "{name}: {}, {}, {}, {}",
            counted(self.bytes, "byte"),
            counted(self.frames, "frame"),
            counted(self.texts, "text"),
            counted(self.binaries, "binary message"),
        )
    }

    fn json(&self) -> Value {
        let broken: Vec<_> =
            self.broken.iter().map(|(what, times)| json!({ "what": what, "times": times })).collect();
        json!({
            "bytes": self.bytes,
            "frames": self.frames,
            "texts": self.texts,
            "binaries": self.binaries,
            "faults": self.faults,
            "broken": broken,
        })
    }
}

impl Total {
    pub(super) fn add(&mut self, summary: &Summary) {
        self.opened += u64::from(summary.opened);
        self.refused += u64::from(summary.refused.is_some());
        self.client.add(&summary.client);
        self.server.add(&summary.server);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut out = vec![format!(
            "{}, {} opened, {} refused, {} without a server",
            counted(self.connections, "connection"),
            self.opened,
            self.refused,
            self.not_reached
        )];
        out.extend([self.client.line("client"), self.server.line("server")]);
        if self.client.faults + self.server.faults == 0 {
            out.push("no rule was broken".to_owned());
        }
        for (name, side) in [("client", &self.client), ("server", &self.server)] {
            let lines = side.broken.iter().map(|(text, times)| format!("{times:>6} x {name}: {text}"));
            out.extend(lines);
        }
        out
    }

    pub(super) fn json(&self, after: Duration) -> String {
        let value = json!({
            "event": "summary",
            "seconds": after.as_secs_f64(),
            "connections": self.connections,
            "opened": self.opened,
            "refused": self.refused,
            "not_reached": self.not_reached,
            "client": self.client.json(),
            "server": self.server.json(),
        });
        // Nothing in it can fail to be written: it is only text and numbers.
        Json::compact(&value).unwrap_or_default().as_str().to_owned()
    }

    pub(super) const fn exit(&self) -> Exit {
        if self.client.faults + self.server.faults > 0 {
            Exit::PeerFailed
        } else if self.not_reached > 0 {
            Exit::NotConnected
        } else {
            Exit::Done
        }
    }
}
