//! The layouts of dumps, and the reading of a dump by each of them.

use super::cells::{Cells, Text, text};
use super::row::{Fault, MOST, Row};
use crate::counted;

/// How a tool lays out its rows.
#[derive(Debug)]
pub(super) struct Layout {
    /// The name of the tool.
    name: &'static str,
    has_colon: bool,
    /// How many digits an offset has; `None` for any number.
    digits: Option<usize>,
    /// The radices of offsets.
    radices: &'static [u32],
    cells: Cells,
}

const fn layout(
    name: &'static str,
    has_colon: bool,
    digits: Option<usize>,
    radices: &'static [u32],
    cells: Cells,
) -> Layout {
    Layout { name, has_colon, digits, radices, cells }
}

/// All known layouts; offsets of seven digits are od's (-A d makes them decimal) and those of hexdump without -C.
#[rustfmt::skip]
pub(super) const LAYOUTS: &[Layout] = &[
    layout("xxd",              true,  None,    &[16, 10],    Cells::Groups),
    layout("Python's hexdump", true,  None,    &[16],        Cells::Pairs),
    layout("xxd -e",           true,  None,    &[16, 10],    Cells::Swapped),
    layout("xxd -b",           true,  None,    &[16, 10],    Cells::Bits),
    layout("hexdump -C",       false, None,    &[16],        Cells::Pairs),
    layout("od -t x1",         false, Some(7), &[8, 10],     Cells::Pairs),
    layout("od -b",            false, Some(7), &[8, 10, 16], Cells::Octal),
    layout("od -A x -b",       false, Some(6), &[16],        Cells::Octal),
    layout("od -t u1",         false, Some(7), &[8, 10],     Cells::Decimal),
    layout("od -A x -t u1",    false, Some(6), &[16],        Cells::Decimal),
    layout("od -t d1",         false, Some(7), &[8, 10],     Cells::Signed),
    layout("od -A x -t d1",    false, Some(6), &[16],        Cells::Signed),
    layout("od -c",            false, Some(7), &[8, 10, 16], Cells::Characters),
    layout("od -A x -c",       false, Some(6), &[16],        Cells::Characters),
];

/// A dump as read by one layout.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) text: Text,
    /// How many bytes are swapped together.
    pub(super) swapped: Option<usize>,
    /// Whether the bytes are hexadecimal and in order.
    pub(super) is_plain: bool,
    /// Why there should be more bytes.
    pub(super) cut: Option<String>,
    /// Whether a line with only an offset states where the dump ends.
    pub(super) has_end: bool,
}

impl Layout {
    /// Reads the rows once for each radix of offsets that this layout may use.
    pub(super) fn read(&self, rows: &[Row<'_>]) -> Vec<Result<Reading, Fault>> {
        let first = &rows[0];
        let digits = first.offset.len();
        // Offsets of seven digits have layouts of their own.
        let has_digits = self.digits.map_or(self.has_colon || digits != 7, |wanted| wanted == digits);
        match first.has_colon == self.has_colon && has_digits {
            true => self.radices.iter().map(|radix| self.read_with(rows, *radix)).collect(),
            false => Vec::new(),
        }
    }

    fn read_with(&self, rows: &[Row<'_>], radix: u32) -> Result<Reading, Fault> {
        // A short first word is aligned to the right of its cell.
        let (first, place) = (rows[0].rest.trim_start(), rows[0].rest.len());
        let cell = first.find(char::is_whitespace).unwrap_or(first.len());
        let group = (place - first.len() + cell).saturating_sub(1);
        let offset = |row: &Row<'_>| {
            let number = usize::from_str_radix(row.offset, radix).ok();
            number.ok_or_else(|| row.fault("has an offset that is no number"))
        };
        let start = offset(&rows[0])?;
        let mut reading = Reading {
            name: self.name,
            bytes: Vec::new(),
            text: Text::None,
            swapped: (self.cells == Cells::Swapped).then_some(group / 2),
            is_plain: matches!(self.cells, Cells::Groups | Cells::Pairs),
            cut: None,
            has_end: false,
        };
        let mut last: Vec<u8> = Vec::new();
        let mut width = 0;
        for (at, row) in rows.iter().enumerate() {
            let is_last = at + 1 == rows.len();
            let have = reading.bytes.len();
            // How many bytes there are before the next row.
            let wanted = match rows.get(at + 1).filter(|next| !next.repeats()) {
                None => None,
                Some(next) => {
                    let behind = offset(next)?.checked_sub(start).and_then(|end| end.checked_sub(have));
                    let fits = behind.filter(|count| (1..=MOST - have.min(MOST)).contains(count));
                    Some(fits.ok_or_else(|| next.fault("has an offset out of order"))?)
                }
            };
            if row.repeats() {
                let Some(wanted) = wanted else { continue };
                // hexdump also leaves out a shorter last row.
                if last.is_empty() || (radix != 16 && !wanted.is_multiple_of(last.len())) {
                    return Err(row.fault("repeats rows, and the next offset does not fit them"));
                }
                reading.bytes.extend(last.iter().cycle().take(wanted));
                continue;
            }
            if offset(row)? - start != have {
                return Err(row.fault("has an offset that does not fit the bytes above"));
            }
            if row.rest.trim().is_empty() {
                match (is_last, self.has_colon) {
                    (true, false) => reading.has_end = true,
                    (true, true) => reading.cut = Some(format!("line {} has no bytes", row.line)),
                    (false, _) => return Err(row.fault("has no bytes")),
                }
                continue;
            }
            let most = wanted.unwrap_or(if width > 0 { width } else { 256 });
            let taken = self.cells.take(row.rest, most, wanted.is_some(), group);
            let is_missing = taken.bytes.is_empty() && !taken.is_cut;
            if is_missing
                || (taken.is_cut && !is_last)
                || wanted.is_some_and(|wanted| wanted != taken.bytes.len())
            {
                return Err(
                    row.fault(&format!("has {} that can be read", counted(taken.bytes.len(), "byte")))
                );
            }
            let had_text = reading.text > Text::None;
            let (seen, is_cut) = match taken.is_cut {
                true => (Text::None, false),
                false if self.cells.have_text() => text(taken.tail, &taken.bytes, is_last)
                    .ok_or_else(|| row.fault("has something behind its bytes that is not their text"))?,
                false if taken.tail.trim().is_empty() => (Text::None, false),
                false => return Err(row.fault("has something behind its bytes")),
            };
            if taken.is_cut {
                reading.cut = Some(format!("line {} ends inside a byte", row.line));
            } else if is_cut {
                reading.cut = Some(format!("line {} ends inside its text", row.line));
            } else if is_last && had_text && taken.tail.trim().is_empty() && !is_blank(&taken.bytes) {
                reading.cut = Some(format!("line {} has no text behind its bytes", row.line));
            }
            reading.text = match (reading.text, seen) {
                (Text::Differs, _) | (_, Text::Differs) => Text::Differs,
                (one, other) => one.max(other),
            };
            width = width.max(taken.bytes.len());
            reading.bytes.extend_from_slice(&taken.bytes);
            last = taken.bytes;
        }
        Ok(reading)
    }
}

/// Returns whether the text of these bytes is blank.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b' ')
}
