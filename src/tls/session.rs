//! One TLS connection without its socket: bytes from the peer in, plaintext and bytes for the peer out.
//!
//! `rustls` keeps no buffers for the connection (its `unbuffered` interface), so an idle connection has none. Only data
//! that waits for something is kept here, and it is counted at its actual size. Records are decrypted in the buffer
//! that the caller has read them into.

use std::io::{self, IoSlice};
use std::mem;

use rustls::pki_types::CertificateDer;
use rustls::{CommonState, Error, InvalidMessage};

use super::records::{End, Next, Output, RECORD, Step, TlsConnection};

/// How much plaintext is encrypted before the socket is asked to take it.
const BATCH: usize = 5 * RECORD;

/// The most that is kept of an incomplete handshake message.
const MAX_WAITING: usize = 64 * 1024;

/// How much a certificate takes besides its bytes.
const CERTIFICATE: usize = size_of::<CertificateDer<'_>>();

/// A connection, and its data that waits for something.
#[derive(Debug)]
pub(crate) struct Session {
    tls: TlsConnection,
    /// Bytes from the peer that are not yet a complete record, or a complete handshake message.
    waiting: Vec<u8>,
    /// Plaintext that did not fit into the caller's buffer.
    plain: Vec<u8>,
    /// How much of `plain` has been read.
    read: usize,
    /// Our plaintext that waits for the handshake.
    early: Vec<u8>,
    /// Encrypted bytes that are not sent yet.
    unsent: Vec<u8>,
    ours: End,
    theirs: TheirEnd,
}

/// How the peer's direction has ended, if it has.
#[derive(Debug)]
enum TheirEnd {
    Open,
    /// The peer has sent a `close_notify`.
    Notified,
    /// The socket has ended without a `close_notify`.
    Cut,
    Failed(Error),
}

impl Session {
    pub(crate) fn new(tls: impl Into<TlsConnection>) -> Self {
        Self {
            tls: tls.into(),
            waiting: Vec::new(),
            plain: Vec::new(),
            read: 0,
            early: Vec::new(),
            unsent: Vec::new(),
            ours: End::Open,
            theirs: TheirEnd::Open,
        }
    }

