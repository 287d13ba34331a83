//! A terminal with line editing and a history.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use mio::Waker;
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;

use super::screen::{Gate, Screen};
use crate::input::{Input, Item};

type LineEditor = Editor<Gate, DefaultHistory>;

/// Reads lines with an editor; `None` if the terminal cannot do more than lines.
pub(super) fn start(waker: Arc<Waker>, keep_history: bool) -> Option<(Input, Screen)> {
    let mut editor = LineEditor::new().ok()?;
    let printer = editor.create_external_printer().ok()?;
    let gate = Gate::default();
    editor.set_helper(Some(gate.clone()));
    let screen = Screen::start(printer, gate.clone(), waker.clone())?;
    let history = keep_history.then(history_file).flatten();
    if let Some(history) = &history {
        // There may be no history yet.
        let _ = editor.load_history(history);
    }
    let (items, input) = Input::typed(waker);
    thread::spawn(move || edit(editor, &gate, history, items));
    Some((input, screen))
}

/// Passes lines on until they end.
fn edit(mut editor: LineEditor, gate: &Gate, history: Option<PathBuf>, items: impl Fn(Item) -> bool) {
    loop {
        let item = read(&mut editor, gate, "> ");
        if let Item::Text(line) = &item
            && !line.is_empty()
        {
            let _ = editor.add_history_entry(line);
            if let Some(history) = &history {
                let _ = history.parent().map(std::fs::create_dir_all);
                // Saved line by line, because the process may end at any time.
                let _ = editor.append_history(history);
            }
        }
        let more = matches!(item, Item::Text(_));
        if !items(item) || !more {
            break;
        }
    }
    // An editor also shows what is printed from now on, and Ctrl-C still works.
    while let Item::Text(_) = read(&mut editor, gate, "") {}
    gate.give_up();
}

/// Returns the next line, or the end of the input.
fn read(editor: &mut LineEditor, gate: &Gate, prompt: &str) -> Item {
    loop {
        let line = editor.readline(prompt);
        gate.between_lines();
        match line {
            Ok(line) => return Item::Text(line),
            Err(ReadlineError::Eof) => return Item::End,
            // Between two lines the terminal is in its normal mode, and the signal has its normal effect.
            Err(ReadlineError::Interrupted) => {
                drop(signal_hook::low_level::raise(signal_hook::consts::SIGINT))
            }
            Err(error) => return Item::Wrong(format!("cannot read from the terminal: {error}")),
        }
    }
}

/// Returns the file in the state directory of the XDG base directories.
fn history_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("bowsprit/history"))
}
