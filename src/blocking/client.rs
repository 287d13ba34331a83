//! A client on one thread.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decoder::{Decoder, Found};
use super::error::Error;
use super::socket::{NetStream, Socket};
use crate::close::CloseReason;
use crate::connection::{self, Config, Deadlines, Event, Latency, Outbound, Outcome, SendError};
use crate::entropy::Entropy;
use crate::handshake::Response;
use crate::message::Message;

/// An open WebSocket over `S`.
///
/// Every call takes at most as long as [`set_timeout`](Self::set_timeout) says. Pings are answered, and the Ping of
/// [`Config::ping_interval`] is sent, while a call is waiting: a program that is away for long does so by
/// [`read`](Self::read)ing.
#[derive(Debug)]
pub struct Client<S> {
    pub(super) socket: S,
    pub(super) outbound: Outbound,
    pub(super) deadlines: Deadlines,
    pub(super) decoder: Decoder,
    pub(super) timeout: Option<Duration>,
    pub(super) latency: Latency,
    pub(super) response: Response,
    /// Nothing more comes.
    over: bool,
}

impl Client<NetStream> {
    /// The server's address, or the proxy's.
    pub fn peer_addr(&self) -> Option<std::net::SocketAddr> {
        self.socket.peer_addr()
    }

    /// Our address.
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.socket.local_addr()
    }
}

impl<S: Socket> Client<S> {
    /// An open connection after its handshake; `rest` is what came behind the response.
    pub(super) fn new(
        socket: S,
        response: Response,
        rest: &[u8],
        config: Arc<Config>,
        masks: Box<dyn Entropy + Send>,
    ) -> Self {
        let mut decoder = Decoder::new();
        decoder.preload(rest);
        let mut outbound = Outbound::client(config, masks);
        if let Some(agreed) = response.agreement().deflate() {
            decoder.use_deflate(agreed);
            outbound.use_deflate(agreed);
        }
        Self {
            socket,
            outbound,
            deadlines: Deadlines::new(Instant::now()),
            decoder,
            timeout: None,
            latency: Latency::new(),
            response,
            over: false,
        }
    }

