//! What goes to stdout: messages, or everything as JSON.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bowsprit::message::Message;
use serde_json::{Value, json};

use super::json::{self, Direction};
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
    colours: Colours,
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

/// What tells messages from talk at a glance.
#[derive(Clone, Copy, Default)]
struct Colours {
    received: Style,
    talk: Style,
}

impl Colours {
    /// None where stdout is no terminal, or NO_COLOR is set.
    fn of_stdout() -> Self {
        match AutoStream::choice(&io::stdout()) {
            ColorChoice::Never => Self::default(),
            _ => Self { received: AnsiColor::Cyan.on_default().bold(), talk: Style::new().dimmed() },
        }
    }
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
        Self {
            to: Some(BufWriter::new(stdout)),
            form,
            base64,
            separator,
            screen: None,
            colours: Colours::default(),
            failed: Ok(()),
        }
    }

    pub(super) fn is_for_people(&self) -> bool {
        self.form == Form::Escaped
    }

    /// Prints above the line that is being edited from now on; stdout is not locked any more.
    pub(super) fn print_to(&mut self, screen: Screen) {
        self.screen = Some(screen);
        self.colours = Colours::of_stdout();
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
                Message::Text(text) => for_terminal(text).into_string().replace('\n', "\n  "),
                Message::Binary(bytes) if self.base64 => STANDARD.encode(bytes),
                Message::Binary(bytes) => hex(bytes),
            };
            let Colours { received, .. } = self.colours;
            return screen.print(format!("{received}<{received:#} {text}\n"));
        }
        if self.form == Form::Json {
            return self.message_event(Direction::In, message);
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
            (Form::Escaped, Message::Text(text)) => to.write_all(for_terminal(text).as_str().as_bytes()),
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

    /// A message that has gone either way, as an event.
    pub(super) fn message_event(&mut self, direction: Direction, message: Message<'_>) {
        match message {
            Message::Text(text) => self.event(Some(direction), "text", &json!({"data": text})),
            Message::Binary(bytes) => {
                self.event(Some(direction), "binary", &json!({"base64": STANDARD.encode(bytes)}));
            }
        }
    }

    /// Something that has happened, where that is wanted.
    pub(super) fn event(&mut self, direction: Option<Direction>, r#type: &str, rest: &Value) {
        if self.form == Form::Json
            && self.failed.is_ok()
            && let Some(to) = &mut self.to
        {
            self.failed = writeln!(to, "{}", json::event(direction, r#type, rest));
        }
    }

    /// Talk.
    pub(super) fn note(&mut self, text: impl std::fmt::Display) {
        match &self.screen {
            Some(screen) => {
                let Colours { talk, .. } = self.colours;
                screen.print(format!("{talk}bowsprit: {}{talk:#}\n", for_terminal(text)));
            }
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
