//! TLS over a byte stream, for blocking and non-blocking sockets.
//!
//! A [`TlsStream`] is made from a stream and a `rustls` connection of either role, and is a stream of plaintext. The
//! TLS handshake runs inside the first reads and writes. A readiness loop relies on these guarantees:
//!
//! * `read` returns `WouldBlock` only once the socket has, so no plaintext stays behind without an event;
//! * it returns `Interrupted` after 80 KiB without plaintext (empty records, key updates, tickets), so that a peer
//!   that sends nothing else cannot keep the caller in one call; the caller may then call again;
//! * `write` takes less than it is offered only once the socket has blocked; what it has taken but could not send is
//!   sent by the next `read`, `write` or `flush`, and a loop calls `flush` when the socket is writable again;
//! * the peer's `close_notify` reads as the end of the stream, and the end of TCP without one as `UnexpectedEof`: a
//!   truncated stream never looks like a complete one (RFC 8446 §6.1);
//! * a connection without data that waits keeps no buffer: the buffers for reading and writing belong to the thread.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};

use rustls::CommonState;

use super::records::{End, Output, TlsConnection, WIRE_RECORD};
use super::session::{Session, truncated};

/// TLS over the stream `S`.
#[derive(Debug)]
pub struct TlsStream<S> {
    session: Session,
    socket: S,
    /// Whether the last read from the socket has filled less than the space it had.
    was_short: bool,
    /// Bytes of records that were not plaintext, since a loop last asked.
    #[cfg(feature = "event-loop")]
    overhead: usize,
}

/// The most that is read from the socket at a time, so that it is still in the cache when it is decrypted.
const READ: usize = 80 * 1024;

/// Bytes of memory that `rustls` keeps for an open, idle connection.
const STATE: usize = 2560;

/// The buffers that a read or write needs while it runs.
#[derive(Debug, Default)]
struct Scratch {
    incoming: Vec<u8>,
    staging: Vec<u8>,
    out: Output,
}

thread_local! {
    /// One for each level of TLS inside TLS, as through a proxy that is reached by TLS.
    static SCRATCH: RefCell<Vec<Scratch>> = const { RefCell::new(Vec::new()) };
}

fn with_scratch<T>(act: impl FnOnce(&mut Scratch) -> T) -> T {
    // While a thread ends, its thread-locals may be gone.
    let lent = SCRATCH.try_with(|all| all.borrow_mut().pop()).ok().flatten();
    let mut scratch = lent.unwrap_or_default();
    let result = act(&mut scratch);
    let _ = SCRATCH.try_with(|all| all.borrow_mut().push(scratch));
    result
}

impl<S: Read + Write> TlsStream<S> {
    /// Runs `tls` over `socket`. Nothing is sent or received yet.
    pub fn new(tls: impl Into<TlsConnection>, socket: S) -> Self {
        Self::over(Session::new(tls), socket)
    }

    /// Runs a session over `socket`. The session may have seen the first bytes of the socket already.
    pub(crate) const fn over(session: Session, socket: S) -> Self {
        Self {
            session,
            socket,
            was_short: false,
            #[cfg(feature = "event-loop")]
            overhead: 0,
        }
    }

    /// Completes the TLS handshake on a blocking socket.
    ///
    /// # Errors
    ///
    /// The error of TLS, which [`tls_error`] takes out, or that of the socket.
    pub fn handshake(&mut self) -> io::Result<()> {
        while self.is_handshaking() {
            self.handshake_once()?;
        }
        self.send()
    }

    /// Continues the TLS handshake, and reads at most once for it.
    pub(crate) fn handshake_once(&mut self) -> io::Result<()> {
        self.send()?;
        if self.is_handshaking() {
            self.receive(&mut [])?;
        }
        if self.is_handshaking()
            && let Some(end) = self.read_here(&mut [])
        {
            return Err(end.err().unwrap_or_else(truncated));
        }
        Ok(())
    }

    /// Returns whether the TLS handshake is not done yet.
    pub fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Returns what is known of the TLS connection: its protocol version, cipher suite, peer certificates.
    pub fn tls(&self) -> &CommonState {
        self.session.common()
    }

    /// Returns the underlying stream.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Returns the underlying stream. Reading from it or writing to it breaks the TLS connection.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Returns the underlying stream, and drops what TLS has not sent yet.
    pub fn into_inner(self) -> S {
        self.socket
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn into_parts(self) -> (Session, S) {
        (self.session, self.socket)
    }

    /// Tells the peer that nothing more will be written (`close_notify`), and sends that as far as the socket takes it.
    /// What was written before the end of the TLS handshake is sent first, so during the handshake the `close_notify`
    /// waits for its end, too.
    ///
    /// # Errors
    ///
    /// Those of the socket, except `WouldBlock`: a later [`flush`](Write::flush) continues.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.session.close_notify();
        match self.send() {
            Err(error) if is_block(&error) => Ok(()),
            result => result,
        }
    }

    /// Returns whether [`close_notify`](Self::close_notify) has been called.
    pub fn is_ending(&self) -> bool {
        self.session.ours() != End::Open
    }

