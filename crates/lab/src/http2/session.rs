//! One HTTP/2 connection of a client or a server, without a socket: bytes in, bytes out, and what came on each stream.
//!
//! It follows the rules unless it is asked otherwise, and [`raw`](Session::raw) sends whatever it is given. `incoming`
//! checks what the peer sends against RFC 9113. It keeps no more of the peer's bytes than the windows allow, and at
//! most [`MOST`](super::fields::MOST) bytes of a field section.

use std::collections::BTreeMap;

use super::fields::{self, Field};
use super::frame::{self, Frame, FrameReader, flag, kind, setting};
use crate::counted;
use crate::rule::Violation;
use crate::wire::Way;

/// How many of the peer's bytes a stream may hold.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;
/// How many of the peer's bytes all streams may hold together.
const CONNECTION_WINDOW: u32 = 1 << 24;
/// The settings that are announced by default.
pub(crate) const SETTINGS: &[(u16, u32)] =
    &[(setting::ENABLE_PUSH, 0), (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW)];
/// The settings that a server of the lab announces to clients by default.
pub(crate) const HOSTED: &[(u16, u32)] =
    &[(setting::ENABLE_CONNECT_PROTOCOL, 1), (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW)];
/// How many interim responses to one request are kept.
pub(super) const MOST_INTERIM: usize = 16;
/// How many bytes of frames may wait to be written before streams are held back.
const BACKLOG: usize = 1 << 20;

/// Our side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// We open streams.
    Client,
    /// The peer opens streams.
    Server,
}

/// An HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) side: Side,
    /// How much of the client's preface has come, if we are the server.
    pub(super) preface: usize,
    /// Streams that the peer has opened and nobody has taken.
    pub(super) asked: Vec<u32>,
    out: Vec<u8>,
    written: usize,
    pub(super) reader: FrameReader,
    pub(super) fields: fields::Reader,
    pub(super) streams: BTreeMap<u32, Half>,
    pub(super) next: u32,
    /// The settings that the peer has announced, in its order.
    pub(crate) settings: Vec<(u16, u32)>,
    /// How many SETTINGS frames the peer has sent, and how many of ours it has acknowledged.
    pub(crate) settings_frames: u32,
    pub(crate) acknowledged: u32,
    /// The data of the PING frames that the peer has answered.
    pub(crate) pongs: Vec<[u8; 8]>,
    pub(super) peer_window: i64,
    pub(super) peer_frame: usize,
    pub(super) peer_streams: u32,
    /// How much we may send, and how much the peer may.
    pub(super) window: i64,
    pub(super) credit: i64,
    own_window: i64,
    /// Whether the window of the connection is kept open.
    wide: bool,
    pub(super) section: Option<Block>,
    /// The last stream that the peer processes, and why it ends the connection.
    pub(crate) goaway: Option<(u32, u32)>,
    /// The rule that the peer broke on the connection.
    pub(crate) fault: Option<Violation>,
    pub(super) frames_left: u32,
    /// A line for each frame, if the frames are traced.
    pub(super) trace: Option<Vec<(Way, String)>>,
}

/// A field section that is incomplete.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) end_stream: bool,
    pub(super) bytes: Vec<u8>,
}

/// What came on one stream, and what may still be sent there.
#[derive(Debug, Default)]
pub(crate) struct Half {
    /// How much we may send.
    pub(super) window: i64,
    /// How much the peer may send.
    pub(super) credit: i64,
    /// The final status.
    pub(crate) status: Option<u16>,
    /// The fields of the final response, or of the request if we are the server.
    pub(crate) fields: Vec<Field>,
    /// The statuses of interim responses, as far as they are kept.
    pub(crate) interim: Vec<u16>,
    /// Whether trailers have come.
    pub(crate) trailers: bool,
    /// Bytes that were not taken yet.
    pub(crate) data: Vec<u8>,
    /// Whether a DATA frame has come, even an empty one.
    pub(crate) has_data: bool,
    /// Whether a DATA frame with at least one byte has come.
    pub(crate) has_bytes: bool,
    /// Whether END_STREAM has come.
    pub(crate) ended: bool,
    /// The code of the RST_STREAM that has come.
    pub(crate) reset: Option<u32>,
    /// The rule that the peer broke on the stream.
    pub(crate) fault: Option<Violation>,
    /// Whether we have sent END_STREAM.
    pub(crate) sent_end: bool,
    /// Whether we have sent RST_STREAM, or forgot the stream otherwise.
    pub(crate) dropped: bool,
    /// How many bytes the stream may hold.
    size: i64,
    /// How many bytes were taken and not granted again.
    owed: u32,
    /// How the window is opened.
    pub(crate) grant: Grant,
    /// How many bytes were granted so far, if that is done bit by bit.
    granted: u32,
}

