//! The rows of a dump.

/// No dump stands for more.
pub(super) const MOST: usize = 256 << 20;

/// A line of a dump.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    /// Its number, from 1.
    pub(super) line: usize,
    /// As it stands there; empty where it says that the row above is repeated.
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

/// The offset of a line and what follows it.
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
    /// Whether it says that the row above stands here again, up to the next offset.
    pub(super) const fn repeats(&self) -> bool {
        self.offset.is_empty()
    }

    pub(super) fn fault(&self, why: &str) -> Fault {
        Fault { line: self.line, why: why.to_owned() }
    }
}
