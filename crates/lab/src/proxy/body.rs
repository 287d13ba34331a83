//! The body of an answer, as its head frames it (RFC 9112 §6.3).

use super::head::RawHead;

/// The state of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The complete body, and how many of the bytes after the head it took.
    Whole(Vec<u8>, usize),
    /// The part that has come so far; more is expected.
    Part(Vec<u8>),
    /// The chunks are malformed.
    Broken,
}

/// Reads the body after this head; `ended` says that no more bytes will come.
pub(super) fn read(head: &RawHead, rest: &[u8], ended: bool) -> Body {
    if matches!(head.status(), Some(100..=199 | 204 | 304)) {
        return Body::Whole(Vec::new(), 0);
    }
    if head.has_member("transfer-encoding", "chunked") {
        return chunks(rest);
    }
    let length =
        head.values("content-length").first().and_then(|value| str::from_utf8(value).ok()?.parse().ok());
    match length {
        Some(length) if rest.len() >= length => Body::Whole(rest[..length].to_vec(), length),
        None if ended => Body::Whole(rest.to_vec(), rest.len()),
        _ => Body::Part(rest.to_vec()),
    }
}

fn chunks(rest: &[u8]) -> Body {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let Some(line) = rest[at..].windows(2).position(|two| two == b"\r\n") else {
            return Body::Part(body);
        };
        let size = rest[at..at + line].split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size.filter(|size| *size <= 1 << 24) else { return Body::Broken };
        at += line + 2;
        if size == 0 {
            // Trailers and the empty line.
            let end = match rest[at..].starts_with(b"\r\n") {
                true => Some(2),
                false => rest[at..].windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4),
            };
            return end.map_or(Body::Part(body.clone()), |end| Body::Whole(body, at + end));
        }
        match rest.get(at..at + size + 2) {
            Some(chunk) if chunk.ends_with(b"\r\n") => body.extend_from_slice(&chunk[..size]),
            Some(_) => return Body::Broken,
            None => return Body::Part(body),
        }
        at += size + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &str) -> RawHead {
        RawHead::parse(format!("HTTP/1.1 403 No\r\n{fields}\r\n").into_bytes())
    }

    #[test]
    fn every_framing_is_read() {
        let chunked = b"3;a=b\r\nnot\r\n3\r\n to\r\n0\r\nX: 1\r\n\r\nmore";
        let whole = |text: &str, used| Body::Whole(text.as_bytes().to_vec(), used);
        assert_eq!(read(&head("Transfer-Encoding: chunked\r\n"), chunked, false), whole("not to", 31));
        assert_eq!(read(&head("Content-Length: 3\r\n"), b"notmore", false), whole("not", 3));
        assert_eq!(read(&head(""), b"not", true), whole("not", 3));
        assert_eq!(read(&head(""), b"not", false), Body::Part(b"not".to_vec()));
        assert_eq!(read(&head("Transfer-Encoding: chunked\r\n"), b"not today", true), Body::Part(Vec::new()));
        assert_eq!(read(&head("Transfer-Encoding: chunked\r\n"), b"x\r\n", true), Body::Broken);
        for cut in 0..31 {
            let part = read(&head("Transfer-Encoding: chunked\r\n"), &chunked[..cut], false);
            assert!(matches!(part, Body::Part(_)), "{cut}");
        }
    }
}
