//! An open connection: messages in, messages out, deadlines, the end.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{CloseStep, Connection, Due, Event, Outcome, SendError};
use bowsprit::error::ProtocolError;
use bowsprit::message;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How many bytes are read at a time.
pub(crate) const READ: usize = 16 * 1024;
/// [`WebSocket::send`] returns once no more than this waits.
const HIGH_WATER: usize = 64 * 1024;
/// How long a peer may read nothing at all while a caller waits in [`WebSocket::send`].
const SLOW_READER: Duration = Duration::from_secs(30);
/// How long the last words may take, and the peer to end its direction after ours has ended.
const LAST: Duration = Duration::from_secs(1);

/// An owned message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Text(String),
    Binary(Vec<u8>),
}

impl Message {
    /// Borrows the message, to send it.
    pub fn as_ref(&self) -> message::Message<'_> {
        match self {
            Self::Text(text) => message::Message::Text(text),
            Self::Binary(bytes) => message::Message::Binary(bytes),
        }
    }
}

impl From<message::Message<'_>> for Message {
    fn from(message: message::Message<'_>) -> Self {
        match message {
            message::Message::Text(text) => Self::Text(text.to_owned()),
            message::Message::Binary(bytes) => Self::Binary(bytes.to_owned()),
        }
    }
}

/// How a connection failed. It cannot be used any further.
#[derive(Debug)]
pub enum Error {
    /// The transport failed.
    Io(io::Error),
    /// The peer broke a rule, and has been told by a Close frame.
    Protocol(ProtocolError),
    /// The peer was silent for too long, or did not end the connection in time.
    TimedOut(Due),
    /// The peer does not read what it is sent.
    SlowReader,
    /// This may not be sent; the connection goes on.
    Send(SendError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::TimedOut(due) => write!(f, "the time was up: {due:?}"),
            Self::SlowReader => f.write_str("the peer does not read"),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

/// An open connection on a stream.
pub struct WebSocket<S> {
    stream: S,
    conn: Connection,
    buf: Vec<u8>,
    /// The part of `buf` that was read and not taken yet.
    unread: Range<usize>,
    /// Whether something was written that the stream may hold back.
    unflushed: bool,
    /// The rule that the peer broke.
    fault: Option<ProtocolError>,
    /// Whether the transport has ended, or nothing more is expected of it.
    over: bool,
    sleep: Pin<Box<Sleep>>,
}

/// What has happened.
enum Turn {
    Read(usize),
    Wrote,
    Due,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) fn new(stream: S, conn: Connection, buf: Vec<u8>, unread: Range<usize>) -> Self {
        let sleep = Box::pin(sleep(Duration::ZERO));
        Self { stream, conn, buf, unread, unflushed: false, fault: None, over: false, sleep }
    }

    /// Returns the next message, or `None` once the connection has ended; [`outcome`](Self::outcome) says how.
    ///
    /// # Errors
    ///
    /// The connection failed. The peer has been told if there was still a way to.
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        while !self.over {
            if let Some(message) = self.take() {
                return Ok(Some(message));
            }
            match self.conn.close_step() {
                CloseStep::None => {}
                // Our direction ends when all is written; a server ends it first (§7.1.1).
                CloseStep::CloseTcp if self.is_flushed() => {
                    self.over = true;
                    part(&mut self.stream, &mut self.buf).await?;
                    break;
                }
                CloseStep::CloseTcp | CloseStep::EchoClose | CloseStep::AwaitClose | CloseStep::AwaitEof => {
                    self.conn.deadlines.closing(now());
                }
            }
            match self.turn(true, self.conn.next_timeout()).await? {
                Turn::Wrote => {}
                Turn::Read(0) => self.over = true,
                Turn::Read(len) => self.unread = 0..len,
                Turn::Due => {
                    if let Some(due) = self.conn.handle_timeout(now()) {
                        self.over = true;
                        // Last words, for a peer that still listens.
                        let _ = timeout(LAST, self.flush()).await;
                        return Err(self.fault.take().map_or(Error::TimedOut(due), Error::Protocol));
                    }
                }
            }
        }
        self.fault.take().map_or(Ok(None), |fault| Err(Error::Protocol(fault)))
    }

