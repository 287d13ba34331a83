//! The output on stdout: messages, or everything as JSON.

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
    /// What follows each message that goes to a program; `None` if nothing does.
    separator: Option<Vec<u8>>,
    /// Used in place of stdout and stderr while lines are edited.
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

/// Colours that distinguish messages from remarks.
#[derive(Clone, Copy, Default)]
struct Colours {
    received: Style,
    talk: Style,
}

impl Colours {
    /// There are none if stdout is not a terminal, or NO_COLOR is set.
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

    /// From now on prints above the line that is being edited; stdout is not locked any more.
    pub(super) fn print_to(&mut self, screen: Screen) {
        self.screen = Some(screen);
        self.colours = Colours::of_stdout();
        self.to = None;
    }

    /// Stops printing to the screen, because no line is edited any more.
    pub(super) fn leave_screen(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.leave();
        }
    }

    /// Returns whether more has come than could be shown.
    pub(super) fn is_behind(&self) -> bool {
        self.screen.as_ref().is_some_and(Screen::is_behind)
    }

    pub(super) fn message(&mut self, message: Message<'_>) {
        if let Some(screen) = &self.screen {
            let text = match message {
                // No line of a message must look like the start of another message, or like a remark of ours.
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

    /// Returns whether events are reported.
    pub(super) fn wants_events(&self) -> bool {
        self.form == Form::Json
    }

    /// Reports a message in either direction as an event.
    pub(super) fn message_event(&mut self, direction: Direction, message: Message<'_>) {
        match message {
            Message::Text(text) => self.event(Some(direction), "text", &json!({"data": text})),
            Message::Binary(bytes) => {
                self.event(Some(direction), "binary", &json!({"base64": STANDARD.encode(bytes)}));
            }
        }
    }

    /// Reports an event, if events are wanted.
    pub(super) fn event(&mut self, direction: Option<Direction>, r#type: &str, rest: &Value) {
        if self.form == Form::Json
            && self.failed.is_ok()
            && let Some(to) = &mut self.to
        {
            self.failed = writeln!(to, "{}", json::event(direction, r#type, rest));
        }
    }

    /// Prints a remark.
    pub(super) fn note(&mut self, text: impl std::fmt::Display) {
        match &self.screen {
            Some(screen) => {
                let Colours { talk, .. } = self.colours;
                screen.print(format!("{talk}bowsprit: {}{talk:#}\n", for_terminal(text)));
            }
            None => say(text),
        }
    }

    /// Flushes, and also reports an earlier error.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.failed, Ok(()))?;
        self.to.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Discards what is still in the buffer, and writes nothing from now on.
    pub(super) fn stop(&mut self) {
        if let Some(to) = self.to.take() {
            let _ = to.into_parts();
        }
    }
}
