//! What a case about HTTP/2 itself does and expects: data, and nothing else.

use std::fmt;

use super::frame::{Frame, code_name, setting_name};
use crate::class::Class;

/// What is done on a connection of its own, and what has to come of it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// What we announce in our first SETTINGS frame.
    pub settings: &'static [(u16, u32)],
    /// The first move waits for the server's SETTINGS frame.
    pub patient: bool,
    /// What we do.
    pub moves: &'static [Move],
    /// What is right; all that one of them lists must be so at the same time.
    pub outcomes: &'static [(Class, &'static [Seen])],
}

/// One thing done on the connection. Streams are numbered as on the wire; where a client is examined, which chooses its own
/// numbers, 1 stands for the stream of its WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Asks for a WebSocket on this stream: a good request (RFC 8441 §5) with changes.
    Connect(u32, &'static [Change]),
    /// A plain GET on this stream.
    Get(u32),
    /// Answers the client's request with 200, and changes to that.
    Answer(&'static [Change]),
    /// A frame of this type with these flags on this stream.
    Frame(u8, u8, u32, &'static [u8]),
    /// The same frame so many times.
    Frames(u32, u8, u8, u32, &'static [u8]),
    /// Bytes that need be no frame.
    Bytes(&'static [u8]),
    /// A text message on a stream, in DATA frames like these.
    Say(u32, &'static str, Cutting),
    /// A text message of so many bytes.
    SayLong(u32, usize),
    /// Bytes of a WebSocket in one DATA frame, as they are.
    Data(u32, &'static [u8]),
    /// A Close with this code.
    Close(u32, u16),
    /// An empty DATA frame with END_STREAM.
    End(u32),
    /// RST_STREAM with this code.
    Reset(u32, u32),
    /// WINDOW_UPDATE: so many bytes more on a stream, or on the connection (0).
    Window(u32, u32),
    /// The window of this stream is not opened any more as its bytes come.
    Starve(u32),
    /// A SETTINGS frame.
    Settings(&'static [(u16, u32)]),
    /// Waits until this is so.
    Await(Seen),
    /// Waits so many milliseconds.
    Rest(u16),
}

/// A change to a good request. Values may hold `{host}`, `{target}` and `{scheme}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This field has this value.
    Set(&'static str, &'static str),
    /// There is no such field.
    Without(&'static str),
    /// One more field, behind all others.
    Add(&'static str, &'static str),
    /// One more field, in front of all others.
    First(&'static str, &'static str),
    /// One more field of so many letters.
    Long(&'static str, usize),
    /// The HEADERS frame has END_STREAM.
    EndStream,
    /// The field section is cut into frames of so many bytes.
    Cut(usize),
    /// The HEADERS frame has so many bytes of padding.
    Padded(u8),
    /// The HEADERS frame has a priority, which says that it depends on this stream.
    Priority(u32),
}

/// How a message is cut into DATA frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cutting {
    /// One frame.
    Whole,
    /// One byte in each.
    Bytes,
    /// So many bytes of padding in each of two.
    Padded(u8),
    /// An empty frame before, between and behind two.
    Empty,
    /// One frame with END_STREAM.
    EndStream,
    /// Without the last byte.
    Part,
    /// Without the last byte, and with END_STREAM.
    PartEndStream,
}

/// Something that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The WebSocket on this stream is open: a 2xx came, and not the end of the stream.
    Opened(u32),
    /// The final status of this stream is one of these.
    Status(u32, &'static [u16]),
    /// It is one from 400 to 599.
    Refused(u32),
    /// A status came, or the end of the stream.
    Answered(u32),
    /// RST_STREAM came with one of these codes, any if there is none.
    Reset(u32, &'static [u32]),
    /// The stream ended, in whatever way.
    Over(u32),
    /// END_STREAM came.
    Ended(u32),
    /// This text came.
    Echo(u32, &'static str),
    /// A text of so many bytes came.
    EchoLong(u32, usize),
    /// A Close came with one of these codes, or with none.
    Closed(u32, &'static [u16]),
    /// The response has a field of this value.
    Has(u32, &'static str, &'static str),
    /// It has no such field.
    Lacks(u32, &'static str),
    /// It has a body, or END_STREAM.
    Body(u32),
    /// The client asked for a WebSocket.
    Asked,
    /// It did not.
    NotAsked,
    /// The client has let go of this stream, or of the connection.
    Gone(u32),
    /// No byte of a WebSocket came on this stream.
    Silent(u32),
    /// A whole response to a plain request came, whatever it says.
    Served(u32),
    /// No message and no end came on this stream.
    Quiet(u32),
    /// The peer ended the connection, with one of these codes where it names one; any if there is none.
    Fails(&'static [u32]),
    /// It did not.
    Alive,
    /// It said GOAWAY with this code.
    Goaway(u32),
    /// It announced this.
    Setting(u16, u32),
    /// Its SETTINGS frame came.
    Settings,
    /// It acknowledged so many of our SETTINGS frames.
    Acknowledged(u32),
    /// It answered a PING with this data.
    Pong([u8; 8]),
}

impl Seen {
    /// The stream that it is about.
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
            Move::SayLong(stream, length) => write!(f, "a text of {length} bytes on stream {stream}"),
            Move::Data(stream, bytes) => {
                write!(f, "DATA on stream {stream} that holds {}", crate::hex::spaced(bytes))
            }
            Move::Close(stream, code) => write!(f, "Close {code} on stream {stream}"),
            Move::End(stream) => write!(f, "END_STREAM on stream {stream}"),
            Move::Reset(stream, code) => write!(f, "RST_STREAM on stream {stream}, {}", code_name(*code)),
            Move::Window(0, bytes) => write!(f, "the window of the connection opens by {bytes} bytes"),
            Move::Window(stream, bytes) => write!(f, "the window of stream {stream} opens by {bytes} bytes"),
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
            Change::Long(name, length) => write!(f, "and {name} of {length} bytes"),
            Change::EndStream => f.write_str("with END_STREAM"),
            Change::Cut(length) => write!(f, "cut into frames of {length} bytes"),
            Change::Padded(length) => write!(f, "with {length} bytes of padding"),
            Change::Priority(stream) => write!(f, "with a priority that depends on stream {stream}"),
        }
    }
}

impl fmt::Display for Cutting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cutting::Whole => f.write_str("in one DATA frame"),
            Cutting::Bytes => f.write_str("one byte in each DATA frame"),
            Cutting::Padded(length) => write!(f, "in two DATA frames with {length} bytes of padding"),
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
            Seen::EchoLong(stream, length) => write!(f, "a text of {length} bytes on stream {stream}"),
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
