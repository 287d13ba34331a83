//! Text above the line that is being edited.
//!
//! A thread prints it, because a terminal may delay it; the loop never waits until it leaves. All of it is shown in
//! order, which takes some care. The editor shows a text when it finds it in a channel with room for one, but only
//! while a line is edited; between two lines its printer writes at once, and would overtake what is left in the
//! channel. So nothing is printed between two lines, as far as that can be known, and each text is followed by
//! [`NOTHING`]: once that has found room, the text has left the channel.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use mio::Waker;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, ExternalPrinter, Helper};

use super::mode::Mode;

/// Where text is printed while lines are edited.
pub(super) struct Screen {
    texts: Sender<String>,
    /// How many bytes are not printed yet.
    waiting: Arc<AtomicUsize>,
    gate: Gate,
    /// Disconnects, without sending anything, when the printing thread ends.
    done: Receiver<()>,
    mode: Mode,
}

/// If more than this waits to be printed, the server has to wait too.
const ENOUGH_WAITING: usize = 64 << 10;

/// How long a terminal that was stopped (Ctrl-S) can delay our exit.
const PATIENCE: Duration = Duration::from_secs(1);

/// Moves up a line and down again.
const NOTHING: &str = "\x1b[A\n";

impl Screen {
    /// Starts the printing thread; `None` if stdin is not a terminal.
    pub(super) fn start(
        printer: impl ExternalPrinter + Send + 'static,
        gate: Gate,
        waker: Arc<Waker>,
    ) -> Option<Self> {
        let mode = Mode::now()?;
        let (texts, to_print) = mpsc::channel();
        let (running, done) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let screen = Self { texts, waiting: waiting.clone(), gate: gate.clone(), done, mode };
        thread::spawn(move || {
            print(printer, &to_print, &gate, &waiting, &waker);
            drop(running);
        });
        Some(screen)
    }

    /// Prints a text above the line that is being edited.
    pub(super) fn print(&self, text: String) {
        self.waiting.fetch_add(text.len(), Ordering::AcqRel);
        // This fails if the thread has ended, and the terminal with it.
        let _ = self.texts.send(text);
    }

    /// Returns whether the terminal is slower than the server.
    pub(super) fn is_behind(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > ENOUGH_WAITING
    }

    /// Shows the remaining text, and leaves the terminal as it was found, while the editor waits for a line that is not
    /// wanted any more.
    pub(super) fn leave(self) {
        drop(self.texts);
        if self.done.recv_timeout(PATIENCE).is_err_and(|error| error == mpsc::RecvTimeoutError::Timeout) {
            self.gate.give_up();
            let _ = self.done.recv_timeout(PATIENCE);
        }
        // Removes the prompt and what was typed there, and stops marking pasted text.
        let mut stdout = std::io::stdout();
        let _ = stdout.write_all(b"\r\x1b[J\x1b[?2004l").and_then(|()| stdout.flush());
        self.mode.restore();
    }
}

/// Prints until the loop leaves, then makes sure that everything is shown.
fn print(
    mut printer: impl ExternalPrinter,
    texts: &Receiver<String>,
    gate: &Gate,
    waiting: &AtomicUsize,
    waker: &Waker,
) {
    let mut print = |text| {
        gate.wait();
        // If the terminal is gone, the command ends in another way.
        let _ = printer.print(text);
    };
    while let Ok(mut text) = texts.recv() {
        text.extend(texts.try_iter());
        let len = text.len();
        print(text);
        print(NOTHING.to_owned());
        if waiting.fetch_sub(len, Ordering::AcqRel) == len {
            let _ = waker.wake();
        }
    }
    // Once this has found room, the text before it is being printed, and everything before that has been.
    print(NOTHING.to_owned());
}

/// Open while a line is edited, as known from what the editor asks its helper.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Editing,
    /// The line is complete, and the editor is about to leave it.
    Leaving,
    /// No line is edited any more.
    Open,
}

impl Gate {
    pub(super) fn between_lines(&self) {
        self.change(|state| if state == State::Open { state } else { State::Between });
    }

    /// Lets everything pass from now on.
    pub(super) fn give_up(&self) {
        self.change(|_| State::Open);
    }

    fn wait(&self) {
        let mut state = self.lock();
        while matches!(*state, State::Between | State::Leaving) {
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl Fn(State) -> State) {
        let mut state = self.lock();
        *state = change(*state);
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state valid: nothing that can panic is called under the lock.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Helper for Gate {}

impl Completer for Gate {
    type Candidate = String;
}

impl Highlighter for Gate {}

impl Hinter for Gate {
    type Hint = String;

    /// The editor calls this whenever a line is shown, the first time before it reads a key.
    fn hint(&self, _: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.change(|state| if state == State::Between { State::Editing } else { state });
        None
    }
}

impl Validator for Gate {
    /// The editor calls this when Enter is pressed.
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.change(|state| if state == State::Editing { State::Leaving } else { state });
        Ok(ValidationResult::Valid(None))
    }
}
