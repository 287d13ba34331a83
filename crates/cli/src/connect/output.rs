//! What goes to stdout: messages, or everything as JSON.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit::message::Message;
use serde_json::{Value, json};

use super::screen::Screen;
use crate::output::{for_terminal, hex, say};

pub(super) struct Output {
    to: Option<BufWriter<StdoutLock<'static>>>,
    form: Form,
    base64: bool,
    /// What stands behind each message that goes to a program; `None` where that is as it is by itself.
    separator: Option<Vec<u8>>,
    /// In place of stdout and stderr while lines are edited.
    screen: Option<Screen>,
    failed: io::Result<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Escaped,
    /// For programs: a line for each message.
    Lines,
    /// For programs: the bytes and nothing else.
    Bytes,
    /// For programs: a line of JSON for each event.
    Json,
}

impl Output {
    pub(super) fn new(binary: bool, json: bool, base64: bool, separator: Option<Vec<u8>>) -> Self {
        let stdout = io::stdout().lock();
        let form = match (json, binary) {
            (true, _) => Form::Json,
            (false, true) => Form::Bytes,
            _ if stdout.is_terminal() => Form::Escaped,
            _ => Form::Lines,
        };
        Self { to: Some(BufWriter::new(stdout)), form, base64, separator, screen: None, failed: Ok(()) }
    }

    pub(super) fn is_for_people(&self) -> bool {
        self.form == Form::Escaped
    }

    /// Prints above the line that is being edited from now on; stdout is not locked any more.
    pub(super) fn print_to(&mut self, screen: Screen) {
        self.screen = Some(screen);
        self.to = None;
    }

    /// No line is edited any more.
    pub(super) fn leave_screen(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.leave();
        }
    }

    /// Whether more has come than could be shown.
    pub(super) fn is_behind(&self) -> bool {
        self.screen.as_ref().is_some_and(Screen::is_behind)
    }

    pub(super) fn message(&mut self, message: Message<'_>) {
        if let Some(screen) = &self.screen {
            let text = match message {
                // No line of a message looks like the start of another, or like talk of ours.
                Message::Text(text) => for_terminal(text).replace('\n', "\n  "),
                Message::Binary(bytes) if self.base64 => STANDARD.encode(bytes),
                Message::Binary(bytes) => hex(bytes),
            };
            return screen.print(format!("< {text}\n"));
        }
        if self.form == Form::Json {
            return self.event(match message {
                Message::Text(text) => json!({"type": "text", "data": text}),
                Message::Binary(bytes) => json!({"type": "binary", "base64": STANDARD.encode(bytes)}),
            });
        }
        if self.failed.is_ok() {
            self.failed = self.write(message);
        }
    }

    fn write(&mut self, message: Message<'_>) -> io::Result<()> {
        let Some(to) = &mut self.to else { return Ok(()) };
        let end: &[u8] = match (&self.form, &self.separator) {
            (Form::Lines | Form::Bytes, Some(separator)) => separator,
            (Form::Bytes, None) => b"",
            _ => b"\n",
        };
        match (&self.form, message) {
            (Form::Bytes, message) => to.write_all(message.as_bytes()),
            (Form::Escaped, Message::Text(text)) => to.write_all(for_terminal(text).as_bytes()),
            (_, Message::Text(text)) => to.write_all(text.as_bytes()),
            (_, Message::Binary(bytes)) if self.base64 => to.write_all(STANDARD.encode(bytes).as_bytes()),
            (_, Message::Binary(bytes)) => to.write_all(hex(bytes).as_bytes()),
        }?;
        to.write_all(end)
    }

    /// Whether events are to be told.
    pub(super) fn wants_events(&self) -> bool {
        self.form == Form::Json
    }

    /// Something other than a message, where that is wanted.
    pub(super) fn event(&mut self, event: Value) {
        if self.form == Form::Json
            && self.failed.is_ok()
            && let Some(to) = &mut self.to
        {
            self.failed = writeln!(to, "{event}");
        }
    }

    /// Talk.
    pub(super) fn note(&mut self, text: impl std::fmt::Display) {
        match &self.screen {
            Some(screen) => screen.print(format!("bowsprit: {text}\n")),
            None => say(text),
        }
    }

    /// Tells what went wrong since the last time, too.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        self.to.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Writes nothing from now on, nor what is still in the buffer.
    pub(super) fn stop(&mut self) {
        if let Some(to) = self.to.take() {
            let _ = to.into_parts();
        }
    }
}
