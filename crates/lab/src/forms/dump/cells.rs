//! The cells of a row, and the text beside them.

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cells {
    /// Hexadecimal, in groups of one byte or more: `8105 4865`.
    Groups,
    /// Hexadecimal, each byte by itself, with a wider gap after the eighth: `81 05`.
    Pairs,
    /// Groups with their last byte first.
    Swapped,
    /// `10000001`.
    Bits,
    /// `201`.
    Octal,
    /// Decimal in four columns.
    Decimal,
    /// Decimal with a sign, in five columns.
    Signed,
    /// A character, an escape, or three octal digits, in four columns.
    Characters,
}

/// The bytes of a row.
pub(super) struct Taken<'a> {
    pub(super) bytes: Vec<u8>,
    /// The text after the bytes.
    pub(super) tail: &'a str,
    /// Whether the row ends inside a cell.
    pub(super) is_cut: bool,
}

/// A word read as a cell.
enum Cell {
    Bytes(Vec<u8>),
    /// The start of a cell, with the bytes of it that are complete.
    Cut(Vec<u8>),
    No,
}

/// What the text beside the bytes shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Text {
    /// Text of other bytes.
    Differs,
    /// No text.
    None,
    /// The text of these bytes.
    Fits,
}

impl Cells {
    /// Returns whether text may stand beside cells of this kind.
    pub(super) const fn have_text(self) -> bool {
        matches!(self, Self::Groups | Self::Pairs | Self::Swapped | Self::Bits)
    }

    /// Reads the first cells of a row, for at most `most` bytes; `exactly` says that the next offset implies exactly
    /// that many. `group` is the number of digits in a whole cell.
    pub(super) fn take(self, rest: &str, most: usize, exactly: bool, group: usize) -> Taken<'_> {
        if self == Self::Characters {
            return characters(rest, most);
        }
        let mut taken = Taken { bytes: Vec::new(), tail: rest, is_cut: false };
        while taken.bytes.len() < most && !taken.tail.trim().is_empty() {
            let word = taken.tail.trim_start();
            let gap = taken.tail.len() - word.len();
            let end = word.find(char::is_whitespace).unwrap_or(word.len());
            let is_wide = gap == 2
                && self == Self::Pairs
                && taken.bytes.len().is_multiple_of(8)
                && (taken.bytes.len() < 16 || exactly);
            let is_first = taken.bytes.is_empty() && gap <= if self == Self::Pairs { 3 } else { 2 };
            let is_near = gap == 1 || is_wide || is_first;
            match self.cell(&word[..end], gap, is_near, group) {
                Cell::Bytes(bytes) => {
                    taken.bytes.extend(bytes);
                    taken.tail = &word[end..];
                }
                Cell::Cut(bytes) if end == word.len() => {
                    taken.bytes.extend(bytes);
                    return Taken { tail: "", is_cut: true, ..taken };
                }
                Cell::Cut(_) | Cell::No => break,
            }
        }
        taken
    }

    fn cell(self, word: &str, gap: usize, is_near: bool, group: usize) -> Cell {
        let is_of = |radix: u32| !word.is_empty() && word.chars().all(|digit| digit.is_digit(radix));
        let whole = |is_whole: bool, bytes: Option<Vec<u8>>| match bytes {
            Some(bytes) if is_whole => Cell::Bytes(bytes),
            _ if is_whole => Cell::No,
            _ => Cell::Cut(Vec::new()),
        };
        let number = |radix| u8::from_str_radix(word, radix).ok().map(|byte| vec![byte]);
        let is_unpadded = word.len() == 1 || !word.starts_with('0');
        match self {
            Self::Groups if is_near && is_of(16) => match pairs(word) {
                (bytes, false) => Cell::Bytes(bytes),
                (bytes, true) => Cell::Cut(bytes),
            },
            Self::Pairs if is_near && is_of(16) && word.len() <= 2 => whole(word.len() == 2, number(16)),
            Self::Swapped if is_of(16) && group >= 4 && group.is_multiple_of(2) && word.len() <= group => {
                // The last one is padded on its left.
                let is_whole = word.len().is_multiple_of(2) && gap + word.len() == 1 + group;
                let mut bytes = pairs(word).0;
                bytes.reverse();
                if gap + word.len() <= 1 + group { whole(is_whole, Some(bytes)) } else { Cell::No }
            }
            Self::Bits if is_near && is_of(2) && word.len() <= 8 => whole(word.len() == 8, number(2)),
            Self::Octal if is_near && is_of(8) && word.len() <= 3 => whole(word.len() == 3, number(8)),
            Self::Decimal if is_of(10) && is_unpadded && gap + word.len() <= 4 => {
                whole(gap + word.len() == 4, number(10))
            }
            Self::Signed if gap + word.len() <= 5 => {
                let digits = word.strip_prefix('-').unwrap_or(word);
                let is_number = digits.bytes().all(|digit| digit.is_ascii_digit())
                    && (digits.len() == 1 || !digits.starts_with('0'));
                let value = word.parse::<i8>().ok().map(|byte| vec![byte as u8]);
                if is_number { whole(gap + word.len() == 5, value) } else { Cell::No }
            }
            _ => Cell::No,
        }
    }
}

