//! One HTTP/2 connection, of either role (RFC 9113).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Unbounded};

use super::error::{ErrorCode, Flood, Http2Error, StreamFault};
use super::fields::Fields;
use super::frame::{self, FIRST_WINDOW, MAX_FRAME, MAX_WINDOW, PREFACE, flag, kind};
use super::hpack::{Decoder, Encoder};
use super::limits::{Floods, Limits};
use super::reading::{AT_HEADER, FieldSection, Reading};
use super::settings::{self, PeerSettings};
use super::stream::Stream;
use crate::role::Role;
use crate::secret::Secret;
use crate::time::Instant;

/// Identifies a stream of one [`Connection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(super) u32);

impl StreamId {
    /// Returns the number on the wire.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// What has happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer's first SETTINGS have arrived: [`Connection::allows_websockets`] is known.
    Ready,
    /// A client has sent a request; at a server.
    Request(StreamId, Fields),
    /// The server has sent a response; at a client. Interim responses (1xx) are reported as well.
    Response(StreamId, Fields),
    /// There is something to [`read`](Connection::read), perhaps the end.
    Readable(StreamId),
    /// A [`send`](Connection::send) that took less than it was offered may go on.
    Writable(StreamId),
    /// The stream is over: the peer has reset it, or we had to, with this code.
    Reset(StreamId, ErrorCode),
    /// The peer accepts no further streams.
    GoAway(ErrorCode),
}

/// Why there is no new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// One of the sides accepts no further streams: the connection is ending, or has failed.
    GoingAway,
    /// The server has as many streams as it accepts.
    TooMany,
    /// All numbers have been used.
    Exhausted,
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            OpenError::GoingAway => "the HTTP/2 connection takes no further streams",
            OpenError::TooMany => "the server has as many streams as it takes on one HTTP/2 connection",
            OpenError::Exhausted => "the HTTP/2 connection has used up its stream numbers",
        })
    }
}

impl core::error::Error for OpenError {}

/// What we allow the peer to send on all streams together. It is replenished as soon as it has arrived: what a stream
/// holds is bounded by its own window, and an unread stream holds up no other.
pub(super) const CONNECTION_WINDOW: i64 = 1 << 20;

/// How many streams that we have reset are remembered, as their last frames may still be on their way (§5.1).
const REMEMBERED: usize = 64;

/// Both directions of an HTTP/2 connection: bytes and the time in, events and bytes out.
///
/// ```
/// use bowsprit::http2::{Connection, Event, Fields, Limits};
/// use std::time::Instant;
///
/// let now = Instant::now();
/// let mut client = Connection::client(Limits::default());
/// let mut server = Connection::server(Limits::default());
/// let connect = Fields::new()
///     .with(":method", "CONNECT")
///     .with(":protocol", "websocket")
///     .with(":scheme", "https")
///     .with(":path", "/chat")
///     .with(":authority", "server.example.com");
/// let stream = client.open(&connect, false).unwrap();
///
/// server.receive(client.pending(), now).unwrap();
/// client.advance(client.pending().len());
/// assert_eq!(server.next(), Some(Event::Ready));
/// let Some(Event::Request(id, fields)) = server.next() else { panic!() };
/// assert_eq!(fields.get(":path"), Some(&b"/chat"[..]));
///
/// server.respond(id, &Fields::new().with(":status", "200"), false);
/// assert_eq!(server.send(id, b"hello"), 5);
/// client.receive(server.pending(), now).unwrap();
/// let events: Vec<Event> = std::iter::from_fn(|| client.next()).collect();
/// assert_eq!(events[2], Event::Readable(stream));
/// let mut buf = [0; 16];
/// assert_eq!(client.read(stream, &mut buf), Some(5));
/// ```
#[derive(Debug)]
pub struct Connection {
    pub(super) role: Role,
    pub(super) limits: Limits,
    pub(super) streams: BTreeMap<u32, Stream>,
    pub(super) reading: Reading,
    pub(super) section: Option<FieldSection>,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    /// Whether the peer's first SETTINGS have arrived.
    pub(super) is_ready: bool,
    pub(super) peer: PeerSettings,
    pub(super) send_window: i64,
    pub(super) receive_window: i64,
    /// The highest stream that the peer has opened.
    pub(super) last_of_peer: u32,
    /// The next stream that we open.
    pub(super) next_own: u32,
    pub(super) out: Secret<Vec<u8>>,
    /// How much of `out` has been written.
    pub(super) written: usize,
    pub(super) events: VecDeque<Event>,
    pub(super) floods: Floods,
    /// Whether we have sent GOAWAY.
    pub(super) leaving: bool,
    /// Whether the peer has sent GOAWAY.
    pub(super) peer_leaves: bool,
    pub(super) failed: Option<Http2Error>,
    pub(super) forgotten: VecDeque<u32>,
    /// The stream that may write first when there is room again.
    pub(super) first: u32,
}

