//! Dumps: rows of an offset, bytes, and often the text of those bytes.
//!
//! A dump is read by each layout that it may have. The offsets have to fit the bytes between them, which leaves few
//! layouts; the text beside the bytes decides between those. A dump that still has two readings is refused.

mod cells;
mod layout;
mod row;

use super::found::Found;
use cells::Text;
use layout::{LAYOUTS, Reading};
use row::{Fault, Row, split};

pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    begins(text).map(|begins| begins.and_then(|()| dump(text)))
}

/// Checks by its first rows whether this is a dump.
fn begins(text: &str) -> Option<Result<(), String>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = split(0, lines.next()?)?;
    let second = lines.next().and_then(|line| split(1, line));
    let digits = first.offset.len();
    let cell = first.rest.split_whitespace().next().unwrap_or_default();
    let digits_of_cell = cell.strip_prefix('-').unwrap_or(cell);
    let is_number =
        !digits_of_cell.is_empty() && digits_of_cell.bytes().all(|digit| digit.is_ascii_hexdigit());
    let is_wide = first.rest.starts_with("  ") || first.rest.starts_with('\t');
    if first.has_colon {
        return (cell.is_empty() || is_number).then_some(Ok(()));
    }
    // od -c has characters as cells.
    if cell.is_empty() {
        return None;
    }
    if is_wide && (is_number || digits == 7) {
        return Some(Ok(()));
    }
    let is_long = matches!(digits, 6..=8 | 16);
    if !is_long || !is_number || cell.len() >= digits {
        return None;
    }
    let is_followed = second.is_some_and(|second| second.offset.len() == digits);
    if first.offset.starts_with("00") || is_followed {
        return Some(Ok(()));
    }
    Some(Err(format!("'{}' may be an offset or bytes: put a colon behind it, or leave it out", first.offset)))
}

fn dump(text: &str) -> Result<Found, String> {
    let (rows, cut) = rows(text)?;
    let first = rows[0];
    let cell = first.rest.split_whitespace().next().unwrap_or_default();
    if !first.has_colon && cell.len() > 3 && cell.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("this dump shows words of two bytes or more, in an order that it does not tell: use hexdump -C, or \
                    od -t x1"
            .to_owned());
    }
    let mut readings = Vec::new();
    let mut worst: Option<Fault> = None;
    for read in LAYOUTS.iter().flat_map(|layout| layout.read(&rows)) {
        match read {
            Ok(reading) => readings.push(reading),
            Err(fault) if worst.as_ref().is_none_or(|worst| worst.line < fault.line) => worst = Some(fault),
            Err(_) => {}
        }
    }
    let Some(reading) = choose(readings)? else {
        let why = worst.map(|fault| format!(": line {} {}", fault.line, fault.why)).unwrap_or_default();
        return Err(format!("this looks like a dump, but its offsets do not fit the bytes beside them{why}"));
    };
    let mut found = Found { cut: reading.cut.or(cut), ..Found::of(reading.bytes) };
    if reading.text == Text::Differs {
        found.notes.push("the text beside the bytes is not theirs; the bytes count".to_owned());
    }
    if reading.swapped.is_some() {
        found.notes.push("read as little-endian words, as xxd -e prints them".to_owned());
    }
    let is_of_od = matches!(first.offset.len(), 6..=8) && !first.has_colon;
    if is_of_od && !reading.has_end && found.cut.is_none() {
        found
            .notes
            .push("no offset alone says where it ends, as od and hexdump have it: it may be cut".to_owned());
    }
    if rows.len() == 1 && !first.has_colon && first.offset.bytes().any(|digit| digit != b'0') {
        found.notes.push(format!("{} is taken as an offset", first.offset));
    }
    Ok(found)
}

/// Splits the rows. Returns them and, if the last line is cut, why there should be more.
fn rows(text: &str) -> Result<(Vec<Row<'_>>, Option<String>), String> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    let mut cut = None;
    for (place, (number, text)) in lines.iter().enumerate() {
        let line = number + 1;
        if text.trim() == "*" && !rows.is_empty() {
            rows.push(Row { line, offset: "", has_colon: false, rest: "" });
            continue;
        }
        let is_last = place + 1 == lines.len();
        let digits = rows.first().map_or(0, |first| first.offset.len());
        let trimmed = text.trim();
        let is_cut_offset =
            is_last && trimmed.len() < digits && trimmed.bytes().all(|c| c.is_ascii_hexdigit());
        match split(line, text) {
            _ if is_cut_offset => cut = Some(format!("line {line} ends inside its offset")),
            Some(row) if row.offset.len() >= digits => rows.push(row),
            _ => return Err(format!("this looks like a dump, but line {line} is no row of it")),
        }
    }
    if rows.last().is_some_and(|row| row.offset.is_empty()) && cut.is_none() {
        cut = Some("nothing follows the row that is repeated".to_owned());
    }
    Ok((rows, cut))
}

/// Chooses a reading: one whose text fits before one without text, and that before one whose text differs.
fn choose(readings: Vec<Reading>) -> Result<Option<Reading>, String> {
    let Some(text) = readings.iter().map(|reading| reading.text).max() else { return Ok(None) };
    let mut best: Vec<Reading> = Vec::new();
    for reading in readings.into_iter().filter(|reading| reading.text == text) {
        if best.iter().all(|other| other.bytes != reading.bytes) {
            best.push(reading);
        }
    }
    // Text of other bytes is no reason to prefer another reading; words of two bytes are in order unless their text
    // shows otherwise.
    if best.iter().any(|reading| reading.is_plain) {
        best.retain(|reading| reading.is_plain || (text != Text::Differs && reading.swapped != Some(2)));
    }
    match &best[..] {
        [] | [_] => Ok(best.pop()),
        [one, other, ..] => Err(format!(
            "this dump can be read in two ways, as one of {} and as one of {}: use plain xxd, or hexdump -C",
            one.name, other.name
        )),
    }
}
