//! What the system takes for the same bytes: prepared frames are written, and as many bytes are read as will come back.
//! Nothing is masked, checked or kept: no client can be faster than this.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use mio::{Events, Interest, Poll, Token};

use crate::tally::{Done, Load, Tally};

/// The size of a read.
const BUFFER: usize = 256 * 1024;

/// The bytes in flight, and how many bytes answer them.
struct Round {
    sent: Vec<u8>,
    answer: usize,
}

impl Round {
    fn new(load: &Load) -> Self {
        let size = load.message.len();
        let mut frame = vec![0x82];
        match size {
            0..126 => frame.push(0x80 | size as u8),
            126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(size as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(size as u64).to_be_bytes());
            }
        }
        let answer = (frame.len() + size) * load.in_flight;
        let key = [0x37, 0xfa, 0x21, 0x3d];
        frame.extend_from_slice(&key);
        frame.extend(load.message.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        Self { sent: frame.repeat(load.in_flight), answer }
    }
}

fn open(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

/// Runs on a blocking socket.
pub fn run_blocking(load: &Load, mut tally: Tally) -> Done {
    assert_eq!(load.connections, 1, "one connection blocks");
    let (mut stream, round) = (open(load.port), Round::new(load));
    let mut buffer = vec![0; BUFFER];
    loop {
        stream.write_all(&round.sent).expect("the server reads");
        let mut left = round.answer;
        while left > 0 {
            let most = left.min(BUFFER);
            let len = stream.read(&mut buffer[..most]).expect("an echo");
            assert!(len > 0, "the server goes on");
            left -= len;
        }
        if let Some(done) = tally.count(load.in_flight) {
            return done;
        }
    }
}

struct Connection {
    stream: mio::net::TcpStream,
    unsent: usize,
    left: usize,
}

impl Connection {
    fn begin(&mut self, round: &Round) {
        (self.unsent, self.left) = (round.sent.len(), round.answer);
        self.write(round);
    }

    fn write(&mut self, round: &Round) {
        while self.unsent > 0 {
            let rest = &round.sent[round.sent.len() - self.unsent..];
            match self.stream.write(rest) {
                Ok(len) => {
                    self.unsent -= len;
                    if len < rest.len() {
                        return; // the socket is full
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the server reads: {error}"),
            }
        }
    }

    /// Reads until the socket is empty. Returns whether the round is over.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        while self.left > 0 {
            match self.stream.read(buffer) {
                Ok(0) => panic!("the server goes on"),
                Ok(len) => {
                    self.left -= len;
                    if len < buffer.len() {
                        break; // a short read has emptied it
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("an echo: {error}"),
            }
        }
        self.left == 0
    }
}

/// Runs on one thread with epoll.
pub fn run_loop(load: &Load, mut tally: Tally) -> Done {
    let round = Round::new(load);
    let mut poll = Poll::new().expect("a selector");
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; BUFFER];
    let mut connections: Vec<Connection> = (0..load.connections)
        .map(|number| {
            let stream = open(load.port);
            stream.set_nonblocking(true).expect("a socket");
            let mut stream = mio::net::TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), both).expect("a registration");
            Connection { stream, unsent: 0, left: 0 }
        })
        .collect();
    connections.iter_mut().for_each(|connection| connection.begin(&round));
    loop {
        poll.poll(&mut events, None).expect("a selector");
        for event in &events {
            let connection = &mut connections[event.token().0];
            if event.is_writable() {
                connection.write(&round);
            }
            if event.is_readable() && connection.read(&mut buffer) {
                connection.begin(&round);
                if let Some(done) = tally.count(load.in_flight) {
                    return done;
                }
            }
        }
    }
}