    /// Returns whether the socket's own direction should be shut down now, because the `close_notify` is sent. Returns
    /// `true` only once.
    #[cfg(feature = "event-loop")]
    pub(crate) fn take_shutdown(&mut self) -> bool {
        let is_due = self.session.ours() == End::Notified && self.session.unsent().is_empty();
        if is_due {
            self.session.shut();
        }
        is_due
    }

    /// Returns whether TLS has bytes that the socket has not taken yet, or a `close_notify` that waits for the
    /// handshake.
    pub fn wants_write(&self) -> bool {
        self.session.wants_write() || self.session.ours() == End::Asked
    }

    /// Returns whether nothing is left to read, on a socket whose reads return less than fits only when they have taken
    /// everything.
    #[cfg(feature = "event-loop")]
    pub(crate) const fn is_drained(&self) -> bool {
        self.was_short && self.session.is_drained()
    }

    /// Returns the bytes of the peer's records that were not plaintext, since the last call.
    #[cfg(feature = "event-loop")]
    pub(crate) const fn take_overhead(&mut self) -> usize {
        std::mem::replace(&mut self.overhead, 0)
    }

    /// Returns the bytes of memory that the stream takes for as long as it exists, besides its own size: what `rustls`
    /// keeps for an open connection, within a fifth. Memory for buffers is in [`buffered`](Self::buffered).
    pub const fn memory(&self) -> usize {
        STATE
    }

    /// Returns the bytes of memory for the peer's certificates and for buffers: incomplete records, plaintext that
    /// nobody has read, and what the socket has not taken yet.
    pub fn buffered(&self) -> usize {
        self.session.buffered()
    }

    /// Sends what TLS has to send.
    fn send(&mut self) -> io::Result<()> {
        self.session.start();
        while !self.session.unsent().is_empty() {
            match self.socket.write(self.session.unsent()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => self.session.sent(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once from the socket. Returns how many bytes it has read, and how much plaintext is now in `buf`. The
    /// session reports the end.
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<(usize, usize)> {
        let Self { session, socket, was_short, .. } = self;
        with_scratch(|scratch| {
            let held = session.waiting().len();
            let most = buf.len().clamp(WIRE_RECORD, READ);
            if scratch.incoming.len() < held + most {
                scratch.incoming.resize(held + most, 0);
            }
            let incoming = &mut scratch.incoming[..held + most];
            incoming[..held].copy_from_slice(session.waiting());
            let come = loop {
                match socket.read(&mut incoming[held..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            *was_short = come < most;
            if come == 0 {
                session.end_of_input();
                return Ok((0, 0));
            }
            let len = session.receive_behind(&mut incoming[..held + come], buf);
            #[cfg(feature = "event-loop")]
            {
                let done = held + come - session.waiting().len();
                self.overhead += done.saturating_sub(len + session.unread());
            }
            Ok((come, len))
        })
    }

    /// Reads until there is plaintext or the end, or until at least `most` bytes have given neither (`Interrupted`).
    fn read_at_most(&mut self, most: usize, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut taken = 0;
        loop {
            if let Some(result) = self.read_here(buf) {
                return result;
            }
            if taken >= most {
                return Err(io::ErrorKind::Interrupted.into());
            }
            // Sends our handshake messages and answers to key updates. If the socket takes nothing, reading continues.
            match self.send() {
                Err(error) if !is_block(&error) => return Err(error),
                _ => {}
            }
            let (come, len) = self.receive(buf)?;
            if len > 0 {
                // There may be no event before the next read. That read reports a failure.
                let _ = self.send();
                return Ok(len);
            }
            taken += come;
        }
    }

    /// Reads from the socket at most once. Fails with `Interrupted` if that gives nothing to read, such as half a
    /// record.
    #[cfg(feature = "blocking")]
    pub(crate) fn read_once(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_at_most(1, buf)
    }

    /// Reads plaintext that is here already, or the end. Before an error it sends an alert as far as the socket takes
    /// it, and ignores a failure to send, because the error matters more.
    fn read_here(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        let result = self.session.read(buf)?;
        if result.is_err() {
            let _ = self.send();
        }
        Some(result)
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_at_most(READ, buf)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        self.session.check_open()?;
        if self.is_handshaking() {
            self.session.keep(slices);
            return match self.send() {
                Err(error) if !is_block(&error) => Err(error),
                _ => Ok(offered),
            };
        }
        self.send()?;
        let Self { session, socket, .. } = self;
        with_scratch(|Scratch { staging, out, .. }| {
            let mut taken = 0;
            while taken < offered {
                out.clear();
                taken += session.write(slices, taken, staging, out)?;
                let mut rest = out.bytes();
                while !rest.is_empty() {
                    match socket.write(rest) {
                        Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Ok(len) => rest = &rest[len..],
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) if is_block(&error) => {
                            session.hold(rest);
                            return Ok(taken);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Ok(taken)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        loop {
            match self.socket.flush() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// Returns the TLS error of a failed read, write or connection attempt, if it failed because of TLS: a certificate
/// that is not trusted, for example, or an alert from the peer.
pub fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns whether a non-blocking socket would block, or the timeout of a blocking one has passed.
fn is_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
