//! A client on two threads: one reads, any number write.
//!
//! The reader waits on its own handle of the socket and holds no lock meanwhile. What is to be sent goes into a queue
//! under one lock and from there to the socket under another, so that a writer who waits for a slow server keeps the
//! reader neither from reading nor from queueing the answer to a Ping; whoever has the socket sends that, too.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::client::{Client, PARTING, SOON, remaining, timed};
use super::decoder::{Decoder, Found};
use super::error::Error;
use super::socket::{Layers, NetStream, Socket, Wire};
use crate::close::CloseReason;
use crate::connection::{self, Deadlines, Event, Latency, Outbound, Outcome, SendError};
use crate::handshake::Response;
use crate::message::Message;

/// The half that reads. It answers Pings and the server's Close frame by itself.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    socket: Wire,
    decoder: Decoder,
    timeout: Option<Duration>,
    response: Response,
    over: bool,
    /// Octets of TLS as they come.
    #[cfg(feature = "tls")]
    cipher: Vec<u8>,
}

/// The half that writes; cheap to clone, so that several threads can write. Messages never mix.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    timeout: Option<Duration>,
}

#[derive(Debug)]
struct Shared {
    /// Never held over a system call.
    state: Mutex<State>,
    pen: Mutex<Pen>,
}

#[derive(Debug)]
struct State {
    outbound: Outbound,
    deadlines: Deadlines,
    latency: Latency,
    #[cfg(feature = "tls")]
    tls: Option<rustls::Connection>,
}

/// The socket to write to, and what is on its way there.
#[derive(Debug)]
struct Pen {
    socket: Wire,
    /// Octets taken from the queue; those before `written` are out.
    octets: Vec<u8>,
    written: usize,
}

/// So much is taken from the queue at a time.
const PIECE: usize = 64 * 1024;

impl Client<NetStream> {
    /// Two halves for two threads.
    ///
    /// # Errors
    ///
    /// Where the system gives no second handle of the socket.
    pub fn split(self) -> Result<(Reader, Writer), Error> {
        let Self { socket, outbound, deadlines, decoder, timeout, latency, response, .. } = self;
        #[cfg(feature = "tls")]
        let (wire, tls) = match socket.0 {
            Layers::Plain(wire) => (wire, None),
            Layers::Tls(stream) => {
                let (tls, wire) = stream.into_parts();
                (wire, Some(tls))
            }
        };
        #[cfg(not(feature = "tls"))]
        let Layers::Plain(wire) = socket.0;
        let pen = Pen { socket: wire.try_clone()?, octets: Vec::new(), written: 0 };
        let state = State {
            outbound,
            deadlines,
            latency,
            #[cfg(feature = "tls")]
            tls,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), pen: Mutex::new(pen) });
        let writer = Writer { shared: Arc::clone(&shared), timeout };
        let reader = Reader {
            shared,
            socket: wire,
            decoder,
            timeout,
            response,
            over: false,
            #[cfg(feature = "tls")]
            cipher: Vec::new(),
        };
        Ok((reader, writer))
    }
}

impl Writer {
    /// How long each call of this handle may take; `None`: as long as it takes.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] where nothing was sent; [`Error::Timeout`] where it goes out with the next call of either half.
    pub fn send<'a>(&self, message: impl Into<Message<'a>>) -> Result<(), Error> {
        self.queue(|state| state.outbound.send(message.into()))
    }

    /// Sends a Ping.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|state| {
            state.outbound.ping(payload)?;
            state.latency.pinged(payload, Instant::now());
            Ok(())
        })
    }

    /// Sends a Close frame. The reader goes on until the server has answered, for at most
    /// [`Config::close_timeout`](crate::connection::Config::close_timeout).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn close(&self, reason: Option<CloseReason<'_>>) -> Result<(), Error> {
        self.queue(|state| {
            state.outbound.close(reason)?;
            state.deadlines.closing(Instant::now());
            Ok(())
        })
    }

    /// Ends the connection at once; both halves see it.
    pub fn abort(&self) {
        // Fails where it is ended already.
        let _ = self.shared.lock_pen().socket.shutdown(Shutdown::Both);
    }

    /// Octets that wait to be written.
    pub fn bytes_to_write(&self) -> usize {
        self.shared.lock().outbound.queued()
    }

    /// What Pings and their answers tell of the way to the server.
    pub fn latency(&self) -> Latency {
        self.shared.lock().latency.clone()
    }

    fn queue(&self, queue: impl FnOnce(&mut State) -> Result<(), SendError>) -> Result<(), Error> {
        queue(&mut self.shared.lock())?;
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.shared.write(deadline, true)
    }
}

