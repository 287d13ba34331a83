//! Accepting connections, without ever ending the server over it.

use std::io;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    /// There may be a connection to accept.
    pub(super) ready: bool,
    /// Nothing is accepted before: the system had no descriptor or memory left.
    pub(super) paused_until: Option<Instant>,
}

/// What one attempt to accept gave.
#[derive(Debug)]
pub(super) enum Accepted {
    /// A connection.
    Stream(TcpStream),
    /// Nothing more now.
    Nothing,
    /// The system is out of something; try again later.
    Exhausted(io::Error),
}

/// How long the system gets to free descriptors or memory. Connections wait in the backlog meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

impl Listener {
    pub(super) fn new(socket: TcpListener) -> Self {
        Self { socket, ready: false, paused_until: None }
    }

    pub(super) fn accept(&mut self, now: Instant) -> Accepted {
        loop {
            match self.socket.accept() {
                Ok((stream, _)) => return Accepted::Stream(stream),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.ready = false;
                        return Accepted::Nothing;
                    }
                    // That one is gone; the next may be fine.
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset => {}
                    // No edge will tell when descriptors are free again, and to try at once would spin.
                    _ => {
                        self.paused_until = Some(now + PAUSE);
                        return Accepted::Exhausted(error);
                    }
                },
            }
        }
    }
}
