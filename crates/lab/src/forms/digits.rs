//! Numbers separated only by blanks or signs: hexadecimal digits, and decimal numbers if they show that they are
//! decimal.
//!
//! Words made of decimal digits alone may be either, and these rules decide. Words of two digits are hexadecimal, and a
//! note says so unless a word with a leading 0 shows it. A word of one or three digits makes all of them decimal
//! numbers. If no rule decides (one digit each, three octal digits each, two digits between commas), the text is
//! refused.

use super::found::Found;

const UNCLEAR: &str = "these may be decimal or hexadecimal: put decimal numbers in brackets ([81, 12]), or 0x in front of \
hexadecimal ones";

pub(super) fn read(text: &str) -> Option<Result<Found, String>> {
    Some(words(text).and_then(|words| bytes(&words, text)))
}

/// Reads digits that are declared to be hexadecimal.
pub(super) fn hexadecimal(text: &str) -> Result<Found, String> {
    let words = words(text)?;
    let is_one = words.len() == 1 && words[0].len() % 2 == 1 && words[0].len() > 1;
    if let [word] = words[..]
        && is_one
    {
        let mut found = plain(&[&word[..word.len() - 1]])?;
        found.cut = Some("it ends inside a byte".to_owned());
        return Ok(found);
    }
    plain(&words)
}

/// Returns the words between blanks, commas, and one kind of sign.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let is_digit = |c: char| c.is_ascii_hexdigit() || matches!(c, 'x' | 'X');
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ':' | '-' | '_');
    if let Some(c) = text.chars().find(|c| !is_digit(*c) && !is_between(*c)) {
        return Err(format!("'{}' is no hex digit", c.escape_default()));
    }
    let blanks: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).collect();
    // A sign in front of a number does not separate two numbers.
    let signs: Vec<char> = blanks
        .iter()
        .flat_map(|word| word.strip_prefix('-').unwrap_or(word).chars())
        .filter(|c| matches!(c, ':' | '-' | '_'))
        .collect();
    let Some(sign) = signs.first() else { return Ok(blanks) };
    let is_mixed = text.lines().any(|line| line.trim().contains(|c: char| c.is_whitespace() || c == ','));
    if is_mixed || signs.iter().any(|other| other != sign) {
        return Err(format!(
            "bytes are apart by '{sign}' here and by something else there: what is no byte has to go"
        ));
    }
    Ok(blanks.iter().flat_map(|word| word.split(*sign)).filter(|word| !word.is_empty()).collect())
}