impl Reader {
    /// How long each call may take; `None`: as long as it takes.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The next message; see [`Client::read`].
    ///
    /// # Errors
    ///
    /// As [`Client::read`].
    pub fn read(&mut self) -> Result<Option<Message<'_>>, Error> {
        let deadline = self.deadline();
        loop {
            match self.find(deadline)? {
                None => return Ok(None),
                Some(found @ (Found::Message(..) | Found::Assembled)) => {
                    return Ok(self.decoder.message(found));
                }
                Some(_) => {}
            }
        }
    }

    /// The next event of any kind; see [`Client::read_event`].
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        let deadline = self.deadline();
        Ok(self.find(deadline)?.and_then(|found| self.decoder.view(found)))
    }

    /// What both sides have said of the end, so far.
    pub fn outcome(&self) -> Outcome {
        connection::outcome(self.decoder.inbound(), &self.shared.lock().outbound)
    }

    /// The server's response.
    pub fn response(&self) -> &Response {
        &self.response
    }

    fn deadline(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    fn find(&mut self, deadline: Option<Instant>) -> Result<Option<Found>, Error> {
        loop {
            if self.over {
                return Ok(None);
            }
            let stepped = self.decoder.step(&mut self.shared.lock().outbound);
            match stepped {
                Ok(None) => {}
                Ok(Some(found)) => return self.found(found),
                Err(error) => return self.fail(error.into()),
            }
            if let Some(due) = self.expire() {
                let closed = self.decoder.inbound().received_close();
                return match self.fail(Error::Due(due)) {
                    Err(_) if closed => Ok(None), // §7.1.1, as in `Client`
                    result => result,
                };
            }
            self.answer()?;
            let due = {
                let state = self.shared.lock();
                state.deadlines.next(state.outbound.config())
            };
            // A writer may begin to close at any time, and nothing wakes us then.
            let look = Instant::now().checked_add(LOOK);
            let until = [deadline, due, look].into_iter().flatten().min();
            match self.fill(until) {
                Ok(None) => {}
                Ok(Some(found)) => return self.found(found),
                Err(Error::Timeout) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Err(Error::Timeout);
                }
                Err(Error::Timeout) => {}
                Err(error) => {
                    self.over = true;
                    // §7.1.1: after both Close frames the end is what we wait for, whatever form it takes.
                    let closed = self.decoder.inbound().received_close();
                    return if closed { Ok(None) } else { Err(error) };
                }
            }
        }
    }

    /// Does what is due.
    fn expire(&mut self) -> Option<connection::Due> {
        let now = Instant::now();
        let State { outbound, deadlines, latency, .. } = &mut *self.shared.lock();
        if outbound.sent_close() {
            deadlines.closing(now);
        }
        let queued = outbound.queued();
        let due = connection::expire(deadlines, outbound, now);
        if due.is_none() && outbound.queued() > queued {
            latency.pinged(b"", now);
        }
        due
    }

    fn found(&mut self, found: Found) -> Result<Option<Found>, Error> {
        if let Found::Pong = found {
            self.shared.lock().latency.ponged(self.decoder.control(), Instant::now());
        }
        self.answer()?;
        Ok(Some(found))
    }

    /// Sends what reading has led to, unless a writer is at it. A server that takes nothing now gets it later: to wait
    /// here would keep us from reading, and a server that waits for us to read would never read itself.
    fn answer(&mut self) -> Result<(), Error> {
        match self.shared.write(Instant::now().checked_add(SOON), false) {
            Ok(()) | Err(Error::Timeout) => Ok(()),
            Err(error) if self.decoder.inbound().received_close() => {
                drop(error); // the server has gone after its Close frame
                Ok(())
            }
            Err(error) => {
                self.over = true;
                Err(error)
            }
        }
    }

    fn fail<T>(&mut self, error: Error) -> Result<T, Error> {
        self.over = true;
        let _ = self.shared.write(Instant::now().checked_add(PARTING), true);
        let _ = self.socket.shutdown_write();
        Err(error)
    }

    fn fill(&mut self, until: Option<Instant>) -> Result<Option<Found>, Error> {
        #[cfg(feature = "tls")]
        if self.shared.lock().tls.is_some() {
            return self.fill_through_tls(until);
        }
        self.socket.set_read_timeout(remaining(until)?)?;
        // The room depends on settings that do not change.
        let shared = Arc::clone(&self.shared);
        let space = self.decoder.space(shared.lock().outbound.config());
        let len = self.socket.read(space).map_err(timed)?;
        self.filled(len)
    }

    fn filled(&mut self, len: usize) -> Result<Option<Found>, Error> {
        if len == 0 {
            return Err(Error::Eof);
        }
        let filled = {
            let State { outbound, deadlines, .. } = &mut *self.shared.lock();
            deadlines.heard(Instant::now());
            self.decoder.filled(len, outbound)
        };
        match filled {
            Ok(found) => Ok(found),
            Err(error) => self.fail(error.into()),
        }
    }

    /// Reads what is encrypted without a lock, and what it says under one.
    #[cfg(feature = "tls")]
    fn fill_through_tls(&mut self, until: Option<Instant>) -> Result<Option<Found>, Error> {
        let shared = Arc::clone(&self.shared);
        loop {
            let result = {
                let mut state = shared.lock();
                let State { outbound, tls: Some(tls), .. } = &mut *state else { return Err(Error::Eof) };
                tls.reader().read(self.decoder.space(outbound.config()))
            };
            match result {
                Ok(len) => return self.filled(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(Error::Io(error)),
            }
            if self.cipher.is_empty() {
                self.cipher.resize(PIECE, 0);
                self.socket.set_read_timeout(remaining(until)?).inspect_err(|_| self.cipher.clear())?;
                match self.socket.read(&mut self.cipher) {
                    Ok(len) => self.cipher.truncate(len),
                    Err(error) => {
                        self.cipher.clear();
                        return Err(timed(error));
                    }
                }
            }
            let mut state = shared.lock();
            let Some(tls) = &mut state.tls else { return Err(Error::Eof) };
            // An empty input is the end, which the reader above tells apart.
            let used = tls.read_tls(&mut &self.cipher[..])?;
            self.cipher.drain(..used);
            if let Err(error) = tls.process_new_packets() {
                return Err(Error::Io(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        }
    }
}

/// How often a reader looks whether a writer has begun to close.
const LOOK: Duration = Duration::from_millis(250);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state whole: nothing that can panic is called under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_pen(&self) -> MutexGuard<'_, Pen> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is queued. Where somebody else has the socket: waits for it, or leaves all to them.
    fn write(&self, deadline: Option<Instant>, wait: bool) -> Result<(), Error> {
        loop {
            let mut pen = match self.pen.try_lock() {
                Ok(pen) => pen,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if wait => self.lock_pen(),
                Err(TryLockError::WouldBlock) => return Ok(()), // they look again once they are done
            };
            while pen.take(&mut self.lock()) {
                pen.write(deadline)?;
            }
            drop(pen);
            // What was queued while we had the socket was left to us.
            let state = self.lock();
            if state.outbound.queued() == 0 && !state.wants_write() {
                return Ok(());
            }
        }
    }
}

impl State {
    fn wants_write(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.wants_write();
        }
        false
    }
}

impl Pen {
    /// Takes the next octets from the queue; says whether there is anything to write.
    fn take(&mut self, state: &mut State) -> bool {
        if self.written < self.octets.len() {
            return true;
        }
        self.octets.clear();
        self.written = 0;
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut state.tls {
            let pending = state.outbound.pending();
            let len = pending.len().min(PIECE);
            // A `Vec` takes all, and TLS has no limit here.
            if tls.writer().write_all(&pending[..len]).is_ok() {
                state.outbound.advance(len);
            }
            while tls.wants_write() && tls.write_tls(&mut self.octets).is_ok() {}
            return !self.octets.is_empty();
        }
        while self.octets.len() < PIECE && state.outbound.queued() > 0 {
            let pending = state.outbound.pending();
            let len = pending.len().min(PIECE - self.octets.len());
            self.octets.extend_from_slice(&pending[..len]);
            state.outbound.advance(len);
        }
        !self.octets.is_empty()
    }

    fn write(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        while self.written < self.octets.len() {
            self.socket.set_write_timeout(remaining(deadline)?)?;
            match self.socket.write(&self.octets[self.written..]).map_err(timed) {
                Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(len) => self.written += len,
                Err(Error::Timeout) => {} // `remaining` knows whether it was one
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
