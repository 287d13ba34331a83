//! `--mode console`: lines that are typed go to all clients, and their messages are shown.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use bowsprit::message::Message;
use bowsprit_lab::counted;
use mio::Waker;

use crate::input::{Format, Input, Item};
use crate::logger::{Logger, Stamp};
use crate::output::{for_terminal, hex};

/// The longest message that is shown in full, in bytes.
const WHOLE: usize = 64 << 10;

/// Where messages are shown. A thread writes them, so the server continues even if nobody reads its stdout.
#[derive(Clone, Copy)]
pub(super) struct Screen(&'static Logger);

impl Screen {
    pub(super) fn start() -> io::Result<Self> {
        Logger::to_stdout(Stamp::Bare).map(Self)
    }

    pub(super) fn show(self, who: &str, message: Message<'_>) {
        let (mut text, more) = match message {
            Message::Text(text) => {
                let shown = start_of(text);
                (for_terminal(shown).into_string(), text.len() - shown.len())
            }
            Message::Binary(bytes) => {
                let shown = &bytes[..bytes.len().min(WHOLE / 2)];
                (hex(shown), bytes.len() - shown.len())
            }
        };
        if more > 0 {
            let _ = write!(text, "… ({} more)", counted(more, "byte"));
        }
        self.0.say(format_args!("{who}: {text}"));
    }

    /// Waits a moment until everything is written.
    pub(super) fn finish(self) {
        self.0.finish();
    }
}

/// Returns the part of a text that is shown.
fn start_of(text: &str) -> &str {
    let end = text.len().min(WHOLE);
    (0..=end).rev().find_map(|at| text.get(..at)).unwrap_or_default()
}

/// The lines that are typed.
pub(super) struct Keyboard {
    input: Option<Input>,
}

impl Keyboard {
    pub(super) fn start(waker: Arc<Waker>) -> Self {
        Self { input: Some(Input::start(Format::Lines, waker)) }
    }

    /// Returns the next line, if one was typed.
    pub(super) fn line(&mut self) -> Option<Result<String, String>> {
        match self.input.as_ref()?.next()? {
            Item::Text(line) => Some(Ok(line)),
            Item::Wrong(why) => {
                self.input = None;
                Some(Err(why))
            }
            // The server continues without input.
            Item::Binary(_) | Item::End => {
                self.input = None;
                None
            }
        }
    }
}
