//! Bytes as Python, and also Rust, writes them: `b'\x81\x05'`, alone, in pieces, in lines of a log.

use super::escapes::{Language, unescape};
use super::found::Found;
use super::list;
use super::literal::{Literal, joins, literals};

pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    let (all, behind) = literals(text);
    let is_list = all.iter().all(Literal::is_character) && list::is_in(text);
    (all.iter().any(Literal::is_bytes) && !is_list).then(|| pieces(&all, behind))
}

fn pieces(all: &[Literal<'_>], behind: &str) -> Result<Found, String> {
    let mut found = Found::default();
    // The text between the last byte literal and the next.
    let mut between = String::new();
    for (at, literal) in all.iter().enumerate() {
        between += literal.before;
        if !literal.is_bytes() {
            between += "\"\"";
            continue;
        }
        let after = all.get(at + 1).map_or(behind, |next| next.before);
        if is_expression(literal.before, after) {
            return Err("these Python bytes are part of an expression: print what it comes to".to_owned());
        }
        let bytes = match literal.is_raw() {
            true => literal.body.as_bytes().to_vec(),
            false => unescape(literal.body, Language::Python, literal.end())?.bytes,
        };
        match found.pieces.last_mut() {
            Some(last) if joins(&between) => last.extend(bytes),
            _ => found.pieces.push(bytes),
        }
        between.clear();
        if literal.is_open {
            found.cut = Some("the Python bytes have no closing quote".to_owned());
        }
    }
    let open = all[0].before.chars().last().filter(|c| matches!(c, '(' | '['));
    let close = if open == Some('(') { ')' } else { ']' };
    if found.cut.is_none() && open.is_some() && !behind.contains(close) {
        found.cut = Some(format!("the Python bytes have no closing '{close}'"));
    } else if found.cut.is_none()
        && matches!(behind.trim().trim_end_matches(['b', 'r']).trim_end(), "+" | "\\")
    {
        found.cut = Some("the Python bytes end with an operator".to_owned());
    }
    Ok(found)
}

/// Returns whether a value is computed from a literal: `b'a' * 4`, `b'a'[1:]`, `b'a'.hex()`.
fn is_expression(before: &str, after: &str) -> bool {
    let mut next = after.chars();
    let is_call =
        after.starts_with(['[', '.']) && next.nth(1).is_some_and(|c| c.is_alphanumeric() || c == ':');
    before.trim_end().ends_with(['*', '%']) || after.trim_start().starts_with(['*', '%']) || is_call
}
