//! Quoted literals and the text around them.

use super::escapes::End;

/// The text between two quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal<'a> {
    /// The text before it, from the literal before up to its prefix, comments included.
    pub(super) before: &'a str,
    /// The letters of its prefix, as in `b"…"`.
    pub(super) prefix: &'a str,
    pub(super) body: &'a str,
    /// Whether its quotes are single quotes.
    is_single: bool,
    /// Whether the text ends before its closing quote.
    pub(super) is_open: bool,
}

impl Literal<'_> {
    pub(super) const fn end(&self) -> End {
        if self.is_open { End::Open } else { End::Closed }
    }

    /// Returns whether this is a byte literal, as in Python and Rust.
    pub(super) fn is_bytes(&self) -> bool {
        self.prefix.contains(['b', 'B'])
    }

    /// Returns whether this is a character, as found in lists of numbers.
    pub(super) fn is_character(&self) -> bool {
        let mut inner = self.body.chars();
        let is_escape = inner.next() == Some('\\');
        self.is_single && !self.is_open && (inner.count() == 0 || (is_escape && self.body.len() <= 4))
    }

    /// Returns whether backslashes in the literal stand for themselves.
    pub(super) fn is_raw(&self) -> bool {
        self.prefix.contains(['r', 'R'])
    }
}

/// Returns the literals of a text and the text after the last.
pub(super) fn literals(text: &str) -> (Vec<Literal<'_>>, &str) {
    let mut found = Vec::new();
    let (mut from, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        if let Some(end) = comment(text, at) {
            at = end;
            continue;
        }
        let quote = bytes[at];
        if !matches!(quote, b'"' | b'\'') {
            at += 1;
            continue;
        }
        let prefix = prefix(&text[from..at]);
        // An apostrophe in a word is not a quote.
        let is_word =
            prefix.is_empty() && text[from..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_triple = prefix.contains(['b', 'B']) && bytes[at..].starts_with(&[quote; 3]);
        let is_single = quote == b'\'';
        let width = if is_triple { 3 } else { 1 };
        let start = at + width;
        match length(&bytes[start..], quote, width) {
            _ if is_single && is_word => at += 1,
            Length::Line => at += 1,
            Length::Whole(length) => {
                let before = &text[from..at - prefix.len()];
                found.push(Literal {
                    before,
                    prefix,
                    body: &text[start..start + length],
                    is_single,
                    is_open: false,
                });
                at = start + length + width;
                from = at;
            }
            Length::Open => {
                let before = &text[from..at - prefix.len()];
                found.push(Literal { before, prefix, body: &text[start..], is_single, is_open: true });
                return (found, "");
            }
        }
    }
    (found, &text[from..])
}

/// The length of a literal.
enum Length {
    /// It has this many bytes.
    Whole(usize),
    /// It ends with its line, so it is no literal: none continues over lines.
    Line,
    /// It ends with the text.
    Open,
}

fn length(bytes: &[u8], quote: u8, width: usize) -> Length {
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\n' if width == 1 => return Length::Line,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3][..width]) => {
                return Length::Whole(at);
            }
            _ => at += 1,
        }
    }
    Length::Open
}

/// Returns the end of a comment that begins here; the `//` of a URL does not begin one.
pub(super) fn comment(text: &str, at: usize) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    let end = |mark: &str, from: usize| {
        text.get(from..).and_then(|rest| rest.find(mark)).map_or(text.len(), |found| from + found)
    };
    if rest.starts_with(b"/*") {
        return Some((end("*/", at + 2) + 2).min(text.len()));
    }
    let is_url = at > 0 && text.as_bytes()[at - 1] == b':';
    (rest.starts_with(b"//") && !is_url).then(|| end("\n", at + 2))
}

/// Returns the text without comments, and whether it ends inside one.
pub(super) fn without_comments(text: &str) -> (String, bool) {
    let (mut out, mut at, mut is_open) = (String::with_capacity(text.len()), 0, false);
    while at < text.len() {
        if let Some(end) = comment(text, at) {
            is_open = text[at..].starts_with("/*") && !(end >= at + 4 && text[..end].ends_with("*/"));
            out.push(' ');
            at = end;
        } else {
            let c = text[at..].chars().next().unwrap_or(' ');
            out.push(c);
            at += c.len_utf8();
        }
    }
    (out, is_open)
}

/// Returns the letters before a quote that belong to its literal: `b`, `rb`, `L`, `u8`; none if they end a word.
fn prefix(before: &str) -> &str {
    let start = before
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let is_prefix =
        matches!(word.to_ascii_lowercase().as_str(), "b" | "br" | "rb" | "r" | "u8" | "u" | "l" | "f");
    if is_prefix { word } else { "" }
}

/// Returns whether two literals with only this between them are one value.
pub(super) fn joins(between: &str) -> bool {
    let (plain, _) = without_comments(between);
    plain.chars().all(|c| c.is_whitespace() || matches!(c, '+' | '\\'))
}