/// How a stream's window is opened as its bytes are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Grant {
    /// In good time.
    #[default]
    Freely,
    /// Byte by byte, and after some thousands of them a KiB at a time.
    Dribble,
    /// Not at all.
    Never,
}

impl Half {
    /// Returns whether nothing more can come on the stream.
    pub(crate) fn is_over(&self) -> bool {
        self.ended || self.reset.is_some() || self.dropped || self.fault.is_some()
    }

    /// Returns whether the stream counts as open (RFC 9113 §5.1.2).
    fn is_active(&self) -> bool {
        !(self.dropped || self.reset.is_some() || self.ended && self.sent_end)
    }

    /// Returns the values of the fields with this name in the response.
    pub(crate) fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.fields.iter().filter(move |(this, _)| this == name.as_bytes()).map(|(_, value)| &value[..])
    }
}

impl Session {
    /// Creates a connection of a client that announces these settings.
    pub(crate) fn new(settings: &[(u16, u32)]) -> Self {
        Self::with(Side::Client, settings, None)
    }

    /// Creates a connection that a client makes to us.
    pub(crate) fn accepted(settings: &[(u16, u32)]) -> Self {
        Self::with(Side::Server, settings, None)
    }

    /// Creates a connection of a client that traces each frame.
    pub(crate) fn traced(settings: &[(u16, u32)]) -> Self {
        Self::with(Side::Client, settings, Some(Vec::new()))
    }

    fn with(side: Side, settings: &[(u16, u32)], trace: Option<Vec<(Way, String)>>) -> Self {
        let own = settings.iter().rev().find(|(name, _)| *name == setting::INITIAL_WINDOW_SIZE);
        let mut session = Self {
            side,
            preface: 0,
            asked: Vec::new(),
            out: if side == Side::Client { frame::PREFACE.to_vec() } else { Vec::new() },
            written: 0,
            reader: FrameReader::with_most(frame::MAX_PAYLOAD),
            fields: fields::Reader::default(),
            streams: BTreeMap::new(),
            next: 1,
            settings: Vec::new(),
            settings_frames: 0,
            acknowledged: 0,
            pongs: Vec::new(),
            peer_window: frame::WINDOW,
            peer_frame: frame::MAX_PAYLOAD,
            peer_streams: u32::MAX,
            window: frame::WINDOW,
            credit: frame::WINDOW,
            own_window: own.map_or(frame::WINDOW, |(_, window)| i64::from(*window)),
            wide: false,
            section: None,
            goaway: None,
            fault: None,
            frames_left: 4_000_000,
            trace,
        };
        session.raw(&Frame::settings(settings));
        session
    }

    /// Lets the peer send as much as all streams together may hold.
    pub(crate) fn open_wide(&mut self) {
        self.wide = true;
        self.credit += i64::from(CONNECTION_WINDOW);
        self.raw(&Frame::window_update(0, CONNECTION_WINDOW));
    }

