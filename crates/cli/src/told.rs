//! The events of a conversation as lines: text for people, JSON for programs.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use bowsprit_lab::conversation::{Colour, Line, Peer, Told};
use bowsprit_lab::escape::Json;
use serde_json::{Map, Value, json};

use super::output::for_terminal;

/// Writes an event of a connection as a line of JSON.
pub(super) fn json(number: Option<u64>, rest: Map<String, Value>) -> String {
    let mut map = Map::new();
    if let Some(number) = number {
        map.insert("connection".to_owned(), json!(number));
    }
    map.extend(rest);
    // Nothing in it can fail to be written: it is only text and numbers.
    Json::compact(&map).unwrap_or_default().as_str().to_owned()
}

/// Writes the time, the time since the last event shown, the side, and the event; further lines are below it.
pub(super) fn text(number: u64, told: &Told, gap: Duration, colours: bool) -> String {
    let arrow = if told.from == Peer::Client { '>' } else { '<' };
    let mut lead = format!("#{number} {:9.4} +{:<8.4} ", told.at.as_secs_f64(), gap.as_secs_f64());
    let mut out = String::new();
    for (at, Line { colour, text }) in told.lines().into_iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let style = if colours { style(colour, told.from) } else { Style::new() };
        let _ = write!(out, "{lead}{style}{arrow} {}{style:#}", for_terminal(text));
        if at == 0 {
            let width = lead.len() - format!("#{number} ").len();
            lead = format!("#{number} {:width$}", "");
        }
    }
    out
}

fn style(colour: Colour, from: Peer) -> Style {
    match (colour, from) {
        (Colour::Fault, _) => AnsiColor::Red.on_default().bold(),
        (Colour::Note, _) => Style::new().dimmed(),
        (Colour::Head, _) => AnsiColor::Yellow.on_default(),
        (Colour::Frame, Peer::Client) => AnsiColor::Cyan.on_default(),
        (Colour::Frame, Peer::Server) => AnsiColor::Green.on_default(),
    }
}
