//! What crossed both connections of a case, bounded.

use std::time::Duration;

use super::case::Side;
use crate::counted;
use crate::escape::visible;
use crate::hex;
use crate::report::json::LogReport;

/// How many lines are kept.
const MOST: usize = 120;
/// How many bytes of a head are kept.
const HEAD: usize = 1500;
/// How many bytes of anything else are kept.
const EXCERPT: usize = 48;

/// Lines in the order in which they happened.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: Vec<Line>,
    /// How many lines found no room.
    more: usize,
}

#[derive(Clone, Debug)]
struct Line {
    at: Duration,
    side: Side,
    item: Item,
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    /// Whether the head was sent, and its first bytes.
    Head(bool, Vec<u8>),
    /// Whether the bytes were sent, how many came in a row, and the first of them.
    Bytes(bool, u64, Vec<u8>),
    Note(String),
}

impl Trace {
    /// Adds a head that a side sent or received.
    pub(super) fn head(&mut self, at: Duration, side: Side, sent: bool, head: &[u8]) {
        self.push(at, side, Item::Head(sent, head[..head.len().min(HEAD)].to_vec()));
    }

    /// Adds bytes that a side sent or received; consecutive bytes are one line.
    pub(super) fn bytes(&mut self, at: Duration, side: Side, sent: bool, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(Line { side: last, item: Item::Bytes(way, count, kept), .. }) = self.lines.last_mut()
            && (*last, *way) == (side, sent)
        {
            *count += bytes.len() as u64;
            let room = EXCERPT.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        }
        let kept = bytes[..bytes.len().min(EXCERPT)].to_vec();
        self.push(at, side, Item::Bytes(sent, bytes.len() as u64, kept));
    }

    /// Adds something else that happened at a side.
    pub(super) fn note(&mut self, at: Duration, side: Side, note: impl Into<String>) {
        self.push(at, side, Item::Note(note.into()));
    }

    fn push(&mut self, at: Duration, side: Side, item: Item) {
        if self.lines.len() < MOST {
            self.lines.push(Line { at, side, item });
        } else {
            self.more += 1;
        }
    }

    /// Returns the lines in the form of the reports.
    pub(super) fn report(&self) -> Vec<LogReport> {
        let mut lines: Vec<LogReport> = self.lines.iter().map(Line::report).collect();
        if self.more > 0 {
            let text = counted(self.more, "more line");
            lines.push(LogReport {
                at_ms: 0.0,
                way: "note".into(),
                text,
                hex: String::new(),
                skipped: Default::default(),
            });
        }
        lines
    }
}

impl Line {
    fn report(&self) -> LogReport {
        let way = |sent: bool| if sent { "sent" } else { "received" };
        let (way, text, bytes) = match &self.item {
            Item::Head(sent, head) => (way(*sent), format!("{}: {}", self.side, visible(head)), &[][..]),
            Item::Bytes(sent, count, kept) => {
                (way(*sent), format!("{}: {}", self.side, counted(*count, "byte")), &kept[..])
            }
            Item::Note(note) => ("note", format!("{}: {}", self.side, visible(note.as_bytes())), &[][..]),
        };
        LogReport {
            at_ms: (self.at.as_secs_f64() * 10_000.0).round() / 10.0,
            way: way.to_owned(),
            text,
            hex: hex::spaced(bytes),
            skipped: Default::default(),
        }
    }
}
