//! Reads stdin as messages, whether it is a terminal, a pipe, or a file, which no selector can watch.
//!
//! A thread reads it into a bounded channel and wakes the loop, so no more is read than the connection takes.

use std::io::{self, BufRead, Read};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;

use mio::Waker;

/// How stdin is split into messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Each line is a text message.
    Lines,
    /// Each read is a binary message.
    Bytes,
    /// The text between these separators is a message.
    Parts { separator: Separator, binary: bool },
}

/// What separates two messages; if it is empty, all of stdin is one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Separator(pub(super) Vec<u8>);

impl FromStr for Separator {
    type Err = String;

    /// Parses text with the escapes `\0`, `\n`, `\r`, `\t`, `\\` and `\xHH`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '\\' {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            let escaped = match rest.next() {
                Some('0') => Some(0),
                Some('n') => Some(b'\n'),
                Some('r') => Some(b'\r'),
                Some('t') => Some(b'\t'),
                Some('\\') => Some(b'\\'),
                Some('x') => bowsprit_lab::hex::next_byte(&mut rest),
                _ => None,
            };
            bytes.push(
                escaped.ok_or(r"use text in which \0, \n, \r, \t, \\ and \x1e stand for single bytes")?,
            );
        }
        Ok(Self(bytes))
    }
}

/// The next item from stdin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Text(String),
    Binary(Vec<u8>),
    /// The end of stdin.
    End,
    /// Something that cannot be sent; nothing follows.
    Wrong(String),
}

/// The receiving end of stdin.
pub(super) struct Input(Receiver<Item>);

/// How many items may wait.
const WAITING: usize = 64;

/// The longest line: what a message may hold in most places, and a bound for input that is not text.
const MAX_LINE: u64 = 16 << 20;

/// The longest binary message.
const BLOCK: usize = 64 << 10;

impl Input {
    /// Starts to read stdin.
    pub(super) fn start(format: Format, waker: Arc<Waker>) -> Self {
        let (items, receiver) = mpsc::sync_channel(WAITING);
        thread::spawn(move || {
            let stdin = io::stdin().lock();
            match format {
                Format::Lines => lines(stdin, |item| pass(&items, &waker, item)),
                Format::Bytes => blocks(stdin, |item| pass(&items, &waker, item)),
                Format::Parts { separator, binary } => {
                    parts(stdin, &separator.0, binary, |item| pass(&items, &waker, item));
                }
            }
        });
        Self(receiver)
    }

    /// Creates the channel for what a person types, which never blocks. The sending function returns whether more is
    /// wanted.
    pub(super) fn typed(waker: Arc<Waker>) -> (impl Fn(Item) -> bool + Send, Self) {
        let (items, receiver) = mpsc::channel();
        (move |item| items.send(item).is_ok() && waker.wake().is_ok(), Self(receiver))
    }

    /// Returns the next item, if there is one.
    pub(super) fn next(&self) -> Option<Item> {
        match self.0.try_recv() {
            Ok(item) => Some(item),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Item::End),
        }
    }
}

/// Sends an item. Returns whether more is wanted.
fn pass(items: &SyncSender<Item>, waker: &Waker, item: Item) -> bool {
    items.send(item).is_ok() && waker.wake().is_ok()
}

fn lines(mut input: impl BufRead, mut pass: impl FnMut(Item) -> bool) {
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read = input.by_ref().take(MAX_LINE + 2).read_until(b'\n', &mut line);
        let item = match read {
            Err(error) => Item::Wrong(format!("cannot read stdin: {error}")),
            Ok(0) => Item::End,
            Ok(_) => match text(line) {
                Ok(line) => Item::Text(line),
                Err(why) => {
                    Item::Wrong(format!("line {number} of stdin {why}; use --binary to send any bytes"))
                }
            },
        };
        let more = matches!(item, Item::Text(_));
        if !pass(item) || !more {
            return;
        }
    }
}

fn parts(mut input: impl BufRead, separator: &[u8], binary: bool, mut pass: impl FnMut(Item) -> bool) {
    for number in 1_u64.. {
        let item = match part(&mut input, separator) {
            Err(error) => Item::Wrong(format!("cannot read stdin: {error}")),
            Ok(None) => Item::End,
            Ok(Some(part)) if part.len() as u64 > MAX_LINE => {
                Item::Wrong(format!("message {number} of stdin is longer than 16 MiB"))
            }
            Ok(Some(part)) if binary => Item::Binary(part),
            Ok(Some(part)) => match String::from_utf8(part) {
                Ok(text) => Item::Text(text),
                Err(_) => Item::Wrong(format!(
                    "message {number} of stdin is not UTF-8; use --binary to send any bytes"
                )),
            },
        };
        let more = matches!(item, Item::Text(_) | Item::Binary(_));
        if !pass(item) || !more {
            return;
        }
    }
}

