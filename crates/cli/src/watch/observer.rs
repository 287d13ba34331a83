//! Passes events on to everything that records them: the screen, files, the summary.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bowsprit_lab::conversation::{Conversation, End, Peer};
use bowsprit_lab::reader::Keep;

use super::args::Args;
use super::capture::Capture;
use super::record::Record;
use super::screen::Screen;
use super::summary::Total;
use crate::exit::Exit;
use crate::output::say;
use crate::trust::advised;

/// Everything that records events.
pub(super) struct Observer {
    screen: Screen,
    record: Option<Record>,
    capture: Option<Capture>,
    total: Total,
}

impl Observer {
    pub(super) fn new(args: &Args, screen: Screen, url: &str, target: &str) -> Result<Self, String> {
        fn made<T>(
            path: Option<&PathBuf>,
            make: impl Fn(&Path) -> io::Result<T>,
        ) -> Result<Option<T>, String> {
            let named = |path: &PathBuf| make(path).map_err(|error| format!("{}: {error}", path.display()));
            path.map(named).transpose()
        }
        let record = made(args.save.as_ref(), |path| Record::create(path, url, target))?;
        let capture = made(args.pcapng.as_ref(), Capture::create)?;
        Ok(Self { screen, record, capture, total: Total::default() })
    }

    pub(super) const fn keep(&self) -> Keep {
        self.screen.keep()
    }

    pub(super) fn open(&mut self, number: u64, at: Duration, from: &str, has_faults: bool) {
        self.total.connections += 1;
        let told = [("peer", from), ("faults", if has_faults { "with faults" } else { "" })];
        self.screen.note(number, "connect", at, &told[..if has_faults { 2 } else { 1 }]);
        self.save(|record| record.open(number, at));
    }

    /// Records that the server of a connection was reached, this long after the watch began.
    pub(super) fn reached(&mut self, number: u64, ends: [Option<SocketAddr>; 2], after: Duration) {
        self.capture(|capture| capture.open(number, ends, after));
    }

    /// Records a requested fault of a connection.
    pub(super) fn fault(&mut self, number: u64, at: Duration, what: &str) {
        self.screen.note(number, "injected", at, &[("what", what)]);
    }

    pub(super) fn not_reached(&mut self, number: u64, target: &dyn std::fmt::Display, why: &str) {
        self.total.not_reached += 1;
        let target = target.to_string();
        let why = advised(&target, why);
        say(format_args!("connection {number}: cannot reach {target}: {why}"));
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
        self.capture(|capture| capture.writer.bytes(number, at, from, bytes));
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
        self.capture(|capture| capture.writer.end(number, at, from, how));
        conversation.end(at, from, how, &mut |told| self.screen.told(number, &told));
    }

    pub(super) fn close(&mut self, number: u64, at: Duration, mut conversation: Conversation) {
        conversation.cut_off(at, &mut |told| self.screen.told(number, &told));
        self.screen.forget(number);
        if let Some(capture) = &mut self.capture {
            capture.writer.over(number);
        }
        self.total.add(conversation.summary());
        let seconds = format!("after {:.3} s", at.as_secs_f64());
        self.screen.note(number, "over", at, &[("after", &seconds)]);
    }

    /// Writes to the saved file, if there is one and it can be written.
    fn save(&mut self, write: impl FnOnce(&mut Record) -> io::Result<()>) {
        if let Some(record) = &mut self.record
            && let Err(error) = write(record)
        {
            say(format_args!("cannot go on writing {}: {error}", record.path().display()));
            self.record = None;
        }
    }

    /// Writes to the capture file, if there is one and it can be written.
    fn capture(&mut self, write: impl FnOnce(&mut Capture) -> io::Result<()>) {
        if let Some(capture) = &mut self.capture
            && let Err(error) = write(capture)
        {
            say(format_args!("cannot go on writing {}: {error}", capture.path.display()));
            self.capture = None;
        }
    }

    /// Prints the summary, and waits a moment until everything is written.
    pub(super) fn finish(mut self, after: Duration) -> Exit {
        self.save(Record::flush);
        self.capture(|capture| capture.writer.flush());
        self.screen.sum_up(&self.total, after);
        self.screen.finish();
        self.total.exit()
    }
}
