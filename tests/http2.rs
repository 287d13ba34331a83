//! HTTP/2 connections, without a socket: what each frame leads to, in every cut; windows; the attacks that HTTP/2 has known.
#![cfg(feature = "http2")]

use std::time::Duration;

use bowsprit::Role;
use bowsprit::http2::{
    Connection, ErrorCode, Event, Fields, Flood, HpackError, Http2Error, Limits, StreamId,
};
use bowsprit::time::{self, Instant};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn start() -> Instant {
    time::at(Duration::from_secs(1))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as literals that touch no table.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.extend([0, name.len() as u8]);
        block.extend(name.bytes());
        block.push(value.len() as u8);
        block.extend(value.bytes());
    }
    block
}

const CONNECT: &[(&str, &str)] = &[
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":path", "/chat"),
    (":authority", "a"),
];
const POST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a")];

fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

/// A server whose client has said preface and SETTINGS.
fn server(limits: Limits) -> Connection {
    let mut server = Connection::server(limits);
    server.receive(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat(), start()).unwrap();
    assert_eq!(server.next(), Some(Event::Ready));
    server.advance(server.pending().len());
    server
}

/// A client whose server takes WebSockets, and a stream on which one is asked for.
fn client() -> (Connection, StreamId) {
    let mut client = Connection::client(Limits::default());
    client.receive(&frame(SETTINGS, 0, 0, &[0, 8, 0, 0, 0, 1]), start()).unwrap();
    assert_eq!(client.next(), Some(Event::Ready));
    assert!(client.allows_websockets());
    let request = CONNECT.iter().fold(Fields::new(), |fields, (name, value)| fields.with(name, value));
    let stream = client.open(&request, false).unwrap();
    client.advance(client.pending().len());
    (client, stream)
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.next()).collect()
}

/// The frames that wait to be written: type, flags, stream, payload.
fn said(connection: &Connection) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let (mut rest, mut frames) = (connection.pending(), Vec::new());
    while let Some(&[a, b, c, kind, flags, d, e, f, g]) = rest.first_chunk() {
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = rest[9..9 + len].to_vec();
        frames.push((kind, flags, u32::from_be_bytes([d, e, f, g]), payload));
        rest = &rest[9 + len..];
    }
    assert!(rest.is_empty());
    frames
}

