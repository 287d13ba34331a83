//! A terminal with line editing and a history.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use mio::Waker;
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::cli::input::{Input, Item};

/// Prints above the line that is being edited.
pub(super) type Printer = Box<dyn FnMut(String) + Send>;

/// Reads lines with an editor; `None` where the terminal can do no more than lines.
pub(super) fn start(waker: Arc<Waker>, keep_history: bool) -> Option<(Input, Printer)> {
    let mut editor = DefaultEditor::new().ok()?;
    let mut printer = editor.create_external_printer().ok()?;
    let history = keep_history.then(history_file).flatten();
    if let Some(history) = &history {
        // There may be none yet.
        let _ = editor.load_history(history);
    }
    let (items, input) = Input::channel(waker);
    thread::spawn(move || {
        loop {
            let item = match editor.readline("> ") {
                Ok(line) => {
                    if !line.is_empty() {
                        let _ = editor.add_history_entry(&line);
                    }
                    Item::Text(line)
                }
                Err(ReadlineError::Interrupted) => Item::Interrupt,
                Err(ReadlineError::Eof) => Item::End,
                Err(error) => Item::Wrong(format!("cannot read from the terminal: {error}")),
            };
            let more = matches!(item, Item::Text(_));
            if !more && let Some(history) = &history {
                let _ = history.parent().map(std::fs::create_dir_all);
                let _ = editor.append_history(history);
            }
            if !items(item) || !more {
                return;
            }
        }
    });
    let print = move |text: String| {
        // A terminal that is gone ends the command by other ways.
        let _ = printer.print(text);
    };
    Some((input, Box::new(print)))
}

/// Where the XDG base directories have the state of programs.
fn history_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("bowsprit/history"))
}
