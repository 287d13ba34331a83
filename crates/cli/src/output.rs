//! What people see: talk on stderr, and bytes of a peer made fit for a terminal.

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use super::exit::Exit;
use super::logger::{self, LiveState};

/// Prints data; a reader that has gone away is no failure.
pub(super) fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => usage(error),
    }
}

/// Says what is wrong with the command line.
pub(super) fn usage(error: impl Display) -> ExitCode {
    Exit::Usage.because(error).into()
}

/// Says something to whoever started the command.
pub(super) fn say(text: impl Display) {
    match logger::running() {
        Some(logger) => logger.say(text),
        None => now(|live| format!("{}bowsprit: {text}\n", live.take_away())),
    }
}

/// Says something that may come very often. Where a [logger] runs, all but the first of a `kind` are counted; `kind`
/// completes "and 5,000 more".
pub(super) fn warn(kind: &'static str, text: impl Display) {
    match logger::running() {
        Some(logger) => logger.warn(kind, text),
        None => say(text),
    }
}

/// Writes to stderr here and now.
fn now(text: impl FnOnce(&mut LiveState) -> String) {
    let text = text(&mut LIVE.lock().unwrap_or_else(PoisonError::into_inner));
    let _ = std::io::stderr().write_all(text.as_bytes()); // nowhere is left to tell that stderr is gone
}

/// One line on stderr that tells how it goes, written over again and again; none where stderr is no terminal.
pub(super) struct LiveLine(());

/// Where no logger runs.
static LIVE: Mutex<LiveState> = Mutex::new(LiveState::new());

impl LiveLine {
    pub(super) fn new() -> Option<Self> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        (std::io::stderr().is_terminal() && !is_dumb).then_some(Self(()))
    }

    pub(super) fn write(&mut self, text: impl Display) {
        match logger::running() {
            Some(logger) => logger.live(text.to_string()),
            None => now(|live| live.show(&text.to_string())),
        }
    }

    pub(super) fn clear(&mut self) {
        self.write("");
    }
}

/// A number and its noun.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A number with three digits that count.
pub(super) fn si(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.2}M", n / 1e6),
        n if n >= 1e4 => format!("{:.1}k", n / 1e3),
        n if n >= 100.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

/// Lets the library's warnings be seen.
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

/// Text on one line: everything that a terminal would act on is escaped, line ends included.
pub(super) fn one_line(bytes: &[u8]) -> String {
    escape(bytes, |c| c == '\n' || c == '\t' || acts(c))
}

/// Text for a terminal, its line ends and tabs kept.
pub(super) fn for_terminal(text: &str) -> String {
    escape(text.as_bytes(), acts)
}

/// Bytes as hexadecimal digits behind `0x`.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 + 2 * bytes.len());
    out.push_str("0x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn escape(bytes: &[u8], escaped: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' if escaped(c) => out.push_str("\\n"),
                '\t' if escaped(c) => out.push_str("\\t"),
                '\r' if escaped(c) => out.push_str("\\r"),
                c if escaped(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Controls (but line feed and tab), and what reorders or hides text.
pub(super) fn acts(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_peer_acts_on_a_terminal() {
        assert_eq!(for_terminal("a\x1b[31m\r\n\tb\u{9b}"), "a\\u{1b}[31m\\r\n\tb\\u{9b}");
        assert_eq!(for_terminal("x\u{202e}y grün 🌍"), "x\\u{202e}y grün 🌍");
        assert_eq!(one_line(b"a\nb\t\xff"), "a\\nb\\t\\xff");
        assert_eq!(hex(b"\x00\xff"), "0x00ff");
    }
}
