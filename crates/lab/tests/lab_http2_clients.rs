//! The lab as an HTTP/2 server: our own client passes every case about frames, in any cut.

mod ours;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use bowsprit::client::{ClientConfig, Http};
use bowsprit_lab::http2::{Cut, fields, frame};
use bowsprit_lab::listener::{Exam, Listener, Next, Notice};
use bowsprit_lab::report::{Outcome, text};
use bowsprit_lab::{Behaviour, Carrier, Effort, Level, Options, Record, Selection, Subject};

/// Plays these cases with the clients that come.
fn examine(selection: Selection, cut: Cut, come: impl FnOnce(SocketAddr, usize)) -> Vec<Record> {
    examine_within(None, selection, cut, come)
}

/// Plays these cases with this patience in place of each case's own.
fn examine_within(
    patience: Option<Duration>,
    selection: Selection,
    cut: Cut,
    come: impl FnOnce(SocketAddr, usize),
) -> Vec<Record> {
    let carrier = Carrier::Http2(cut);
    let cases = Selection { carrier, ..selection }.choose(Subject::Client).unwrap();
    let count = cases.len();
    assert!(count > 0);
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    come(listener.addr(), count);
    let options = Options { effort: Effort::Quick, carrier, patience, ..Options::default() };
    let exam = Exam { idle: Some(Duration::from_secs(30)), ..Exam::new(cases, options) };
    let mut played = Vec::new();
    let end = listener.run(&exam, &mut |notice| {
        if let Notice::Played(_, record) = notice {
            played.push(*record);
        }
        if played.len() == count { Next::End } else { Next::Listen }
    });
    end.unwrap();
    assert_eq!(played.len(), count);
    played
}

/// Configures HTTP/2 by prior knowledge.
fn http2(config: ClientConfig) -> ClientConfig {
    config.http(Http::Http2)
}

fn ours(addr: SocketAddr, count: usize) {
    ours::come(addr, count, http2);
}

/// Plays the cases one by one, each on the next connection.
fn ours_in_turn(addr: SocketAddr, count: usize) {
    thread::spawn(move || {
        for number in 1..=count {
            for path in ["nextCase", "runCase"] {
                ours::echo_client(addr, &format!("/{path}?case={number}&agent=bowsprit"), http2);
            }
        }
    });
}

fn denied(played: Vec<Record>) -> String {
    let outcomes = played.into_iter().map(|record| Outcome { record, aftermath: None });
    let denied = outcomes.filter(|outcome| outcome.record.case.level <= Level::Should && !outcome.passed());
    denied.map(|outcome| text::failure(&outcome, "")).collect()
}

#[test]
fn our_client_passes_every_case() {
    let without_tags = vec!["http2".to_owned()];
    let selection = Selection { without_tags, ..Selection::default() };
    let denied = denied(examine(selection, Cut::Whole, ours));
    assert!(denied.is_empty(), "{denied}");
}

#[test]
fn it_does_so_whatever_the_cuts() {
    for cut in [Cut::Bytes, Cut::Padded, Cut::Empty, Cut::Window, Cut::Mixed] {
        let denied = denied(examine(ours::light(), cut, ours));
        assert!(denied.is_empty(), "{cut}: {denied}");
    }
}

/// Cases about HTTP/2 itself: settings, right and wrong responses, frames, endings.
#[test]
fn our_client_passes_every_case_about_http2() {
    let selection = Selection { patterns: vec!["H2W".to_owned()], ..Selection::default() };
    let denied = denied(examine(selection, Cut::Whole, ours_in_turn));
    assert!(denied.is_empty(), "{denied}");
}

/// A page ends the client's direction with its request, as when browsers ask for one before they open a WebSocket: it
/// is answered, and delays nobody.
#[test]
fn pages_are_asked_for_beside() {
    let (told, answer) = channel();
    let selection = Selection { patterns: vec!["1.1.2".to_owned()], ..Selection::default() };
    let played = examine(selection, Cut::Whole, |addr, count| {
        let mut stream = TcpStream::connect(addr).unwrap();
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")];
        let flags = frame::flag::END_HEADERS | frame::flag::END_STREAM;
        let mut out = frame::PREFACE.to_vec();
        frame::Frame::settings(&[]).encode_into(&mut out);
        frame::Frame::new(frame::kind::HEADERS, flags, 1, fields::encode(fields)).encode_into(&mut out);
        stream.write_all(&out).unwrap();
        thread::spawn(move || {
            let (mut frames, mut buffer) = (frame::FrameReader::with_most(1 << 20), [0; 4096]);
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                frames.push(&buffer[..length]);
                while let Ok(Some(one)) = frames.next_frame() {
                    if one.kind == frame::kind::HEADERS {
                        told.send(one.stream).unwrap();
                        return ours(addr, count);
                    }
                }
            }
        });
    });
    assert_eq!(played[0].verdict.behaviour, Behaviour::Ok);
    assert_eq!(answer.recv(), Ok(1));
}

