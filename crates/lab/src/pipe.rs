//! The transport of a dialogue: a connection of its own, or a stream of an HTTP/2 connection.

use std::io::{self, Read, Write};

use super::http2::Stream;
use super::rule::Violation;
use super::socket::Socket;

/// A socket or a stream.
#[derive(Debug)]
pub(super) enum Pipe {
    /// TCP, with or without TLS.
    Socket(Socket),
    /// An HTTP/2 stream.
    Stream(Stream),
}

impl Pipe {
    /// Returns whether the transport can be used yet, or an error if it never will be.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        match self {
            Self::Socket(socket) => socket.is_connected(),
            Self::Stream(stream) => stream.is_connected(),
        }
    }

    /// Returns the socket, if the transport is a connection of its own.
    pub(super) fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Socket(socket) => Some(socket),
            Self::Stream(_) => None,
        }
    }

    /// Returns the socket for registration, if the transport is a connection of its own.
    pub(super) fn socket_mut(&mut self) -> Option<&mut Socket> {
        match self {
            Self::Socket(socket) => Some(socket),
            Self::Stream(_) => None,
        }
    }

    /// Ends our direction.
    pub(super) fn end_writing(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.end_writing(),
            Self::Stream(stream) => {
                stream.end_writing();
                Ok(())
            }
        }
    }

    /// Returns the rule that the peer has broken in the layer below.
    pub(super) fn violation(&self) -> Option<Violation> {
        match self {
            Self::Socket(_) => None,
            Self::Stream(stream) => stream.violation(),
        }
    }

    /// Returns whether the stream ended, or may have ended, because of something else on its connection.
    pub(super) fn was_lost(&self) -> bool {
        matches!(self, Self::Stream(stream) if stream.was_lost())
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(into),
            Self::Stream(stream) => stream.read(into),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}
