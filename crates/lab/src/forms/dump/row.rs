//! The rows of a dump.

/// The most bytes that a dump may stand for.
pub(super) const MOST: usize = 256 << 20;

/// A line of a dump.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// The offset as written; empty if the line says that the row above is repeated.
    pub(super) offset: &'a str,
    pub(super) has_colon: bool,
    pub(super) rest: &'a str,
}

/// Why a layout does not fit.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) why: String,
}

/// Splits a line into its offset and the rest.
pub(super) fn split(line: usize, text: &str) -> Option<Row<'_>> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    let (offset, rest) = text.split_at(end);
    let behind = rest.strip_prefix(':');
    let has_colon = behind.is_some();
    let rest = behind.unwrap_or(rest);
    let is_apart = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (offset.len() >= 4 && is_apart).then_some(Row { line, offset, has_colon, rest })
}

impl Row<'_> {
    /// Returns whether the line says that the row above repeats up to the next offset.
    pub(super) const fn repeats(&self) -> bool {
        self.offset.is_empty()
    }

    pub(super) fn fault(&self, why: &str) -> Fault {
        Fault { line: self.line, why: why.to_owned() }
    }
}