impl Connection {
    /// Creates the client's side. The preface and our SETTINGS are pending.
    pub fn client(limits: Limits) -> Self {
        Self::new(Role::Client, limits)
    }

    /// Creates the server's side. Our SETTINGS are pending.
    pub fn server(limits: Limits) -> Self {
        Self::new(Role::Server, limits)
    }

    fn new(role: Role, mut limits: Limits) -> Self {
        limits.window = limits.window.clamp(FIRST_WINDOW as u32, MAX_WINDOW as u32);
        let mut out = Vec::new();
        if role == Role::Client {
            out.extend_from_slice(PREFACE);
        }
        frame::frame(&mut out, kind::SETTINGS, 0, 0, &settings::ours(role, &limits));
        let more = CONNECTION_WINDOW - FIRST_WINDOW;
        frame::frame(&mut out, kind::WINDOW_UPDATE, 0, 0, &(more as u32).to_be_bytes());
        Self {
            role,
            limits,
            streams: BTreeMap::new(),
            reading: if role == Role::Server { Reading::Preface(0) } else { AT_HEADER },
            section: None,
            decoder: Decoder::new(),
            encoder: Encoder::default(),
            is_ready: false,
            peer: PeerSettings::default(),
            send_window: FIRST_WINDOW,
            receive_window: CONNECTION_WINDOW,
            last_of_peer: 0,
            next_own: 1,
            out: Secret::new(out),
            written: 0,
            events: VecDeque::new(),
            floods: Floods::new(),
            leaving: false,
            peer_leaves: false,
            failed: None,
            forgotten: VecDeque::new(),
            first: 0,
        }
    }

    /// Returns the bytes to write, in order.
    pub fn pending(&self) -> &[u8] {
        &self.out.expose()[self.written..]
    }

    /// Drops pending bytes that have been written.
    pub fn advance(&mut self, written: usize) {
        self.written += written.min(self.pending().len());
        if self.written == self.out.expose().len() {
            self.written = 0;
            self.out.expose_mut().clear();
            if self.out.expose().capacity() > 4096 {
                self.out = Secret::default();
            }
        } else if self.written > self.out.expose().len() / 2 {
            self.out.expose_mut().drain(..self.written);
            self.written = 0;
        }
        self.wake();
    }

    /// Returns the next event. Call it after each [`receive`](Self::receive) and [`advance`](Self::advance) until it
    /// returns `None`.
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: `None` now is not the end")]
    pub fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns whether the peer's first SETTINGS have arrived.
    pub const fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Returns whether the peer accepts extended CONNECT (RFC 8441 §3); `false` before it [is ready](Self::is_ready).
    pub const fn allows_websockets(&self) -> bool {
        self.peer.connect_protocol
    }

    /// Returns how many streams are not over.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Returns whether one of the sides accepts no further streams.
    pub const fn is_going_away(&self) -> bool {
        self.leaving || self.peer_leaves || self.failed.is_some()
    }

    /// Returns the rule that the peer broke, if the connection has failed.
    pub const fn failure(&self) -> Option<Http2Error> {
        self.failed
    }

    /// Returns how many bytes of memory are held, beyond its own size.
    pub fn memory(&self) -> usize {
        let section = self.section.as_ref().map_or(0, |section| section.block.expose().capacity());
        let streams: usize = self.streams.values().map(|stream| size_of::<Stream>() + stream.memory()).sum();
        self.reading.memory()
            + section
            + streams
            + self.decoder.memory()
            + self.out.expose().capacity()
            + self.events.capacity() * size_of::<Event>()
    }