    /// Traces each frame from here on.
    pub(crate) fn trace_from_here(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// Returns the traced lines since the last call.
    pub(crate) fn lines(&mut self) -> Vec<(Way, String)> {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns the bytes to write.
    pub(crate) fn outgoing(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// Records that this many bytes were written.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= self.out.len() {
            self.out.clear();
            self.written = 0;
        } else if self.written > 64 * 1024 {
            self.out.drain(..self.written);
            self.written = 0;
        }
    }

    /// Drops the bytes to write, because nothing more can be written.
    pub(crate) fn forget_outgoing(&mut self) {
        self.out.clear();
        self.written = 0;
    }

    /// Sends a frame unchanged.
    pub(crate) fn raw(&mut self, frame: &Frame) {
        if let Some(trace) = &mut self.trace {
            trace.push((Way::Sent, frame.line()));
        }
        frame.encode_into(&mut self.out);
    }

    /// Sends bytes that need not be a frame.
    pub(crate) fn raw_bytes(&mut self, bytes: &[u8]) {
        if let Some(trace) = &mut self.trace {
            trace.push((Way::Sent, counted(bytes.len(), "byte")));
        }
        self.out.extend_from_slice(bytes);
    }

    /// Returns the last value that the peer has announced for this setting.
    pub(crate) fn setting(&self, name: u16) -> Option<u32> {
        self.settings.iter().rev().find(|(this, _)| *this == name).map(|(_, value)| *value)
    }

    /// Returns whether another stream may be opened.
    pub(crate) fn has_room(&self) -> bool {
        let active = self.streams.values().filter(|half| half.is_active()).count();
        self.goaway.is_none() && self.fault.is_none() && active < self.peer_streams as usize
    }

    /// Returns what came on a stream.
    pub(crate) fn stream(&self, stream: u32) -> Option<&Half> {
        self.streams.get(&stream)
    }

    /// Returns what came on a stream, to take from it.
    pub(crate) fn stream_mut(&mut self, stream: u32) -> Option<&mut Half> {
        self.streams.get_mut(&stream)
    }

    /// Returns the streams in order.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (u32, &Half)> {
        self.streams.iter().map(|(stream, half)| (*stream, half))
    }

    /// Registers a stream that the caller opens with frames of its own.
    pub(crate) fn expect(&mut self, stream: u32) -> &mut Half {
        self.next = self.next.max(stream.saturating_add(2));
        let (window, credit) = (self.peer_window, self.own_window);
        self.streams.entry(stream).or_insert_with(|| Half { window, credit, size: credit, ..Half::default() })
    }

    /// Opens the next stream with these fields.
    pub(crate) fn open(&mut self, fields: &[Field]) -> u32 {
        let stream = self.next;
        self.expect(stream);
        let block = fields::encode(fields.iter().map(|(name, value)| (name, value)));
        self.section(stream, &block, false);
        stream
    }

    /// Opens the window of a stream that has none yet.
    pub(crate) fn open_stream(&mut self, stream: u32, grant: Grant, window: u32) {
        let Some(half) = self.streams.get_mut(&stream) else { return };
        half.grant = grant;
        if grant == Grant::Freely {
            half.size = i64::from(window);
            half.credit += half.size;
            self.raw(&Frame::window_update(stream, window));
        } else {
            self.grant(stream);
        }
    }

    /// Lets the peer send this many more bytes on a stream, or on the connection (0).
    pub(crate) fn give(&mut self, stream: u32, bytes: u32) {
        self.raw(&Frame::window_update(stream, bytes));
        match self.streams.get_mut(&stream) {
            Some(half) => half.credit += i64::from(bytes),
            None => self.credit += i64::from(bytes),
        }
    }

    /// Announces more settings, possibly with a larger window for streams.
    pub(crate) fn announce(&mut self, settings: &[(u16, u32)]) {
        for (_, window) in settings.iter().filter(|(name, _)| *name == setting::INITIAL_WINDOW_SIZE) {
            let change = i64::from(*window) - self.own_window;
            self.own_window += change;
            self.streams.values_mut().for_each(|half| half.credit += change);
        }
        self.raw(&Frame::settings(settings));
    }