fn code(code: ErrorCode) -> Vec<u8> {
    code.0.to_be_bytes().to_vec()
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// What a client's frames, behind its SETTINGS, lead to: the error of the connection, or the resets of streams.
fn led_to(frames: &[Vec<u8>]) -> (Option<Http2Error>, Vec<(u32, ErrorCode)>) {
    let mut server = server(Limits::default());
    let failed = server.receive(&frames.concat(), start()).err();
    let said = said(&server);
    if let Some(error) = failed {
        let (kind, _, _, payload) = said.last().expect("it says why");
        assert_eq!((*kind, &payload[4..8]), (GOAWAY, &code(error.code())[..]));
        assert_eq!(server.receive(b"x", start()), Err(error), "and stays so");
    }
    let resets = said.into_iter().filter(|(kind, ..)| *kind == RST_STREAM);
    (
        failed,
        resets
            .map(|(_, _, id, code)| (id, ErrorCode(u32::from_be_bytes(code.try_into().unwrap()))))
            .collect(),
    )
}

#[test]
fn what_ends_the_connection() {
    use Http2Error::*;
    let open = headers(1, 0, CONNECT);
    let part = frame(HEADERS, 0, 1, &block(CONNECT));
    for (frames, error) in [
        (vec![frame(DATA, 0, 0, b"")], StreamMisplaced),
        (vec![frame(HEADERS, END_HEADERS, 0, b"")], StreamMisplaced),
        (vec![frame(SETTINGS, 0, 1, b"")], StreamMisplaced),
        (vec![frame(PING, 0, 1, &[0; 8])], StreamMisplaced),
        (vec![frame(GOAWAY, 0, 1, &[0; 8])], StreamMisplaced),
        (vec![frame(RST_STREAM, 0, 0, &[0; 4])], StreamMisplaced),
        (vec![frame(PRIORITY, 0, 0, &[0; 5])], StreamMisplaced),
        (vec![frame(SETTINGS, 0, 0, &[0; 5])], FrameLength),
        (vec![frame(SETTINGS, ACK, 0, &[0; 6])], FrameLength),
        (vec![frame(PING, 0, 0, &[0; 7])], FrameLength),
        (vec![frame(GOAWAY, 0, 0, &[0; 7])], FrameLength),
        (vec![frame(RST_STREAM, 0, 1, &[0; 3])], FrameLength),
        (vec![frame(WINDOW_UPDATE, 0, 0, &[0; 5])], FrameLength),
        (vec![frame(DATA, 0, 1, &[0; 16_385])], FrameTooLong),
        (vec![frame(0x42, 0, 0, &[0; 16_385])], FrameTooLong),
        (vec![frame(DATA, 0, 1, b"x")], StreamIdle),
        (vec![frame(RST_STREAM, 0, 1, &[0; 4])], StreamIdle),
        (vec![frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])], StreamIdle),
        (vec![frame(WINDOW_UPDATE, 0, 2, &[0, 0, 0, 1])], StreamIdle),
        (vec![headers(2, 0, CONNECT)], StreamNumber),
        (vec![headers(5, 0, CONNECT), headers(3, 0, CONNECT)], StreamClosed),
        (vec![frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])], Push),
        (vec![frame(WINDOW_UPDATE, 0, 0, &[0; 4])], WindowIncrement),
        (vec![frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])], WindowOverflow),
        (vec![open.clone(), frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])], SettingWindow),
        // Padding as long as the frame, and a frame without room for its length.
        (vec![open.clone(), frame(DATA, PADDED, 1, &[3, 0, 0])], Padding),
        (vec![open.clone(), frame(DATA, PADDED, 1, b"")], FrameLength),
        (vec![frame(HEADERS, PADDED | END_HEADERS, 1, &[2, 0])], Padding),
        (vec![frame(HEADERS, PADDED | END_HEADERS, 1, b"")], FrameLength),
        (vec![frame(HEADERS, WITH_PRIORITY | END_HEADERS, 1, &[0; 4])], FrameLength),
        // A field section is one run of frames.
        (vec![part.clone(), frame(PING, 0, 0, &[0; 8])], FieldSectionInterrupted),
        (vec![part.clone(), frame(CONTINUATION, END_HEADERS, 3, b"")], FieldSectionInterrupted),
        (vec![part.clone(), headers(3, 0, CONNECT)], FieldSectionInterrupted),
        (vec![frame(CONTINUATION, END_HEADERS, 1, b"")], FieldSectionInterrupted),
        (vec![frame(HEADERS, END_HEADERS, 1, &[0x80])], Compression(HpackError::Index)),
        (vec![frame(HEADERS, END_HEADERS, 1, &[0x40])], Compression(HpackError::Truncated)),
        // A malformed request is an error of its stream; that its block cannot be read is one of the connection.
        (vec![frame(HEADERS, END_HEADERS, 1, &[0x82, 0xbe])], Compression(HpackError::Index)),
    ] {
        assert_eq!(led_to(&frames).0, Some(error), "{frames:x?}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn what_begins_the_connection() {
    let settings = frame(SETTINGS, 0, 0, &[]);
    for (bytes, error) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), Http2Error::Preface),
        ([PREFACE, &frame(PING, 0, 0, &[0; 8])].concat(), Http2Error::SettingsMissing),
        ([PREFACE, &frame(SETTINGS, ACK, 0, &[])].concat(), Http2Error::SettingsMissing),
        ([PREFACE, PREFACE].concat(), Http2Error::FrameTooLong),
        ([PREFACE, &settings, &settings].concat(), Http2Error::Preface),
    ] {
        let outcome = Connection::server(Limits::default()).receive(&bytes, start());
        if bytes.ends_with(&settings) {
            assert_eq!(outcome, Ok(()), "it may be said twice");
        } else {
            assert_eq!(outcome, Err(error));
        }
    }
    // A client waits for SETTINGS, and says its own at once.
    let mut client = Connection::client(Limits::default());
    assert!(client.pending().starts_with(PREFACE));
    assert_eq!(client.receive(&frame(PING, 0, 0, &[0; 8]), start()), Err(Http2Error::SettingsMissing));
}