    /// Takes the next bytes of the peer, in any cut.
    ///
    /// # Errors
    ///
    /// [`Http2Error`] for the first rule of the connection that the peer breaks, and for every call after that.
    pub fn receive(&mut self, input: &[u8], now: Instant) -> Result<(), Http2Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.take(input, now).inspect_err(|error| {
            self.failed = Some(*error);
            self.say_goaway(error.code());
        })
    }

    /// Opens a stream with this request; `ends` if nothing follows it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(&mut self, request: &Fields, ends: bool) -> Result<StreamId, OpenError> {
        if self.is_going_away() {
            return Err(OpenError::GoingAway);
        }
        if self.streams.len() >= self.peer.max_streams as usize {
            return Err(OpenError::TooMany);
        }
        if self.next_own > MAX_WINDOW as u32 {
            return Err(OpenError::Exhausted);
        }
        let id = self.next_own;
        self.next_own += 2;
        let mut stream = Stream::new(self.limits.window.into(), self.peer.window);
        stream.is_tunnel = request.is_connect();
        stream.answered = true;
        stream.ended = ends;
        self.streams.insert(id, stream);
        self.write_fields(id, request, ends);
        Ok(StreamId(id))
    }

    /// Answers a request; `ends` if nothing follows. Returns whether it did: it does not on a stream that is over, or
    /// twice. Interim responses may come before.
    pub fn respond(&mut self, id: StreamId, response: &Fields, ends: bool) -> bool {
        let Some(stream) = self.streams.get_mut(&id.0).filter(|stream| !stream.answered) else {
            return false;
        };
        if let Some(status) = response.status().filter(|status| *status >= 200) {
            stream.answered = true;
            stream.is_tunnel &= status < 300;
            stream.ended = ends;
        }
        self.write_fields(id.0, response, ends);
        self.forget_over(id.0);
        true
    }

    /// Sends bytes after the field section, as far as the windows and [`Limits::max_queued`] allow. Returns how many it
    /// took. If it took fewer, [`Event::Writable`] comes once there is more room. If the peer has reset the stream,
    /// they are discarded.
    pub fn send(&mut self, id: StreamId, bytes: &[u8]) -> usize {
        if self.streams.get(&id.0).is_some_and(|stream| stream.reset.is_some()) {
            return bytes.len();
        }
        let room = self.limits.max_queued.saturating_sub(self.pending().len());
        let Some(stream) = self.streams.get_mut(&id.0).filter(|stream| stream.answered && !stream.ended)
        else {
            return 0;
        };
        let window = stream.send_window.min(self.send_window).max(0) as usize;
        let len = bytes.len().min(window).min(room);
        stream.blocked = len < bytes.len();
        stream.send_window -= len as i64;
        self.send_window -= len as i64;
        for part in bytes[..len].chunks(MAX_FRAME) {
            frame::frame(self.out.expose_mut(), kind::DATA, 0, id.0, part);
            self.floods.sent_data();
        }
        len
    }

    /// Ends our direction of a stream: END_STREAM.
    pub fn finish(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id.0).filter(|stream| !stream.ended) else { return };
        if !stream.answered {
            return self.reset(id, ErrorCode::CANCEL); // there is nothing yet that could end
        }
        stream.ended = true;
        frame::begin(self.out.expose_mut(), 0, kind::DATA, flag::END_STREAM, id.0);
        self.forget_over(id.0);
    }

    /// Takes what has arrived on a stream, as far as `buf` has room. Returns `Some(0)` at its end, and `None` if
    /// nothing is there now or the stream is over.
    pub fn read(&mut self, id: StreamId, buf: &mut [u8]) -> Option<usize> {
        let stream = self.streams.get_mut(&id.0)?;
        if !stream.has_data() {
            stream.told = false;
            return stream.peer_ended.then(|| {
                self.forget_over(id.0);
                0
            });
        }
        let len = stream.take(buf);
        stream.told = stream.has_data();
        if let (Some(code), false) = (stream.reset, stream.told) {
            self.streams.remove(&id.0);
            self.events.push_back(Event::Reset(id, code));
            return Some(len);
        }
        if let Some(credit) = stream.credit(self.limits.window.into()) {
            frame::frame(self.out.expose_mut(), kind::WINDOW_UPDATE, 0, id.0, &credit.to_be_bytes());
        }
        Some(len)
    }

    /// Stops opening the peer's window of a stream that is read, while it is `held` back.
    pub fn hold_back(&mut self, id: StreamId, held: bool) {
        let Some(stream) = self.streams.get_mut(&id.0) else { return };
        stream.held_back = held;
        if let Some(credit) = stream.credit(self.limits.window.into()) {
            frame::frame(self.out.expose_mut(), kind::WINDOW_UPDATE, 0, id.0, &credit.to_be_bytes());
        }
    }

    /// Returns whether the peer has reset the stream, or it is over for another reason.
    pub fn is_over(&self, id: StreamId) -> bool {
        !self.streams.contains_key(&id.0)
    }

    /// Returns whether something has arrived on a stream that was not read.
    pub(super) fn holds(&self, id: StreamId) -> bool {
        self.streams.get(&id.0).is_some_and(Stream::has_data)
    }

    /// Ends a stream at once. One that is over stays over.
    pub fn reset(&mut self, id: StreamId, code: ErrorCode) {
        if self.streams.remove(&id.0).is_some() {
            self.write_reset(id.0, code);
        }
    }

    /// Drops a stream that is no longer needed: with RST_STREAM unless both sides have ended it.
    pub fn close(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id.0) else { return };
        match (stream.ended, stream.peer_ended) {
            // That includes streams that the peer has reset.
            (true, true) => drop(self.streams.remove(&id.0)),
            // §8.1: the answer is whole, and what the client still sends is not needed.
            (true, false) if self.role == Role::Server && !stream.is_tunnel => {
                self.reset(id, ErrorCode::NO_ERROR)
            }
            _ => self.reset(id, ErrorCode::CANCEL),
        }
    }

    /// Tells the peer that we accept no further streams; existing ones go on.
    pub fn go_away(&mut self) {
        if !self.leaving {
            self.say_goaway(ErrorCode::NO_ERROR);
        }
    }

    fn say_goaway(&mut self, code: ErrorCode) {
        self.leaving = true;
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&self.last_of_peer.to_be_bytes());
        payload[4..].copy_from_slice(&code.0.to_be_bytes());
        frame::frame(self.out.expose_mut(), kind::GOAWAY, 0, 0, &payload);
    }

    fn write_fields(&mut self, id: u32, fields: &Fields, ends: bool) {
        let block = fields.encode(&mut self.encoder);
        frame::field_section(self.out.expose_mut(), id, &block, ends);
    }

    pub(super) fn write_reset(&mut self, id: u32, code: ErrorCode) {
        frame::frame(self.out.expose_mut(), kind::RST_STREAM, 0, id, &code.0.to_be_bytes());
        if self.forgotten.len() == REMEMBERED {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back(id);
    }

    /// Forgets a stream if both sides have ended it and its end was read.
    fn forget_over(&mut self, id: u32) {
        if self.streams.get(&id).is_some_and(Stream::is_over) {
            self.streams.remove(&id);
        }
    }

    /// Wakes streams that wait for room, each in its turn as the first.
    pub(super) fn wake(&mut self) {
        if self.send_window <= 0 || self.pending().len() > self.limits.max_queued / 2 {
            return;
        }
        let from = self.first;
        let (behind, before) = ((Excluded(from), Unbounded), ..=from);
        let mut woken = Vec::new();
        for (id, stream) in self.streams.range(behind).chain(self.streams.range(before)) {
            if stream.blocked && stream.send_window > 0 {
                woken.push(*id);
            }
        }
        if let Some(first) = woken.first() {
            self.first = *first;
        }
        for id in woken {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.blocked = false;
                self.events.push_back(Event::Writable(StreamId(id)));
            }
        }
    }

    /// Returns whether the peer may open another stream. Streams that both sides have ended do not count (§5.1.2), even
    /// if the program has not released them yet, but there may only be as many of them again.
    pub(super) fn has_room_for_stream(&self) -> bool {
        let most = self.limits.max_streams as usize;
        self.streams.len() < most
            || self.streams.len() < most.saturating_mul(2)
                && self.streams.values().filter(|stream| !stream.is_closed()).count() < most
    }

    /// Returns whether nobody has opened it.
    pub(super) const fn is_idle(&self, id: u32) -> bool {
        match (self.role, id % 2) {
            (Role::Server, 1) => id > self.last_of_peer,
            (Role::Client, 1) => id >= self.next_own,
            _ => true, // nothing is pushed
        }
    }

    /// Handles a broken rule of a stream, which is over then.
    pub(super) fn fault(&mut self, id: u32, fault: StreamFault, now: Instant) -> Result<(), Http2Error> {
        self.floods.count(Flood::Reset, now)?;
        self.write_reset(id, fault.code());
        if self.streams.remove(&id).is_some() {
            self.events.push_back(Event::Reset(StreamId(id), fault.code()));
        }
        Ok(())
    }
}
