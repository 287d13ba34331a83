//! Concurrent attempts to connect: mio waits for them, and the resulting socket blocks.

use std::io;
use std::time::Instant;

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Registry, Token};

use super::socket::Wire;
use crate::client::connect::{Address, Attempt, Connector, Input};

/// The attempts of one client, and the poll that waits for them.
#[derive(Debug, Default)]
pub(super) struct Dialing {
    poll: Option<Poll>,
    /// Indexed by token. Attempts that are over leave a gap.
    sockets: Vec<(Attempt, Option<Socket>)>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Dialing {
    /// Begins to connect.
    pub(super) fn start(&mut self, attempt: Attempt, address: &Address) -> io::Result<()> {
        let mut socket = match address {
            Address::Tcp(address) => Socket::Tcp(TcpStream::connect(*address)?),
            #[cfg(unix)]
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        let poll = match &mut self.poll {
            Some(poll) => poll,
            poll => poll.insert(Poll::new()?),
        };
        socket.source(|source| {
            poll.registry().register(
                source,
                Token(self.sockets.len()),
                Interest::READABLE | Interest::WRITABLE,
            )
        })?;
        self.sockets.push((attempt, Some(socket)));
        Ok(())
    }

    /// Drops an attempt. Returns whether there was one.
    pub(super) fn drop(&mut self, attempt: Attempt) -> bool {
        self.sockets.iter_mut().any(|(this, socket)| *this == attempt && socket.take().is_some())
    }

    /// Waits until an attempt ends or the time is up, reports that, and returns the connection that was made, if any.
    pub(super) fn wait(&mut self, connector: &mut Connector) -> Option<Wire> {
        let timeout = connector.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let mut events = Events::with_capacity(16);
        match &mut self.poll {
            Some(poll) => match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    let running = self
                        .sockets
                        .iter_mut()
                        .filter_map(|(attempt, socket)| socket.take().map(|_| *attempt));
                    for attempt in running {
                        connector.handle(Input::Failed(attempt, error.kind().into()), Instant::now());
                    }
                }
                _ => {}
            },
            None => std::thread::sleep(timeout.unwrap_or_default()),
        }
        let now = Instant::now();
        for event in &events {
            let (Some(poll), Some((attempt, slot))) = (&self.poll, self.sockets.get_mut(event.token().0))
            else {
                continue;
            };
            let result = match slot.as_ref().map(Socket::is_connected) {
                None | Some(Ok(false)) => continue,
                Some(Ok(true)) => slot.take().map_or(Err(io::ErrorKind::NotConnected.into()), |socket| {
                    socket.into_wire(poll.registry())
                }),
                Some(Err(error)) => Err(error),
            };
            match result {
                Ok(wire) => {
                    connector.handle(Input::Connected(*attempt), now);
                    if connector.standing() == Some(*attempt) {
                        return Some(wire);
                    }
                }
                Err(error) => {
                    *slot = None;
                    connector.handle(Input::Failed(*attempt, error), now);
                }
            }
        }
        connector.handle(Input::Time, now);
        None
    }
}

impl Socket {
    fn source<T>(&mut self, act: impl FnOnce(&mut dyn Source) -> T) -> T {
        match self {
            Socket::Tcp(stream) => act(stream),
            #[cfg(unix)]
            Socket::Unix(stream) => act(stream),
        }
    }

    /// Returns the error of an attempt that has failed, and `Ok(false)` while it goes on.
    fn is_connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Socket::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            #[cfg(unix)]
            Socket::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    fn into_wire(mut self, registry: &Registry) -> io::Result<Wire> {
        self.source(|source| registry.deregister(source))?;
        Ok(match self {
            Socket::Tcp(stream) => {
                let stream = std::net::TcpStream::from(stream);
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                Wire::from(stream)
            }
            #[cfg(unix)]
            Socket::Unix(stream) => {
                let stream = std::os::unix::net::UnixStream::from(stream);
                stream.set_nonblocking(false)?;
                Wire::from(stream)
            }
        })
    }
}