    pub(super) fn common(&self) -> &CommonState {
        self.tls.common()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// Returns the bytes of memory for data that waits and for the peer's certificates.
    pub(super) fn buffered(&self) -> usize {
        let certificates = self.common().peer_certificates().unwrap_or_default();
        let certificates: usize =
            certificates.iter().map(|certificate| CERTIFICATE + certificate.len()).sum();
        certificates
            + self.waiting.capacity()
            + self.plain.capacity()
            + self.early.capacity()
            + self.unsent.capacity()
    }

    // --- from the peer ---

    /// Reads plaintext that is here already, or the end that follows it. Returns `None` if more has to arrive first.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if !self.plain.is_empty() {
            let len = buf.len().min(self.plain.len() - self.read);
            buf[..len].copy_from_slice(&self.plain[self.read..self.read + len]);
            self.read += len;
            if self.read == self.plain.len() {
                (self.plain, self.read) = (Vec::new(), 0);
            }
            return Some(Ok(len));
        }
        match &self.theirs {
            TheirEnd::Open => None,
            TheirEnd::Notified => Some(Ok(0)),
            TheirEnd::Cut => Some(Err(truncated())),
            TheirEnd::Failed(error) => Some(Err(invalid(error.clone()))),
        }
    }

    /// Returns whether nothing of what has arrived so far is left to read.
    #[cfg(feature = "event-loop")]
    pub(super) const fn is_drained(&self) -> bool {
        self.plain.is_empty() && matches!(self.theirs, TheirEnd::Open)
    }

    /// Returns how much plaintext is left to read.
    #[cfg(feature = "event-loop")]
    pub(super) const fn unread(&self) -> usize {
        self.plain.len() - self.read
    }

    /// Returns the bytes from the peer that wait, and that the next ones have to follow.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// Takes note that the socket has ended.
    pub(crate) fn end_of_input(&mut self) {
        if matches!(self.theirs, TheirEnd::Open) {
            self.theirs = TheirEnd::Cut;
        }
    }

    /// Takes the first bytes from the peer, and fails if they are not TLS.
    #[cfg(feature = "event-loop")]
    pub(crate) fn begin(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.receive_behind(bytes, &mut []);
        self.read(&mut []).transpose().map(drop)
    }

    /// Takes bytes that the peer has sent. Returns how much plaintext is now in `buf`.
    #[cfg(feature = "blocking")]
    pub(crate) fn receive(&mut self, bytes: &[u8], buf: &mut [u8]) -> usize {
        let mut incoming = [&self.waiting, bytes].concat();
        self.receive_behind(&mut incoming, buf)
    }

    /// Takes bytes that the peer has sent, after those that [wait](Self::waiting): `incoming` has both. Returns how
    /// much plaintext is now in `buf`.
    pub(super) fn receive_behind(&mut self, incoming: &mut [u8], buf: &mut [u8]) -> usize {
        let early = mem::take(&mut self.early);
        let mut out = Output::default();
        let (used, filled, result) = self.run(incoming, buf, &early, &mut out);
        self.unsent.extend_from_slice(out.bytes());
        match result {
            Ok(Next::Written | Next::Ended) => {}
            Ok(_) => self.early = early,
            Err(_) => {}
        }
        let rest = if matches!(self.theirs, TheirEnd::Open) { &incoming[used..] } else { &[] };
        if rest.len() > MAX_WAITING {
            self.theirs = TheirEnd::Failed(InvalidMessage::HandshakePayloadTooLarge.into());
        }
        if self.waiting.capacity() != rest.len() {
            self.waiting = Vec::with_capacity(rest.len());
        }
        self.waiting.clear();
        self.waiting.extend_from_slice(rest);
        filled
    }

    /// Lets `rustls` process as much of `incoming` as it can. Returns how many of these bytes are consumed, how much of
    /// `buf` is filled, and the outcome.
    fn run(
        &mut self,
        incoming: &mut [u8],
        buf: &mut [u8],
        data: &[u8],
        out: &mut Output,
    ) -> (usize, usize, Result<Next, Error>) {
        let Self { tls, plain, ours, .. } = self;
        let mut step = Step { buf, filled: 0, plain, data, out, ours, peer_closed: false };
        let (used, result) = tls.run(incoming, &mut step);
        let Step { filled, peer_closed, .. } = step;
        if peer_closed {
            self.theirs = TheirEnd::Notified;
        }
        if let Err(error) = &result {
            self.theirs = TheirEnd::Failed(error.clone());
        }
        (used, filled, result)
    }

    // --- to the peer ---

    /// Fails unless more may be written, now or once the handshake is done.
    pub(super) fn check_open(&self) -> io::Result<()> {
        match &self.theirs {
            TheirEnd::Failed(error) => Err(invalid(error.clone())),
            TheirEnd::Notified | TheirEnd::Cut if self.is_handshaking() => Err(truncated()),
            // Nothing follows a `close_notify` (RFC 8446 §6.1).
            _ if self.ours != End::Open => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        }
    }

    /// Keeps what is written before the handshake is done. It keeps everything, because no event would tell a loop to
    /// offer the rest.
    pub(super) fn keep(&mut self, slices: &[IoSlice<'_>]) {
        slices.iter().for_each(|slice| self.early.extend_from_slice(slice));
    }

    /// Encrypts some bytes of `slices`, starting at offset `from`, which is before their end. Returns how many.
    pub(super) fn write(
        &mut self,
        slices: &[IoSlice<'_>],
        mut from: usize,
        staging: &mut Vec<u8>,
        out: &mut Output,
    ) -> io::Result<usize> {
        let mut taken = 0;
        staging.clear();
        for (at, slice) in slices.iter().enumerate() {
            let is_last = at + 1 == slices.len();
            let mut rest = &slice[from.min(slice.len())..];
            from -= slice.len() - rest.len();
            while !rest.is_empty() && taken + staging.len() < BATCH {
                if staging.is_empty() && (is_last || rest.len() >= RECORD) {
                    // Records that need no bytes of another slice are encrypted without a copy to `staging`.
                    let whole = if is_last { rest.len() } else { rest.len() - rest.len() % RECORD };
                    let len = whole.min(BATCH - taken);
                    self.encrypt(&rest[..len], out)?;
                    taken += len;
                    rest = &rest[len..];
                    continue;
                }
                let len = rest.len().min(RECORD - staging.len());
                staging.extend_from_slice(&rest[..len]);
                rest = &rest[len..];
                if staging.len() == RECORD {
                    self.encrypt(staging, out)?;
                    taken += RECORD;
                    staging.clear();
                }
            }
        }
        if !staging.is_empty() {
            self.encrypt(staging, out)?;
            taken += staging.len();
        }
        Ok(taken)
    }

    /// Appends to `into` what has to be sent first, and then `bytes`, encrypted.
    #[cfg(feature = "blocking")]
    pub(crate) fn write_into(&mut self, bytes: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
        self.start();
        into.append(&mut self.unsent);
        if bytes.is_empty() {
            return Ok(());
        }
        self.check_open()?;
        let len = into.len();
        let mut out = Output { room: mem::take(into), len };
        let result = self.encrypt(bytes, &mut out);
        out.room.truncate(out.len);
        *into = out.room;
        result
    }

    /// Encrypts `data`, followed by our `close_notify` if that is due.
    fn encrypt(&mut self, data: &[u8], out: &mut Output) -> io::Result<()> {
        if let TheirEnd::Failed(error) = &self.theirs {
            return Err(invalid(error.clone()));
        }
        match self.look_again(data, out) {
            Ok(Next::Written) => Ok(()),
            Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(invalid(error)),
        }
    }

    /// Runs `rustls` without anything new from the peer. It still has to see the bytes that wait, because it refers to
    /// positions in them.
    fn look_again(&mut self, data: &[u8], out: &mut Output) -> Result<Next, Error> {
        let mut waiting = mem::take(&mut self.waiting);
        let (used, _, result) = self.run(&mut waiting, &mut [], data, out);
        waiting.drain(..used);
        self.waiting = waiting;
        result
    }

    /// Makes ready to send what TLS itself has to send, such as the ClientHello.
    pub(super) fn start(&mut self) {
        if self.common().wants_write() {
            let mut out = Output::default();
            // The next read reports a failure.
            let _ = self.look_again(&[], &mut out);
            self.unsent.extend_from_slice(out.bytes());
        }
    }

    /// Returns whether there is something to send.
    pub(crate) fn wants_write(&self) -> bool {
        !self.unsent.is_empty() || self.common().wants_write()
    }

    /// Ends our direction, once the handshake is done.
    pub(crate) fn close_notify(&mut self) {
        if self.ours == End::Open {
            self.ours = End::Asked;
            if !self.is_handshaking() {
                let mut out = Output::default();
                // This fails if the connection is over already.
                let _ = self.encrypt(&[], &mut out);
                self.ours = End::Notified;
                self.unsent.extend_from_slice(out.bytes());
            }
        }
    }

    pub(super) const fn ours(&self) -> End {
        self.ours
    }

    /// Takes note that the socket's own direction is shut down, too.
    #[cfg(feature = "event-loop")]
    pub(super) const fn shut(&mut self) {
        self.ours = End::Shut;
    }

    /// Returns the bytes that have to be sent before all others.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// Takes note that `len` of the [unsent](Self::unsent) bytes are sent.
    pub(crate) fn sent(&mut self, len: usize) {
        self.unsent.drain(..len);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
    }

    /// Keeps encrypted bytes that the socket does not take yet.
    pub(super) fn hold(&mut self, rest: &[u8]) {
        self.unsent.extend_from_slice(rest);
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

pub(super) fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the TLS connection was cut off: TCP ended without a close_notify",
    )
}
