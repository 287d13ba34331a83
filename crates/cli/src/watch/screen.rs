//! What is told of all connections, and where: lines on stdout, a file, a summary.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use bowsprit_lab::conversation::{Conversation, End, Peer, Told};
use bowsprit_lab::reader::Keep;
use serde_json::{Map, json};

use super::record::Record;
use super::summary::Total;
use super::{Args, Kind};
use crate::exit::Exit;
use crate::logger::{Logger, Stamp};
use crate::output::{colours, for_terminal, say};
use crate::told;

/// Bytes that are kept of a payload to be shown.
const SHOWN: usize = 64;

/// Lines on stdout that keep no traffic waiting.
pub(super) struct Screen {
    logger: &'static Logger,
    only: Vec<Kind>,
    grep: Option<String>,
    json: bool,
    quiet: bool,
    colours: bool,
    /// When something was shown last of each connection.
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

    const fn keep(&self) -> Keep {
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

    fn told(&mut self, number: u64, told: &Told) {
        if !self.wants(told) {
            return;
        }
        let gap = told.at.saturating_sub(self.last.insert(number, told.at).unwrap_or_default());
        self.logger.offer(|| match self.json {
            true => told::json(Some(number), told.json()),
            false => told::text(number, told, gap, self.colours),
        });
    }

    /// Something about a connection that nobody in it has said.
    fn note(&mut self, number: u64, event: &'static str, at: Duration, more: &[(&str, &str)]) {
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

    fn line(&self, text: String) {
        self.logger.say(text);
    }
}

/// Everybody who is told.
pub(super) struct Observer {
    screen: Screen,
    record: Option<Record>,
    total: Total,
}

impl Observer {
    pub(super) fn new(args: &Args, screen: Screen, url: &str, target: &str) -> Result<Self, String> {
        let record = match &args.save {
            Some(path) => Some(
                Record::create(path, url, target).map_err(|error| format!("{}: {error}", path.display()))?,
            ),
            None => None,
        };
        Ok(Self { screen, record, total: Total::default() })
    }

    pub(super) const fn keep(&self) -> Keep {
        self.screen.keep()
    }

    pub(super) fn open(&mut self, number: u64, at: Duration, from: &str) {
        self.total.connections += 1;
        self.screen.note(number, "connect", at, &[("peer", from)]);
        self.save(|record| record.open(number, at));
    }

    pub(super) fn not_reached(&mut self, number: u64, target: &dyn std::fmt::Display, why: &str) {
        self.total.not_reached += 1;
        say(format_args!("connection {number}: {target} is not reached: {why}"));
    }

    pub(super) fn bytes(
        &mut self,
        number: u64,
        at: Duration,
        from: Peer,
        bytes: &[u8],
        conversation: &mut Conversation,
    ) {
        self.save(|record| record.bytes(number, at, from, bytes));
        conversation.receive(at, from, bytes, &mut |told| self.screen.told(number, &told));
    }

    pub(super) fn end(
        &mut self,
        number: u64,
        at: Duration,
        from: Peer,
        how: End,
        conversation: &mut Conversation,
    ) {
        self.save(|record| record.end(number, at, from, how));
        conversation.end(at, from, how, &mut |told| self.screen.told(number, &told));
    }

    pub(super) fn close(&mut self, number: u64, at: Duration, mut conversation: Conversation) {
        conversation.cut_off(at, &mut |told| self.screen.told(number, &told));
        self.screen.last.remove(&number);
        self.total.add(conversation.summary());
        let seconds = format!("after {:.3} s", at.as_secs_f64());
        self.screen.note(number, "over", at, &[("after", &seconds)]);
    }

    /// Writes to the file, if there is one and it takes it.
    fn save(&mut self, write: impl FnOnce(&mut Record) -> std::io::Result<()>) {
        if let Some(record) = &mut self.record
            && let Err(error) = write(record)
        {
            say(format_args!("{} takes no more: {error}", record.path().display()));
            self.record = None;
        }
    }

    /// Sums up, and waits a moment until all is written.
    pub(super) fn finish(mut self, after: Duration) -> Exit {
        self.save(Record::flush);
        match self.screen.json {
            true => self.screen.line(self.total.json(after)),
            false => self.total.lines().into_iter().for_each(|line| {
                self.screen.line(for_terminal(line).into_string());
            }),
        }
        self.screen.logger.finish();
        self.total.exit()
    }
}
