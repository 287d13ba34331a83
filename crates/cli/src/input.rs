//! stdin as messages, whatever it is: a terminal, a pipe, or a file, which no selector can watch.
//!
//! A thread reads it into a bounded channel and wakes the loop, so no more is read than the connection takes.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;

use mio::Waker;

/// How stdin becomes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Each line is a text message.
    Lines,
    /// What each read brings is a binary message.
    Bytes,
}

/// The next thing that stdin has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Text(String),
    Binary(Vec<u8>),
    /// It is at its end.
    End,
    /// It cannot be sent; nothing follows.
    Wrong(String),
}

/// The receiving end.
pub(super) struct Input(Receiver<Item>);

/// Items that may wait.
const WAITING: usize = 64;

/// The longest line: what a message may hold in most places, and a bound for what is not text at all.
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
            }
        });
        Self(receiver)
    }

    /// What a person types, who never has to wait: what gives an item is told whether somebody still wants more.
    pub(super) fn typed(waker: Arc<Waker>) -> (impl Fn(Item) -> bool + Send, Self) {
        let (items, receiver) = mpsc::channel();
        (move |item| items.send(item).is_ok() && waker.wake().is_ok(), Self(receiver))
    }

    /// What has come, if anything has.
    pub(super) fn next(&self) -> Option<Item> {
        match self.0.try_recv() {
            Ok(item) => Some(item),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Item::End),
        }
    }
}

/// Whether somebody still wants more.
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

/// A line without its end.
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