#[test]
fn what_ends_a_stream_and_no_other() {
    use ErrorCode as Code;
    let open = headers(1, 0, CONNECT);
    let post = |more: &[(&str, &str)], flags| headers(1, flags, &[POST, more].concat());
    for (frames, expected) in [
        (vec![headers(1, 0, &CONNECT[1..])], Code::PROTOCOL_ERROR),
        (vec![post(&[("Upper", "1")], 0)], Code::PROTOCOL_ERROR),
        (vec![post(&[("content-length", "5")], END_STREAM)], Code::PROTOCOL_ERROR),
        (vec![post(&[("content-length", "x")], 0)], Code::PROTOCOL_ERROR),
        (vec![post(&[("content-length", "2")], 0), frame(DATA, 0, 1, b"abc")], Code::PROTOCOL_ERROR),
        (vec![post(&[("content-length", "4")], 0), frame(DATA, END_STREAM, 1, b"abc")], Code::PROTOCOL_ERROR),
        // Trailers: with END_STREAM, without pseudo-fields, and never in a tunnel (§8.1, §8.5).
        (vec![post(&[], 0), headers(1, 0, &[("x", "1")])], Code::PROTOCOL_ERROR),
        (vec![post(&[], 0), headers(1, END_STREAM, &[(":path", "/")])], Code::PROTOCOL_ERROR),
        (vec![open.clone(), headers(1, END_STREAM, &[("x", "1")])], Code::PROTOCOL_ERROR),
        (vec![headers(1, END_STREAM, POST), frame(DATA, 0, 1, b"x")], Code::STREAM_CLOSED),
        (vec![headers(1, END_STREAM, POST), headers(1, END_STREAM, &[("x", "1")])], Code::STREAM_CLOSED),
        (vec![open.clone(), frame(WINDOW_UPDATE, 0, 1, &[0; 4])], Code::PROTOCOL_ERROR),
        (vec![open.clone(), frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])], Code::FLOW_CONTROL_ERROR),
        (vec![open.clone(), frame(PRIORITY, 0, 1, &[0; 4])], Code::FRAME_SIZE_ERROR),
        (
            std::iter::once(open.clone()).chain((0..9).map(|_| frame(DATA, 0, 1, &[0; 16_384]))).collect(),
            Code::FLOW_CONTROL_ERROR,
        ),
    ] {
        let label = format!("{:x?}", &frames[..frames.len().min(3)]);
        // A WebSocket beside it lives: its DATA arrives.
        let mut server = server(Limits::default());
        let beside = [headers(3, 0, CONNECT), frame(DATA, 0, 3, b"alive")].concat();
        server.receive(&frames.concat(), start()).unwrap_or_else(|error| panic!("{error}: {label}"));
        server.receive(&beside, start()).unwrap();
        let resets: Vec<_> = said(&server).into_iter().filter(|(kind, ..)| *kind == RST_STREAM).collect();
        assert_eq!(resets, [(RST_STREAM, 0, 1, code(expected))], "{label}");
        let other = events(&mut server).into_iter().find_map(|event| match event {
            Event::Request(id, _) if id.number() == 3 => Some(id),
            _ => None,
        });
        assert_eq!(server.read(other.unwrap(), &mut [0; 8]), Some(5), "{label}");
        // What still comes on the one that was reset is swallowed.
        server.receive(&frame(DATA, 0, 1, b"late"), start()).unwrap();
        assert_eq!(said(&server).iter().filter(|(kind, ..)| *kind == RST_STREAM).count(), 1, "{label}");
    }
}

#[test]
fn what_is_fine() {
    let open = headers(1, 0, CONNECT);
    let cut = block(CONNECT);
    for frames in [
        vec![frame(0x42, 0xff, 7, b"unknown")],
        vec![frame(PRIORITY, 0, 99, &[0; 5])],
        vec![open.clone(), frame(DATA, PADDED, 1, &[2, b'x', 0, 0])],
        vec![open.clone(), frame(DATA, PADDED, 1, &[0])],
        vec![open.clone(), frame(DATA, END_STREAM, 1, b""), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])],
        vec![open.clone(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])],
        vec![frame(
            HEADERS,
            END_HEADERS | WITH_PRIORITY | PADDED,
            1,
            &[&[1, 0, 0, 0, 0, 9][..], &cut, &[0]].concat(),
        )],
        vec![
            frame(HEADERS, 0, 1, &cut[..1]),
            frame(CONTINUATION, 0, 1, b""),
            frame(CONTINUATION, 4, 1, &cut[1..]),
        ],
        vec![headers(1, 0, POST), headers(1, END_STREAM, &[("x", "1")])],
        vec![frame(GOAWAY, 0, 0, &[0; 12]), headers(1, 0, CONNECT)],
        vec![frame(PING, ACK, 0, &[0; 8]), frame(SETTINGS, ACK, 0, &[])],
    ] {
        assert_eq!(led_to(&frames), (None, vec![]), "{frames:x?}");
    }
}

