//! Decoded output on stdout: lines, JSON or a page, written while the input is read.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::time::Duration;

use bowsprit_lab::capture::{Entry, What};
use bowsprit_lab::conversation::{Conversation, Told, html_end, html_start};
use bowsprit_lab::reader::Keep;

use crate::output::{colours, for_terminal};
use crate::told;

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Html,
}

pub(super) struct Out {
    form: Form,
    colours: bool,
    to: BufWriter<StdoutLock<'static>>,
    /// The first write that failed.
    failed: Option<io::Error>,
    pub(super) faults: usize,
}

impl Out {
    pub(super) fn new(form: Form) -> Self {
        let mut out = Self {
            form,
            colours: colours() && form == Form::Text,
            to: BufWriter::new(io::stdout().lock()),
            failed: None,
            faults: 0,
        };
        if form == Form::Html {
            out.write(html_start().as_str());
        }
        out
    }

    pub(super) const fn keep(&self) -> Keep {
        match self.form {
            Form::Json => Keep { payload: 64 << 10, message: 64 << 10 },
            Form::Text | Form::Html => Keep { payload: 64, message: 64 },
        }
    }

    /// Shows a part of one direction, without times.
    pub(super) fn part(&mut self, part: &Told) {
        match self.form {
            Form::Text => {
                part.lines().into_iter().for_each(|line| self.line(for_terminal(line.text).as_str()))
            }
            Form::Json => {
                let mut map = part.json();
                map.remove("seconds");
                self.line(&told::json(None, map));
            }
            Form::Html => self.write(part.html("").as_str()),
        }
    }

    /// Shows a part of a connection, `gap` after the one before.
    pub(super) fn told(&mut self, number: u64, part: &Told, gap: Duration) {
        match self.form {
            Form::Text if part.is_silent() => {}
            Form::Text => self.line(&told::text(number, part, gap, self.colours)),
            Form::Json => self.line(&told::json(Some(number), part.json())),
            Form::Html => {
                let lead = format!("#{number} {:9.4} ", part.at.as_secs_f64());
                self.write(part.html(&lead).as_str());
            }
        }
    }

    fn line(&mut self, text: &str) {
        self.write(text);
        self.write("\n");
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.to.write_all(text.as_bytes()).err();
        }
    }

    /// Writes the rest. Returns how many faults there were.
    ///
    /// # Errors
    ///
    /// Returns the error of stdout, unless its reader is gone, which is not a failure.
    pub(super) fn finish(mut self) -> io::Result<usize> {
        if self.form == Form::Html {
            self.write(html_end(self.faults).as_str());
        }
        match self.failed.map_or_else(|| self.to.flush(), Err) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(self.faults),
        }
    }
}

/// Conversations that are shown while they are read.
pub(super) struct Talks<'a> {
    out: &'a mut Out,
    open: BTreeMap<u64, Talk>,
    /// Whether permessage-deflate is agreed, if the opening handshake is missing.
    deflate: bool,
}

struct Talk {
    conversation: Conversation,
    /// When something was last shown of the conversation.
    last: Duration,
}

/// How many conversations may be open at once; beyond that the oldest are ended.
const MOST: usize = 65_536;

impl<'a> Talks<'a> {
    pub(super) const fn new(out: &'a mut Out, deflate: bool) -> Self {
        Self { out, open: BTreeMap::new(), deflate }
    }

    pub(super) fn entry(&mut self, Entry { connection, at, what }: Entry) {
        if self.open.len() >= MOST && !self.open.contains_key(&connection) {
            self.end_first();
        }
        let out = &mut *self.out;
        let talk = self
            .open
            .entry(connection)
            .or_insert_with(|| Talk { conversation: Conversation::new(out.keep()), last: Duration::ZERO });
        let Talk { conversation, last } = talk;
        let mut tell = |told: Told| {
            out.told(connection, &told, told.at.saturating_sub(*last));
            *last = told.at;
        };
        match what {
            What::Open => {}
            What::Middle => conversation.open_already(self.deflate),
            What::Bytes(from, bytes) => conversation.receive(at, from, &bytes, &mut tell),
            What::Lost(from, bytes) => conversation.lose(at, from, bytes, &mut tell),
            What::End(from, how) => conversation.end(at, from, how, &mut tell),
            What::Over => self.end(connection),
        }
    }

    fn end_first(&mut self) {
        if let Some(number) = self.open.keys().next().copied() {
            self.end(number);
        }
    }

    fn end(&mut self, number: u64) {
        let Some(Talk { mut conversation, last }) = self.open.remove(&number) else { return };
        let out = &mut *self.out;
        conversation.cut_off(last, &mut |told| out.told(number, &told, Duration::ZERO));
        // A peer can break no more rules than it sends bytes.
        self.out.faults += usize::try_from(conversation.summary().faults()).unwrap_or(usize::MAX);
    }

    /// Ends all conversations, because no more input comes.
    pub(super) fn finish(mut self) {
        while !self.open.is_empty() {
            self.end_first();
        }
    }
}
