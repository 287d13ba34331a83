//! Echo servers on plain threads, and how they can end.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use bowsprit::handshake::Key;

/// Starts a server that does this with each connection, each on a thread of its own.
pub fn serve(with: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || with(stream));
        }
    });
    addr
}

/// Answers a request, for servers that misbehave only later.
pub fn upgrade(stream: &mut TcpStream) -> String {
    upgrade_with(stream, "")
}

/// Answers a request with these lines in the head, each with its line end.
pub fn upgrade_with(stream: &mut TcpStream, lines: &str) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let Some(accept) = Key::parse(key.as_bytes()).map(|key| key.accept()) else { return head };
    let _ = write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    );
    head
}

/// Starts a server on threads that ends like a process, with all its connections, once a frame with this opcode has
/// come.
pub fn mortal(opcode: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let all: Arc<Mutex<Option<Vec<TcpStream>>>> = Arc::new(Mutex::new(Some(Vec::new())));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            match &mut *all.lock().unwrap() {
                Some(all) => all.push(stream.try_clone().unwrap()),
                None => return,
            }
            let all = Arc::clone(&all);
            thread::spawn(move || {
                let mut stream = stream;
                if echo(&mut stream, |first| first & 15 == opcode).is_none() {
                    let streams = all.lock().unwrap().take();
                    let _ = TcpStream::connect(addr); // wakes the listener, which ends
                    streams.into_iter().flatten().for_each(|one| drop(one.shutdown(Shutdown::Both)));
                }
            });
        }
    });
    addr
}

/// Echoes messages of one frame and answers Pings and Close; returns `None` if a frame begins with a fatal byte.
pub fn echo(stream: &mut TcpStream, fatal: impl Fn(u8) -> bool) -> Option<()> {
    upgrade(stream);
    talk(stream, fatal)
}

/// Echoes on an open connection; returns `None` if a frame begins with a fatal byte.
pub fn talk(stream: &mut TcpStream, fatal: impl Fn(u8) -> bool) -> Option<()> {
    loop {
        let mut head = [0; 2];
        if stream.read_exact(&mut head).is_err() {
            return Some(());
        }
        if fatal(head[0]) {
            return None;
        }
        let length = match head[1] & 127 {
            126 => {
                let mut length = [0; 2];
                stream.read_exact(&mut length).ok();
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; 4 + length];
        if stream.read_exact(&mut payload).is_err() {
            return Some(());
        }
        let key: Vec<u8> = payload.drain(..4).collect();
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        let opcode = if head[0] & 15 == 9 { 10 } else { head[0] & 15 };
        let mut answer = vec![0x80 | opcode];
        match u8::try_from(length) {
            Ok(length @ ..=125) => answer.push(length),
            _ => {
                answer.push(126);
                answer.extend((length as u16).to_be_bytes());
            }
        }
        answer.extend(payload);
        if matches!(opcode, 3..=7 | 11..) {
            answer = vec![0x88, 2, 3, 0xea];
        }
        let _ = stream.write_all(&answer);
        if matches!(opcode, 3..=8 | 11..) {
            return Some(());
        }
    }
}