/// A client that knows no rule: it asks at once, takes every answer for the right one, echoes each short frame, and
/// leaves when the stream ends, or `stays` until the lab leaves.
fn careless(addr: SocketAddr, path: &str, stays: bool) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let request = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("sec-websocket-version", "13"),
    ];
    let mut out = frame::PREFACE.to_vec();
    let end_headers = frame::flag::END_HEADERS;
    let mut reading = stream.try_clone().unwrap();
    let mut say = |out: &mut Vec<u8>| {
        let said = stream.write_all(out);
        out.clear();
        said
    };
    frame::Frame::settings(&[]).encode_into(&mut out);
    frame::Frame::new(frame::kind::HEADERS, end_headers, 1, fields::encode(request)).encode_into(&mut out);
    say(&mut out).unwrap();
    let (mut frames, mut held) = (frame::FrameReader::with_most(1 << 20), Vec::new());
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = reading.read(&mut buffer) {
        frames.push(&buffer[..length]);
        while let Ok(Some(one)) = frames.next_frame() {
            match one.kind {
                frame::kind::DATA => held.extend_from_slice(one.unpadded().unwrap_or_default()),
                frame::kind::PING if !one.has(frame::flag::ACK) => {
                    let data = one.payload.clone();
                    frame::Frame::new(frame::kind::PING, frame::flag::ACK, 0, data).encode_into(&mut out);
                }
                frame::kind::SETTINGS if !one.has(frame::flag::ACK) => {
                    frame::Frame::new(frame::kind::SETTINGS, frame::flag::ACK, 0, []).encode_into(&mut out);
                }
                _ => {}
            }
            // A short frame of a server: its opcode, its length, its payload.
            while held.len() >= 2 && held.len() >= 2 + usize::from(held[1] & 0x7f) {
                let rest = held.split_off(2 + usize::from(held[1] & 0x7f));
                let answer = [&[held[0], held[1] | 0x80, 0, 0, 0, 0], &held[2..]].concat();
                frame::Frame::new(frame::kind::DATA, 0, 1, answer).encode_into(&mut out);
                held = rest;
            }
            let ends = matches!(one.kind, frame::kind::DATA | frame::kind::HEADERS)
                && one.has(frame::flag::END_STREAM);
            if say(&mut out).is_err() || ends && !stays {
                return;
            }
        }
    }
}

/// Cases that can be passed without knowing a rule, because a client mostly has to tolerate something.
const HARMLESS: &[&str] = &[
    "H2W-002.3",
    "H2W-004.2",
    "H2W-004.3",
    "H2W-015.1",
    "H2W-015.2",
    "H2W-100.1",
    "H2W-101.2",
    "H2W-101.4",
    "H2W-102.2",
    "H2W-102.3",
    "H2W-102.4",
    "H2W-102.5",
    "H2W-102.7",
    "H2W-102.8",
    "H2W-104.5",
    "H2W-110.1",
    "H2W-110.2",
    "H2W-110.3",
    "H2W-110.4",
    "H2W-111.1",
    "H2W-111.2",
    "H2W-111.3",
    "H2W-112.1",
    "H2W-112.2",
    "H2W-113.1",
    "H2W-114.1",
    "H2W-114.2",
    "H2W-114.3",
    "H2W-114.4",
    "H2W-114.5",
    "H2W-115.1",
    "H2W-115.2",
    "H2W-115.3",
    "H2W-115.4",
    "H2W-116.1",
    "H2W-116.2",
    "H2W-116.3",
    "H2W-118.1",
    "H2W-118.2",
    "H2W-118.3",
    "H2W-119.1",
    "H2W-119.2",
    "H2W-119.3",
    "H2W-119.4",
    "H2W-120.1",
    "H2W-120.2",
    "H2W-120.3",
    "H2W-122.1",
    "H2W-122.2",
    "H2W-123.1",
    "H2W-101.3",
    "H2W-101.5",
    "H2W-004.1",
    "H2W-130.1",
];

#[test]
fn a_client_that_knows_no_rule_fails_what_is_a_rule() {
    let selection = Selection { patterns: vec!["H2W".to_owned()], ..Selection::default() };
    // Most of the connections that it fails it does not end by itself.
    let patience = Some(Duration::from_millis(200));
    let played = examine_within(patience, selection, Cut::Whole, |addr, count| {
        thread::spawn(move || {
            for number in 1..=count {
                careless(addr, &format!("/nextCase?case={number}&agent=careless"), false);
                careless(addr, &format!("/runCase?case={number}&agent=careless"), false);
            }
        });
    });
    let failed = |record: &Record| record.verdict.behaviour == Behaviour::Failed;
    let wrong: BTreeSet<&str> = played
        .iter()
        .filter(|record| !failed(record) && !HARMLESS.contains(&record.case.id))
        .map(|record| record.case.id)
        .collect();
    assert!(wrong.is_empty(), "passed by a client that knows no rule: {wrong:?}");
    // A client that asks for nothing has not broken a rule; one that asks too early has.
    let early = played.iter().find(|record| record.case.id == "H2W-002.1").unwrap();
    assert!(failed(early), "{}", early.verdict.reason);
}

/// A refusal opens nothing at a client that leaves its direction of the stream open: that is untidy but allowed.
#[test]
fn a_client_may_leave_a_refused_stream_open() {
    let selection = Selection { patterns: vec!["H2W-102.2".to_owned()], ..Selection::default() };
    let patience = Some(Duration::from_secs(2));
    let played = examine_within(patience, selection, Cut::Whole, |addr, _| {
        thread::spawn(move || {
            careless(addr, "/nextCase?case=1&agent=careless", false);
            careless(addr, "/runCase?case=1&agent=careless", true);
        });
    });
    assert_eq!(played[0].verdict.behaviour, Behaviour::NonStrict, "{}", played[0].verdict.reason);
}
