//! A client's WebSocket over HTTP/2 as a byte stream: a layer over the connection to the server, like TLS.
//!
//! In: a stream, and the bytes of an HTTP/1.1 opening handshake, then frames. Out: the same from the server. On the
//! wire it is an extended CONNECT and its stream. Promises for readiness loops:
//!
//! * `read` returns `WouldBlock` only once the stream below has;
//! * if the stream below blocks, a call that has read from it once without progress returns `Interrupted`, and can be
//!   repeated;
//! * if `write` has returned `WouldBlock` because of a window, [`takes_more`](Http2Stream::takes_more) says when the
//!   window is open again, which a `read` finds out.

use std::io::{self, Read, Write};

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::connection::{Connection, Event, StreamId};
use super::error::{ErrorCode, Http2Error};
use super::fields::Fields;
use super::limits::Limits;
use super::upgrade;
use crate::handshake::{HeadLimits, HeadReader, Progress};
use crate::time::Instant;

/// The protocol over the stream below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// HTTP/1.1: everything passes unchanged.
    Off,
    /// HTTP/2.
    On,
    /// Unknown until the TLS handshake is done.
    Unknown,
}

/// How it is decided whether HTTP/2 is used.
#[derive(Debug)]
pub enum Chosen<S> {
    /// It is used: the server is known to speak it.
    Known,
    /// ALPN chooses. The function returns the choice, once it is made; if HTTP/2 is `required`, another choice is an
    /// error.
    ByAlpn {
        /// Returns whether ALPN has chosen `h2`, or `None` before the TLS handshake is done.
        choice: fn(&S) -> Option<bool>,
        /// Whether HTTP/1.1 is not acceptable.
        required: bool,
    },
}

/// A WebSocket on an HTTP/2 stream over `S`.
#[derive(Debug)]
pub struct Http2Stream<S> {
    below: S,
    layer: Layer,
    chosen: Chosen<S>,
    /// Whether the socket blocks, so that a write itself waits for windows.
    blocks: bool,
    connection: Connection,
    stage: StreamState,
    /// Why the stream has failed; what has arrived before can still be read.
    failure: Option<Http2Failure>,
    /// The server's answer, in HTTP/1.1 form.
    head: Vec<u8>,
    /// Whether a write may go on.
    room: bool,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
enum StreamState {
    /// The request is being written.
    Request(HeadReader),
    /// The request is whole; whether it may be sent depends on the server's SETTINGS.
    Waiting {
        request: Fields,
        accept: String,
    },
    Open {
        id: StreamId,
        accept: String,
    },
}

/// Why a stream of HTTP/2 carries no WebSocket, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Http2Failure {
    /// ALPN has not chosen `h2`: the server speaks only HTTP/1.1.
    NotSpoken,
    /// The server does not announce SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3).
    NotAllowed,
    /// The server accepts no streams.
    Refused,
    /// The stream was reset with this code.
    Reset(ErrorCode),
    /// The connection below has ended before the stream.
    Ended,
    /// The server breaks a rule of HTTP/2.
    Protocol(Http2Error),
    /// What was to be sent is not a request.
    Request,
}

impl fmt::Display for Http2Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSpoken => f.write_str("the server speaks HTTP/1.1 alone: ALPN has not chosen h2"),
            Self::NotAllowed => f.write_str(
                "the server takes no WebSockets over HTTP/2: it does not announce SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)",
            ),
            Self::Refused => f.write_str("the server takes no further streams on its HTTP/2 connection"),
            Self::Reset(code) => write!(f, "the HTTP/2 stream was reset: {code}"),
            Self::Ended => f.write_str("the HTTP/2 connection ended before its stream did"),
            Self::Protocol(error) => write!(f, "the server breaks a rule of HTTP/2: {error}"),
            Self::Request => f.write_str("what was to be sent is no request of HTTP/1.1"),
        }
    }
}

impl core::error::Error for Http2Failure {}

/// Returns the [`Http2Failure`] inside an error, if there is one.
pub fn http2_failure(error: &io::Error) -> Option<Http2Failure> {
    error.get_ref()?.downcast_ref().copied()
}

impl From<Http2Failure> for io::Error {
    fn from(failure: Http2Failure) -> Self {
        let kind = match failure {
            Http2Failure::NotSpoken | Http2Failure::NotAllowed | Http2Failure::Request => {
                io::ErrorKind::Unsupported
            }
            Http2Failure::Refused => io::ErrorKind::ConnectionRefused,
            Http2Failure::Reset(_) => io::ErrorKind::ConnectionReset,
            Http2Failure::Ended => io::ErrorKind::UnexpectedEof,
            Http2Failure::Protocol(_) => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, failure)
    }
}

/// The limits for our own request, which is as long as the program has made it.
const REQUEST: HeadLimits = HeadLimits { max_bytes: 1 << 20, max_headers: 2000 };