    /// Sends a message, and returns once no more than 64 KiB wait for the peer. Until then nothing is read, so that two
    /// sides that both only send get [`Error::SlowReader`] instead of filling their memory.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it may not be sent, and the connection goes on; otherwise the connection failed.
    pub async fn send(&mut self, message: message::Message<'_>) -> Result<(), Error> {
        self.conn.outbound.send(message)?;
        let mut waited = false;
        let mut until = now() + SLOW_READER;
        while self.conn.outbound.queued() > HIGH_WATER {
            waited = true;
            match self.turn(false, Some(until)).await? {
                Turn::Due => {
                    self.over = true;
                    return Err(Error::SlowReader);
                }
                Turn::Wrote | Turn::Read(_) => until = now() + SLOW_READER,
            }
        }
        if waited {
            self.conn.deadlines.paused(now()); // nobody listened: the peer's silence does not count
        }
        Ok(())
    }

    /// Begins the closing handshake. To complete it, call [`recv`](Self::recv) until it returns `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it has begun already, or the reason cannot be sent.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.conn.close(Some(CloseReason { code, reason }), now())?)
    }

    /// Returns how the connection has ended.
    pub fn outcome(&self) -> Outcome {
        self.conn.outcome()
    }

    /// Returns whether permessage-deflate was agreed.
    pub fn is_compressed(&self) -> bool {
        self.conn.inbound.inflater().is_some() || self.conn.outbound.compressor().is_some()
    }

    /// Returns the next message in what was read.
    fn take(&mut self) -> Option<Message> {
        let now = now();
        let mut input = &mut self.buf[self.unread.clone()];
        let message = loop {
            match self.conn.next(&mut input, now) {
                Ok(Some(Event::Message(message))) => break Some(message.into()),
                Ok(Some(_)) => {} // Pings and Close frames are answered already; a program may look at them here
                Ok(None) => break None,
                Err(fault) => {
                    // The Close frame that tells the peer is queued, and goes out before this is returned.
                    self.fault = Some(fault);
                    break None;
                }
            }
        };
        self.unread.start = self.unread.end - input.len();
        message
    }

    fn is_flushed(&self) -> bool {
        self.conn.outbound.pending().is_empty() && !self.unflushed
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.is_flushed() {
            self.turn(false, None).await?;
        }
        Ok(())
    }

    /// Waits until some of what is queued has gone, something has come (if it is wanted) or the time is up. Everything
    /// that happens has been handled when this returns, so a caller that drops it while it waits has lost nothing.
    async fn turn(&mut self, reads: bool, until: Option<std::time::Instant>) -> io::Result<Turn> {
        let Self { stream, conn, buf, unflushed, sleep, .. } = self;
        if let Some(until) = until {
            sleep.as_mut().reset(Instant::from_std(until));
        }
        poll_fn(|cx| {
            let pending = conn.outbound.pending();
            if !pending.is_empty() {
                if let Poll::Ready(len) = Pin::new(&mut *stream).poll_write(cx, pending)? {
                    if len == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    conn.outbound.advance(len);
                    *unflushed = true;
                    return Poll::Ready(Ok(Turn::Wrote));
                }
            } else if *unflushed && Pin::new(&mut *stream).poll_flush(cx)?.is_ready() {
                *unflushed = false;
                return Poll::Ready(Ok(Turn::Wrote));
            }
            if reads {
                let mut into = ReadBuf::new(buf);
                if Pin::new(&mut *stream).poll_read(cx, &mut into)?.is_ready() {
                    return Poll::Ready(Ok(Turn::Read(into.filled().len())));
                }
            }
            match until.is_some() && sleep.as_mut().poll(cx).is_ready() {
                true => Poll::Ready(Ok(Turn::Due)),
                false => Poll::Pending,
            }
        })
        .await
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std() // tokio's, which a test can turn
}

/// Ends our direction and waits a moment for the peer to end its own: closing a socket with unread bytes would reset
/// the connection, and what was written last would be lost.
pub(crate) async fn part<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    buf: &mut [u8],
) -> io::Result<()> {
    stream.shutdown().await?;
    let _ = timeout(LAST, async { while stream.read(buf).await.is_ok_and(|len| len > 0) {} }).await;
    Ok(())
}
