//! What the page shows about the link to other servers. The page may ask any loop, and only one of them has the link.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bowsprit::backplane::{LinkEvent, LinkStats};
use serde_json::json;

use crate::output::one_line;

/// The path at which the page asks.
pub(super) const PATH: &str = "/backplane";
/// How often the loop with the link reports its state to the others.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// The tag of the timer for these reports.
pub(super) const REFRESH: u64 = 2;

/// The state of the link, shared by all loops.
#[derive(Clone, Debug, Default)]
pub(super) struct Board(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    stats: LinkStats,
    /// Why there is no link.
    why: Option<String>,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an event of the link.
    pub(super) fn note(&self, event: &LinkEvent) {
        match event {
            LinkEvent::Up { .. } => self.state().why = None,
            // This text comes from the engine and may be anything.
            LinkEvent::Down { why, .. } | LinkEvent::Refused { why } => {
                self.state().why = Some(one_line(why.as_bytes()))
            }
            _ => {}
        }
    }

    /// Records the state, as known to the loop with the link.
    pub(super) fn refresh(&self, stats: Option<LinkStats>) {
        if let Some(stats) = stats {
            self.state().stats = stats;
        }
    }

    /// Returns the answer to the page.
    pub(super) fn json(&self) -> String {
        let State { stats, why } = &*self.state();
        json!({
            "up": stats.up,
            "why": why.as_ref().filter(|_| !stats.up),
            "servers": stats.nodes,
            "clients": stats.present,
            "published": stats.published,
            "received": stats.received,
            "lost": stats.lost,
            "dropped": stats.dropped,
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_engine_says_is_escaped() {
        let board = Board::default();
        let why = "-ERR \"</script><b>\u{202e}\r\n\0".to_owned();
        board.note(&LinkEvent::Down { why, retry: EVERY });
        let text = board.json();
        assert!(!text.contains(['\r', '\n', '\0', '\u{202e}']), "{text}");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["up"], false);
        assert!(told["why"].as_str().unwrap().starts_with("-ERR \"</script><b>"), "{text}");
        let mut stats = LinkStats::default();
        (stats.up, stats.published, stats.lost) = (true, 7, 3);
        board.refresh(Some(stats));
        board.refresh(None); // of a loop that has no link
        let told: serde_json::Value = serde_json::from_str(&board.json()).unwrap();
        assert_eq!((&told["up"], &told["why"]), (&json!(true), &json!(null)));
        assert_eq!((&told["published"], &told["lost"]), (&json!(7), &json!(3)));
    }
}
