//! Strings of C and similar languages, Go, JavaScript and shells: `"\x81\x05Hello"`, in pieces, in assignments. Also
//! quoted digits if something declares what they are: `bytes.fromhex("8105")`, `Buffer.from("gQU=", "base64")`.

use super::escapes::{Language, unescape};
use super::found::Found;
use super::literal::{Literal, joins, literals};
use super::{base64, digits};

/// Reads strings if at least one of them has an escape.
pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    let (mut all, behind) = literals(text);
    all.retain(|literal| !literal.is_character());
    // In JSON, strings are names and text.
    let is_json = text.trim_start().starts_with('{')
        && all.get(1).map_or(behind, |second| second.before).trim_start().starts_with(':');
    (all.iter().any(has_escape) && !is_json).then(|| strings(&all, behind))
}

fn has_escape(literal: &Literal<'_>) -> bool {
    literal.body.contains('\\')
}

fn strings(all: &[Literal<'_>], behind: &str) -> Result<Found, String> {
    let mut found = Found::default();
    // A group without an escape is a file name or something else that is not meant.
    for group in groups(all).filter(|group| group.iter().any(has_escape)) {
        let is_list = group.iter().skip(1).any(|literal| !joins(literal.before));
        let is_format = group.len() > 1 && group[0].body.contains('%');
        if (is_list || is_format) && !group.iter().all(has_escape) {
            return Err(
                "strings with escapes stand beside others without: which of them are the bytes?".to_owned()
            );
        }
        let mut bytes = Vec::new();
        for literal in group {
            bytes.extend(unescape(literal.body, Language::C, literal.end())?.bytes);
        }
        found.pieces.push(bytes);
    }
    if all.last().is_some_and(|literal| literal.is_open) {
        found.cut = Some("the string has no closing quote".to_owned());
    } else if all[0].before.contains('[') && all[0].before.trim_end().ends_with('=') && !behind.contains(';')
    {
        found.cut = Some("the array has no closing ';'".to_owned());
    } else if matches!(behind.trim(), "+" | "\\") {
        found.cut = Some("a further piece of the string should follow".to_owned());
    }
    Ok(found)
}

/// Groups literals with only blanks, commas and joining signs between them.
fn groups<'t, 'a>(all: &'t [Literal<'a>]) -> impl Iterator<Item = &'t [Literal<'a>]> {
    all.chunk_by(|_, next| next.before.split(',').all(joins))
}

/// Reads quoted digits.
pub(super) fn read_digits(text: &str) -> Option<Result<Found, String>> {
    let (all, behind) = literals(text);
    let first = all.first()?;
    let is_alone =
        all.len() == 1 && first.before.trim().is_empty() && matches!(behind.trim(), "" | ";" | ",");
    let after = all.get(1).map_or("", |second| second.body).to_ascii_lowercase();
    let call = first.before.trim_end().strip_suffix('(').unwrap_or_default().to_ascii_lowercase();
    let is_named = |name: &str| {
        after == name || call.rsplit(['.', ' ', '=', ':']).next().is_some_and(|f| f.contains(name))
    };
    let body = first.body.trim();
    let read = if is_named("base64") || is_named("b64") || is_named("atob") {
        base64::declared(body)
    } else if is_named("hex") {
        digits::hexadecimal(body)
    } else if is_alone {
        base64::read(body).or_else(|| digits::read(body))?
    } else {
        return None;
    };
    Some(read.map(|mut found| {
        if first.is_open && found.cut.is_none() {
            found.cut = Some("the string has no closing quote".to_owned());
        }
        found
    }))
}