/// What a connection with a single stream, which is read, holds.
const STATE: usize = 8 * 1024;

/// How much is read from below at once.
const BUFFER: usize = 16 * 1024;

impl<S: Read + Write> Http2Stream<S> {
    /// Creates a stream with HTTP/2 over `below`, if it is chosen. `blocks` says whether calls of `below` wait.
    pub fn new(below: S, chosen: Chosen<S>, blocks: bool) -> Self {
        Self {
            below,
            layer: if let Chosen::Known = chosen { Layer::On } else { Layer::Unknown },
            chosen,
            blocks,
            connection: Connection::client(Limits::default()),
            stage: StreamState::Request(HeadReader::request(REQUEST)),
            failure: None,
            head: Vec::new(),
            room: false,
            buffer: vec![0; BUFFER].into(),
        }
    }

    /// Returns whether it is HTTP/2; `false` before ALPN has chosen.
    pub const fn is_http2(&self) -> bool {
        matches!(self.layer, Layer::On)
    }

    /// Returns the protocol, as far as it is known.
    fn settle(&mut self) -> Layer {
        if let (Layer::Unknown, Chosen::ByAlpn { choice, required }) = (self.layer, &self.chosen)
            && let Some(is_http2) = choice(&self.below)
        {
            self.layer = if is_http2 || *required { Layer::On } else { Layer::Off };
            if !is_http2 && *required {
                self.fail(Http2Failure::NotSpoken);
            }
        }
        self.layer
    }

