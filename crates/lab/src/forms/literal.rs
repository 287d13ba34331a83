//! Literals between quotes, and what stands around them.

use super::escapes::End;

/// What stands between two quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal<'a> {
    /// What stands before it, behind the literal before, up to its prefix; with comments.
    pub(super) before: &'a str,
    /// The letters of its prefix, as in `b"…"`.
    pub(super) prefix: &'a str,
    pub(super) body: &'a str,
    /// Its quotes are single ones.
    is_single: bool,
    /// The text ends before its closing quote.
    pub(super) is_open: bool,
}

impl Literal<'_> {
    pub(super) const fn end(&self) -> End {
        if self.is_open { End::Open } else { End::Closed }
    }

    /// Whether it is one of bytes, as Python and Rust have them.
    pub(super) fn is_bytes(&self) -> bool {
        self.prefix.contains(['b', 'B'])
    }

    /// Whether it is a character, such as stand in lists of numbers.
    pub(super) fn is_character(&self) -> bool {
        let mut inner = self.body.chars();
        let is_escape = inner.next() == Some('\\');
        self.is_single && !self.is_open && (inner.count() == 0 || (is_escape && self.body.len() <= 4))
    }

    /// Whether a backslash in it is a backslash.
    pub(super) fn is_raw(&self) -> bool {
        self.prefix.contains(['r', 'R'])
    }
}

/// The literals of a text, and what stands behind the last.
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
        // An apostrophe of a word is no quote.
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

/// How long a literal is.
enum Length {
    /// So many bytes.
    Whole(usize),
    /// The line ends in it, and none goes over lines.
    Line,
    /// The text ends in it.
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

/// The end of a comment that begins here; the `//` of a URL begins none.
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

/// The text without comments; whether it ends inside one.
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

/// The letters before a quote that belong to its literal: `b`, `rb`, `L`, `u8`; none where they end a word.
fn prefix(before: &str) -> &str {
    let start = before
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let is_prefix =
        matches!(word.to_ascii_lowercase().as_str(), "b" | "br" | "rb" | "r" | "u8" | "u" | "l" | "f");
    if is_prefix { word } else { "" }
}

/// Whether two literals with only this between them are one value.
pub(super) fn joins(between: &str) -> bool {
    let (plain, _) = without_comments(between);
    plain.chars().all(|c| c.is_whitespace() || matches!(c, '+' | '\\'))
}