#[test]
fn a_client_judges_its_server() {
    for (fields, flags, is_right) in [
        (&[(":status", "200")][..], 0, true),
        (&[(":status", "200")], END_STREAM, true),
        (&[(":status", "403"), ("content-length", "0")], END_STREAM, true),
        (&[(":status", "101")], 0, false),
        (&[("x", "1")], 0, false),
        (&[(":status", "103")], END_STREAM, false),
        (&[(":status", "200"), ("connection", "upgrade")], 0, false),
        (&[(":status", "404"), ("content-length", "3")], END_STREAM, false),
    ] {
        let (mut client, stream) = client();
        client.receive(&headers(1, flags, fields), start()).unwrap();
        let reset = events(&mut client).contains(&Event::Reset(stream, ErrorCode::PROTOCOL_ERROR));
        assert_eq!(reset, !is_right, "{fields:?}");
    }
    let (mut client, stream) = client();
    client.receive(&headers(1, 0, &[(":status", "103")]), start()).unwrap();
    client
        .receive(&[headers(1, 0, &[(":status", "200")]), frame(DATA, END_STREAM, 1, b"hi")].concat(), start())
        .unwrap();
    assert_eq!(client.read(stream, &mut [0; 8]), Some(2));
    assert_eq!(client.read(stream, &mut [0; 8]), Some(0), "the end");
    client.finish(stream);
    assert!(client.is_over(stream));
    // A server that has said all may stop listening (RFC 9113 §8.1): what it said is still there.
    let (mut client, stream) = self::client();
    let said = [
        headers(1, 0, &[(":status", "200")]),
        frame(DATA, END_STREAM, 1, b"bye"),
        frame(RST_STREAM, 0, 1, &code(ErrorCode::NO_ERROR)),
    ];
    client.receive(&said.concat(), start()).unwrap();
    assert_eq!(client.send(stream, b"too late"), 0);
    assert_eq!((client.read(stream, &mut [0; 8]), client.read(stream, &mut [0; 8])), (Some(3), Some(0)));
    assert!(client.is_over(stream));
    // What came before a reset is read before it, as with TCP.
    let (mut client, stream) = self::client();
    let reset = frame(RST_STREAM, 0, 1, &code(ErrorCode::CANCEL));
    client
        .receive(&[headers(1, 0, &[(":status", "200")]), frame(DATA, 0, 1, b"bye"), reset].concat(), start())
        .unwrap();
    assert!(!events(&mut client).iter().any(|event| matches!(event, Event::Reset(..))));
    assert_eq!(client.read(stream, &mut [0; 2]), Some(2));
    assert_eq!((client.next(), client.read(stream, &mut [0; 2])), (None, Some(1)));
    assert_eq!(client.next(), Some(Event::Reset(stream, ErrorCode::CANCEL)));
    assert_eq!((client.read(stream, &mut [0; 2]), client.streams()), (None, 0));
    // Nothing is pushed, and nothing comes on a stream that nobody has opened.
    for bytes in [headers(3, 0, &[(":status", "200")]), headers(2, 0, &[(":status", "200")])] {
        let (mut client, _) = self::client();
        assert_eq!(client.receive(&bytes, start()), Err(Http2Error::StreamIdle));
    }
}

#[test]
fn streams_behind_the_last_of_a_goaway_may_be_asked_for_again() {
    let (mut client, first) = client();
    let request = POST.iter().fold(Fields::new(), |fields, (name, value)| fields.with(name, value));
    let second = client.open(&request, true).unwrap();
    client.receive(&frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), start()).unwrap();
    let events = events(&mut client);
    assert_eq!(events, [Event::Reset(second, ErrorCode::REFUSED_STREAM), Event::GoAway(ErrorCode::NO_ERROR)]);
    assert!(!client.is_over(first) && client.open(&request, true).is_err());
}

/// Everything that can be told from outside is the same in every cut.
#[test]
fn cuts_never_matter() {
    let noise: Vec<u8> = (0..200u32).map(|at| (at * 73 + at / 7) as u8).collect();
    let streams: [Vec<Vec<u8>>; 4] = [
        vec![
            headers(1, 0, CONNECT),
            frame(DATA, PADDED, 1, &[3, b'a', b'b', 0, 0, 0]),
            frame(PING, 0, 0, b"12345678"),
            frame(0x42, 0, 0, b"unknown"),
            frame(HEADERS, END_STREAM, 3, &block(POST)[..5]),
            frame(CONTINUATION, END_HEADERS, 3, &block(POST)[5..]),
            frame(DATA, END_STREAM, 1, b"the end"),
            frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 9]),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
        ],
        vec![headers(1, 0, POST), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), headers(2, 0, POST), noise.clone()],
        vec![frame(HEADERS, END_HEADERS, 1, &noise)],
        vec![headers(1, 0, &[POST, &[("content-length", "3")]].concat()), frame(DATA, 0, 1, b"four"), noise],
    ];
    for frames in streams {
        let bytes = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]), frames.concat()].concat();
        let taken = |cuts: &mut dyn FnMut() -> usize| {
            let mut server = Connection::server(Limits::default());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts().min(rest.len()));
                rest = later;
                if server.receive(now, start()).is_err() {
                    break;
                }
            }
            (events(&mut server), server.pending().to_vec(), server.failure())
        };
        let whole = taken(&mut || bytes.len());
        for len in 1..40 {
            assert_eq!(taken(&mut || len), whole, "{len} bytes at a time");
        }
        for at in 1..bytes.len() {
            let mut first = true;
            assert_eq!(
                taken(&mut || if std::mem::take(&mut first) { at } else { bytes.len() }),
                whole,
                "cut at {at}"
            );
        }
    }
}

