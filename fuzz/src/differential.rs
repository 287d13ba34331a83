//! Compares the connection with tungstenite: the same messages in the same order, and if one refuses a stream so does
//! the other, except for the differences that [`DIFFERENCES`] lists with a reason each.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use bowsprit::Role;
use bowsprit::connection::{Config, Connection, Event};
use bowsprit::error::ProtocolError;
use bowsprit::frame::{Parsed, RawHeader};
use tungstenite::protocol::{self, WebSocketConfig};

use crate::support::Zeros;

/// Streams that we refuse and tungstenite accepts, or accepts for longer.
pub const DIFFERENCES: &[(ProtocolError, &str)] = &[
    (
        ProtocolError::ControlTooLong,
        "§5.5 with §5.2: a short control frame with a long length; tungstenite looks at its value",
    ),
    (ProtocolError::LengthNotMinimal, "§5.2 demands the shortest form; tungstenite reads any"),
    (
        ProtocolError::LengthTopBit,
        "§5.2 forbids the top bit; tungstenite sees a frame that is too long, or waits",
    ),
    (
        ProtocolError::TextNotUtf8,
        "§8.1: we fail at the first byte that cannot be mended, tungstenite at the end of a frame",
    ),
    (ProtocolError::TooManyEmptyFragments, "a limit of ours (§10.4)"),
];

/// The limit of both for frames and messages.
const MOST: usize = 100_000;

pub fn server(data: &[u8]) {
    run(Role::Server, data);
}

pub fn client(data: &[u8]) {
    run(Role::Client, data);
}

#[derive(Debug, PartialEq)]
enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

fn run(role: Role, data: &[u8]) {
    let (ours, error) = ours(role, data);
    let (theirs, refused) = theirs(role, data);
    if let (Some(Seen::Close(Some((1014, _)))), Some((Seen::Close(Some((1002, _))), before))) =
        (ours.last(), theirs.split_last())
    {
        // 1014 was registered after the RFC (§7.4.2); tungstenite does not know it.
        assert_eq!(ours[..ours.len() - 1], *before);
        return;
    }
    let Some(error) = error else {
        assert_eq!(ours, theirs, "they say: {refused:?}");
        assert!(refused.is_none(), "we take what they refuse: {refused:?}");
        return;
    };
    if DIFFERENCES.iter().any(|(known, _)| *known == error) {
        assert!(theirs.starts_with(&ours), "{error}: {ours:?} {theirs:?}");
        return;
    }
    if let (ProtocolError::CloseCodeInvalid(_), None, Some((last, before))) =
        (error, &refused, theirs.split_last())
    {
        // tungstenite reports the Close frame that it answers with as if the peer had sent it.
        assert_eq!(*last, Seen::Close(Some((1002, "Protocol violation".to_owned()))));
        assert_eq!(ours, before);
        return;
    }
    assert_eq!(ours, theirs, "{error}; they say: {refused:?}");
    // We refuse a frame at its header; tungstenite waits for the payload.
    assert!(refused.is_some() || ends_inside_a_frame(data), "they take what we refuse: {error}");
}

fn ends_inside_a_frame(mut data: &[u8]) -> bool {
    while !data.is_empty() {
        let Parsed::Done(header, used) = RawHeader::parse(data) else { return true };
        let whole =
            usize::try_from(header.length).ok().and_then(|length| data[used..].split_at_checked(length));
        let Some((_, rest)) = whole else { return true };
        data = rest;
    }
    false
}

fn ours(role: Role, data: &[u8]) -> (Vec<Seen>, Option<ProtocolError>) {
    let mut config = Config::default();
    config.max_message = MOST;
    config.max_frame = MOST as u64;
    let now = Instant::now();
    let mut conn = match role {
        Role::Server => Connection::server(Arc::new(config), now),
        Role::Client => Connection::client(Arc::new(config), Box::new(Zeros), now),
    };
    let mut bytes = data.to_vec();
    let mut input = &mut bytes[..];
    let mut seen = Vec::new();
    loop {
        match conn.next(&mut input, now) {
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error)),
            Ok(Some(event)) => seen.push(match event {
                Event::Message(bowsprit::message::Message::Text(text)) => {
                    Seen::Text(text.as_bytes().to_vec())
                }
                Event::Message(bowsprit::message::Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
                Event::Ping(payload) => Seen::Ping(payload.to_vec()),
                Event::Pong(payload) => Seen::Pong(payload.to_vec()),
                Event::Close(close) => {
                    Seen::Close(close.map(|close| (close.code.0, close.reason.to_owned())))
                }
                other => panic!("{other:?} was not asked for"),
            }),
        }
    }
}

/// A stream that returns its bytes, then `WouldBlock`; it discards what is written.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(buf)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(role: Role, data: &[u8]) -> (Vec<Seen>, Option<tungstenite::Error>) {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MOST))
        .max_frame_size(Some(MOST))
        .read_buffer_size(4096);
    let mut socket = protocol::WebSocket::from_raw_socket(Wire(data), role, Some(config));
    let mut seen = Vec::new();
    loop {
        use tungstenite::{Error, Message};
        match socket.read() {
            Ok(Message::Text(text)) => seen.push(Seen::Text(text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => seen.push(Seen::Binary(bytes.to_vec())),
            Ok(Message::Ping(payload)) => seen.push(Seen::Ping(payload.to_vec())),
            Ok(Message::Pong(payload)) => seen.push(Seen::Pong(payload.to_vec())),
            Ok(Message::Close(close)) => {
                seen.push(Seen::Close(
                    close.map(|close| (close.code.into(), close.reason.as_str().to_owned())),
                ));
                return (seen, None);
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}
