//! Writes lines to stderr without delaying a loop.
//!
//! A thread writes them: stderr may be a pipe that nobody reads, or a terminal that was stopped (Ctrl-S). The waiting
//! lines are bounded; lines that find no room are counted, and the number is written once somebody reads again.
//! Warnings of one kind are [folded](Folds).

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::fold::{Folds, grouped};

/// How many bytes of lines may wait.
const ROOM: usize = 256 << 10;
/// How long stderr may delay the end of the command.
const PATIENCE: Duration = Duration::from_secs(1);

/// The start of each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// The name of the command.
    Name,
    /// The time (RFC 3339), for comparison with other logs.
    Time,
    /// Nothing.
    Bare,
    /// Nothing; each line is JSON.
    Json,
}

/// Writes to stderr.
static LOGGER: OnceLock<Logger> = OnceLock::new();
/// Writes to stdout.
static SCREEN: OnceLock<Logger> = OnceLock::new();

pub(super) struct Logger {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    stamp: Stamp,
    waiting: Waiting,
    folds: Folds,
    /// The new live line, if it has changed; empty for none.
    live: Option<String>,
    ending: bool,
    /// Whether everything is written and nothing more will be.
    ended: bool,
}

/// Lines that wait, and how many found no room after them.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<String>,
    bytes: usize,
    lost: u64,
}

impl Waiting {
    fn push(&mut self, line: String) {
        // Once a line is lost, so are the following ones until there is room again, so that the number is written where
        // they are missing.
        if self.lost > 0 || self.bytes + line.len() > ROOM {
            self.lost += 1;
        } else {
            self.bytes += line.len();
            self.lines.push_back(line);
        }
    }

    const fn is_full(&self) -> bool {
        self.lost > 0 || self.bytes >= ROOM
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost == 0
    }
}

/// Starts a thread that writes lines until the result is dropped, which waits a moment for the rest to be written.
pub(crate) fn start(stamp: Stamp) -> io::Result<Logging> {
    let logger = LOGGER.get_or_init(|| Logger::new(stamp));
    thread::Builder::new().name("log".to_owned()).spawn(|| logger.run(&mut Patient(io::stderr())))?;
    Ok(Logging(logger))
}

/// Returns the running logger, if there is one.
pub(super) fn running() -> Option<&'static Logger> {
    LOGGER.get().filter(|logger| !logger.lock().ended)
}

