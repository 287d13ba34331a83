//! A client on two threads: one reads, any number write.
//!
//! The reader waits on its own handle of the socket and holds no lock meanwhile. What is to be sent goes into a queue
//! under one lock and from there to the socket under another, so that a writer that waits for a slow server keeps the
//! reader neither from reading nor from queueing the answer to a Ping; the thread that has the socket sends that, too.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use super::client::LEAST;
use super::client::{Client, Whole, remaining, timed};
use super::decoder::Decoder;
use super::error::Error;
use super::reading::{Duplex, Reading, Sending, after};
use super::socket::{Layers, NetStream, Socket, Wire};
use crate::close::CloseReason;
use crate::connection::{Event, Latency, Outcome, SendError};
use crate::handshake::Response;
use crate::message::Message;
#[cfg(feature = "tls")]
use crate::tls::Session;

/// The reading half. It answers Pings and the server's Close frame automatically.
#[derive(Debug)]
pub struct Reader {
    reading: Reading,
    duplex: Half,
    response: Response,
}

/// A handle of the socket, and the state shared with the writers.
#[derive(Debug)]
struct Half {
    shared: Arc<Shared>,
    socket: Wire,
    /// Bytes of TLS as they arrive.
    #[cfg(feature = "tls")]
    cipher: Vec<u8>,
}

/// The writing half. It is cheap to clone, so that several threads can write. Messages never mix.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    timeout: Option<Duration>,
}

#[derive(Debug)]
struct Shared {
    /// Never held across a system call.
    state: Mutex<State>,
    pen: Mutex<Pen>,
}

#[derive(Debug)]
struct State {
    sending: Sending,
    #[cfg(feature = "tls")]
    tls: Option<Session>,
}

/// The socket to write to, and what is on its way there.
#[derive(Debug)]
struct Pen {
    socket: Wire,
    /// Bytes taken from the queue; those before `written` have been sent.
    bytes: Vec<u8>,
    written: usize,
}

/// How often to check whether the socket is free, if the wait for it is limited.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How much is taken from the queue at a time.
const PIECE: usize = 64 * 1024;

impl Client<NetStream> {
    /// Splits the client into two halves for two threads.
    ///
    /// # Errors
    ///
    /// If the system provides no second handle of the socket. `Unsupported` over HTTP/2, where reading and writing
    /// cannot be separated; the event loop does both on one thread.
    pub fn split(self) -> Result<(Reader, Writer), Error> {
        let Self { reading, duplex: Whole { socket, sending }, response } = self;
        #[cfg(feature = "tls")]
        let (wire, tls) = match socket.0 {
            Layers::Plain(wire) => (wire, None),
            Layers::Tls(stream) => {
                let (tls, wire) = stream.into_parts();
                (wire, Some(tls))
            }
            #[cfg(feature = "http2")]
            Layers::Http2(_) => return Err(Error::Io(io::ErrorKind::Unsupported.into())),
        };
        #[cfg(all(not(feature = "tls"), feature = "http2"))]
        let wire = match socket.0 {
            Layers::Plain(wire) => wire,
            Layers::Http2(_) => return Err(Error::Io(io::ErrorKind::Unsupported.into())),
        };
        #[cfg(not(any(feature = "tls", feature = "http2")))]
        let Layers::Plain(wire) = socket.0;
        let pen = Pen { socket: wire.try_clone()?, bytes: Vec::new(), written: 0 };
        let state = State {
            sending,
            #[cfg(feature = "tls")]
            tls,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), pen: Mutex::new(pen) });
        let writer = Writer { shared: Arc::clone(&shared), timeout: reading.timeout };
        let duplex = Half {
            shared,
            socket: wire,
            #[cfg(feature = "tls")]
            cipher: Vec::new(),
        };
        let reader = Reader { reading, duplex, response };
        Ok((reader, writer))
    }
}

impl Writer {
    /// Limits how long each call of this handle may take. `None` is no limit.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if nothing was sent; [`Error::Timeout`] if the message will go out with the next call of either
    /// half.
    pub fn send<'a>(&self, message: impl Into<Message<'a>>) -> Result<(), Error> {
        self.queue(|sending| sending.outbound.send(message))
    }

    /// Sends a Ping.
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|sending| sending.ping(payload))
    }

    /// Sends a Close frame. The reader goes on until the server has answered, for at most
    /// [`Config::close_timeout`](crate::connection::Config::close_timeout).
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    pub fn close(&self, reason: Option<CloseReason<'_>>) -> Result<(), Error> {
        self.queue(|sending| sending.close(reason))
    }

    /// Ends the connection at once, for both halves.
    pub fn abort(&self) {
        // Fails if it has ended already.
        let _ = self.shared.lock_pen().socket.shutdown(Shutdown::Both);
    }

    /// Returns how many bytes wait to be written.
    pub fn bytes_to_write(&self) -> usize {
        self.shared.lock().sending.outbound.queued()
    }

    /// Returns the round-trip times that Pings have measured.
    pub fn latency(&self) -> Latency {
        self.shared.lock().sending.latency.clone()
    }

    fn queue(&self, queue: impl FnOnce(&mut Sending) -> Result<(), SendError>) -> Result<(), Error> {
        queue(&mut self.shared.lock().sending)?;
        self.shared.write(after(self.timeout), true)
    }
}

