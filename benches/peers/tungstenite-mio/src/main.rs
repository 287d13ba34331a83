//! Tungstenite on mio, as a program without an async runtime uses it: `peer-tungstenite-mio PORT [echo|broadcast]`
//!
//! Reads until the socket is empty, writes each answer into its buffer, flushes once.

use std::io::ErrorKind;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use tungstenite::handshake::MidHandshake;
use tungstenite::handshake::server::NoCallback;
use tungstenite::{Error, HandshakeError, Message, ServerHandshake, WebSocket};

enum Connection {
    Shaking(Option<MidHandshake<ServerHandshake<TcpStream, NoCallback>>>),
    Open(Box<WebSocket<TcpStream>>),
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == ErrorKind::WouldBlock)
}

impl Connection {
    /// Does everything there is to do. Returns false once the connection is over. Broadcasts go to `everybody`.
    fn ready(&mut self, everybody: Option<&mut Vec<Message>>) -> bool {
        if let Connection::Shaking(handshake) = self {
            match handshake.take().map(MidHandshake::handshake) {
                Some(Ok(socket)) => *self = Connection::Open(Box::new(socket)),
                Some(Err(HandshakeError::Interrupted(more))) => {
                    *handshake = Some(more);
                    return true;
                }
                _ => return false,
            }
        }
        let Connection::Open(socket) = self else { return false };
        let mut everybody = everybody;
        loop {
            match socket.read() {
                Ok(message) if message.is_text() || message.is_binary() => match &mut everybody {
                    Some(everybody) => everybody.push(message),
                    None => match socket.write(message) {
                        Err(error) if !would_block(&error) => return false,
                        _ => {}
                    },
                },
                Ok(_) => {}
                Err(error) if would_block(&error) => break,
                Err(_) => return false,
            }
        }
        socket.flush().is_ok_and(|()| true) || socket.can_write()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().expect("PORT").parse().expect("a number");
    let broadcasts = arguments.next().as_deref() == Some("broadcast");
    const LISTENER: Token = Token(usize::MAX);
    let mut poll = Poll::new().expect("a selector");
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into()).expect("the port is free");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a registration");
    let mut connections: Slab<Connection> = Slab::new();
    let mut everybody = Vec::new();
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
                    let token = Token(entry.key());
                    poll.registry().register(&mut stream, token, both).expect("a registration");
                    match tungstenite::accept(stream) {
                        Ok(socket) => drop(entry.insert(Connection::Open(Box::new(socket)))),
                        Err(HandshakeError::Interrupted(more)) => {
                            entry.insert(Connection::Shaking(Some(more)));
                        }
                        Err(_) => {}
                    }
                }
                continue;
            }
            let Token(key) = event.token();
            if let Some(connection) = connections.get_mut(key)
                && !connection.ready(broadcasts.then_some(&mut everybody))
            {
                connections.remove(key);
            }
        }
        // The messages of one turn go out to each connection in one write.
        for (_, connection) in &mut connections {
            if let Connection::Open(socket) = connection
                && !everybody.is_empty()
            {
                for message in &everybody {
                    let _ = socket.write(message.clone());
                }
                let _ = socket.flush();
            }
        }
        everybody.clear();
    }
}
