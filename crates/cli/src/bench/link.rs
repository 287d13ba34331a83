//! One connection: its socket, its handshake, then messages out and answers in.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{Config, Connection, Event};
use bowsprit::entropy::SystemEntropy;
use bowsprit::handshake::{ClientHandshake, Progress};
use mio::net::TcpStream;

use super::fault::Fault;
use super::socket::{Socket, put};
use super::traffic::Rings;
use super::trunk::Carried;
use super::wire::Wire;

/// The transport of a connection.
pub(super) enum Stream {
    /// A socket of its own.
    Own(Socket),
    /// A stream of an HTTP/2 connection.
    Carried(Box<Carried>),
}

/// A connection of the run.
pub(super) struct Link {
    pub(super) stream: Stream,
    stage: Stage,
    /// When it was dialled, in nanoseconds since the run began.
    pub(super) dialed: u64,
    /// For each message without an answer: when it was due.
    pub(super) waiting: VecDeque<u64>,
    /// How many whole messages were received.
    pub(super) received: u64,
    /// How many bytes were received of a message that is not complete.
    partial: usize,
    /// How many messages have to be written for which no frames are taken yet.
    credits: usize,
    /// The number of the ring of frames, which depends on what was agreed.
    ring: usize,
    /// The next of these frames.
    frame: usize,
    /// The bytes of these frames that are being written.
    unsent: Range<usize>,
    /// What was sent and received since the fleet last asked.
    pub(super) sent: Wire,
    pub(super) got: Wire,
    closing: bool,
    /// Whether both Close frames have passed.
    closed: bool,
}

enum Stage {
    Dialing(Box<ClientHandshake>),
    Shaking(Box<ClientHandshake>),
    Open(Box<Connection>),
}

/// The result of a read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Got {
    /// Whether the handshake is complete.
    pub(super) opened: bool,
    /// How many messages became complete.
    pub(super) messages: u32,
    /// Whether there may be more that no event will announce.
    pub(super) more: bool,
}

/// How often one connection is read in a turn, so that a connection that always has more does not delay the others, or
/// Ctrl-C.
const READS: usize = 8;