    /// How long each call may take; `None`, as it is at first: as long as it takes.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The next message, borrowed from where it arrived; `None` once the closing handshake is done.
    ///
    /// Pings and Pongs pass unseen; see [`read_event`](Self::read_event).
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], after which to call again is fine. Else the connection is over.
    pub fn read(&mut self) -> Result<Option<Message<'_>>, Error> {
        let deadline = self.deadline();
        loop {
            match self.find(deadline)? {
                None => return Ok(None),
                // The borrow leaves where it leaves for sure: the view is taken behind the loop of `find`.
                Some(found @ (Found::Message(..) | Found::Assembled)) => {
                    return Ok(self.decoder.message(found));
                }
                Some(_) => {}
            }
        }
    }

    /// The next event of any kind, the peer's Close frame included; `None` once the connection is over.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        let deadline = self.deadline();
        let found = self.find(deadline)?;
        Ok(match found {
            None => None,
            Some(found) => self.decoder.view(found),
        })
    }

    /// Sends a message: `client.send("text")?`, `client.send(&octets[..])?`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] where nothing was sent; [`Error::Timeout`] where it goes out with the next call.
    pub fn send<'a>(&mut self, message: impl Into<Message<'a>>) -> Result<(), Error> {
        let deadline = self.deadline();
        let result = self.outbound.send(message.into());
        self.queued(result, deadline)
    }

    /// Sends a Ping. [`latency`](Self::latency) tells what its answer took.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        let deadline = self.deadline();
        let result = self.outbound.ping(payload);
        if result.is_ok() {
            self.latency.pinged(payload, Instant::now());
        }
        self.queued(result, deadline)
    }

    /// Sends a Pong that answers nothing (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        let deadline = self.deadline();
        let result = self.outbound.pong(payload);
        self.queued(result, deadline)
    }

    /// The sending half, to queue messages in parts or several at once; [`flush`](Self::flush) sends them.
    pub fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// Sends what is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`], [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        let deadline = self.deadline();
        self.write(deadline)
    }

    /// Sends a Close frame and no more; messages of the server can still be [`read`](Self::read) until it answers,
    /// for at most [`Config::close_timeout`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn start_close(&mut self, reason: Option<CloseReason<'_>>) -> Result<(), Error> {
        let deadline = self.deadline();
        let result = self.outbound.close(reason);
        if result.is_ok() {
            self.deadlines.closing(Instant::now());
        }
        self.queued(result, deadline)
    }

    /// Closes the connection: sends a Close frame and waits for the server's answer and for the end of the TCP
    /// connection, each call bounded by [`Config::close_timeout`] in any case. Messages that still come are dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Due`] where the server does not answer, and what else ends a connection before its time.
    pub fn close(mut self, reason: Option<CloseReason<'_>>) -> Result<Outcome, Error> {
        match self.start_close(reason) {
            Ok(()) | Err(Error::Send(SendError::Closing) | Error::Timeout) => {}
            Err(error) => return Err(error),
        }
        self.timeout = None; // the close deadline bounds what follows
        while self.read_event()?.is_some() {}
        Ok(self.outcome())
    }

    /// What both sides have said of the end, so far.
    pub fn outcome(&self) -> Outcome {
        connection::outcome(self.decoder.inbound(), &self.outbound)
    }

    /// The server's response: the subprotocol, the extensions, the headers.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// What Pings and their answers tell of the way to the server.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Octets that wait to be written.
    pub fn bytes_to_write(&self) -> usize {
        self.outbound.queued()
    }

    /// The stream below.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    fn queued(&mut self, result: Result<(), SendError>, deadline: Option<Instant>) -> Result<(), Error> {
        result?;
        self.write(deadline)
    }

    /// The loop that all reading is: take what is there, do what is due, send what follows, wait for more.
    fn find(&mut self, deadline: Option<Instant>) -> Result<Option<Found>, Error> {
        loop {
            if self.over {
                return Ok(None);
            }
            match self.decoder.step(&mut self.outbound) {
                Ok(None) => {}
                Ok(Some(found)) => return self.found(found, deadline),
                Err(error) => return self.fail(error.into()),
            }
            self.write_some(deadline)?;
            let now = Instant::now();
            if self.outbound.sent_close() {
                self.deadlines.closing(now); // the answer to the server's Close frame
            }
            let queued = self.outbound.queued();
            if let Some(due) = connection::expire(&mut self.deadlines, &mut self.outbound, now) {
                let closed = self.decoder.inbound().received_close();
                return match self.fail(Error::Due(due)) {
                    // §7.1.1: a client need not wait for ever until the server ends the TCP connection.
                    Err(_) if closed => Ok(None),
                    result => result,
                };
            }
            if self.outbound.queued() > queued {
                self.latency.pinged(b"", now); // the Ping of `Config::ping_interval`
                continue;
            }
            // A Ping may be due before the caller's time is up, and what could not be written may be now.
            let due = self.deadlines.next(self.outbound.config());
            let again = if self.outbound.queued() > 0 { now.checked_add(AGAIN) } else { None };
            let until = [deadline, due, again].into_iter().flatten().min();
            match self.fill(until) {
                Ok(None) => {}
                Ok(Some(found)) => return self.found(found, deadline),
                Err(Error::Timeout) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Err(Error::Timeout);
                }
                Err(Error::Timeout) => {}
                Err(Error::Eof) => {
                    self.over = true;
                    // RFC 6455 §7.1.1: after both Close frames the end is what we wait for.
                    let closed = self.decoder.inbound().received_close();
                    return if closed { Ok(None) } else { Err(Error::Eof) };
                }
                // After both Close frames nothing is lost with the connection.
                Err(_) if self.outbound.sent_close() && self.decoder.inbound().received_close() => {
                    self.over = true;
                    return Ok(None);
                }
                Err(error) => {
                    self.over = true;
                    return Err(error);
                }
            }
        }
    }

    /// An event; what it has led to (a Pong, the answer to a Close frame) goes out first, if the socket takes it.
    fn found(&mut self, found: Found, deadline: Option<Instant>) -> Result<Option<Found>, Error> {
        if let Found::Pong = found {
            self.latency.ponged(self.decoder.control(), Instant::now());
        }
        if self.outbound.queued() > 0 {
            self.write_some(deadline)?;
        }
        Ok(Some(found))
    }

    /// The connection fails: what is queued goes out if it can at once, then our direction ends (§7.1.7).
    fn fail<T>(&mut self, error: Error) -> Result<T, Error> {
        self.over = true;
        let _ = self.write(Instant::now().checked_add(PARTING));
        let _ = self.socket.shutdown_write();
        Err(error)
    }

    /// Reads once.
    fn fill(&mut self, until: Option<Instant>) -> Result<Option<Found>, Error> {
        self.socket.set_read_timeout(remaining(until)?)?;
        let space = self.decoder.space(self.outbound.config());
        match self.socket.read(space) {
            Ok(0) => Err(Error::Eof),
            Ok(len) => {
                self.deadlines.heard(Instant::now());
                match self.decoder.filled(len, &mut self.outbound) {
                    Ok(found) => Ok(found),
                    Err(error) => self.fail(error.into()),
                }
            }
            Err(error) => Err(timed(error)),
        }
    }

    /// Writes what the server takes now. Nobody who reads waits for it to take more: it may want to be read first.
    fn write_some(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        let soon = Instant::now().checked_add(SOON);
        match self.write([deadline, soon].into_iter().flatten().min()) {
            Err(Error::Timeout) => Ok(()),
            result => result,
        }
    }

    /// Writes what is queued.
    fn write(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        let result = self.write_all(deadline);
        self.over |= !matches!(result, Ok(()) | Err(Error::Timeout));
        result
    }

    fn write_all(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        // The answer to a Ping that came while much waited may be queued by `advance`.
        while !self.outbound.pending().is_empty() {
            self.socket.set_write_timeout(remaining(deadline)?)?;
            match self.socket.write(self.outbound.pending()) {
                Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(len) => self.outbound.advance(len),
                Err(error) => match timed(error) {
                    Error::Timeout if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                    error => return Err(error),
                },
            }
        }
        self.socket.flush().map_err(timed)
    }
}

/// How long a server may take to take what is written by one who reads.
pub(super) const SOON: Duration = Duration::from_millis(1);

/// How long until it is offered that again.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a connection that has failed may take to tell its server why.
pub(super) const PARTING: Duration = Duration::from_secs(1);

/// The time that is left; no socket takes a timeout of zero.
pub(super) fn remaining(until: Option<Instant>) -> Result<Option<Duration>, Error> {
    let Some(until) = until else { return Ok(None) };
    match until.checked_duration_since(Instant::now()) {
        Some(left) if !left.is_zero() => Ok(Some(left.max(Duration::from_millis(1)))),
        _ => Err(Error::Timeout),
    }
}

/// An error of a socket, where a passed timeout has two names and a signal is none.
pub(super) fn timed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Error::Timeout,
        _ => Error::Io(error),
    }
}