/// A window is opened again for what was read and for nothing else, and the connection's for all that comes.
#[test]
fn a_stream_that_is_not_read_holds_up_no_other() {
    let mut server = server(Limits::default());
    let data = |id| frame(DATA, 0, id, &[7; 16_384]);
    let open = [headers(1, 0, CONNECT), headers(3, 0, CONNECT)].concat();
    server.receive(&open, start()).unwrap();
    let ids: Vec<StreamId> = events(&mut server)
        .into_iter()
        .filter_map(|event| if let Event::Request(id, _) = event { Some(id) } else { None })
        .collect();
    for _ in 0..8 {
        server.receive(&data(1), start()).unwrap(); // 128 KiB: its whole window
    }
    let mut buf = [0; 16_384];
    for _ in 0..200 {
        server.receive(&data(3), start()).unwrap();
        assert_eq!(server.read(ids[1], &mut buf), Some(16_384));
        server.advance(server.pending().len());
    }
    assert!(server.memory() < 256 * 1024, "{}", server.memory());
    // The first one is read in the end, and may go on.
    let mut opened = 0;
    while server.read(ids[0], &mut buf).is_some_and(|len| len > 0) {}
    for (kind, _, stream, payload) in said(&server) {
        if (kind, stream) == (WINDOW_UPDATE, 1) {
            opened += u32::from_be_bytes(payload.try_into().unwrap());
        }
    }
    assert_eq!(opened, 128 * 1024);
}

/// What is sent keeps to both windows, whatever the peer does to them.
#[test]
fn windows_bound_what_is_sent() {
    let mut server = server(Limits::default());
    server
        .receive(&[frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 10]), headers(1, 0, CONNECT)].concat(), start())
        .unwrap();
    let Some(Event::Request(id, _)) = server.next() else { panic!() };
    assert_eq!(server.send(id, b"too early"), 0, "nothing goes before the answer");
    assert!(server.respond(id, &Fields::new().with(":status", "200"), false));
    assert!(!server.respond(id, &Fields::new().with(":status", "200"), false), "one answer");
    assert_eq!(server.send(id, &[1; 25]), 10);
    assert_eq!(server.send(id, &[1; 15]), 0);
    assert_eq!(server.next(), None);
    // A smaller first window takes back what was given (§6.9.2).
    server.receive(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 4]), start()).unwrap();
    server.receive(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 6]), start()).unwrap();
    assert_eq!((server.send(id, &[1; 15]), server.next()), (0, None));
    server.receive(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), start()).unwrap();
    assert_eq!(server.next(), Some(Event::Writable(id)));
    assert_eq!(server.send(id, &[1; 15]), 1);
    // The connection's window, which 65,535 bytes exhaust.
    server.receive(&frame(WINDOW_UPDATE, 0, 1, &[0, 1, 0, 0]), start()).unwrap();
    server.advance(server.pending().len());
    let mut sent = 11;
    loop {
        let len = server.send(id, &[1; 8192]);
        server.advance(server.pending().len());
        sent += len;
        if len == 0 {
            break;
        }
    }
    assert_eq!(sent, 65_535);
    server.receive(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 9]), start()).unwrap();
    assert_eq!(events(&mut server).last(), Some(&Event::Writable(id)));
    assert_eq!(server.send(id, &[1; 8192]), 9);
    server.finish(id);
    assert_eq!(said(&server).last(), Some(&(DATA, END_STREAM, 1, vec![])));
}

/// No more than [`Limits::max_queued`] waits for a peer that does not read; and who waits for room is told in turn.
#[test]
fn a_peer_that_does_not_read_fills_no_memory() {
    let mut server = server(Limits::default());
    server.receive(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]), start()).unwrap();
    server.receive(&frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]), start()).unwrap();
    server.receive(&[headers(1, 0, CONNECT), headers(3, 0, CONNECT)].concat(), start()).unwrap();
    let ids: Vec<StreamId> = events(&mut server)
        .into_iter()
        .filter_map(|event| if let Event::Request(id, _) = event { Some(id) } else { None })
        .collect();
    for id in &ids {
        server.respond(*id, &Fields::new().with(":status", "200"), false);
        while server.send(*id, &[1; 50_000]) > 0 {}
    }
    assert!(server.pending().len() < 70_000, "{}", server.pending().len());
    let mut firsts = Vec::new();
    for _ in 0..4 {
        server.advance(server.pending().len());
        let woken = events(&mut server);
        assert_eq!(woken.len(), 2);
        let Event::Writable(first) = woken[0] else { panic!() };
        firsts.push(first.number());
        for id in [first, if first == ids[0] { ids[1] } else { ids[0] }] {
            while server.send(id, &[1; 100_000]) > 0 {}
        }
    }
    assert_eq!(firsts, [1, 3, 1, 3]);
}

