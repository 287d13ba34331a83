//! The least that an echo on one thread with epoll costs: `peer-null PORT [echo|broadcast|check]`
//!
//! This is not a usable server: it checks nothing, knows no fragments, and answers a Close frame by ending the
//! connection. There is one buffer for all: each frame in it is unmasked and moved down over its mask, so that the
//! answers to everything that a read brought are contiguous and go out in one write. A message longer than the buffer
//! is answered while it arrives, so for large messages a server that takes them whole can be faster.
//!
//! With `check` it asks simdutf8 whether each payload is UTF-8, and ignores the answer. This shows the least that an
//! echo of text costs, and how much of that the system takes, which is not the same as without the check.

use std::hint::black_box;
use std::io::{ErrorKind, Read, Write};
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sha1::{Digest, Sha1};
use slab::Slab;

struct Connection {
    stream: TcpStream,
    open: bool,
    /// The start of an incomplete head: of the request, then of a frame.
    head: Vec<u8>,
    /// How much payload is still to come, and its key rotated to the next byte.
    remaining: usize,
    key: u64,
    closing: bool,
    /// Bytes that the socket did not accept.
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Echo,
    Broadcast,
    Check,
}

const BUFFER: usize = 512 << 10;
const LISTENER: Token = Token(usize::MAX);

impl Connection {
    /// Turns the frames in `bytes` into their answers, at the start of `bytes`. Returns the length of the answers.
    fn turn(&mut self, bytes: &mut [u8], checks: bool) -> usize {
        let (mut read, mut written) = (0, 0);
        loop {
            let len = self.remaining.min(bytes.len() - read);
            unmask_down(bytes, read, written, len, self.key);
            if checks {
                // A character that is cut at the end of a read is an error, which takes as long.
                black_box(simdutf8::basic::from_utf8(&bytes[written..written + len]).is_ok());
            }
            self.key = self.key.rotate_right(8 * (len as u32 % 8));
            self.remaining -= len;
            (read, written) = (read + len, written + len);
            let rest = &bytes[read..];
            if rest.is_empty() {
                return written;
            }
            let head = match rest.get(1).map(|byte| byte & 0x7f) {
                Some(126) => 4,
                Some(127) => 10,
                _ => 2,
            };
            if rest.len() < head + 4 {
                self.head.extend_from_slice(rest);
                return written;
            }
            self.remaining = match head {
                4 => u16::from_be_bytes([rest[2], rest[3]]).into(),
                10 => u64::from_be_bytes(*rest[2..].first_chunk().expect("10 bytes")) as usize,
                _ => usize::from(rest[1] & 0x7f),
            };
            self.closing |= rest[0] & 0xf == 8;
            let key = u64::from(u32::from_le_bytes(*rest[head..].first_chunk().expect("4 bytes")));
            self.key = key | key << 32;
            bytes[read + 1] &= 0x7f;
            bytes.copy_within(read..read + head, written);
            (read, written) = (read + head + 4, written + head);
        }
    }

    /// Sends bytes, or keeps what cannot be sent.
    fn send(&mut self, bytes: &[u8]) {
        let sent = if self.unsent.is_empty() { self.stream.write(bytes).unwrap_or(0) } else { 0 };
        self.unsent.extend_from_slice(&bytes[sent..]);
    }

    fn flush(&mut self) {
        let sent = if self.unsent.is_empty() { 0 } else { self.stream.write(&self.unsent).unwrap_or(0) };
        self.unsent.drain(..sent);
    }

    /// Answers the request once it is complete.
    fn accept(&mut self) {
        if !self.head.ends_with(b"\r\n\r\n") {
            return;
        }
        let head = String::from_utf8_lossy(&self.head);
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("Sec-WebSocket-Key").then(|| value.trim().to_owned())
        });
        let accept = Sha1::digest(key.unwrap_or_default() + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            STANDARD.encode(accept)
        );
        self.head.clear();
        self.open = true;
        self.send(response.as_bytes());
    }
}

/// Moves `len` bytes down from `from` to `to` and unmasks them on the way.
fn unmask_down(bytes: &mut [u8], from: usize, to: usize, len: usize, key: u64) {
    let mut at = 0;
    while at + 64 <= len {
        let mut block: [u8; 64] = *bytes[from + at..].first_chunk().expect("64 bytes");
        for word in block.as_chunks_mut::<8>().0 {
            *word = (u64::from_le_bytes(*word) ^ key).to_le_bytes();
        }
        bytes[to + at..to + at + 64].copy_from_slice(&block);
        at += 64;
    }
    let key = key.to_le_bytes();
    for at in at..len {
        bytes[to + at] = bytes[from + at] ^ key[at % 8];
    }
}

/// Reads from one connection until it is empty. Returns the part of the buffer to send to all connections.
fn ready(connection: &mut Connection, buffer: &mut [u8], mode: Mode) -> Result<Option<Range<usize>>, ()> {
    connection.flush();
    while connection.unsent.is_empty() {
        let start = if connection.open { connection.head.len() } else { 0 };
        let len = match connection.stream.read(&mut buffer[start..]) {
            Ok(0) => return Err(()),
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(_) => return Err(()),
        };
        if !connection.open {
            connection.head.extend_from_slice(&buffer[..len]);
            connection.accept();
            return Ok(None);
        }
        buffer[..start].copy_from_slice(&connection.head);
        connection.head.clear();
        let answers = connection.turn(&mut buffer[..start + len], mode == Mode::Check);
        if connection.closing {
            connection.send(&buffer[..answers]);
            return Err(());
        }
        if mode == Mode::Broadcast {
            return Ok(Some(0..answers));
        }
        connection.send(&buffer[..answers]);
        // A short read has emptied the socket.
        if start + len < buffer.len() {
            break;
        }
    }
    Ok(None)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().expect("PORT").parse().expect("a number");
    let mode = match arguments.next().as_deref() {
        Some("broadcast") => Mode::Broadcast,
        Some("check") => Mode::Check,
        _ => Mode::Echo,
    };
    let mut poll = Poll::new().expect("a selector");
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into()).expect("the port is free");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a registration");
    let mut connections: Slab<Connection> = Slab::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        if poll.poll(&mut events, None).is_err() {
            continue;
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    let entry = connections.vacant_entry();
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(entry.key()), both).expect("a registration");
                    let (head, unsent) = (Vec::new(), Vec::new());
                    entry.insert(Connection {
                        stream,
                        open: false,
                        head,
                        remaining: 0,
                        key: 0,
                        closing: false,
                        unsent,
                    });
                }
                continue;
            }
            let Token(number) = event.token();
            let Some(connection) = connections.get_mut(number) else { continue };
            match ready(connection, &mut buffer, mode) {
                Ok(None) => {}
                Ok(Some(place)) => {
                    for (_, connection) in &mut connections {
                        connection.send(&buffer[place.clone()]);
                    }
                }
                Err(()) => drop(connections.remove(number)),
            }
        }
    }
}