/// Parses hexadecimal digits. Returns the bytes and whether a digit is left over.
fn pairs(word: &str) -> (Vec<u8>, bool) {
    let digits: Vec<u8> =
        word.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    let (pairs, rest) = digits.as_chunks();
    (pairs.iter().map(|[high, low]| high << 4 | low).collect(), !rest.is_empty())
}

fn characters(rest: &str, most: usize) -> Taken<'_> {
    let mut taken = Taken { bytes: Vec::new(), tail: rest, is_cut: false };
    while taken.bytes.len() < most && !taken.tail.is_empty() {
        let Some((cell, tail)) = taken.tail.split_at_checked(4) else {
            taken.is_cut = taken.tail.is_ascii();
            break;
        };
        let byte = match cell.as_bytes() {
            [b' ', b' ', b' ', c @ b' '..=b'~'] => *c,
            [b' ', b' ', b'\\', escape] => match escape {
                b'0' => 0,
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                _ => break,
            },
            [b' ', digits @ ..] if digits.iter().all(|digit| matches!(digit, b'0'..=b'7')) => {
                match u8::from_str_radix(&cell[1..], 8) {
                    Ok(byte) => byte,
                    Err(_) => break,
                }
            }
            _ => break,
        };
        taken.bytes.push(byte);
        taken.tail = tail;
    }
    taken
}

/// Compares the text after a row's bytes with the bytes. Returns the result and whether the text is cut, as only the
/// last one may be; `None` means that there is no text at all.
pub(super) fn text(tail: &str, bytes: &[u8], is_last: bool) -> Option<(Text, bool)> {
    let shown = tail.trim_end();
    let body = shown.trim_start();
    if body.is_empty() {
        return Some((Text::None, false));
    }
    let gap = shown.len() - body.len();
    let plain: String =
        bytes.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }).collect();
    // Wireshark leaves a gap in the middle of the text as well.
    let halves = plain.get(8..).filter(|rest| !rest.is_empty()).map(|rest| format!("{} {rest}", &plain[..8]));
    let forms = [Some(plain.clone()), halves, Some(format!("|{plain}|")), Some(format!(">{plain}<"))];
    let mut is_cut = false;
    for form in forms.into_iter().flatten() {
        // Blanks at the end of the text are missing, unless they are shown as dots.
        if ends_with(shown, &form) || ends_with(shown, form.trim_end()) {
            return Some((Text::Fits, false));
        }
        let form = form.trim_end();
        is_cut |= is_last && begins_with(form.trim_start(), body);
    }
    match (is_cut, gap) {
        (true, _) => Some((Text::Fits, true)),
        // One blank also stands between cells.
        (false, 0 | 1) => None,
        (false, _) => Some((Text::Differs, false)),
    }
}

/// Returns whether this ends with a text after blanks. A dot may stand for a blank.
fn ends_with(shown: &str, text: &str) -> bool {
    let Some((before, end)) = shown.len().checked_sub(text.len()).and_then(|at| shown.split_at_checked(at))
    else {
        return false;
    };
    !text.is_empty() && !before.is_empty() && before.trim().is_empty() && begins_with(text, end)
}

/// Returns whether a text begins like this.
fn begins_with(text: &str, start: &str) -> bool {
    let is_same = |(text, shown): (char, char)| text == shown || (text == ' ' && shown == '.');
    start.len() <= text.len() && text.chars().zip(start.chars()).all(is_same)
}