pub(crate) struct Logging(&'static Logger);

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Logger {
    fn new(stamp: Stamp) -> Self {
        Self {
            state: Mutex::new(State {
                stamp,
                waiting: Waiting::default(),
                folds: Folds::default(),
                live: None,
                ending: false,
                ended: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Returns a logger that writes to stdout.
    pub(super) fn to_stdout(stamp: Stamp) -> io::Result<&'static Self> {
        let logger = SCREEN.get_or_init(|| Self::new(stamp));
        thread::Builder::new().name("screen".to_owned()).spawn(|| logger.run(&mut Patient(io::stdout())))?;
        Ok(logger)
    }

    pub(super) fn say(&self, text: impl Display) {
        self.change(|state| state.waiting.push(stamped(state.stamp, text)));
    }

    /// Writes a line, which is made only if there is room for it.
    pub(super) fn offer(&self, text: impl FnOnce() -> String) {
        self.change(|state| match state.waiting.is_full() {
            true => state.waiting.lost += 1,
            false => state.waiting.push(stamped(state.stamp, text())),
        });
    }

    /// Writes a warning unless there were many of its kind lately; see [`Folds::admit`].
    pub(super) fn warn(&self, kind: &'static str, text: impl Display) {
        let text = text.to_string();
        self.change(|state| {
            if state.folds.admit(kind, &text, Instant::now()) {
                state.waiting.push(stamped(state.stamp, text));
            }
        });
    }

    /// Sets the live line; only the newest is shown.
    pub(super) fn live(&self, text: String) {
        self.change(|state| state.live = Some(text));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits a moment for the rest to be written.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.ending = true;
        self.changed.notify_all();
        let until = Instant::now() + PATIENCE;
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.ended = true;
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, to: &mut impl Write) {
        let mut live = LiveState::default();
        while let Some((stamp, waiting, change)) = self.take() {
            let mut text = String::new();
            if !waiting.is_empty() {
                text.push_str(live.take_away());
            }
            text.extend(waiting.lines);
            if waiting.lost > 0 {
                text += &lost(stamp, waiting.lost);
            }
            if let Some(line) = change {
                text += &live.show(&line);
            }
            // If stderr is gone, there is nowhere to report it.
            let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        }
        self.change(|state| state.ended = true);
    }

    /// Waits for something to write; `None` at the end.
    fn take(&self) -> Option<(Stamp, Waiting, Option<String>)> {
        let mut state = self.lock();
        loop {
            let told = if state.ending { state.folds.end() } else { state.folds.due(Instant::now()) };
            let State { stamp, waiting, live, .. } = &mut *state;
            for line in told {
                waiting.push(stamped(*stamp, line));
            }
            if !waiting.is_empty() || live.is_some() {
                return Some((*stamp, std::mem::take(waiting), live.take()));
            }
            if state.ending {
                return None;
            }
            state = match state.folds.next() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(next) => {
                    let wait = next.saturating_duration_since(Instant::now());
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

fn lost(stamp: Stamp, lines: u64) -> String {
    match stamp {
        Stamp::Json => format!("{{\"event\":\"lost\",\"lines\":{lines}}}\n"),
        _ => stamped(stamp, format_args!("lines lost, as nobody read them in time: {}", grouped(lines))),
    }
}

fn stamped(stamp: Stamp, text: impl Display) -> String {
    match stamp {
        Stamp::Bare | Stamp::Json => format!("{text}\n"),
        Stamp::Name => format!("bowsprit: {text}\n"),
        Stamp::Time => format!("{} {text}\n", humantime::format_rfc3339_millis(SystemTime::now())),
    }
}

/// Whether there is a live line on the terminal, which other output has to remove first.
#[derive(Debug, Default)]
pub(super) struct LiveState(bool);

impl LiveState {
    pub(super) const fn new() -> Self {
        Self(false)
    }

    pub(super) fn take_away(&mut self) -> &'static str {
        if std::mem::take(&mut self.0) { "\r\x1b[K" } else { "" }
    }

    /// Returns the text that replaces the last live line by `line`; an empty line removes it.
    pub(super) fn show(&mut self, line: &str) -> String {
        if line.is_empty() {
            return self.take_away().to_owned();
        }
        self.0 = true;
        format!("\r\x1b[K{line}")
    }
}

/// A writer that waits for room if somebody else has made the file non-blocking.
struct Patient<W>(W);

#[cfg(unix)]
impl<W: Write + std::os::fd::AsFd> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, poll};
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(not(unix))]
impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut waiting = Waiting::default();
        for _ in 0..1000 {
            waiting.push("x".repeat(1024));
        }
        assert_eq!((waiting.lines.len(), waiting.lost), (ROOM / 1024, 1000 - ROOM as u64 / 1024));
    }

    #[test]
    fn times_are_those_of_other_logs() {
        let line = stamped(Stamp::Time, "x");
        let (time, text) = line.split_once(' ').unwrap();
        assert_eq!((time.len(), &time[10..11], &time[23..], text), (24, "T", "Z", "x\n"), "{line}");
    }

    /// A writer that takes bytes one at a time, and occasionally none.
    struct Reluctant(Vec<u8>, u32);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(2) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.0.push(bytes[0]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_is_written_in_order_and_the_live_line_makes_way() {
        let logger = Logger::new(Stamp::Name);
        logger.say("one");
        logger.live("50 %".to_owned());
        let mut out = Reluctant(Vec::new(), 0);
        thread::scope(|scope| {
            scope.spawn(|| logger.run(&mut out));
            while logger.lock().live.is_some() {
                thread::yield_now();
            }
            for _ in 0..3 {
                logger.warn("of a kind", "two");
            }
            logger.finish();
        });
        let text = String::from_utf8(out.0).unwrap();
        let expected = "bowsprit: one\n\r\x1b[K50 %\r\x1b[Kbowsprit: two\nbowsprit: … of a kind: 2 more\n";
        assert_eq!(text, expected);
    }
}