    /// Sends a field section in as many frames as it needs.
    pub(crate) fn section(&mut self, stream: u32, block: &[u8], end: bool) {
        let mut chunks = block.chunks(self.peer_frame.max(1)).peekable();
        let mut kind = kind::HEADERS;
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let last = chunks.peek().is_none();
            let ends = if end && kind == kind::HEADERS { flag::END_STREAM } else { 0 };
            let flags = ends | if last { flag::END_HEADERS } else { 0 };
            self.raw(&Frame::new(kind, flags, stream, chunk));
            kind = kind::CONTINUATION;
            if last {
                break;
            }
        }
        if end && let Some(half) = self.streams.get_mut(&stream) {
            half.sent_end = true;
        }
    }

    /// Returns how many bytes may be sent on a stream now, in one frame.
    pub(crate) fn room(&self, stream: u32) -> usize {
        if self.out.len() - self.written > BACKLOG {
            return 0;
        }
        self.window(stream).min(self.peer_frame)
    }

    /// Returns how many bytes the windows allow on a stream.
    pub(crate) fn window(&self, stream: u32) -> usize {
        let window = self.streams.get(&stream).map_or(0, |half| half.window).min(self.window);
        usize::try_from(window).unwrap_or(0)
    }

    /// Sends a DATA frame and counts it in the windows.
    pub(crate) fn data(&mut self, frame: &Frame) {
        // A frame is far shorter than 2^63 bytes.
        let length = frame.payload.len() as i64;
        self.window -= length;
        if let Some(half) = self.streams.get_mut(&frame.stream) {
            half.window -= length;
            half.sent_end |= frame.has(flag::END_STREAM);
        }
        self.raw(frame);
    }

    /// Ends our direction of a stream.
    pub(crate) fn end(&mut self, stream: u32) {
        if self.streams.get(&stream).is_some_and(|half| !half.sent_end && !half.dropped) {
            self.data(&Frame::new(kind::DATA, flag::END_STREAM, stream, b""));
        }
    }

    /// Resets a stream; nothing that comes on it counts any more.
    pub(crate) fn reset(&mut self, stream: u32, code: u32) {
        self.raw(&Frame::reset(stream, code));
        if let Some(half) = self.streams.get_mut(&stream) {
            half.dropped = true;
        }
    }

    /// Forgets a stream that nobody reads any more.
    pub(crate) fn forget(&mut self, stream: u32) {
        let Some(half) = self.streams.get_mut(&stream) else { return };
        half.data = Vec::new();
        half.fields = Vec::new();
        match (half.ended, half.reset, half.sent_end, half.dropped) {
            // A client that is reset may discard what it has not read yet.
            (_, None, false, false) if self.side == Side::Server => self.end(stream),
            (_, None, true, false) if self.side == Side::Server => {}
            (_, Some(_), ..) | (_, _, _, true) | (true, _, true, _) => {}
            (true, None, false, false) => self.end(stream),
            (false, None, ..) => self.reset(stream, frame::code::CANCEL),
        }
        if let Some(half) = self.streams.get_mut(&stream) {
            half.dropped = true;
        }
    }

    /// Takes bytes of a stream, and lets the peer send as many again.
    pub(crate) fn take(&mut self, stream: u32, into: &mut [u8]) -> usize {
        let Some(half) = self.streams.get_mut(&stream) else { return 0 };
        let length = into.len().min(half.data.len());
        into[..length].copy_from_slice(&half.data[..length]);
        half.data.drain(..length);
        // The cast keeps the value: the bytes fit a window.
        half.owed += length as u32;
        self.grant(stream);
        length
    }

    /// Counts bytes of this stream that are taken already, because they were part of a frame but not of its data.
    pub(super) fn owe(&mut self, stream: u32, bytes: u32) {
        if let Some(half) = self.streams.get_mut(&stream) {
            half.owed += bytes;
        }
    }

    /// Opens a stream's window as its [`Grant`] says.
    pub(crate) fn grant(&mut self, stream: u32) {
        let half_of = |window: u32| i64::from(window / 2);
        if self.credit < half_of(CONNECTION_WINDOW) && self.wide {
            self.open_wide();
        }
        let Some(half) = self.streams.get_mut(&stream) else { return };
        if half.is_over() {
            return;
        }
        let increment = match half.grant {
            Grant::Freely if i64::from(half.owed) >= (half.size / 2).max(1) => half.owed,
            Grant::Dribble if half.credit <= 0 => {
                if half.granted < 2048 {
                    1
                } else {
                    1024
                }
            }
            _ => return,
        };
        half.owed = 0;
        half.granted = half.granted.saturating_add(increment);
        half.credit += i64::from(increment);
        self.raw(&Frame::window_update(stream, increment));
    }
}
