//! Lists of numbers in brackets or braces: arrays of C, Go, Java and Rust, lists of Python, typed arrays of JavaScript,
//! and a Buffer in JSON. Numbers are decimal unless they show another radix.

use super::escapes::{End, Language, unescape};
use super::found::Found;
use super::literal::without_comments;

pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    let (plain, is_in_comment) = without_comments(text);
    let (lists, behind) = lists(&plain);
    // `byte[] x = new byte[5] { … }`, `{"data": [ … ]}`.
    let has = |brace: bool| lists.iter().any(|list| list.is_brace == brace && list.has_numbers());
    let is_brace = match (has(true), has(false)) {
        (false, false) => {
            let is_empty = !lists.is_empty() && lists.iter().all(|list| list.body.trim().is_empty());
            return is_empty.then(|| Ok(Found::default()));
        }
        (has_braces, _) => has_braces,
    };
    // `[12] 81 05`: the number is that of a line of a log.
    if !is_brace && !behind.chars().all(|c| c.is_whitespace() || "]})>;,.".contains(c)) {
        return Some(Err("something stands behind the list".to_owned()));
    }
    let mut found = Found::default();
    for list in lists.iter().filter(|list| list.is_brace == is_brace && list.has_numbers()) {
        if found.cut.is_some() {
            return Some(Err("numbers are left out of a list that is not the last".to_owned()));
        }
        match numbers(list, is_in_comment) {
            Ok((bytes, cut)) => {
                found.pieces.push(bytes);
                found.cut = cut;
            }
            Err(why) => return Some(Err(why)),
        }
    }
    Some(Ok(found))
}

/// Returns whether the text holds a list of numbers.
pub(super) fn is_in(text: &str) -> bool {
    lists(&without_comments(text).0).0.iter().any(List::has_numbers)
}

/// The text between two brackets that holds no brackets itself.
struct List<'a> {
    body: &'a str,
    is_brace: bool,
    is_open: bool,
}

impl List<'_> {
    /// Returns whether the list holds numbers: `[Uint8Array]` is the name of a type.
    fn has_numbers(&self) -> bool {
        let first = self.body.trim_start();
        first.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '\'' | '('))
            || first.strip_prefix('"').is_some_and(|key| key.starts_with(|c: char| c.is_ascii_digit()))
    }
}

/// Returns the innermost lists and the text after the last; the `[5]` of `x[5]` does not count.
fn lists(text: &str) -> (Vec<List<'_>>, &str) {
    let mut found = Vec::new();
    let mut open: Option<(usize, bool)> = None;
    let (mut at, mut behind) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        at = match bytes[at] {
            b'\'' | b'"' => at + string(&text[at..]).unwrap_or(1),
            bracket @ (b'[' | b'{') => {
                let is_brace = bracket == b'{';
                let is_size =
                    !is_brace && text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                open = if is_size { None } else { Some((at + 1, is_brace)) };
                at + 1
            }
            bracket @ (b']' | b'}') => {
                if let Some((start, is_brace)) = open.take().filter(|(_, brace)| *brace == (bracket == b'}'))
                {
                    found.push(List { body: &text[start..at], is_brace, is_open: false });
                    behind = at + 1;
                }
                at + 1
            }
            _ => at + 1,
        };
    }
    if let Some((start, is_brace)) = open {
        found.push(List { body: &text[start..], is_brace, is_open: true });
        behind = text.len();
    }
    (found, &text[behind..])
}

/// Returns the length of a string, if one begins here and ends on its line.
fn string(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Returns the length of a character between apostrophes, if one begins here.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let length = match inner.strip_prefix('\\') {
        Some(escape) => 1 + 1 + escape.get(1..)?.find('\'')?,
        None => inner.chars().next()?.len_utf8(),
    };
    inner.get(length..)?.starts_with('\'').then_some(length + 2)
}

/// Returns the bytes of a list and, if it is cut, why there should be more.
fn numbers(list: &List<'_>, is_in_comment: bool) -> Result<(Vec<u8>, Option<String>), String> {
    let mut bytes = Vec::new();
    let mut cut = list.is_open.then(|| {
        let bracket = if list.is_brace { '}' } else { ']' };
        format!("the list has no closing '{bracket}'")
    });
    let words = words(list.body);
    // The last number may be cut if nothing follows it.
    let is_last_whole =
        !list.is_open || is_in_comment || list.body.ends_with(|c: char| c == ',' || c.is_whitespace());
    for (at, word) in words.iter().enumerate() {
        if word.starts_with("..") {
            let left = words.get(at + 1).filter(|_| words.len() == at + 4).map_or("", |count| *count);
            cut = Some(match left {
                "" => "numbers are left out of this list".to_owned(),
                left => format!("left out of this list: {left}"),
            });
            break;
        }
        if at + 1 == words.len() && !is_last_whole {
            break;
        }
        if !(word.starts_with('(') && word.ends_with(')')) {
            bytes.push(number(word, bytes.len())?);
        }
    }
    Ok((bytes, cut))
}

/// Splits at commas and blanks; a word may itself be such a character in quotes.
fn words(body: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(c) = body[at..].chars().next() {
        let length = if c == '\'' { character(&body[at..]).unwrap_or(1) } else { c.len_utf8() };
        if c.is_whitespace() || matches!(c, ',' | ';') {
            out.push(&body[from..at]);
            from = at + length;
        }
        at += length;
    }
    out.push(&body[from..]);
    out.retain(|word| !word.is_empty());
    out
}

fn number(word: &str, place: usize) -> Result<u8, String> {
    let wrong = || format!("'{}' is no byte", word.escape_default());
    // JSON writes a typed array as {"0":129,"1":5}.
    let value = match word.strip_prefix('"').and_then(|keyed| keyed.split_once("\":")) {
        Some((key, value)) if key.parse() == Ok(place) => value,
        Some(_) => return Err(wrong()),
        None => word,
    };
    // `(byte) 0x81`, `129u8`.
    let value = value.rsplit(')').next().unwrap_or(value);
    let character = value.strip_prefix('b').unwrap_or(value);
    if let Some(inner) = character.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')) {
        return match &unescape(inner, Language::C, End::Closed)?.bytes[..] {
            [byte] => Ok(*byte),
            _ => Err(wrong()),
        };
    }
    let lower = value.to_ascii_lowercase();
    let digits =
        ["_u8", "u8", "i8", "u"].iter().find_map(|suffix| lower.strip_suffix(suffix)).unwrap_or(&lower);
    let read = if let Some(digits) = digits.strip_prefix("0x") {
        i16::from_str_radix(digits, 16)
    } else if let Some(digits) = digits.strip_prefix("0b") {
        i16::from_str_radix(digits, 2)
    } else if digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit())
    {
        return Err(format!(
            "'{}' begins with a 0, which is octal in C and nothing elsewhere: put 0x in front of hexadecimal numbers",
            word.escape_default()
        ));
    } else {
        digits.parse()
    };
    // Java's bytes are signed.
    read.ok().filter(|number| (-128..=255).contains(number)).map(|number| number as u8).ok_or_else(wrong)
}
