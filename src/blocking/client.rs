//! A client on one thread.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decoder::Decoder;
use super::error::Error;
use super::reading::{Duplex, Reading, Sending, after};
use super::socket::{NetStream, Socket};
use crate::close::CloseReason;
use crate::connection::{Config, Event, Latency, Outbound, Outcome, SendError};
use crate::entropy::Entropy;
use crate::handshake::Response;
use crate::message::Message;

/// An open WebSocket over `S`.
///
/// Every call takes at most as long as [`set_timeout`](Self::set_timeout) allows. Pings are answered, and the Ping of
/// [`Config::ping_interval`] is sent, only during a call that waits. A program that has nothing to send should spend
/// that time in [`read`](Self::read).
#[derive(Debug)]
pub struct Client<S> {
    pub(super) reading: Reading,
    pub(super) duplex: Whole<S>,
    pub(super) response: Response,
}

/// A socket, and what is to be written to it.
#[derive(Debug)]
pub(super) struct Whole<S> {
    pub(super) socket: S,
    pub(super) sending: Sending,
}

impl Client<NetStream> {
    /// Returns the address of the server or of the proxy.
    pub fn peer_addr(&self) -> Option<std::net::SocketAddr> {
        self.duplex.socket.peer_addr()
    }

    /// Returns our address.
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.duplex.socket.local_addr()
    }
}

impl<S: Socket> Client<S> {
    /// Creates a client from an open connection after its handshake; `rest` is what came after the response.
    pub(super) fn new(
        socket: S,
        response: Response,
        rest: &[u8],
        config: Arc<Config>,
        masks: Box<dyn Entropy + Send>,
    ) -> Self {
        let deflate = response.agreement().deflate();
        let sending = Sending::new(config, masks, deflate);
        Self { reading: Reading::new(rest, deflate), duplex: Whole { socket, sending }, response }
    }

    /// Limits the time that each call may take. `None`, the default, is no limit.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.reading.timeout = timeout;
    }

    /// Returns the next message, borrowed from where it arrived, or `None` once the closing handshake is done.
    ///
    /// Pings and Pongs are not returned; see [`read_event`](Self::read_event).
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], after which the call can be repeated. After any other error the connection is over.
    pub fn read(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.reading.message(&mut self.duplex)
    }

    /// Returns the next event of any kind, including the peer's Close frame, or `None` once the connection is over.
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read).
    pub fn read_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.reading.event(&mut self.duplex)
    }

    /// Sends a message: `client.send("text")?`, `client.send(&bytes[..])?`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if nothing was sent; [`Error::Timeout`] if the message will go out with the next call.
    pub fn send<'a>(&mut self, message: impl Into<Message<'a>>) -> Result<(), Error> {
        self.queue(|sending| sending.outbound.send(message))
    }

    /// Sends a Ping. [`latency`](Self::latency) has the time until its answer.
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|sending| sending.ping(payload))
    }

    /// Sends an unsolicited Pong (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|sending| sending.outbound.pong(payload))
    }

    /// Returns the sending half, to queue messages in parts or several at once; [`flush`](Self::flush) sends them.
    pub fn outbound(&mut self) -> &mut Outbound {
        &mut self.duplex.sending.outbound
    }

    /// Sends what is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.queue(|_| Ok(()))
    }

    /// Sends a Close frame, after which nothing can be sent. Messages of the server can still be [`read`](Self::read)
    /// until it answers, for at most [`Config::close_timeout`].
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn start_close(&mut self, reason: Option<CloseReason<'_>>) -> Result<(), Error> {
        self.queue(|sending| sending.close(reason))
    }

    /// Closes the connection: sends a Close frame and waits for the server's answer and for the end of the TCP
    /// connection, for at most [`Config::close_timeout`] in all, whatever the server sends or does not accept. Messages
    /// that still arrive are dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Due`] if the server does not answer, and any other error that ends a connection early.
    pub fn close(mut self, reason: Option<CloseReason<'_>>) -> Result<Outcome, Error> {
        let most = self.duplex.sending.outbound.config().close_timeout;
        self.reading.timeout = Some(self.reading.timeout.map_or(most, |timeout| timeout.min(most)));
        match self.start_close(reason) {
            Ok(()) | Err(Error::Send(SendError::Closing) | Error::Timeout) => {}
            Err(error) => return Err(error),
        }
        self.reading.timeout = None; // the close deadline bounds what follows
        while self.read_event()?.is_some() {}
        Ok(self.outcome())
    }

    /// Returns the Close frames of both sides so far, and the rule that the server broke, if it broke one.
    pub fn outcome(&self) -> Outcome {
        self.reading.outcome(&self.duplex.sending.outbound)
    }

    /// Returns the server's response: the subprotocol, the extensions, the headers.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// Returns the round-trip times that Pings have measured.
    pub fn latency(&self) -> &Latency {
        &self.duplex.sending.latency
    }

    /// Returns how many bytes wait to be written.
    pub fn bytes_to_write(&self) -> usize {
        self.duplex.sending.outbound.queued()
    }

    /// Returns the underlying stream.
    pub fn socket(&self) -> &S {
        &self.duplex.socket
    }

    /// Queues something and writes all that is queued.
    fn queue(&mut self, queue: impl FnOnce(&mut Sending) -> Result<(), SendError>) -> Result<(), Error> {
        let until = after(self.reading.timeout);
        queue(&mut self.duplex.sending)?;
        let result = self.duplex.write(until, None);
        if !matches!(result, Ok(()) | Err(Error::Timeout)) {
            self.reading.end();
        }
        result
    }
}