#[test]
fn a_server_that_leaves_looks_at_nothing_new() {
    let mut server = server(Limits::default());
    server.receive(&headers(1, 0, CONNECT), start()).unwrap();
    events(&mut server);
    server.go_away();
    assert_eq!(said(&server).last(), Some(&(GOAWAY, 0, 0, vec![0, 0, 0, 1, 0, 0, 0, 0])));
    server.receive(&[headers(3, 0, CONNECT), frame(DATA, 0, 1, b"x")].concat(), start()).unwrap();
    assert_eq!(events(&mut server).len(), 1, "the old stream goes on");
    server.receive(&frame(DATA, 0, 3, b"x"), start()).unwrap();
}

/// Both sides of ours, with a byte at a time between them.
#[test]
fn both_sides_agree() {
    let now = start();
    let (mut a, mut b) = (Connection::client(Limits::default()), Connection::server(Limits::default()));
    let pass = |from: &mut Connection, to: &mut Connection| {
        for byte in from.pending() {
            to.receive(&[*byte], now).unwrap();
        }
        from.advance(from.pending().len());
    };
    let request = CONNECT.iter().fold(Fields::new(), |fields, (name, value)| fields.with(name, value));
    let mine = a.open(&request.with("cookie", "secret"), false).unwrap();
    pass(&mut a, &mut b);
    pass(&mut b, &mut a);
    let (Some(Event::Ready), Some(Event::Request(theirs, fields))) = (b.next(), b.next()) else { panic!() };
    assert_eq!(fields.get("cookie"), Some(&b"secret"[..]));
    b.respond(theirs, &Fields::new().with(":status", "200").with("sec-websocket-protocol", "chat"), false);
    let (mut to_send, mut got) = (vec![5; 1 << 20], Vec::<u8>::new());
    let mut buf = [0; 4000];
    while got.len() < 1 << 20 {
        let sent = a.send(mine, &to_send);
        to_send.drain(..sent);
        pass(&mut a, &mut b);
        while let Some(len) = b.read(theirs, &mut buf).filter(|len| *len > 0) {
            got.extend(&buf[..len]);
        }
        pass(&mut b, &mut a);
        while a.next().is_some() {}
    }
    a.finish(mine);
    b.finish(theirs);
    pass(&mut a, &mut b);
    pass(&mut b, &mut a);
    assert_eq!((b.read(theirs, &mut buf), a.read(mine, &mut buf)), (Some(0), Some(0)));
    assert_eq!((a.streams(), b.streams()), (0, 0));
}

/// The known attacks of HTTP/2, each named after the first advisory of its kind.
mod attacks {
    use super::*;

    /// Sends these again and again, at one moment, to a server that is read; the error that ends it, and the most that it held.
    fn flood(mut frames: impl FnMut(u32) -> Vec<u8>) -> (Option<Http2Error>, usize) {
        let (mut server, mut most) = (server(Limits::default()), 0);
        for round in 0..30_000 {
            let outcome = server.receive(&frames(round), start());
            most = most.max(server.memory());
            if let Err(error) = outcome {
                return (Some(error), most);
            }
            server.advance(server.pending().len());
            while server.next().is_some() {}
        }
        (None, most)
    }

    fn ends_with(flood: Flood, outcome: (Option<Http2Error>, usize)) {
        assert_eq!(outcome.0, Some(Http2Error::Flood(flood)));
        assert_eq!(outcome.0.unwrap().code(), ErrorCode::ENHANCE_YOUR_CALM);
        assert!(outcome.1 < 256 * 1024, "{}", outcome.1);
    }

    #[test]
    fn cve_2019_9512_ping_flood() {
        ends_with(Flood::Ping, flood(|_| frame(PING, 0, 0, &[0; 8])));
    }

    #[test]
    fn cve_2019_9515_settings_flood() {
        ends_with(Flood::Settings, flood(|_| frame(SETTINGS, 0, 0, &[])));
    }

