//! Bytes out of what people have as text: dumps, literals of programming languages, lists of numbers, base64.
//!
//! In: a text. Out: the bytes that it stands for ([`Found`]), or what was expected. Each form has a file of its own. What one of
//! them recognises is read by it or refused, never taken for another form. Where another reading is possible, the form has a
//! rule, and [`Found::notes`] says what was taken. A text that is cut is read up to its last byte that is whole.

mod base64;
mod digits;
mod dump;
mod escapes;
mod found;
mod list;
mod literal;
mod node;
mod python;
mod string;

pub use found::Found;

/// A form: `None` where a text is none of this form, why not where it is one that cannot be read.
type Form = fn(&str) -> Option<Result<Found, String>>;

/// The forms, in the order in which they are tried. A dump shows text beside its bytes, which may look like anything, so dumps
/// come first; digits, which have no mark of their own, come last.
const FORMS: [Form; 9] = [
    dump::read,
    node::read,
    python::read,
    string::read,
    list::read,
    string::read_digits,
    escapes::read,
    base64::read,
    digits::read,
];

/// What is understood.
const UNDERSTOOD: &str = "hexadecimal digits (81 85 37), a dump of xxd, hexdump -C, od -t x1 or Wireshark, a list of numbers in \
brackets ([129, 133]), a Node Buffer, Python bytes (b'\\x81'), a C array or string, or base64; for the bytes themselves use --raw";

/// The bytes that a text stands for: at least one.
///
/// ```
/// let found = bowsprit_lab::forms::read("00000000: 8105 4865 6c6c 6f   ..Hello").unwrap();
/// assert_eq!(found.bytes(), b"\x81\x05Hello");
/// ```
///
/// # Errors
///
/// What was expected, and what is understood.
pub fn read(text: &str) -> Result<Found, String> {
    let text = text.trim_start_matches('\u{feff}').trim_end();
    if text.is_empty() {
        return Err("there are no bytes in it: it is blank".to_owned());
    }
    let read = FORMS.iter().find_map(|form| form(text));
    let mut found = read
        .unwrap_or_else(|| Err("these are no bytes".to_owned()))
        .map_err(|why| format!("{why}; what is understood: {UNDERSTOOD}"))?;
    found.pieces.retain(|piece| !piece.is_empty());
    match (found.pieces.is_empty(), found.cut) {
        (true, Some(why)) => Err(format!("there are no bytes in it: {why}")),
        (true, None) => Err("there are no bytes in it: it is empty".to_owned()),
        (false, cut) => Ok(Found { cut, ..found }),
    }
}

#[cfg(test)]
mod tests;