impl<S: Socket> Duplex for Whole<S> {
    const LOOK: Option<Duration> = None;

    fn sending<T>(&mut self, act: impl FnOnce(&mut Sending) -> T) -> T {
        act(&mut self.sending)
    }

    fn fill(&mut self, decoder: &mut Decoder, until: Option<Instant>) -> Result<usize, Error> {
        self.socket.set_read_timeout(remaining(until)?)?;
        self.socket.read_once(decoder.space(self.sending.outbound.config())).map_err(timed)
    }

    fn write(&mut self, until: Option<Instant>, most: Option<Duration>) -> Result<(), Error> {
        if most.is_some() && self.sending.outbound.queued() == 0 {
            return self.socket.flush().map_err(timed); // TLS may hold something; the clock need not be asked
        }
        let until = [until, after(most)].into_iter().flatten().min();
        write(&mut self.socket, &mut self.sending.outbound, until)
    }

    fn part(&mut self, until: Instant) {
        let _ = self.write(Some(until), None);
        // TLS has its own end to send, too.
        let left = remaining(Some(until)).unwrap_or(Some(LEAST));
        let _ = self.socket.set_write_timeout(left);
        let _ = self.socket.shutdown_write();
    }
}

/// Writes all that is queued.
fn write(socket: &mut impl Socket, outbound: &mut Outbound, until: Option<Instant>) -> Result<(), Error> {
    // `advance` may queue the answer to a Ping that came while much waited.
    while !outbound.pending().is_empty() {
        socket.set_write_timeout(remaining(until)?)?;
        match socket.write(outbound.pending()).map_err(timed) {
            Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
            Ok(len) => outbound.advance(len),
            Err(Error::Timeout) => {} // `remaining` knows whether it was one
            Err(error) => return Err(error),
        }
    }
    loop {
        match socket.flush().map_err(timed) {
            Err(Error::Timeout) => socket.set_write_timeout(remaining(until)?)?,
            result => return result,
        }
    }
}

/// No socket waits for less.
pub(super) const LEAST: Duration = Duration::from_millis(1);

/// Returns the time that is left. No socket takes a timeout of zero.
pub(super) fn remaining(until: Option<Instant>) -> Result<Option<Duration>, Error> {
    let Some(until) = until else { return Ok(None) };
    match until.checked_duration_since(Instant::now()) {
        Some(left) if !left.is_zero() => Ok(Some(left.max(LEAST))),
        _ => Err(Error::Timeout),
    }
}

/// Converts an error of a socket: a timeout has two names, and a signal is not an error.
pub(super) fn timed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Error::Timeout,
        _ => Error::Io(error),
    }
}
