//! What people see: data on stdout, remarks on stderr, all of it escaped for a terminal.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use bowsprit_lab::escape::{Clean, Json, Terminal};

pub(super) use bowsprit_lab::escape::for_terminal;

use super::exit::Exit;
use super::logger::{self, LiveState};

/// Prints text that is escaped for a terminal; a reader that has gone away is not a failure.
pub(super) fn print(text: &Clean<Terminal>) -> ExitCode {
    print_bytes(text.as_str().as_bytes())
}

/// Prints JSON.
pub(super) fn print_json(json: &Json) -> ExitCode {
    print_bytes(json.as_str().as_bytes())
}

/// Prints a file that this program makes for others, unchanged.
pub(super) fn print_bytes(bytes: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => usage(error),
    }
}

impl Exit {
    /// Prints the reason to stderr, and returns the exit code.
    pub(crate) fn because(self, why: impl Display) -> Self {
        say(why);
        self
    }
}

/// Reports an error of the command line.
pub(super) fn usage(error: impl Display) -> ExitCode {
    Exit::Usage.because(error).into()
}

/// Prints a message for the user who started the command.
pub(super) fn say(text: impl Display) {
    let text = for_terminal(text);
    match logger::running() {
        Some(logger) => logger.say(text),
        None => now(|live| format!("{}bowsprit: {text}\n", live.take_away())),
    }
}

/// Prints a warning that may be very frequent. If a [logger] runs, all but the first of a `kind` are counted; `kind`
/// completes "and 5,000 more".
pub(super) fn warn(kind: &'static str, text: impl Display) {
    match logger::running() {
        Some(logger) => logger.warn(kind, for_terminal(text)),
        None => say(text),
    }
}

/// Writes to stderr immediately.
fn now(text: impl FnOnce(&mut LiveState) -> String) {
    let text = text(&mut LIVE.lock().unwrap_or_else(PoisonError::into_inner));
    let _ = std::io::stderr().write_all(text.as_bytes()); // nowhere is left to tell that stderr is gone
}

/// A progress line on stderr that is overwritten again and again; there is none if stderr is not a terminal.
pub(super) struct LiveLine(());

/// Used if no logger runs.
static LIVE: Mutex<LiveState> = Mutex::new(LiveState::new());

impl LiveLine {
    pub(super) fn new() -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        (std::io::stderr().is_terminal() && !is_dumb).then_some(Self(()))
    }

    pub(super) fn write(&mut self, text: impl Display) {
        let text = one_line(text.to_string().as_bytes());
        match logger::running() {
            Some(logger) => logger.live(text),
            None => now(|live| live.show(&text)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.write("");
    }
}

/// Returns whether stdout is a terminal that wants colours (no-color.org).
pub(super) fn colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Formats a number with about three significant digits.
pub(super) fn si(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.2}M", n / 1e6),
        n if n >= 1e4 => format!("{:.1}k", n / 1e3),
        n if n >= 100.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

/// Shows the library's warnings.
pub(super) fn log_to_stderr() {
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            warn("warnings", record.args());
        }
    }

    fn flush(&self) {}
}

/// Escapes foreign bytes for one line, for use in a sentence.
pub(super) fn one_line(bytes: &[u8]) -> String {
    bowsprit_lab::escape::one_line(bytes).into_string()
}

/// Formats bytes as hexadecimal digits after `0x`.
pub(super) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", bowsprit_lab::hex::digits(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_peer_acts_on_a_terminal() {
        assert_eq!(for_terminal("a\x1b[31m\r\n\tb\u{9b}").as_str(), "a\\u{1b}[31m\\r\n\tb\\u{9b}");
        assert_eq!(for_terminal("x\u{202e}y grün 🌍").as_str(), "x\\u{202e}y grün 🌍");
        assert_eq!(one_line(b"a\nb\t\xff"), "a\\nb\\t\\xff");
        assert_eq!(hex(b"\x00\xff"), "0x00ff");
    }
}
