//! An HTTP/2 connection in either role, whose program answers, reads, sends and ends as it goes. Any cut gives the same
//! events and answers, what is held is bounded, and our own peer accepts everything that is written.

use std::time::Duration;

use crate::support::Cuts;
use bowsprit::Role;
use bowsprit::http2::{Connection, Event, Fields, Http2Error, Limits};
use bowsprit::time;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Everything that can be observed.
#[derive(Debug, PartialEq)]
struct Taken {
    events: Vec<Event>,
    written: Vec<u8>,
    failed: Option<Http2Error>,
}

pub fn run(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let Some((setup, data)) = data.split_first() else { return };
    let role = if setup & 1 == 0 { Role::Server } else { Role::Client };
    // Usually the frames after the preface are of interest.
    let mut bytes = Vec::new();
    if setup & 2 == 0 {
        if role == Role::Server {
            bytes.extend_from_slice(PREFACE);
        }
        bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1]);
    }
    bytes.extend_from_slice(data);
    let whole = take(role, &[&bytes]);
    assert_eq!(take(role, &cuts.pieces(&bytes)), whole, "{cuts:?}");
    let each: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(take(role, &each), whole, "byte by byte");
    answer(role, &bytes);
    // A connection that has failed has sent GOAWAY last, and our own peer accepts what it sends.
    let mut peer = match role {
        Role::Server => Connection::client(limits()),
        Role::Client => Connection::server(limits()),
    };
    if role == Role::Server {
        let _ = peer.open(&request(), false);
    }
    if let Err(error) = peer.receive(&whole.written, time::at(Duration::ZERO)) {
        // The only error is an answer or a reset of a stream that this peer has never opened.
        assert!(matches!(error, Http2Error::StreamIdle), "{error}");
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.max_streams, limits.max_field_section) = (4, 600);
    limits
}

fn request() -> Fields {
    [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ]
    .into_iter()
    .fold(Fields::new(), |fields, (name, value)| fields.with(name, value))
}

fn begin(role: Role) -> Connection {
    match role {
        Role::Server => Connection::server(limits()),
        Role::Client => {
            let mut client = Connection::client(limits());
            client.open(&request(), false).expect("nothing stands against it");
            client
        }
    }
}

/// Takes the pieces without doing anything in between, so that only their cuts differ.
fn take(role: Role, pieces: &[&[u8]]) -> Taken {
    let mut connection = begin(role);
    for piece in pieces {
        if let Err(error) = connection.receive(piece, time::at(Duration::ZERO)) {
            assert_eq!(connection.failure(), Some(error));
            break;
        }
    }
    bounded(&connection);
    let written = connection.pending().to_vec();
    Taken {
        events: std::iter::from_fn(|| connection.next()).collect(),
        failed: connection.failure(),
        written,
    }
}

/// Does with each stream what a program may do.
fn answer(role: Role, bytes: &[u8]) {
    let mut connection = begin(role);
    let mut buf = [0; 100];
    for (round, piece) in bytes.chunks(7).enumerate() {
        if connection.receive(piece, time::at(Duration::from_millis(round as u64))).is_err() {
            break;
        }
        if round % 3 == 0 {
            connection.advance(round);
        }
        while let Some(event) = connection.next() {
            match event {
                Event::Request(id, fields) => {
                    assert!(fields.size() <= 600);
                    connection.respond(id, &Fields::new().with(":status", "200"), round % 5 == 0);
                    connection.send(id, &[7; 2000]);
                }
                Event::Readable(id) => {
                    while connection.read(id, &mut buf).is_some_and(|len| len > 0) {}
                    if round % 4 == 0 {
                        connection.finish(id);
                    } else if round % 7 == 0 {
                        connection.close(id);
                    }
                }
                Event::Writable(id) => drop(connection.send(id, &[8; 30_000])),
                Event::Reset(id, _) => assert!(connection.is_over(id)),
                Event::GoAway(_) if round % 2 == 0 => connection.go_away(),
                _ => {}
            }
        }
        bounded(&connection);
    }
}

fn bounded(connection: &Connection) {
    assert!(connection.streams() <= 5);
    assert!(connection.memory() < 2 << 20, "{}", connection.memory());
}