    #[test]
    fn cve_2023_44487_rapid_reset() {
        ends_with(
            Flood::Reset,
            flood(|round| {
                let id = round * 2 + 1;
                [headers(id, END_STREAM, POST), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()
            }),
        );
    }

    /// The server is made to reset: by a window of 0, by DATA behind the end, by what is malformed.
    #[test]
    fn cve_2025_8671_made_you_reset() {
        for wrong in [
            (|id| [headers(id, 0, POST), frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat())
                as fn(u32) -> Vec<u8>,
            |id| [headers(id, END_STREAM, POST), frame(DATA, 0, id, b"x")].concat(),
            |id| headers(id, 0, &POST[1..]),
        ] {
            ends_with(Flood::Reset, flood(|round| wrong(round * 2 + 1)));
        }
    }

    /// Requests that are none, one after the other, each of which has to be answered by RST_STREAM.
    #[test]
    fn cve_2019_9514_reset_flood() {
        ends_with(Flood::Reset, flood(|round| headers(round * 2 + 1, END_STREAM, &[("x", "1")])));
    }

    /// Fields without a name: 32 bytes each where they are kept, and one byte or two on the wire.
    #[test]
    fn cve_2019_9516_fields_without_a_name() {
        // A literal without an index, its name and its value empty.
        let nothing = [&block(POST)[..], &[0; 3].repeat(4000)].concat();
        let request = |round: u32| frame(HEADERS, END_HEADERS | END_STREAM, round * 2 + 1, &nothing);
        ends_with(Flood::Reset, flood(request));
        let mut server = server(Limits::default());
        server.receive(&request(0), start()).unwrap();
        assert!(!events(&mut server).iter().any(|event| matches!(event, Event::Request(..))));
    }

    /// Thousands of settings in each frame.
    #[test]
    fn cve_2020_11080_large_settings() {
        let many = [0x0f, 0xff, 0, 0, 0, 1].repeat(2400);
        ends_with(Flood::Settings, flood(|_| frame(SETTINGS, 0, 0, &many)));
    }

    /// What would be a line, or another request, were it written out as HTTP/1.1 is no field here (RFC 9113 §8.2.1, §8.3).
    #[test]
    fn cve_2021_33193_requests_smuggled_in_fields() {
        let smuggled = "/ HTTP/1.1\r\nHost: evil\r\n\r\nGET /private";
        let with = |name: &str, value: &'static str| -> Vec<(&'static str, &'static str)> {
            let good = POST.iter().copied();
            good.map(|(this, old)| (this, if this == name { value } else { old })).collect()
        };
        let more = |name, value| [POST, &[(name, value)]].concat();
        for fields in [
            with(":method", "GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET"),
            with(":method", "GET /"),
            with(":path", smuggled),
            with(":path", "/ HTTP/1.1"),
            with(":path", "/\n"),
            with(":authority", "a\r\nx: 1"),
            with(":scheme", "http\r\nx: 1"),
            more("x", "1\r\ny: 2"),
            more("x", "1\ny: 2"),
            more("x", "1\0"),
            more("x\r\ny", "1"),
            more("x: 1\r\ny", "2"),
            more("x y", "1"),
            more("transfer-encoding", "chunked"),
            more("host", "another"),
        ] {
            let mut server = server(Limits::default());
            server.receive(&headers(1, END_STREAM, &fields), start()).unwrap();
            assert_eq!(said(&server), [(RST_STREAM, 0, 1, code(ErrorCode::PROTOCOL_ERROR))], "{fields:?}");
            assert!(
                !events(&mut server).iter().any(|event| matches!(event, Event::Request(..))),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn cve_2019_9518_empty_frames() {
        let outcome = flood(|round| match round {
            0 => headers(1, 0, CONNECT),
            _ => frame(DATA, 0, 1, b""),
        });
        ends_with(Flood::EmptyData, outcome);
    }

    #[test]
    fn cve_2019_9513_priorities() {
        ends_with(Flood::Priority, flood(|round| frame(PRIORITY, 0, round % 99 + 1, &[0; 5])));
        ends_with(Flood::Priority, flood(|_| frame(0x10, 0, 0, b"PRIORITY_UPDATE")));
    }

    /// A window that is opened by single bytes, with nothing to send: in the end it is too much. Where DATA goes out for
    /// them, it is not.
    #[test]
    fn cve_2019_9511_windows_byte_by_byte() {
        let open = |round| match round {
            0 => headers(1, 0, CONNECT),
            _ => frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        };
        ends_with(Flood::WindowUpdate, flood(open));
        let mut server = server(Limits::default());
        let first = [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), headers(1, 0, CONNECT)].concat();
        server.receive(&first, start()).unwrap();
        let Some(Event::Request(id, _)) = server.next() else { panic!() };
        server.respond(id, &Fields::new().with(":status", "200"), false);
        for _ in 0..30_000 {
            server.receive(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), start()).unwrap();
            assert_eq!(server.send(id, &[1; 100]), 1);
            server.advance(server.pending().len());
            while server.next().is_some() {}
        }
    }

    /// Field sections that never end: by frames, empty ones too, and by bytes. Nothing is decoded of them.
    #[test]
    fn cve_2024_27316_continuations() {
        let endless = |part: &'static [u8]| {
            flood(move |round| match round {
                0 => frame(HEADERS, 0, 1, &block(CONNECT)),
                _ => frame(CONTINUATION, 0, 1, part),
            })
        };
        ends_with(Flood::Continuation, endless(b""));
        ends_with(Flood::Continuation, endless(b"\0\x01a\x01b"));
        ends_with(Flood::FieldSection, endless(&[0; 1024]));
    }

    /// Short references to a long entry of the table: 16 KiB that stand for 64 MiB. The request is refused with 431 and the
    /// connection goes on, as its tables are whole.
    #[test]
    fn cve_2016_6581_field_bomb() {
        let mut bomb = block(CONNECT);
        bomb.extend([0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e]);
        bomb.extend([b'x'; 4000]);
        bomb.extend([0xbe; 12_000]);
        let mut server = server(Limits::default());
        server.receive(&frame(HEADERS, END_HEADERS, 1, &bomb), start()).unwrap();
        assert_eq!(events(&mut server), []);
        assert_eq!(said(&server)[0].3[..2], [0x08, 0x03], "a status that the static table has not");
        assert!(server.memory() < 64 * 1024, "{}", server.memory());
        server.receive(&headers(3, 0, CONNECT), start()).unwrap();
        assert_eq!(events(&mut server).len(), 1);
    }

    /// Answers that are asked for and not read: the queue has an end.
    #[test]
    fn cve_2019_9517_answers_that_are_not_read() {
        let mut server = server(limits(|limits| limits.max_queued = 1024));
        let (mut now, mut error) = (start(), None);
        for _ in 0..20_000 {
            now += Duration::from_millis(100); // slow enough for every rate
            error = error.or(server.receive(&frame(PING, 0, 0, &[0; 8]), now).err());
        }
        assert_eq!(error, Some(Http2Error::Flood(Flood::Unread)));
        assert!(server.memory() < 256 * 1024, "{}", server.memory());
    }

    /// More streams than are allowed are refused one by one, and too many of those end the connection.
    #[test]
    fn streams_beyond_the_limit() {
        let mut server = server(limits(|limits| limits.max_streams = 2));
        for id in [1, 3, 5] {
            server.receive(&headers(id, 0, CONNECT), start()).unwrap();
        }
        assert_eq!(server.streams(), 2);
        assert_eq!(said(&server), [(RST_STREAM, 0, 5, code(ErrorCode::REFUSED_STREAM))]);
        ends_with(Flood::Reset, flood(|round| headers(round * 2 + 1, 0, CONNECT)));
    }

    /// §5.1.2: a stream that both sides have ended does not count, though what came on it is not read yet; nor are there ever
    /// more than as many of those.
    #[test]
    fn streams_that_are_over_leave_room() {
        let mut server = server(limits(|limits| limits.max_streams = 2));
        for id in [1, 3, 5, 7] {
            server.receive(&headers(id, 0, CONNECT), start()).unwrap();
            let request = std::iter::from_fn(|| server.next()).find_map(|event| match event {
                Event::Request(stream, _) => Some(stream),
                _ => None,
            });
            let stream = request.unwrap();
            server.respond(stream, &Fields::new().with(":status", "200"), false);
            server.finish(stream);
            server.receive(&frame(DATA, 1, id, b"unread"), start()).unwrap();
        }
        assert_eq!(server.streams(), 4);
        server.receive(&headers(9, 0, CONNECT), start()).unwrap();
        assert_eq!(said(&server).last(), Some(&(RST_STREAM, 0, 9, code(ErrorCode::REFUSED_STREAM))));
    }

    /// Lengths that are declared reserve nothing.
    #[test]
    fn a_declared_length_allocates_nothing() {
        let mut server = server(Limits::default());
        let before = server.memory();
        server.receive(&frame(HEADERS, 0, 1, &[0; 16_384])[..9], start()).unwrap();
        assert_eq!(server.memory(), before);
    }

    /// More DATA than all windows together allow.
    #[test]
    fn the_window_of_the_connection_is_kept() {
        assert_eq!(Role::Server.peer(), Role::Client);
        let mut server = server(Limits::default());
        // The connection's window is opened again with each frame: a stream's is what ends it.
        let mut data = headers(1, 0, CONNECT);
        data.extend((0..80).flat_map(|_| frame(DATA, 0, 1, &[0; 16_384])));
        server.receive(&data, start()).unwrap();
        assert_eq!(said(&server).iter().filter(|(kind, ..)| *kind == RST_STREAM).count(), 1);
        assert!(server.memory() < 64 * 1024);
    }
}
