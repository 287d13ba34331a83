//! What a case about HTTP/2 itself does and expects: data and nothing else.

use std::fmt;

use super::frame::{Frame, code_name, setting_name};
use crate::class::Class;
use crate::counted;

/// What is done on a connection of its own, and what has to follow.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// What we announce in our first SETTINGS frame.
    pub settings: &'static [(u16, u32)],
    /// Whether the first move waits for the server's SETTINGS frame.
    pub patient: bool,
    /// What we do.
    pub moves: &'static [Move],
    /// The outcomes that are right; everything that an outcome lists must be true at the same time.
    pub outcomes: &'static [(Class, &'static [Seen])],
}

/// One thing done on the connection. Streams are numbered as on the wire. If a client is examined, which chooses its
/// own numbers, 1 stands for the stream of its WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Requests a WebSocket on this stream: a good request (RFC 8441 §5) with changes.
    Connect(u32, &'static [Change]),
    /// Sends a plain GET on this stream.
    Get(u32),
    /// Answers the client's request with 200 and these changes.
    Answer(&'static [Change]),
    /// Sends a frame of this type with these flags on this stream.
    Frame(u8, u8, u32, &'static [u8]),
    /// Sends a frame this many times: its type, flags, stream and payload.
    Frames(u32, u8, u8, u32, &'static [u8]),
    /// Sends bytes that need not be a frame.
    Bytes(&'static [u8]),
    /// Sends a text message on a stream, cut into DATA frames like this.
    Say(u32, &'static str, Cutting),
    /// Sends a text message of this many bytes.
    SayLong(u32, usize),
    /// Sends exactly these WebSocket bytes in one DATA frame.
    Data(u32, &'static [u8]),
    /// Sends a Close with this code.
    Close(u32, u16),
    /// Sends an empty DATA frame with END_STREAM.
    End(u32),
    /// Sends RST_STREAM with this code.
    Reset(u32, u32),
    /// Sends WINDOW_UPDATE: this many more bytes on a stream, or on the connection (0).
    Window(u32, u32),
    /// Stops opening the window of this stream as its bytes come.
    Starve(u32),
    /// Sends a SETTINGS frame.
    Settings(&'static [(u16, u32)]),
    /// Waits until this is true.
    Await(Seen),
    /// Waits this many milliseconds.
    Rest(u16),
}

/// A change to a good request. Values may hold `{host}`, `{target}` and `{scheme}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Gives this field this value.
    Set(&'static str, &'static str),
    /// Leaves out this field.
    Without(&'static str),
    /// Adds a field after all others.
    Add(&'static str, &'static str),
    /// Adds a field before all others.
    First(&'static str, &'static str),
    /// Adds a field of this many letters.
    Long(&'static str, usize),
    /// Sets END_STREAM on the HEADERS frame.
    EndStream,
    /// Cuts the field section into frames of this many bytes.
    Cut(usize),
    /// Gives the HEADERS frame this many bytes of padding.
    Padded(u8),
    /// Gives the HEADERS frame a priority with a dependency on this stream.
    Priority(u32),
}

/// How a message is cut into DATA frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cutting {
    /// One frame.
    Whole,
    /// One byte in each frame.
    Bytes,
    /// Two frames with this many bytes of padding each.
    Padded(u8),
    /// Two frames, with an empty frame before, between and after them.
    Empty,
    /// One frame with END_STREAM.
    EndStream,
    /// One frame without the last byte.
    Part,
    /// One frame without the last byte, and with END_STREAM.
    PartEndStream,
}

/// Something that can be observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The WebSocket on this stream is open: a 2xx came, and the stream has not ended.
    Opened(u32),
    /// The final status of this stream is one of these.
    Status(u32, &'static [u16]),
    /// The final status of this stream is from 400 to 599.
    Refused(u32),
    /// A status or the end of the stream came.
    Answered(u32),
    /// RST_STREAM came with one of these codes, or any code if none is listed.
    Reset(u32, &'static [u32]),
    /// The stream ended, in any way.
    Over(u32),
    /// END_STREAM came.
    Ended(u32),
    /// This text came.
    Echo(u32, &'static str),
    /// A text of this many bytes came.
    EchoLong(u32, usize),
    /// A Close came with one of these codes, or with none.
    Closed(u32, &'static [u16]),
    /// The response has this field with this value.
    Has(u32, &'static str, &'static str),
    /// The response has no such field.
    Lacks(u32, &'static str),
    /// The response has a body, or END_STREAM came.
    Body(u32),
    /// The client asked for a WebSocket.
    Asked,
    /// The client did not ask for a WebSocket.
    NotAsked,
    /// The client has given up this stream or the connection.
    Gone(u32),
    /// No byte of a WebSocket came on this stream.
    Silent(u32),
    /// A complete response to a plain request came, whatever its content.
    Served(u32),
    /// No message and no end came on this stream.
    Quiet(u32),
    /// The peer ended the connection, with one of these codes if it names one; any code if none is listed.
    Fails(&'static [u32]),
    /// The peer did not end the connection.
    Alive,
    /// The peer sent GOAWAY with this code.
    Goaway(u32),
    /// The peer announced this setting.
    Setting(u16, u32),
    /// The peer's SETTINGS frame came.
    Settings,
    /// The peer acknowledged this many of our SETTINGS frames.
    Acknowledged(u32),
    /// The peer answered a PING with this data.
    Pong([u8; 8]),
}

impl Seen {
    /// Returns the stream that this is about.
    pub(super) fn stream(&self) -> Option<u32> {
        match *self {
            Seen::Opened(stream)
            | Seen::Status(stream, _)
            | Seen::Refused(stream)
            | Seen::Answered(stream)
            | Seen::Reset(stream, _)
            | Seen::Over(stream)
            | Seen::Ended(stream)
            | Seen::Echo(stream, _)
            | Seen::EchoLong(stream, _)
            | Seen::Closed(stream, _)
            | Seen::Has(stream, ..)
            | Seen::Lacks(stream, _)
            | Seen::Body(stream)
            | Seen::Served(stream)
            | Seen::Gone(stream)
            | Seen::Silent(stream)
            | Seen::Quiet(stream) => Some(stream),
            Seen::Fails(_)
            | Seen::Alive
            | Seen::Asked
            | Seen::NotAsked
            | Seen::Goaway(_)
            | Seen::Setting(..)
            | Seen::Settings
            | Seen::Acknowledged(_)
            | Seen::Pong(_) => None,
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::Connect(stream, []) => write!(f, "extended CONNECT on stream {stream}"),
            Move::Connect(stream, changes) => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                write!(f, "extended CONNECT on stream {stream} {}", changes.join(", "))
            }
            Move::Get(stream) => write!(f, "GET on stream {stream}"),
            Move::Answer([]) => f.write_str("answers with 200"),
            Move::Answer(changes) => {
                let changes: Vec<String> = changes.iter().map(Change::to_string).collect();
                write!(f, "answers with 200 {}", changes.join(", "))
            }
            Move::Frame(kind, flags, stream, payload) => {
                f.write_str(&Frame::new(*kind, *flags, *stream, *payload).line())
            }
            Move::Frames(times, kind, flags, stream, payload) => {
                write!(f, "{times} times {}", Frame::new(*kind, *flags, *stream, *payload).line())
            }
            Move::Bytes(bytes) => write!(f, "bytes {}", crate::hex::spaced(bytes)),
            Move::Say(stream, text, cutting) => write!(f, "text \"{text}\" on stream {stream}, {cutting}"),
            Move::SayLong(stream, length) => {
                write!(f, "a text of {} on stream {stream}", counted(*length, "byte"))
            }
            Move::Data(stream, bytes) => {
                write!(f, "DATA on stream {stream} that holds {}", crate::hex::spaced(bytes))
            }
            Move::Close(stream, code) => write!(f, "Close {code} on stream {stream}"),
            Move::End(stream) => write!(f, "END_STREAM on stream {stream}"),
            Move::Reset(stream, code) => write!(f, "RST_STREAM on stream {stream}, {}", code_name(*code)),
            Move::Window(0, bytes) => {
                write!(f, "the window of the connection opens by {}", counted(*bytes, "byte"))
            }
            Move::Window(stream, bytes) => {
                write!(f, "the window of stream {stream} opens by {}", counted(*bytes, "byte"))
            }
            Move::Starve(stream) => write!(f, "the window of stream {stream} is opened no further"),
            Move::Settings(settings) => f.write_str(&Frame::settings(settings).line()),
            Move::Await(seen) => write!(f, "waits: {seen}"),
            Move::Rest(millis) => write!(f, "waits {millis} ms"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Set(name, value) => write!(f, "with {name} \"{}\"", value.escape_debug()),
            Change::Without(name) => write!(f, "without {name}"),
            Change::Add(name, value) => {
                write!(f, "and behind the others {name} \"{}\"", value.escape_debug())
            }
            Change::First(name, value) => {
                write!(f, "and before the others {name} \"{}\"", value.escape_debug())
            }
            Change::Long(name, length) => write!(f, "and {name} of {}", counted(*length, "byte")),
            Change::EndStream => f.write_str("with END_STREAM"),
            Change::Cut(length) => write!(f, "cut into frames of {}", counted(*length, "byte")),
            Change::Padded(length) => write!(f, "with {} of padding", counted(*length, "byte")),
            Change::Priority(stream) => write!(f, "with a priority that depends on stream {stream}"),
        }
    }
}

impl fmt::Display for Cutting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cutting::Whole => f.write_str("in one DATA frame"),
            Cutting::Bytes => f.write_str("one byte in each DATA frame"),
            Cutting::Padded(length) => {
                write!(f, "in two DATA frames with {} of padding", counted(*length, "byte"))
            }
            Cutting::Empty => f.write_str("in two DATA frames with empty ones around them"),
            Cutting::EndStream => f.write_str("in one DATA frame with END_STREAM"),
            Cutting::Part => f.write_str("without its last byte"),
            Cutting::PartEndStream => f.write_str("without its last byte, with END_STREAM"),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |codes: &[u32]| match codes {
            [] => "any code".to_owned(),
            codes => codes.iter().map(|code| code_name(*code)).collect::<Vec<_>>().join(" or "),
        };
        let numbers = |codes: &[u16]| codes.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ");
        match self {
            Seen::Opened(stream) => write!(f, "the WebSocket on stream {stream} is open"),
            Seen::Status(stream, statuses) => write!(f, "stream {stream} has status {}", numbers(statuses)),
            Seen::Refused(stream) => write!(f, "stream {stream} has a status from 400 to 599"),
            Seen::Answered(stream) => write!(f, "stream {stream} is answered"),
            Seen::Reset(stream, codes) => write!(f, "RST_STREAM on stream {stream} with {}", named(codes)),
            Seen::Over(stream) => write!(f, "stream {stream} has ended"),
            Seen::Ended(stream) => write!(f, "END_STREAM on stream {stream}"),
            Seen::Echo(stream, text) => write!(f, "text \"{text}\" on stream {stream}"),
            Seen::EchoLong(stream, length) => {
                write!(f, "a text of {} on stream {stream}", counted(*length, "byte"))
            }
            Seen::Closed(stream, codes) => {
                write!(f, "a Close on stream {stream} with {} or without a code", numbers(codes))
            }
            Seen::Has(stream, name, value) => write!(f, "stream {stream} has {name} \"{value}\""),
            Seen::Lacks(stream, name) => write!(f, "stream {stream} has no {name}"),
            Seen::Body(stream) => write!(f, "stream {stream} has a body, or its end"),
            Seen::Asked => f.write_str("an extended CONNECT for a WebSocket"),
            Seen::NotAsked => f.write_str("no extended CONNECT"),
            Seen::Gone(stream) => write!(f, "the end of stream {stream}, or of the connection, by the peer"),
            Seen::Silent(stream) => write!(f, "no byte on stream {stream}"),
            Seen::Served(stream) => write!(f, "a whole response on stream {stream}"),
            Seen::Quiet(stream) => write!(f, "no message and no end on stream {stream}"),
            Seen::Fails(codes) => write!(f, "the peer ends the connection with {}", named(codes)),
            Seen::Alive => f.write_str("the connection lives"),
            Seen::Goaway(code) => write!(f, "GOAWAY with {}", code_name(*code)),
            Seen::Setting(name, value) => write!(f, "SETTINGS with {} {value}", setting_name(*name)),
            Seen::Settings => f.write_str("the peer's SETTINGS"),
            Seen::Acknowledged(count) => write!(f, "{count} of our SETTINGS acknowledged"),
            Seen::Pong(data) => write!(f, "the PING {} answered", crate::hex::spaced(data)),
        }
    }
}