fn bytes(words: &[&str], text: &str) -> Result<Found, String> {
    let all = |test: &dyn Fn(&str) -> bool| words.iter().all(|word| test(word));
    let any = |test: &dyn Fn(&str) -> bool| words.iter().any(|word| test(word));
    let is_decimal = |word: &str| {
        let digits = word.strip_prefix('-').unwrap_or(word);
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    let is_prefixed = |word: &str| word.starts_with("0x") || word.starts_with("0X");
    if words.len() > 1 && any(&|word| is_prefixed(word) && word.len() > 4) {
        return Err("these are words of more than a byte, in an order that they do not tell".to_owned());
    }
    if any(&is_prefixed) {
        return if all(&is_prefixed) {
            plain(&words.iter().map(|word| &word[2..]).collect::<Vec<_>>())
        } else {
            Err("some of these have 0x in front and others have not".to_owned())
        };
    }
    match words {
        [] => return Ok(Found::default()),
        [word] => return single(word),
        _ => {}
    }
    if all(&|word| word.len() == 8 && word.bytes().all(|digit| matches!(digit, b'0' | b'1'))) {
        return Err("these may be bits or hexadecimal digits: use plain xxd".to_owned());
    }
    if !all(&is_decimal) {
        return plain(words);
    }
    if any(&|word| word.starts_with('-')) {
        return decimal(words);
    }
    let is_padded = any(&|word| word.len() == 2 && word.starts_with('0'));
    let has = |length: usize| any(&|word| word.len() == length);
    match (has(1), has(3)) {
        (false, false) if !all(&|word| word.len() == 2) || is_padded => plain(words),
        (false, false) if text.contains(',') => Err(UNCLEAR.to_owned()),
        (false, false) => {
            let mut found = plain(words)?;
            found.notes.push("read as hexadecimal digits; decimal numbers go in brackets".to_owned());
            Ok(found)
        }
        (false, true) if all(&|word| word.len() == 3) && may_be_octal(words) => {
            Err("these may be octal (od -b) or decimal: put decimal numbers in brackets ([129, 133])"
                .to_owned())
        }
        (_, true) => decimal(words),
        (true, false) if all(&|word| word.len() == 1) => Err(UNCLEAR.to_owned()),
        // It is a cut byte or a number.
        (true, false) if is_padded => plain(words),
        (true, false) if only_last_is_short(words) => Err(UNCLEAR.to_owned()),
        (true, false) => decimal(words),
    }
}

/// Reads a text of one word.
fn single(word: &str) -> Result<Found, String> {
    if word.len() >= 4 && word.bytes().all(|digit| digit == b'0') {
        return Err(
            "this may be an offset without its row, as it is all zeros: put blanks between bytes".to_owned()
        );
    }
    if word.len() == 8 && word.bytes().all(|digit| matches!(digit, b'0' | b'1')) {
        return Err("these may be bits or hexadecimal digits: put blanks between bytes".to_owned());
    }
    if word.len() % 2 == 1 {
        return Err("the number of hex digits is odd".to_owned());
    }
    plain(&[word])
}

/// Reads words of hexadecimal digits: an even number of digits each, or one digit for a small byte if none is padded.
fn plain(words: &[&str]) -> Result<Found, String> {
    let mut found = Found::of(Vec::new());
    let is_padded = words.iter().any(|word| word.len() == 2 && word.starts_with('0'));
    let is_short = |word: &&str| word.len() == 1;
    let has_numbers = words.iter().all(|word| word.len() <= 2)
        && !is_padded
        && words.iter().any(is_short)
        && !only_last_is_short(words);
    for (at, word) in words.iter().enumerate() {
        let is_last = at + 1 == words.len() && at > 0;
        if let Some(c) = word.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("'{}' is no hex digit", c.escape_default()));
        }
        let whole =
            if word.len() % 2 == 1 && !(has_numbers && is_short(word)) { word.len() - 1 } else { word.len() };
        if word.is_empty() || whole < word.len() {
            match is_last {
                true => found.cut = Some("it ends inside a byte".to_owned()),
                false => return Err("the number of hex digits is odd".to_owned()),
            }
        }
        let digits = if whole == 1 { format!("0{word}") } else { word[..whole].to_owned() };
        for pair in digits.as_bytes().chunks(2) {
            let digits = str::from_utf8(pair).unwrap_or_default();
            found.pieces[0].push(u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?);
        }
    }
    if has_numbers {
        found.notes.push("digits that stand alone are taken as bytes".to_owned());
    }
    Ok(found)
}

fn decimal(words: &[&str]) -> Result<Found, String> {
    let number = |word: &&str| {
        let value = word.parse::<i16>().ok().filter(|value| (-128..=255).contains(value) && word.len() <= 4);
        value
            .map(|value| value as u8)
            .ok_or_else(|| format!("'{}' is no byte, as a decimal number", word.escape_default()))
    };
    let bytes = words.iter().map(number).collect::<Result<_, _>>()?;
    let notes = vec!["read as decimal numbers; the last one is taken as whole".to_owned()];
    Ok(Found { notes, ..Found::of(bytes) })
}

/// Returns whether each of these words of three digits is a byte both in octal and in decimal.
fn may_be_octal(words: &[&str]) -> bool {
    words.iter().all(|word| u8::from_str_radix(word, 8).is_ok() && word.parse::<u8>().is_ok())
}

/// Returns whether a digit is missing at the end and nowhere else.
fn only_last_is_short(words: &[&str]) -> bool {
    words.split_last().is_some_and(|(last, others)| {
        last.len() == 1 && !others.is_empty() && others.iter().all(|word| word.len() == 2)
    })
}
