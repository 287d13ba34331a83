//! Shows the events of all connections as lines on stdout.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use bowsprit_lab::conversation::Told;
use bowsprit_lab::reader::Keep;
use serde_json::{Map, json};

use super::args::{Args, Kind};
use super::summary::Total;
use crate::logger::{Logger, Stamp};
use crate::output::{colours, for_terminal};
use crate::told;

/// How many bytes of a payload are kept for display.
const SHOWN: usize = 64;

/// Lines on stdout that do not delay the traffic.
pub(super) struct Screen {
    logger: &'static Logger,
    only: Vec<Kind>,
    grep: Option<String>,
    json: bool,
    quiet: bool,
    colours: bool,
    /// When something was last shown of each connection.
    last: HashMap<u64, Duration>,
}

impl Screen {
    pub(super) fn new(args: &Args) -> Result<Self, String> {
        let stamp = if args.json { Stamp::Json } else { Stamp::Bare };
        Ok(Self {
            logger: Logger::to_stdout(stamp).map_err(|error| error.to_string())?,
            only: args.only.clone(),
            grep: args.grep.clone(),
            json: args.json,
            quiet: args.quiet,
            colours: colours() && !args.json,
            last: HashMap::new(),
        })
    }

    pub(super) const fn keep(&self) -> Keep {
        Keep {
            payload: if self.json { 64 << 10 } else { SHOWN },
            message: match (self.grep.is_some(), self.json, self.quiet) {
                (true, ..) => 1 << 20,
                (_, true, _) => 64 << 10,
                (.., true) => 0,
                _ => SHOWN,
            },
        }
    }

    fn wants(&self, told: &Told) -> bool {
        let is_kind = || self.only.is_empty() || self.only.iter().any(|kind| kind.name() == told.kind());
        let is_found = || self.grep.as_ref().is_none_or(|text| told.holds(text.as_bytes()));
        told.is_fault() || (!self.quiet && is_kind() && is_found())
    }

    pub(super) fn told(&mut self, number: u64, told: &Told) {
        if !self.wants(told) || (!self.json && told.is_silent()) {
            return;
        }
        let gap = told.at.saturating_sub(self.last.insert(number, told.at).unwrap_or_default());
        self.logger.offer(|| match self.json {
            true => told::json(Some(number), told.json()),
            false => told::text(number, told, gap, self.colours),
        });
    }

    /// Shows something about a connection that neither side has sent.
    pub(super) fn note(&mut self, number: u64, event: &'static str, at: Duration, more: &[(&str, &str)]) {
        if self.quiet {
            return;
        }
        self.logger.offer(|| {
            if self.json {
                let mut map = Map::new();
                map.insert("seconds".to_owned(), json!(at.as_secs_f64()));
                map.insert("event".to_owned(), json!(event));
                map.extend(more.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
                return told::json(Some(number), map);
            }
            let mut text = format!("#{number} {event}");
            for (_, value) in more {
                let _ = write!(text, " {value}");
            }
            for_terminal(text).into_string()
        });
    }

    pub(super) fn forget(&mut self, number: u64) {
        self.last.remove(&number);
    }

    pub(super) fn sum_up(&self, total: &Total, after: Duration) {
        match self.json {
            true => self.logger.say(total.json(after)),
            false => {
                total.lines().into_iter().for_each(|line| self.logger.say(for_terminal(line)));
            }
        }
    }

    /// Waits a moment until everything is written.
    pub(super) fn finish(&self) {
        self.logger.finish();
    }
}