impl Reader {
    /// Limits how long each call may take. `None` is no limit.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.reading.timeout = timeout;
    }

    /// Returns the next message; see [`Client::read`].
    ///
    /// # Errors
    ///
    /// See [`Client::read`].
    pub fn read(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.reading.message(&mut self.duplex)
    }

    /// Returns the next event of any kind; see [`Client::read_event`].
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read).
    pub fn read_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.reading.event(&mut self.duplex)
    }

    /// Returns the Close frames of both sides so far, and the rule that the server broke, if it broke one.
    pub fn outcome(&self) -> Outcome {
        self.reading.outcome(&self.duplex.shared.lock().sending.outbound)
    }

    /// Returns the server's response.
    pub fn response(&self) -> &Response {
        &self.response
    }
}

impl Duplex for Half {
    // A writer may begin to close at any time, and nothing wakes us then.
    const LOOK: Option<Duration> = Some(Duration::from_millis(250));

    fn sending<T>(&mut self, act: impl FnOnce(&mut Sending) -> T) -> T {
        act(&mut self.shared.lock().sending)
    }

    fn fill(&mut self, decoder: &mut Decoder, until: Option<Instant>) -> Result<usize, Error> {
        #[cfg(feature = "tls")]
        if self.shared.lock().tls.is_some() {
            return self.fill_through_tls(decoder, until);
        }
        self.socket.set_read_timeout(remaining(until)?)?;
        // The room depends on settings that do not change.
        let space = decoder.space(self.shared.lock().sending.outbound.config());
        self.socket.read(space).map_err(timed)
    }

    fn write(&mut self, until: Option<Instant>, most: Option<Duration>) -> Result<(), Error> {
        self.shared.write([until, after(most)].into_iter().flatten().min(), false)
    }

    fn part(&mut self, until: Instant) {
        let _ = self.shared.write(Some(until), true);
        #[cfg(feature = "tls")]
        if self.shared.end_tls() {
            // TLS has its own end to send; if that does not go out, no FIN may come inside a record.
            if self.shared.write(Some(until.max(Instant::now() + LEAST)), true).is_err() {
                return;
            }
        }
        let _ = self.socket.shutdown_write();
    }
}

#[cfg(feature = "tls")]
impl Half {
    /// Reads encrypted bytes without a lock, and decrypts them under one.
    fn fill_through_tls(&mut self, decoder: &mut Decoder, until: Option<Instant>) -> Result<usize, Error> {
        loop {
            {
                let mut state = self.shared.lock();
                let State { sending, tls: Some(tls) } = &mut *state else { return Err(Error::Eof) };
                if let Some(result) = tls.read(decoder.space(sending.outbound.config())) {
                    drop(state);
                    if result.is_err() {
                        // The alert that tells the server why.
                        let _ = self.shared.write(after(Some(LEAST)), false);
                    }
                    return Ok(result?);
                }
            }
            self.cipher.resize(PIECE, 0);
            self.socket.set_read_timeout(remaining(until)?)?;
            let len = self.socket.read(&mut self.cipher).map_err(timed)?;
            let mut state = self.shared.lock();
            let State { sending, tls: Some(tls) } = &mut *state else { return Err(Error::Eof) };
            if len == 0 {
                tls.end_of_input();
                continue;
            }
            let len = tls.receive(&self.cipher[..len], decoder.space(sending.outbound.config()));
            if len > 0 {
                return Ok(len);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state consistent: nothing that can panic is called under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_pen(&self) -> MutexGuard<'_, Pen> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the end of our direction of TLS. Returns whether there is TLS.
    #[cfg(feature = "tls")]
    fn end_tls(&self) -> bool {
        let mut state = self.lock();
        if let Some(tls) = &mut state.tls {
            tls.close_notify();
        }
        state.tls.is_some()
    }

    /// Sends what is queued. If another thread has the socket, waits for it or leaves everything to that thread.
    fn write(&self, deadline: Option<Instant>, wait: bool) -> Result<(), Error> {
        loop {
            let mut pen = match self.pen.try_lock() {
                Ok(pen) => pen,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if wait => match remaining(deadline)? {
                    None => self.lock_pen(),
                    // No lock of `std` has a timeout.
                    Some(left) => {
                        thread::sleep(left.min(LOOK_AGAIN));
                        continue;
                    }
                },
                Err(TryLockError::WouldBlock) => return Ok(()), // the other thread checks again once it is done
            };
            while pen.take(&mut self.lock())? {
                pen.write(deadline)?;
            }
            drop(pen);
            // What was queued while we had the socket was left to us.
            let state = self.lock();
            if state.sending.outbound.queued() == 0 && !state.wants_write() {
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
    /// Takes the next bytes from the queue. Returns whether there is anything to write.
    fn take(&mut self, state: &mut State) -> Result<bool, Error> {
        if self.written < self.bytes.len() {
            return Ok(true);
        }
        self.bytes.clear();
        self.written = 0;
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut state.tls {
            let pending = state.sending.outbound.pending();
            let len = pending.len().min(PIECE);
            let result = tls.write_into(&pending[..len], &mut self.bytes);
            // An alert goes out before the fault that it is about is reported.
            if result.is_ok() {
                state.sending.outbound.advance(len);
            } else if self.bytes.is_empty() {
                result?;
            }
            return Ok(!self.bytes.is_empty());
        }
        while self.bytes.len() < PIECE && state.sending.outbound.queued() > 0 {
            let pending = state.sending.outbound.pending();
            let len = pending.len().min(PIECE - self.bytes.len());
            self.bytes.extend_from_slice(&pending[..len]);
            state.sending.outbound.advance(len);
        }
        Ok(!self.bytes.is_empty())
    }

    fn write(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        while self.written < self.bytes.len() {
            self.socket.set_write_timeout(remaining(deadline)?)?;
            match self.socket.write(&self.bytes[self.written..]).map_err(timed) {
                Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(len) => self.written += len,
                Err(Error::Timeout) => {} // `remaining` knows whether it was one
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
