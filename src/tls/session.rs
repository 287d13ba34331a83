//! One TLS connection without its socket: bytes of the peer in, plaintext and bytes for the peer out.
//!
//! `rustls` keeps no buffers for it (its `unbuffered` interface), so a connection that has nothing to do holds none: what is kept
//! here is what waits for something, and is counted as it is. Records are decrypted where the caller has read them.

use std::io::{self, IoSlice};
use std::mem;

use rustls::pki_types::CertificateDer;
use rustls::{CommonState, Error, InvalidMessage};

use super::records::{End, Next, Output, RECORD, Step, TlsConnection};

/// So much plaintext is encrypted before the socket is asked to take it.
const BATCH: usize = 5 * RECORD;

/// More than this of a handshake message that is not whole is not kept.
const MAX_WAITING: usize = 64 * 1024;

/// A certificate takes so much beside its bytes.
const CERTIFICATE: usize = size_of::<CertificateDer<'_>>();

/// A connection, and what of it waits for something.
#[derive(Debug)]
pub(crate) struct Session {
    tls: TlsConnection,
    /// Bytes of the peer that are no whole record yet, or no whole handshake message.
    waiting: Vec<u8>,
    /// Plaintext that found no room, from `read` on.
    plain: Vec<u8>,
    read: usize,
    /// Plaintext of ours that waits for the handshake.
    early: Vec<u8>,
    /// Encrypted, and not sent yet.
    unsent: Vec<u8>,
    ours: End,
    theirs: TheirEnd,
}

/// How the peer's direction has ended, if it has.
#[derive(Debug)]
enum TheirEnd {
    Open,
    /// It has sent a `close_notify`.
    Notified,
    /// The socket has ended without one.
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

    /// Bytes of memory for what waits, and for the peer's certificates.
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

    /// Plaintext that is here already, or the end that comes behind it. `None`: more has to come first.
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

    /// Whether what has come so far leaves nothing to be read.
    #[cfg(feature = "event-loop")]
    pub(super) const fn is_drained(&self) -> bool {
        self.plain.is_empty() && matches!(self.theirs, TheirEnd::Open)
    }

    /// Plaintext that is to be read.
    #[cfg(feature = "event-loop")]
    pub(super) const fn unread(&self) -> usize {
        self.plain.len() - self.read
    }

    /// Bytes that wait for those that come next, which belong behind them.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// The socket has ended.
    pub(crate) fn end_of_input(&mut self) {
        if matches!(self.theirs, TheirEnd::Open) {
            self.theirs = TheirEnd::Cut;
        }
    }

    /// Takes the first bytes of the peer; it fails where they are no TLS.
    #[cfg(feature = "event-loop")]
    pub(crate) fn begin(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.receive_behind(bytes, &mut []);
        self.read(&mut []).transpose().map(drop)
    }

    /// Takes what the peer has sent; how much plaintext of it is in `buf`.
    #[cfg(feature = "blocking")]
    pub(crate) fn receive(&mut self, bytes: &[u8], buf: &mut [u8]) -> usize {
        let mut incoming = [&self.waiting, bytes].concat();
        self.receive_behind(&mut incoming, buf)
    }

    /// The same where they lie behind those that [`wait`](Self::waiting).
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

    /// Has `rustls` do what it can with `incoming`: how many of those bytes are done with, and how much of `buf` is filled.
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

    /// Whether more may be written, now or once the handshake is done.
    pub(super) fn check_open(&self) -> io::Result<()> {
        match &self.theirs {
            TheirEnd::Failed(error) => Err(invalid(error.clone())),
            TheirEnd::Notified | TheirEnd::Cut if self.is_handshaking() => Err(truncated()),
            // Nothing follows a `close_notify` (RFC 8446 §6.1).
            _ if self.ours != End::Open => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        }
    }

    /// Keeps what is written before the handshake is done: in full, as no event would tell a loop to offer the rest.
    pub(super) fn keep(&mut self, slices: &[IoSlice<'_>]) {
        slices.iter().for_each(|slice| self.early.extend_from_slice(slice));
    }

    /// Encrypts some of `slices` from `from` on, which are not all done; how much.
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
                    // Records that need nothing of another slice, from where they lie.
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

    /// Encrypts `bytes` behind what is to be sent before them, all into `into`.
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

    /// Encrypts `data`, and behind it what tells the end of our direction, if that is due.
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

    /// Runs without anything new from the peer; `rustls` has to see what waits all the same, as it knows places in it.
    fn look_again(&mut self, data: &[u8], out: &mut Output) -> Result<Next, Error> {
        let mut waiting = mem::take(&mut self.waiting);
        let (used, _, result) = self.run(&mut waiting, &mut [], data, out);
        waiting.drain(..used);
        self.waiting = waiting;
        result
    }

    /// Makes what TLS has to say by itself ready to be sent, as a client's first words.
    pub(super) fn start(&mut self) {
        if self.common().wants_write() {
            let mut out = Output::default();
            // What fails the next read tells.
            let _ = self.look_again(&[], &mut out);
            self.unsent.extend_from_slice(out.bytes());
        }
    }

    /// Whether there is something to be sent.
    pub(crate) fn wants_write(&self) -> bool {
        !self.unsent.is_empty() || self.common().wants_write()
    }

    /// Our direction is to be ended.
    pub(crate) fn close_notify(&mut self) {
        if self.ours == End::Open {
            self.ours = End::Asked;
            if !self.is_handshaking() {
                let mut out = Output::default();
                // It fails where all is over.
                let _ = self.encrypt(&[], &mut out);
                self.ours = End::Notified;
                self.unsent.extend_from_slice(out.bytes());
            }
        }
    }

    pub(super) const fn ours(&self) -> End {
        self.ours
    }

    /// The socket's own direction is ended with it.
    #[cfg(feature = "event-loop")]
    pub(super) const fn shut(&mut self) {
        self.ours = End::Shut;
    }

    /// Bytes that are to be sent before all others.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// So many of them are sent.
    pub(crate) fn sent(&mut self, len: usize) {
        self.unsent.drain(..len);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
    }

    /// The socket takes no more: these have to wait.
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
