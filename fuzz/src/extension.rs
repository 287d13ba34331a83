//! `Sec-WebSocket-Extensions` (RFC 6455 §9.1): what is read can be written and read again unchanged, in one line or
//! many.

use bowsprit::extension::params::{parse, write_list};

pub fn run(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let list = parse(lines.iter().copied());
    if lines.len() > 1 && lines.iter().all(|line| !line.is_empty()) {
        // RFC 9110 §5.3: several lines are one, joined by commas. A quote does not reach over the end of a line.
        let joined = parse([&lines.join(&b", "[..])[..]]);
        if !data.contains(&b'"') {
            assert_eq!(joined, list);
        }
    }
    let Ok(list) = list else { return };
    assert!(!list.is_empty());
    for extension in &list {
        assert!(is_token(extension.name()));
        for (name, value) in extension.params() {
            assert!(is_token(name));
            assert!(value.as_ref().is_none_or(|value| is_token(value)), "§9.1: a value unquoted is a token");
        }
    }
    let written = write_list(&list);
    assert!(written.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{written}");
    assert_eq!(parse([written.as_bytes()]).as_ref(), Ok(&list), "{written}");
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte))
}
