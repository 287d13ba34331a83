//! Bytes from the text that people have: dumps, literals of programming languages, lists of numbers, base64.
//!
//! In: a text. Out: the bytes that it stands for ([`Found`]), or what was expected. Each form has a file of its own. A
//! form either reads a text that it recognises or refuses it; the text is never tried as another form. If another
//! reading is possible, the form has a rule, and [`Found::notes`] says which reading was taken. A cut text is read up
//! to its last whole byte.

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

/// Reads a form: `None` if a text does not have this form, the reason if the text has it and cannot be read.
type Form = fn(&str) -> Option<Result<Found, String>>;

/// The forms in the order in which they are tried. Dumps come first, because the text beside their bytes may look like
/// anything; digits come last, because they have no mark of their own.
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

/// The forms that are understood.
const UNDERSTOOD: &str = "hexadecimal digits (81 85 37), a dump of xxd, hexdump -C, od -t x1 or Wireshark, a list of numbers in \
brackets ([129, 133]), a Node Buffer, Python bytes (b'\\x81'), a C array or string, or base64; for the bytes themselves use --raw";

/// Returns the bytes that a text stands for: at least one.
///
/// ```
/// let found = bowsprit_lab::forms::read("00000000: 8105 4865 6c6c 6f   ..Hello").unwrap();
/// assert_eq!(found.bytes(), b"\x81\x05Hello");
/// ```
///
/// # Errors
///
/// Returns what was expected and which forms are understood.
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