    /// Handles the connection's own frames while nobody reads from the stream: windows that open, and Pings. Bytes for
    /// the stream wait, as far as its window allows.
    ///
    /// # Errors
    ///
    /// The error of the stream below; `WouldBlock` is not an error.
    pub fn carry_on(&mut self) -> io::Result<()> {
        while self.settle() == Layer::On && self.failure.is_none() {
            match self.receive() {
                Err(error) if is_block(&error) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Returns the stream below.
    pub const fn below(&self) -> &S {
        &self.below
    }

    /// Returns the stream below. Reading from it or writing to it breaks the connection.
    pub const fn below_mut(&mut self) -> &mut S {
        &mut self.below
    }

    /// Returns how many bytes of memory count for it, beyond its own size: its buffer, and what a connection with one
    /// stream usually holds. A server can increase that within the [`Limits`] of one stream and of what waits to be
    /// written.
    pub const fn memory(&self) -> usize {
        BUFFER + STATE
    }

    /// Returns, once, whether a write that returned `WouldBlock` may go on, though the stream below has not reported
    /// that.
    pub const fn takes_more(&mut self) -> bool {
        core::mem::replace(&mut self.room, false)
    }

    /// Stops opening the server's windows, while it is `held` back; what has come can still be read. Returns whether it
    /// is HTTP/2, which can do that.
    pub fn hold_back(&mut self, held: bool) -> bool {
        if let StreamState::Open { id, .. } = &self.stage {
            self.connection.hold_back(*id, held);
            // The next call reports any error.
            let _ = self.send();
        }
        self.is_http2()
    }

    /// Ends our direction: sends END_STREAM, and opens no further streams.
    ///
    /// # Errors
    ///
    /// The error of the stream below; `WouldBlock` is not an error, as a later [`flush`](Write::flush) goes on.
    pub fn end(&mut self) -> io::Result<()> {
        if let StreamState::Open { id, .. } = &self.stage {
            self.connection.finish(*id);
            self.connection.go_away();
        }
        match self.send() {
            Err(error) if is_block(&error) => Ok(()),
            result => result,
        }
    }

    /// Writes what the connection has to send.
    fn send(&mut self) -> io::Result<()> {
        if self.layer != Layer::On {
            return self.flush_below();
        }
        while !self.connection.pending().is_empty() {
            match self.below.write(self.connection.pending()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => self.connection.advance(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.take_events();
        self.flush_below()
    }

    /// Flushes the stream below, also after a signal: a caller that was told of one would take what was written for unwritten.
    fn flush_below(&mut self) -> io::Result<()> {
        loop {
            match self.below.flush() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads once from below. A call that blocks waits only once, so that its caller can check the clock.
    fn wait(&mut self, has_read: &mut bool) -> io::Result<()> {
        if self.blocks && core::mem::replace(has_read, true) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.receive()
    }

    /// Reads once from below, and handles what came.
    fn receive(&mut self) -> io::Result<()> {
        let len = self.below.read(&mut self.buffer)?;
        let bytes = core::mem::take(&mut self.buffer);
        let result = self.take(&bytes[..len]);
        self.buffer = bytes;
        result
    }

    /// Handles what has been read; no bytes mean the end.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            self.fail(Http2Failure::Ended);
            return Ok(());
        }
        if let Err(error) = self.connection.receive(bytes, Instant::now()) {
            self.fail(Http2Failure::Protocol(error));
        }
        self.take_events();
        // If nothing is accepted below, reading goes on.
        match self.send() {
            Err(error) if !is_block(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, failure: Http2Failure) {
        self.failure.get_or_insert(failure);
        self.room = true; // a caller that waits to write has to be told
    }

    fn take_events(&mut self) {
        while let Some(event) = self.connection.next() {
            match (event, &self.stage) {
                (Event::Ready, _) => self.ask(),
                (Event::Response(_, fields), StreamState::Open { accept, .. }) => {
                    self.head.extend_from_slice(&upgrade::response_head(&fields, accept));
                }
                (Event::Writable(_), _) => self.room = true,
                (Event::Reset(_, code), _) => self.fail(Http2Failure::Reset(code)),
                (Event::GoAway(_), StreamState::Waiting { .. } | StreamState::Request(_)) => {
                    self.fail(Http2Failure::Refused)
                }
                _ => {}
            }
        }
    }

    /// Sends the request, once it is whole and the server has said whether it accepts such requests.
    fn ask(&mut self) {
        let (None, StreamState::Waiting { request, accept }) = (self.failure, &mut self.stage) else {
            return;
        };
        if !self.connection.is_ready() {
            return;
        }
        if !self.connection.allows_websockets() {
            return self.fail(Http2Failure::NotAllowed);
        }
        let accept = core::mem::take(accept);
        match self.connection.open(request, false) {
            Ok(id) => self.stage = StreamState::Open { id, accept },
            Err(_) => self.fail(Http2Failure::Refused),
        }
    }

    /// Takes a part of the request.
    fn take_request(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let StreamState::Request(reader) = &mut self.stage else { return Ok(0) };
        match reader.receive(bytes) {
            Ok(Progress::NeedMore) => Ok(bytes.len()),
            Ok(Progress::Done { value, used }) => {
                let (request, accept) =
                    upgrade::connect_fields(&value, matches!(self.chosen, Chosen::ByAlpn { .. }));
                self.stage = StreamState::Waiting { request, accept };
                self.ask();
                Ok(used)
            }
            Err(_) => Err(Http2Failure::Request.into()),
        }
    }
}

impl<S: Read + Write> Read for Http2Stream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        match self.settle() {
            Layer::Off => return self.below.read(buf),
            Layer::Unknown => {
                let len = self.below.read(buf)?;
                if self.settle() != Layer::On {
                    return Ok(len);
                }
                self.take(&buf[..len])?;
            }
            Layer::On => {}
        }
        let mut has_read = false;
        loop {
            if !self.head.is_empty() {
                let len = self.head.len().min(buf.len());
                buf[..len].copy_from_slice(&self.head[..len]);
                self.head.drain(..len);
                return Ok(len);
            }
            if let StreamState::Open { id, .. } = &self.stage
                && let Some(len) = self.connection.read(*id, buf)
            {
                // A window may be open again. That is sent as far as the socket accepts it now; the next call reports
                // an error.
                let _ = self.send();
                return Ok(len);
            }
            self.take_events(); // a reset is reported after what came before it
            if let Some(failure) = self.failure {
                let _ = self.send(); // a GOAWAY says why
                return Err(failure.into());
            }
            match self.send() {
                Err(error) if !is_block(&error) => return Err(error),
                _ => {}
            }
            self.wait(&mut has_read)?;
        }
    }
}

impl<S: Read + Write> Write for Http2Stream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.settle() {
            Layer::Off => return self.below.write(buf),
            Layer::Unknown => return Err(io::ErrorKind::WouldBlock.into()), // nothing is sent before the TLS handshake
            Layer::On => {}
        }
        let mut has_read = false;
        loop {
            if let Some(failure) = self.failure {
                return match &self.stage {
                    // A loop may read what came before only once it has written; what it writes is discarded.
                    StreamState::Open { id, .. } if !self.blocks && self.connection.holds(*id) => {
                        Ok(buf.len())
                    }
                    _ => Err(failure.into()),
                };
            }
            let len = match &self.stage {
                StreamState::Request(_) => self.take_request(buf)?,
                StreamState::Waiting { .. } => 0,
                StreamState::Open { id, .. } => self.connection.send(*id, buf),
            };
            match self.send() {
                Err(error) if !is_block(&error) => return Err(error),
                Err(error) if len == 0 && self.blocks => return Err(error),
                _ => {}
            }
            if len > 0 || buf.is_empty() {
                return Ok(len);
            }
            // What was sent has made room.
            if self.takes_more() {
                continue;
            }
            if !self.blocks {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.wait(&mut has_read)?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// Returns whether a non-blocking socket would block, or the timeout of a blocking one has passed.
fn is_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
