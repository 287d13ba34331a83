//! TLS over a byte stream, for sockets that block and for those that do not.
//!
//! In: a stream and a `rustls` connection of either role. Out: a stream of plaintext. The TLS handshake runs inside the
//! first reads and writes. Promises, which a readiness loop builds on:
//!
//! * `read` says `WouldBlock` only once the socket has, so no plaintext stays behind where no event would tell of it;
//! * it says `Interrupted`, after which to call again is fine, where 80 KiB have come that are no plaintext (records that are
//!   empty, new keys, tickets): a peer that sends nothing else keeps nobody in one call;
//! * `write` takes less than it is offered only once the socket has blocked; what it has taken and could not send goes
//!   out with the next `read`, `write` or `flush`, and a loop calls `flush` when the socket is writable again;
//! * the peer's `close_notify` reads as the end of the stream, a TCP end without one as `UnexpectedEof`: a truncated
//!   stream never looks like a whole one (RFC 8446 §6.1);
//! * a connection for which nothing waits keeps no buffer: those that reading and writing need belong to the thread.

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
    /// Whether the last read from the socket has filled less than it could.
    was_short: bool,
    /// Bytes of records that were not plaintext, since a loop has asked.
    #[cfg(feature = "event-loop")]
    overhead: usize,
}

/// The most that is read from the socket at a time: what is decrypted is to be in cache yet.
const READ: usize = 80 * 1024;

/// Bytes that `rustls` keeps for a connection that is open and has nothing to do.
const STATE: usize = 2560;

/// What reading and writing need for as long as they take.
#[derive(Debug, Default)]
struct Scratch {
    incoming: Vec<u8>,
    staging: Vec<u8>,
    out: Output,
}

thread_local! {
    /// One for each TLS connection in another, as through a proxy that is reached by TLS.
    static SCRATCH: RefCell<Vec<Scratch>> = const { RefCell::new(Vec::new()) };
}

fn with_scratch<T>(act: impl FnOnce(&mut Scratch) -> T) -> T {
    // While a thread ends there is none any more.
    let lent = SCRATCH.try_with(|all| all.borrow_mut().pop()).ok().flatten();
    let mut scratch = lent.unwrap_or_default();
    let result = act(&mut scratch);
    let _ = SCRATCH.try_with(|all| all.borrow_mut().push(scratch));
    result
}

impl<S: Read + Write> TlsStream<S> {
    /// Lays `tls` over `socket`. Nothing is sent or received yet.
    pub fn new(tls: impl Into<TlsConnection>, socket: S) -> Self {
        Self::over(Session::new(tls), socket)
    }

    /// The same where the connection may have seen the first bytes of the socket.
    pub(crate) const fn over(session: Session, socket: S) -> Self {
        Self {
            session,
            socket,
            was_short: false,
            #[cfg(feature = "event-loop")]
            overhead: 0,
        }
    }

    /// Runs the TLS handshake to its end, on a socket that blocks.
    ///
    /// # Errors
    ///
    /// What [`tls_error`] tells more of, or what the socket says.
    pub fn handshake(&mut self) -> io::Result<()> {
        while self.is_handshaking() {
            self.handshake_once()?;
        }
        self.send()
    }

    /// Goes on with the TLS handshake, and reads once for it at most.
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

    /// Whether the TLS handshake is still to be done or going on.
    pub fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// What is known of the TLS connection: its protocol version, cipher suite, peer certificates.
    pub fn tls(&self) -> &CommonState {
        self.session.common()
    }

    /// The stream below.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The stream below. To read from it or write to it breaks the TLS connection.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// The stream below, without what TLS holds that is not sent.
    pub fn into_inner(self) -> S {
        self.socket
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn into_parts(self) -> (Session, S) {
        (self.session, self.socket)
    }

    /// Says that nothing more will be written (`close_notify`); sends it as far as the socket takes it. What was
    /// written before the TLS handshake was done goes out first, so then this waits for the handshake too.
    ///
    /// # Errors
    ///
    /// What the socket says; `WouldBlock` is none, as a later [`flush`](Write::flush) goes on.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.session.close_notify();
        match self.send() {
            Err(error) if is_block(&error) => Ok(()),
            result => result,
        }
    }

    /// Whether [`close_notify`](Self::close_notify) has been called.
    pub fn is_ending(&self) -> bool {
        self.session.ours() != End::Open
    }

    /// Whether the socket's own direction is to be ended now, as the `close_notify` is out; says so once.
    #[cfg(feature = "event-loop")]
    pub(crate) fn take_shutdown(&mut self) -> bool {
        let is_due = self.session.ours() == End::Notified && self.session.unsent().is_empty();
        if is_due {
            self.session.shut();
        }
        is_due
    }

    /// Whether TLS holds bytes that the socket has not taken yet, or a `close_notify` that waits for the handshake.
    pub fn wants_write(&self) -> bool {
        self.session.wants_write() || self.session.ours() == End::Asked
    }

    /// Whether the last read has taken all that the socket had, where one that fills less than it could does.
    #[cfg(feature = "event-loop")]
    pub(crate) const fn is_drained(&self) -> bool {
        self.was_short && self.session.is_drained()
    }

    /// Bytes of records that the peer has sent beside their plaintext, since this was asked last.
    #[cfg(feature = "event-loop")]
    pub(crate) const fn take_overhead(&mut self) -> usize {
        std::mem::replace(&mut self.overhead, 0)
    }

    /// Bytes of memory that count for it as long as it is there, beside its own size: what `rustls` keeps for an open
    /// connection, within a fifth. What comes and goes is [`buffered`](Self::buffered).
    pub const fn memory(&self) -> usize {
        STATE
    }

    /// Bytes of memory for what comes and goes, and for the peer's certificates: records that are not whole, plaintext that
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

    /// Reads once from the socket: how many bytes, and how much plaintext of that is in `buf`. The end is the session's to tell.
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

    /// Reads until there is plaintext, or the end, or so many bytes have given neither.
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
            // A handshake message of ours, an answer to a key update. Where the socket takes nothing, reading goes on.
            match self.send() {
                Err(error) if !is_block(&error) => return Err(error),
                _ => {}
            }
            let (come, len) = self.receive(buf)?;
            if len > 0 {
                // There may be no event before the next read. What fails here that one tells.
                let _ = self.send();
                return Ok(len);
            }
            taken += come;
        }
    }

    /// Reads from the socket once: `Interrupted` where that has given nothing to be read, as half a record does.
    #[cfg(feature = "blocking")]
    pub(crate) fn read_once(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_at_most(1, buf)
    }

    /// What is here to be read already, or the end. An alert goes out as far as the socket takes it: the error matters more.
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

/// What TLS says of a failed read, write or connection attempt, if the fault lies there: a certificate that is not
/// trusted, an alert of the peer.
pub fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// A socket that does not block, or one that does and whose timeout has passed.
fn is_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