impl Link {
    /// Creates a connection that is dialled at `now`.
    pub(super) fn new(stream: Stream, handshake: ClientHandshake, now: u64) -> Self {
        Self {
            stream,
            stage: Stage::Dialing(Box::new(handshake)),
            dialed: now,
            waiting: VecDeque::new(),
            received: 0,
            partial: 0,
            credits: 0,
            ring: 0,
            frame: 0,
            unsent: 0..0,
            sent: Wire::default(),
            got: Wire::default(),
            closing: false,
            closed: false,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Returns whether it may end like this. Once both Close frames have passed, any end will do (§7.1.4).
    pub(super) const fn may_end_by(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Eof => self.closing,
            Fault::Io(_) => self.closed,
            _ => false,
        }
    }

    /// Adds a message that is due; [`write`](Self::write) sends it.
    #[inline]
    pub(super) const fn send(&mut self) {
        self.credits += 1;
    }

    /// Begins the closing handshake.
    pub(super) fn close(&mut self) {
        self.closing = true;
        if let Stage::Open(core) = &mut self.stage {
            // This is refused only if it is closing already.
            let _ = core.outbound.close(Some(CloseReason { code: CloseCode::NORMAL, reason: "" }));
        }
    }

    /// Handles a socket that is writable for the first time: the TCP connection is established or has failed.
    pub(super) fn connected(&mut self) -> Result<bool, Fault> {
        let Stage::Dialing(handshake) = &self.stage else { return Ok(true) };
        if !self.stream.is_connected().map_err(Fault::Io)? {
            return Ok(false);
        }
        let handshake = handshake.clone();
        // A socket that has just connected accepts a whole request; TLS keeps it until it may send.
        self.stream.put_all(handshake.request()).map_err(Fault::Io)?;
        self.stage = Stage::Shaking(handshake);
        Ok(true)
    }

    /// Reads what there is, as far as one turn goes; if the server has `ended` its direction, to the very end, because
    /// no event announces that again.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        ended: bool,
        config: &Arc<Config>,
        rings: &mut Rings<'_>,
    ) -> Result<Got, Fault> {
        let mut got = Got::default();
        for _ in 0..READS {
            let len = match self.stream.read(scratch) {
                Ok(0) => return Err(Fault::Eof),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(got),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Fault::Io(error)),
            };
            let mut input = &mut scratch[..len];
            if let Stage::Shaking(handshake) = &mut self.stage {
                match handshake.receive(input).map_err(Fault::Handshake)? {
                    // The head gives the reason; a body may have no end.
                    Progress::NeedMore if handshake.refusal().is_some() => {
                        return Err(Fault::Handshake(handshake.give_up()));
                    }
                    Progress::NeedMore => continue,
                    Progress::Done { used, value } => {
                        input = &mut scratch[used..len];
                        let masks = Box::new(SystemEntropy::new());
                        let mut core = Connection::client(config.clone(), masks, Instant::now());
                        let agreed = value.agreement().deflate();
                        self.ring = rings.number(agreed)?;
                        if let Some(agreed) = agreed {
                            core = core.with_deflate(agreed);
                        }
                        self.stage = Stage::Open(Box::new(core));
                        got.opened = true;
                    }
                }
            }
            self.got.bytes += input.len() as u64;
            got.messages += self.take(input, rings)?;
            // A short read has drained the socket; TLS may hold more.
            if len < scratch.len() && !ended && self.stream.short_read_drains() {
                return Ok(got);
            }
        }
        got.more = true;
        Ok(got)
    }

    /// Checks the bytes that have arrived. Returns how many messages they complete.
    fn take(&mut self, mut input: &mut [u8], rings: &Rings<'_>) -> Result<u32, Fault> {
        let (payloads, sample) = (&rings.traffic.payloads, u64::from(rings.traffic.sample));
        let Stage::Open(core) = &mut self.stage else { return Ok(0) };
        let Connection { inbound, outbound, .. } = &mut **core;
        let mut messages = 0;
        while let Some(event) = inbound.next(&mut input, outbound).map_err(Fault::Protocol)? {
            let (kind, bytes, ends) = match event {
                Event::Message(message) => (message.kind(), message.as_bytes(), true),
                Event::Chunk(chunk) => (chunk.kind, chunk.payload, chunk.message_ends),
                // This answers our Close; the end of the TCP connection follows.
                Event::Close(_) if self.closing => {
                    self.closed = true;
                    continue;
                }
                Event::Close(reason) => {
                    let reason =
                        reason.map_or_else(|| "without a code".to_owned(), |reason| reason.code.to_string());
                    return Err(Fault::Closed(reason));
                }
                Event::Frame(_) | Event::Ping(_) | Event::Pong(_) => continue,
            };
            if kind != payloads.kind {
                return Err(Fault::Kind(kind));
            }
            let end = self.partial + bytes.len();
            if end > payloads.size || (ends && end != payloads.size) {
                return Err(Fault::Length { expected: payloads.size, got: end });
            }
            if self.received.is_multiple_of(sample) && *bytes != payloads.of(self.received)[self.partial..end]
            {
                return Err(Fault::Payload { message: self.received, at: self.partial });
            }
            self.partial = if ends { 0 } else { end };
            self.received += u64::from(ends);
            messages += u32::from(ends);
        }
        self.got.messages += u64::from(messages);
        Ok(messages)
    }

    /// Writes what is due, once there are at least `least` messages.
    pub(super) fn write(&mut self, rings: &Rings<'_>, least: usize) -> Result<(), Fault> {
        let Stage::Open(core) = &mut self.stage else { return self.stream.push().map_err(Fault::Io) };
        let ring = rings.ring(self.ring);
        loop {
            if self.unsent.is_empty() {
                // Pongs and the Close frame go between two frames.
                while core.outbound.queued() > 0 {
                    match self.stream.put(core.outbound.pending()).map_err(Fault::Io)? {
                        None => return Ok(()),
                        Some(len) => core.outbound.advance(len),
                    }
                }
                if self.credits < least.max(1) || core.outbound.sent_close() {
                    return self.stream.push().map_err(Fault::Io);
                }
                let (place, count) = ring.run(self.frame, self.credits);
                self.sent += Wire { messages: count as u64, bytes: place.len() as u64 };
                self.frame += count;
                self.credits -= count;
                self.unsent = place;
            }
            match self.stream.put(ring.bytes(self.unsent.clone())).map_err(Fault::Io)? {
                None => return Ok(()),
                Some(len) => self.unsent.start += len,
            }
        }
    }
}

impl Stream {
    /// Returns the socket, if it is not shared.
    pub(super) fn tcp(&mut self) -> Option<&mut TcpStream> {
        match self {
            Stream::Own(socket) => Some(socket.tcp()),
            Stream::Carried(_) => None,
        }
    }

    /// Returns whether the TCP connection is established. The writes of a stream wait for its trunk to connect.
    fn is_connected(&mut self) -> io::Result<bool> {
        match self {
            Stream::Own(socket) => socket.is_connected(),
            Stream::Carried(_) => Ok(true),
        }
    }

    /// Returns whether a read that does not fill the buffer has taken everything.
    const fn short_read_drains(&self) -> bool {
        matches!(self, Stream::Own(Socket::Tcp(_)))
    }

    /// Writes as much as possible; returns `None` if nothing can be written now.
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match self {
            Stream::Own(socket) => put(socket, bytes),
            Stream::Carried(stream) => put(stream, bytes),
        }
    }

    /// Writes all bytes of a request, which fits.
    fn put_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Own(socket) => socket.write_all(bytes),
            Stream::Carried(stream) => stream.write_all(bytes),
        }
    }

    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Own(socket) => socket.read(buf),
            Stream::Carried(stream) => stream.read(buf),
        }
    }

    /// Flushes what TLS holds back. For streams the fleet does that, for all streams of a connection together.
    fn push(&mut self) -> io::Result<()> {
        match self {
            Stream::Own(socket) => socket.push(),
            Stream::Carried(_) => Ok(()),
        }
    }
}