/// Reads up to the next separator or the end, at most a little more than the longest message.
fn part(input: &mut impl BufRead, separator: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let most = MAX_LINE + 1 + separator.len() as u64;
    let mut bytes = Vec::new();
    let Some(last) = separator.last() else {
        input.take(most).read_to_end(&mut bytes)?;
        return Ok((!bytes.is_empty()).then_some(bytes));
    };
    while (bytes.len() as u64) < most {
        let read = input.by_ref().take(most - bytes.len() as u64).read_until(*last, &mut bytes)?;
        if bytes.ends_with(separator) {
            bytes.truncate(bytes.len() - separator.len());
            return Ok(Some(bytes));
        }
        if read == 0 {
            return Ok((!bytes.is_empty()).then_some(bytes));
        }
    }
    Ok(Some(bytes))
}

/// Removes the line end and checks the text.
fn text(mut line: Vec<u8>) -> Result<String, &'static str> {
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() as u64 > MAX_LINE {
        return Err("is longer than 16 MiB");
    }
    String::from_utf8(line).map_err(|_| "is not UTF-8")
}

fn blocks(mut input: impl Read, mut pass: impl FnMut(Item) -> bool) {
    let mut block = vec![0; BLOCK];
    loop {
        let item = match input.read(&mut block) {
            Ok(0) => Item::End,
            Ok(len) => Item::Binary(block[..len].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Item::Wrong(format!("cannot read stdin: {error}")),
        };
        let more = matches!(item, Item::Binary(_));
        if !pass(item) || !more {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        lines(bytes, |item| {
            items.push(item);
            true
        });
        items
    }

    fn text(text: &str) -> Item {
        Item::Text(text.to_owned())
    }

    #[test]
    fn lines_become_messages() {
        assert_eq!(all(b""), [Item::End]);
        assert_eq!(all(b"a\nb"), [text("a"), text("b"), Item::End]);
        assert_eq!(all(b"a\r\n\nb\r"), [text("a"), text(""), text("b\r"), Item::End]);
    }

    #[test]
    fn parts_become_messages() {
        let all = |bytes: &[u8], separator: &str, binary| {
            let Separator(separator) = separator.parse().unwrap();
            let mut items = Vec::new();
            parts(bytes, &separator, binary, |item| {
                items.push(item);
                true
            });
            items
        };
        assert_eq!(all(b"a\nb\0\0c", r"\0", false), [text("a\nb"), text(""), text("c"), Item::End]);
        assert_eq!(all(b"a\0", r"\0", false), [text("a"), Item::End]);
        assert_eq!(all(b"a---b--c-", "---", false), [text("a"), text("b--c-"), Item::End]);
        assert_eq!(all(b"aab", "ab", false), [text("a"), Item::End]);
        assert_eq!(all(b"a\nb\n", "", false), [text("a\nb\n"), Item::End]);
        assert_eq!(all(b"", "", false), [Item::End]);
        assert_eq!(
            all(b"\xff\x1ea", r"\x1e", true),
            [Item::Binary(vec![0xff]), Item::Binary(b"a".into()), Item::End]
        );
        assert!(matches!(&all(b"a\0\xff", r"\0", false)[1], Item::Wrong(why) if why.contains("message 2")));
        for separator in ["", "x"] {
            let long = all(&vec![b'y'; MAX_LINE as usize + 1], separator, true);
            assert!(matches!(&long[..], [Item::Wrong(why)] if why.contains("16 MiB")));
            assert_eq!(all(&vec![b'y'; MAX_LINE as usize], separator, true).len(), 2);
        }
        assert_eq!(r"a\r\n\t\\\x00é".parse(), Ok(Separator("a\r\n\t\\\0é".into())));
        for wrong in [r"\", r"\q", r"\x1", r"\xzz"] {
            assert!(wrong.parse::<Separator>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_text_ends_it() {
        let items = all(b"a\n\xff\nb\n");
        assert_eq!(items[0], text("a"));
        assert!(matches!(&items[1], Item::Wrong(why) if why.contains("line 2")), "{items:?}");
        assert_eq!(items.len(), 2);
        let long = all(&vec![b'x'; MAX_LINE as usize + 1]);
        assert!(matches!(&long[..], [Item::Wrong(why)] if why.contains("16 MiB")));
        assert_eq!(all(&vec![b'x'; MAX_LINE as usize]).len(), 2);
    }
}
