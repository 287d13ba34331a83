//! TLS over a byte stream, for sockets that block and for those that do not.
//!
//! In: a stream and a `rustls` connection of either role. Out: a stream of plaintext. The TLS handshake runs inside the
//! first reads and writes. Promises, which a readiness loop builds on:
//!
//! * `read` says `WouldBlock` only once the socket has, so no plaintext stays behind where no event would tell of it;
//! * `write` takes less than it is offered only once the socket has blocked; what it has taken and could not send goes
//!   out with the next `read`, `write` or `flush`, and a loop calls `flush` when the socket is writable again;
//! * the peer's `close_notify` reads as the end of the stream, a TCP end without one as `UnexpectedEof`: a truncated
//!   stream never looks like a whole one (RFC 8446 §6.1).

use std::io::{self, IoSlice, Read, Write};

use rustls::Connection;

use super::records::{Records, Watched};

/// TLS over the stream `S`.
#[derive(Debug)]
pub struct TlsStream<S> {
    tls: Connection,
    socket: S,
    end: End,
    /// What of the peer's records waits for more to come.
    records: Records,
}

/// How far the end of our direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More may be written.
    Open,
    /// It is to be ended once the TLS handshake is done.
    Asked,
    /// The `close_notify` that says so is made.
    Notified,
    /// The socket's own direction is ended, too.
    #[cfg_attr(not(feature = "event-loop"), expect(dead_code, reason = "only a loop has it ended here"))]
    Shut,
}

/// So much plaintext is encrypted before the socket is asked to take it: the most that one TLS record holds.
const RECORD: usize = 16 * 1024;

/// Bytes that `rustls` keeps for a connection that is open and has nothing to do.
const STATE: usize = 8 * 1024;

impl<S: Read + Write> TlsStream<S> {
    /// Lays `tls` over `socket`. Nothing is sent or received yet.
    pub fn new(tls: impl Into<Connection>, socket: S) -> Self {
        let mut tls = tls.into();
        // `write` bounds what it hands over by itself; what is written before the handshake is done has to wait in
        // full, as no event would tell a loop to offer the rest.
        tls.set_buffer_limit(None);
        Self { tls, socket, end: End::Open, records: Records::default() }
    }

    /// The same where these bytes of the socket have been handed to `tls` already.
    #[cfg(feature = "event-loop")]
    pub(crate) fn behind(mut self, taken: &[u8]) -> Self {
        self.records.take(taken);
        self
    }

    /// Runs the TLS handshake to its end, on a socket that blocks.
    ///
    /// # Errors
    ///
    /// What [`tls_error`] tells more of, or what the socket says.
    pub fn handshake(&mut self) -> io::Result<()> {
        while self.tls.is_handshaking() {
            self.send()?;
            if self.tls.is_handshaking() && self.receive()? == 0 {
                return Err(truncated());
            }
        }
        self.send()
    }

    /// Whether the TLS handshake is still to be done or going on.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// The TLS connection: its protocol version, cipher suite, peer certificates.
    pub fn tls(&self) -> &Connection {
        &self.tls
    }

    /// The stream below.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// The stream below. To read from it or write to it breaks the TLS connection.
    pub fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Both parts. What TLS holds that is not sent stays with it.
    pub fn into_parts(self) -> (Connection, S) {
        (self.tls, self.socket)
    }

    /// Says that nothing more will be written (`close_notify`); sends it as far as the socket takes it. What was
    /// written before the TLS handshake was done goes out first, so then this waits for the handshake too.
    ///
    /// # Errors
    ///
    /// What the socket says; `WouldBlock` is none, as a later [`flush`](Write::flush) goes on.
    pub fn close_notify(&mut self) -> io::Result<()> {
        if self.end == End::Open {
            self.end = End::Asked;
        }
        self.notify();
        match self.send() {
            Err(error) if is_block(&error) => Ok(()),
            result => result,
        }
    }

    fn notify(&mut self) {
        if self.end == End::Asked && !self.tls.is_handshaking() {
            self.end = End::Notified;
            self.tls.send_close_notify();
        }
    }

    /// Whether [`close_notify`](Self::close_notify) has been called.
    pub fn is_ending(&self) -> bool {
        self.end != End::Open
    }

    /// Whether the socket's own direction is to be ended now, as the `close_notify` is out; says so once.
    #[cfg(feature = "event-loop")]
    pub(crate) fn take_shutdown(&mut self) -> bool {
        let is_due = self.end == End::Notified && !self.tls.wants_write();
        if is_due {
            self.end = End::Shut;
        }
        is_due
    }

    /// Whether TLS holds bytes that the socket has not taken yet, or a `close_notify` that waits for the handshake.
    pub fn wants_write(&self) -> bool {
        self.tls.wants_write() || self.end == End::Asked
    }

    /// Bytes of memory that count for it as long as it is there, beside its own size: what `rustls` keeps for an open
    /// connection, within a fifth. What comes and goes is [`buffered`](Self::buffered).
    pub const fn memory(&self) -> usize {
        STATE
    }

    /// Bytes of memory that count for what comes and goes: records of the peer that are not whole, and one of ours that is
    /// encrypted and not sent. Within a tenth, together with [`memory`](Self::memory).
    pub fn buffered(&self) -> usize {
        let unsent = if self.tls.wants_write() { RECORD } else { 0 };
        self.records.memory() + unsent
    }

    /// Sends what TLS has to send.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once from the socket; 0 at its end.
    fn receive(&mut self) -> io::Result<usize> {
        let len = loop {
            match self.tls.read_tls(&mut Watched(&mut self.socket, &mut self.records)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        match self.tls.process_new_packets() {
            Ok(state) if state.plaintext_bytes_to_read() > 0 || state.tls_bytes_to_write() > 0 => {
                self.records.answered();
            }
            Ok(_) => {}
            Err(error) => {
                // The alert that tells the peer why. It is sent as far as it goes: the error matters more.
                let _ = self.send();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        self.notify();
        Ok(len)
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(truncated()),
                result => return result,
            }
            // A handshake message of ours, an answer to a key update. Where the socket takes nothing, reading goes on.
            match self.send() {
                Err(error) if !is_block(&error) => return Err(error),
                _ => {}
            }
            // At the end of the socket the reader tells which end it is.
            self.receive()?;
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut taken = 0;
        for chunk in slices.iter().flat_map(|slice| slice.chunks(RECORD)) {
            match self.send() {
                Ok(()) => {}
                Err(error) if is_block(&error) && taken == 0 && !self.is_handshaking() => return Err(error),
                Err(error) if is_block(&error) && !self.is_handshaking() => return Ok(taken),
                Err(error) if is_block(&error) => {}
                Err(error) => return Err(error),
            }
            self.tls.writer().write_all(chunk)?;
            taken += chunk.len();
        }
        debug_assert_eq!(taken, offered);
        match self.send() {
            Err(error) if !is_block(&error) => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.socket.flush()
    }
}

/// What TLS says of a failed read, write or connection attempt, if the fault lies there: a certificate that is not
/// trusted, an alert of the peer.
pub fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the TLS connection was cut off: TCP ended without a close_notify",
    )
}

/// A socket that does not block, or one that does and whose timeout has passed.
fn is_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
