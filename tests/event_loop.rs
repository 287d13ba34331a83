//! The event loop over real sockets of the loopback interface.
//!
//! The loop is turned by the test itself, so that what a test waits for is an event and never a time that passes. The
//! peers know TCP and frames, nothing else.

#![cfg(feature = "event-loop")]

mod support;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowsprit::Role;
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{Due, Outcome};
use bowsprit::error::ProtocolError;
use bowsprit::event_loop::{
    Cause, ConnId, Context, Decision, Ended, EventLoop, Failed, Handler, Overflow, Sent, Settings, To,
};
use bowsprit::frame::RawHeader;
use bowsprit::handshake::{Acceptance, Agreement, ClientRequest, PlainRequest, Refusal, Request};
use bowsprit::message::Message;
use support::peer::{Frame, PATIENCE, Peer, REQUEST, assert_close, assert_text};
use support::{close_payload, config, not_fin, sent_by};

/// What the loop has told its handler.
#[derive(Debug)]
enum Told {
    Open(ConnId),
    Text(ConnId, String),
    Binary,
    Ping,
    Pong(ConnId),
    Drained(ConnId),
    Closed(ConnId, Cause, Outcome),
    Failed(Failed),
}

/// A callback, for tests that do something in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callback {
    Request,
    Plain,
    Open,
    Message,
    Ping,
    Pong,
    Drained,
    Close,
    Failed,
}

type Act = fn(&mut Context<u32>, ConnId);

/// Writes down what it is told, and does what the test wants.
#[derive(Debug, Default)]
struct Probe {
    told: VecDeque<Told>,
    echoes: bool,
    relays: bool,
    refuses: Option<Refusal>,
    acts: Vec<(Callback, Act)>,
    sent: Vec<Sent>,
}

impl Probe {
    fn called(&self, callback: Callback, cx: &mut Context<u32>, id: ConnId) {
        for (at, act) in &self.acts {
            if *at == callback {
                act(cx, id);
            }
        }
    }
}

impl Handler for Probe {
    type Data = u32;

    fn on_request(&mut self, cx: &mut Context<u32>, id: ConnId, _: &Request) -> Decision {
        self.called(Callback::Request, cx, id);
        match self.refuses.clone() {
            Some(refusal) => Decision::Refuse(refusal),
            None => Decision::Accept(Acceptance::default()),
        }
    }

    fn on_plain(&mut self, cx: &mut Context<u32>, id: ConnId, _: &PlainRequest) -> Refusal {
        self.called(Callback::Plain, cx, id);
        Refusal::new(404).unwrap()
    }

    fn on_open(&mut self, cx: &mut Context<u32>, id: ConnId, _: &Agreement) {
        self.told.push_back(Told::Open(id));
        self.called(Callback::Open, cx, id);
    }

    fn on_message(&mut self, cx: &mut Context<u32>, id: ConnId, message: Message<'_>) {
        self.told.push_back(match message {
            Message::Text(text) => Told::Text(id, text.to_owned()),
            Message::Binary(_) => Told::Binary,
        });
        self.called(Callback::Message, cx, id);
        if self.echoes {
            self.sent.push(cx.send(id, message));
        }
        if self.relays {
            cx.publish(To::all().except(id), message);
        }
    }

    fn on_ping(&mut self, cx: &mut Context<u32>, id: ConnId, _: &[u8]) {
        self.told.push_back(Told::Ping);
        self.called(Callback::Ping, cx, id);
    }

    fn on_pong(&mut self, cx: &mut Context<u32>, id: ConnId, _: &[u8]) {
        self.told.push_back(Told::Pong(id));
        self.called(Callback::Pong, cx, id);
    }

    fn on_drained(&mut self, cx: &mut Context<u32>, id: ConnId) {
        self.told.push_back(Told::Drained(id));
        self.called(Callback::Drained, cx, id);
    }

    fn on_close(&mut self, cx: &mut Context<u32>, id: ConnId, ended: &Ended) {
        let cause = match &ended.cause {
            Cause::Io(error) => Cause::Io(error.kind().into()),
            Cause::Closed => Cause::Closed,
            Cause::Eof => Cause::Eof,
            Cause::Overflow => Cause::Overflow,
            Cause::Aborted => Cause::Aborted,
            Cause::Protocol(error) => Cause::Protocol(*error),
            Cause::Timeout(due) => Cause::Timeout(*due),
            other => panic!("{other:?}"),
        };
        self.told.push_back(Told::Closed(id, cause, ended.outcome.clone()));
        self.called(Callback::Close, cx, id);
    }

    fn on_failed(&mut self, cx: &mut Context<u32>, id: ConnId, failed: &Failed) {
        let failed = match failed {
            Failed::Io(error) => Failed::Io(error.kind().into()),
            Failed::Request(error) => Failed::Request(*error),
            Failed::Refused(status) => Failed::Refused(*status),
            Failed::Response(error) => Failed::Response(error.clone()),
            Failed::Timeout => Failed::Timeout,
            Failed::Eof => Failed::Eof,
            Failed::Aborted => Failed::Aborted,
            other => panic!("{other:?}"),
        };
        self.told.push_back(Told::Failed(failed));
        self.called(Callback::Failed, cx, id);
    }
}

/// A loop that listens, and its probe.
struct World {
    event_loop: EventLoop<u32>,
    probe: Probe,
    address: SocketAddr,
}

impl World {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let mut event_loop = EventLoop::with_settings(settings).unwrap();
        let address = event_loop.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { event_loop, probe: Probe::default(), address }
    }

    fn echo() -> Self {
        let mut world = Self::new();
        world.probe.echoes = true;
        world
    }

    /// A loop that does `act` in `callback`.
    fn acting(callback: Callback, act: Act) -> Self {
        let mut world = Self::new();
        world.probe.acts.push((callback, act));
        world
    }

    fn cx(&mut self) -> &mut Context<u32> {
        self.event_loop.context()
    }

    fn turn(&mut self) {
        self.event_loop.turn(&mut self.probe, Some(Duration::from_millis(5))).unwrap();
    }

    /// Turns until `done` says what it was waiting for.
    #[track_caller]
    fn until<T>(&mut self, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = done(self) {
                return value;
            }
            assert!(Instant::now() < end, "nothing comes; told: {:?}", self.probe.told);
            self.turn();
        }
    }

    /// The next thing that the handler is told.
    #[track_caller]
    fn told(&mut self) -> Told {
        self.until(|world| world.probe.told.pop_front())
    }

    #[track_caller]
    fn told_open(&mut self) -> ConnId {
        match self.told() {
            Told::Open(id) => id,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn told_closed(&mut self) -> (ConnId, Cause, Outcome) {
        match self.told() {
            Told::Closed(id, cause, outcome) => (id, cause, outcome),
            other => panic!("{other:?}"),
        }
    }

    /// Passes over what it is told before that.
    #[track_caller]
    fn until_closed(&mut self) -> (ConnId, Cause, Outcome) {
        self.until(|world| match world.probe.told.pop_front()? {
            Told::Closed(id, cause, outcome) => Some((id, cause, outcome)),
            _ => None,
        })
    }

    #[track_caller]
    fn told_failed(&mut self) -> Failed {
        match self.told() {
            Told::Failed(failed) => failed,
            other => panic!("{other:?}"),
        }
    }

    /// Turns until there is no connection of any stage.
    #[track_caller]
    fn until_empty(&mut self) {
        self.until(|world| world.event_loop.engine().is_empty().then_some(()));
    }

    fn connect(&self) -> Peer {
        let peer = Peer::connect(self.address);
        peer.stream.set_nonblocking(true).unwrap();
        peer
    }

    #[track_caller]
    fn open(&mut self) -> (Peer, ConnId) {
        let mut peer = self.connect();
        peer.write(REQUEST.as_bytes());
        let head = self.head(&mut peer);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let id = self.told_open();
        (peer, id)
    }

    #[track_caller]
    fn head(&mut self, peer: &mut Peer) -> String {
        self.until(|_| peer.try_head().or_else(|| read(peer).and_then(|_| peer.try_head())))
    }

    #[track_caller]
    fn frame(&mut self, peer: &mut Peer) -> Frame {
        self.until(|_| {
            peer.try_frame().or_else(|| {
                let read = read(peer)?;
                assert_ne!(read, 0, "the server ended the connection");
                peer.try_frame()
            })
        })
    }

    /// What still comes; the connection then ends in an orderly way, without a reset.
    #[track_caller]
    fn rest(&mut self, peer: &mut Peer) -> Vec<u8> {
        self.until(|_| (read(peer)? == 0).then_some(()));
        std::mem::take(&mut peer.ahead)
    }

    /// Writes as the loop takes it.
    #[track_caller]
    fn write(&mut self, peer: &mut Peer, mut bytes: &[u8]) {
        self.until(|_| {
            match io::Write::write(&mut peer.stream, bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            bytes.is_empty().then_some(())
        });
    }
}

/// `None`: nothing now.
#[track_caller]
fn read(peer: &mut Peer) -> Option<usize> {
    match peer.read() {
        Ok(len) => Some(len),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("reading failed: {error}"),
    }
}

const BYE: Option<CloseReason<'static>> = Some(CloseReason { code: CloseCode::NORMAL, reason: "bye" });

// --- messages ----------------------------------------------------------------------------------------------------

#[test]
fn every_size_comes_back() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    for size in [0, 1, 125, 126, 65_535, 65_536, 262_143, 262_144, 262_145, 3_000_000] {
        let payload: Vec<u8> = (0..size).map(|i: u32| (i * 31 + (i >> 8)) as u8).collect();
        world.write(&mut peer, &sent_by(Role::Client, RawHeader::BINARY, &payload));
        let (header, echo) = world.frame(&mut peer);
        assert_eq!(header, RawHeader::BINARY.with_length(size.into()));
        assert!(echo == payload, "{size}");
    }
    assert!(world.probe.sent.iter().all(|sent| matches!(sent, Sent::Now | Sent::Queued(_))));
}

#[test]
fn frames_glued_to_the_request_are_not_lost() {
    let mut world = World::echo();
    let mut peer = world.connect();
    let bytes = [
        REQUEST.as_bytes(),
        &sent_by(Role::Client, RawHeader::TEXT, b"one"),
        &sent_by(Role::Client, RawHeader::TEXT, b"two")[..4],
    ];
    peer.write(&bytes.concat());
    world.head(&mut peer);
    assert_text(&world.frame(&mut peer), "one");
    peer.write(&sent_by(Role::Client, RawHeader::TEXT, b"two")[4..]);
    assert_text(&world.frame(&mut peer), "two");
}

#[test]
fn a_byte_at_a_time_is_fast_enough() {
    let mut world = World::echo();
    let mut peer = world.connect();
    let message = sent_by(Role::Client, RawHeader::TEXT, &[b'x'; 300]);
    for byte in [REQUEST.as_bytes(), &message].concat() {
        peer.write(&[byte]);
        world.turn();
    }
    world.head(&mut peer);
    assert_text(&world.frame(&mut peer), &"x".repeat(300));
}

#[test]
fn a_relay_reaches_all_but_the_sender() {
    let mut world = World::new();
    world.probe.relays = true;
    let mut peers: Vec<Peer> = (0..5).map(|_| world.open().0).collect();
    peers[2].text("news");
    // A second one from elsewhere shows that nothing came back to the first sender before it.
    world.until(|world| world.probe.told.pop_front());
    peers[3].text("more");
    for (at, peer) in peers.iter_mut().enumerate() {
        if at != 2 {
            assert_text(&world.frame(peer), "news");
        }
        if at != 3 {
            assert_text(&world.frame(peer), "more");
        }
    }
}

#[test]
fn what_a_turn_sends_goes_out_in_order() {
    let mut world = World::acting(Callback::Open, |cx, id| {
        for number in 0..1000 {
            assert_eq!(cx.send_text(id, &number.to_string()), Sent::Now);
        }
        assert_eq!(cx.ping(id, b"end"), Sent::Now);
    });
    let (mut peer, _) = world.open();
    for number in 0..1000 {
        assert_text(&world.frame(&mut peer), &number.to_string());
    }
    assert_eq!(world.frame(&mut peer).1, b"end");
}

#[test]
fn both_roles_live_in_one_loop() {
    let mut world = World::echo();
    let address = world.address;
    let request = ClientRequest::new("127.0.0.1", "/").unwrap();
    let client = world.cx().connect(address, request).unwrap();
    let [first, second] = [world.told_open(), world.told_open()];
    assert!(first == client || second == client);
    world.probe.echoes = false;
    assert_eq!(world.cx().send_text(client, "hello"), Sent::Now);
    assert!(matches!(world.told(), Told::Text(id, text) if id != client && text == "hello"));
    world.cx().close(client, BYE);
    for _ in 0..2 {
        let (_, cause, outcome) = world.told_closed();
        assert!(matches!(cause, Cause::Closed) && outcome.is_clean(), "{cause:?} {outcome:?}");
        assert_eq!(outcome.code(), CloseCode::NORMAL);
    }
    world.until_empty();
}

#[test]
fn nobody_to_connect_to_is_told() {
    let mut world = World::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.cx().connect(nobody, ClientRequest::new("a", "/").unwrap()).unwrap();
    let failed = world.told_failed();
    assert!(
        matches!(&failed, Failed::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused),
        "{failed:?}"
    );
    world.until_empty();
}

// --- the end of a connection -------------------------------------------------------------------------------------

#[test]
fn the_server_ends_tcp_first() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    peer.send(RawHeader::CLOSE, &close_payload(1000, "bye"));
    let (header, payload) = world.frame(&mut peer);
    assert_eq!((header.opcode, payload), (0x8, close_payload(1000, "")), "§5.5.1: an answer echoes the code");
    assert_eq!(world.rest(&mut peer), b"", "§7.1.1");
    let (_, cause, outcome) = world.told_closed();
    assert!(matches!(cause, Cause::Closed) && outcome.is_clean());
    assert_eq!(outcome.reason(), "bye");
    // Nothing is unread: to close the socket is to end it, and nobody has to wait for the peer.
    world.until_empty();
    drop(peer);
}

/// What follows a Close frame is against the rules, but no reason to take our answer to it away by a reset.
#[test]
fn a_close_is_answered_also_to_a_peer_that_goes_on_talking() {
    goes_on_talking(b"\x88\x80\0\0\0\0", |(header, payload)| {
        assert_eq!((header.opcode, payload), (0x8, &Vec::new()));
    });
}

#[test]
fn a_peer_that_does_not_end_tcp_is_cut_in_time() {
    let mut world = World::with(|settings| {
        settings.connection = Arc::new(config(|config| config.close_timeout = Duration::from_millis(100)));
    });
    let (mut answered, _) = world.open();
    answered.close(1000);
    world.told_closed();
    let (silent, id) = world.open();
    world.cx().close(id, BYE);
    let (_, cause, outcome) = world.told_closed();
    assert!(matches!(cause, Cause::Timeout(Due::CloseTimeout)) && !outcome.is_clean());
    world.until_empty();
    drop((answered, silent));
}

#[test]
fn a_broken_rule_is_told_to_both_sides() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    peer.text("before");
    peer.write(b"\x81\x05Hello"); // no mask
    assert_text(&world.frame(&mut peer), "before");
    assert_close(&world.frame(&mut peer), 1002);
    assert_eq!(world.rest(&mut peer), b"");
    world.told();
    let (_, cause, outcome) = world.told_closed();
    assert!(matches!(cause, Cause::Protocol(ProtocolError::MaskMissing)), "{cause:?}");
    assert_eq!(outcome.error, Some(ProtocolError::MaskMissing));
    drop(peer);
    world.until_empty();
}

/// What is unread when a socket is closed makes the system send a reset, which can overtake the Close frame.
#[test]
fn a_broken_rule_is_told_also_to_a_peer_that_goes_on_talking() {
    goes_on_talking(b"\x83\x00", |frame| assert_close(frame, 1002));
}

/// Peers send `start` with much behind it, read the answer, send as much again, and see an orderly end.
fn goes_on_talking(start: &[u8], assert_answer: impl Fn(&Frame)) {
    let mut world = World::echo();
    for _ in 0..20 {
        let (mut peer, _) = world.open();
        let mut bytes = start.to_vec();
        bytes.resize(1 << 20, 0);
        world.write(&mut peer, &bytes);
        assert_answer(&world.frame(&mut peer));
        world.write(&mut peer, &bytes);
        assert_eq!(world.rest(&mut peer), b"");
        world.told_closed();
    }
}

#[test]
fn a_reset_ends_one_connection_only() {
    let mut world = World::echo();
    let (mut other, _) = world.open();
    for half_a_frame in [&b""[..], b"\x81", b"\x81\xfe\x10\x00\x01\x02\x03\x04half"] {
        let (mut peer, id) = world.open();
        peer.write(half_a_frame);
        world.turn();
        peer.reset();
        let (closed, cause, outcome) = world.told_closed();
        assert_eq!(closed, id);
        assert!(
            matches!(&cause, Cause::Io(error) if error.kind() == io::ErrorKind::ConnectionReset),
            "{cause:?}"
        );
        assert_eq!(outcome.code(), CloseCode::ABNORMAL);
    }
    other.text("still here");
    assert_text(&world.frame(&mut other), "still here");
    assert_eq!(world.event_loop.engine().len(), 1);
}

#[test]
fn many_resets_at_once() {
    let mut world = World::new();
    world.probe.relays = true;
    let peers: Vec<Peer> = (0..300).map(|_| world.open().0).collect();
    for peer in peers {
        peer.reset();
    }
    world.until_empty();
    let closed = world.probe.told.drain(..).filter(|told| matches!(told, Told::Closed(..))).count();
    assert_eq!(closed, 300);
}

#[test]
fn a_half_closed_peer_gets_its_answer() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    let big = vec![b'x'; 3_000_000];
    world.write(&mut peer, &sent_by(Role::Client, RawHeader::TEXT, &big));
    peer.text("last");
    peer.finish();
    assert!(world.frame(&mut peer).1 == big);
    assert_text(&world.frame(&mut peer), "last");
    assert_eq!(world.rest(&mut peer), b"");
    let (_, cause, outcome) = world.until_closed();
    assert!(matches!(cause, Cause::Eof), "{cause:?}");
    assert_eq!(outcome.code(), CloseCode::ABNORMAL);
    world.until_empty();
}

#[test]
fn a_half_closed_peer_is_answered_a_close() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    peer.close(1000);
    peer.finish();
    assert_close(&world.frame(&mut peer), 1000);
    assert_eq!(world.rest(&mut peer), b"");
    assert!(matches!(world.told_closed().1, Cause::Closed));
    world.until_empty();
}

#[test]
fn names_of_slots_are_not_used_again() {
    let mut world = World::echo();
    let (peer, old) = world.open();
    *world.cx().data(old).unwrap() = 7;
    peer.reset();
    world.told_closed();
    world.until_empty();
    let (mut peer, new) = world.open();
    assert_ne!(old, new);
    assert_eq!(world.cx().data(old), None);
    assert_eq!(world.cx().data(new), Some(&mut 0));
    assert_eq!(world.cx().send_text(old, "to nobody"), Sent::Closed);
    assert_eq!(world.cx().close(old, BYE), Sent::Closed);
    world.cx().abort(old);
    peer.text("to me");
    assert_text(&world.frame(&mut peer), "to me");
}

// --- from inside callbacks ---------------------------------------------------------------------------------------

#[test]
fn close_from_inside_each_callback() {
    for callback in [Callback::Open, Callback::Message, Callback::Ping, Callback::Pong] {
        let mut world = World::acting(callback, |cx, id| {
            cx.send_text(id, "before");
            assert_eq!(cx.close(id, BYE), Sent::Now);
            assert_eq!(cx.send_text(id, "after"), Sent::Closed);
            assert_eq!(cx.close(id, BYE), Sent::Closed);
            assert!(!cx.is_open(id));
        });
        let (mut peer, _) = world.open();
        match callback {
            Callback::Message => peer.text("now"),
            Callback::Ping => peer.send(RawHeader::PING, b""),
            Callback::Pong => peer.send(RawHeader::PONG, b""),
            _ => {}
        }
        let mut frame = world.frame(&mut peer);
        if callback == Callback::Ping {
            frame = world.frame(&mut peer); // the Pong went first
        }
        assert_text(&frame, "before");
        assert_close(&world.frame(&mut peer), 1000);
        peer.close(1000);
        assert_eq!(world.rest(&mut peer), b"", "{callback:?}");
        let (_, cause, outcome) = world.until_closed();
        assert!(matches!(cause, Cause::Closed) && outcome.is_clean(), "{callback:?}");
    }
}

#[test]
fn abort_from_inside_each_callback() {
    use Callback::*;
    for callback in [Request, Plain, Open, Message, Ping, Pong, Close, Failed] {
        let mut world = World::acting(callback, |cx, id| {
            cx.abort(id);
            cx.abort(id);
            assert_eq!(cx.send_text(id, "after"), Sent::Closed);
        });
        let mut peer = world.connect();
        match callback {
            Plain => peer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Failed => peer.write(b"GET / HTTP/1.1\r\n\r\n"),
            _ => peer.write(REQUEST.as_bytes()),
        }
        match callback {
            Message => peer.text("now"),
            Ping => peer.send(RawHeader::PING, b""),
            Pong => peer.send(RawHeader::PONG, b""),
            Close => peer.close(1000),
            _ => {}
        }
        world.until(|world| (!world.probe.told.is_empty()).then_some(()));
        world.until_empty();
        let ends = world.probe.told.iter().filter(|told| matches!(told, Told::Closed(..) | Told::Failed(..)));
        assert_eq!(ends.count(), 1, "{callback:?}: {:?}", world.probe.told);
    }
}

#[test]
fn others_can_be_closed_from_inside_a_callback() {
    let mut world = World::acting(Callback::Message, |cx, id| {
        let others: Vec<ConnId> = cx.connections().filter(|other| *other != id).collect();
        for (at, other) in others.into_iter().enumerate() {
            if at % 2 == 0 {
                cx.abort(other);
            } else {
                cx.close(other, BYE);
            }
        }
    });
    let mut peers: Vec<Peer> = (0..6).map(|_| world.open().0).collect();
    // All talk in the same turn, so that the closed ones have something to say still.
    for peer in &mut peers {
        peer.text("all the same");
        peer.finish();
    }
    world.until_empty();
    let closed = world.probe.told.iter().filter(|told| matches!(told, Told::Closed(..))).count();
    assert_eq!(closed, 6, "{:?}", world.probe.told);
}

// --- handshakes --------------------------------------------------------------------------------------------------

#[test]
fn a_refused_request_can_be_read_by_the_peer() {
    let refusal = Refusal::new(403).unwrap().with_text("Not today.");
    for (request, status) in [
        (REQUEST.to_owned(), "403 Forbidden"),
        (REQUEST.replace("Version: 13", "Version: 8"), "426 Upgrade Required"),
        (REQUEST.replace("Host: 127.0.0.1\r\n", ""), "400 Bad Request"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "404 Not Found"),
        ("\u{16}\u{3}\u{1}".to_owned(), "400 Bad Request"),
    ] {
        let mut world = World::new();
        world.probe.refuses = Some(refusal.clone());
        let mut peer = world.connect();
        // What is unread when a socket is closed makes the system send a reset, which takes the answer along.
        let mut bytes = request.into_bytes();
        bytes.resize(bytes.len() + 500_000, b'x');
        world.write(&mut peer, &bytes);
        let answer = world.rest(&mut peer);
        let start = format!("HTTP/1.1 {status}\r\n");
        assert!(answer.starts_with(start.as_bytes()), "{status}: {}", answer.escape_ascii());
        assert!(answer.ends_with(b"\n"), "it says why: {}", answer.escape_ascii());
        let failed = world.told_failed();
        assert!(matches!(failed, Failed::Refused(403 | 404) | Failed::Request(_)), "{failed:?}");
        drop(peer);
        world.until_empty();
    }
}

#[test]
fn slow_handshakes_end_in_time_whatever_they_send() {
    let mut world = World::with(|settings| {
        settings.handshake_timeout = Duration::from_millis(200);
        settings.head.max_bytes = usize::MAX;
    });
    let mut silent = world.connect();
    let mut slow = world.connect();
    slow.write(REQUEST.trim_end().as_bytes());
    slow.write(b"\r\nX-Endless: ");
    let began = Instant::now();
    // A byte a turn extends nothing.
    let mut gone = false;
    let answer = world.until(|_| {
        gone = gone || io::Write::write(&mut slow.stream, b"x").is_err();
        slow.try_head().or_else(|| read(&mut slow).and_then(|_| slow.try_head()))
    });
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(world.rest(&mut silent), b"");
    for _ in 0..2 {
        let failed = world.told_failed();
        assert!(matches!(failed, Failed::Timeout), "{failed:?}");
    }
}

#[test]
fn a_peer_that_goes_before_the_handshake_is_done_is_forgotten() {
    let mut world = World::new();
    for bytes in [&b""[..], b"GET", &REQUEST.as_bytes()[..REQUEST.len() - 1]] {
        let mut peer = world.connect();
        peer.write(bytes);
        peer.finish();
        let failed = world.told_failed();
        assert!(matches!(failed, Failed::Eof), "{failed:?}");
        world.until_empty();
        drop(peer);
        let mut peer = world.connect();
        peer.write(bytes);
        world.turn();
        peer.reset();
        world.told_failed();
        world.until_empty();
    }
}

#[test]
fn too_many_connections_are_told_so() {
    let mut world = World::with(|settings| settings.max_connections = 2);
    world.probe.echoes = true;
    let (mut first, _) = world.open();
    let (second, _) = world.open();
    let mut third = world.connect();
    let answer = world.rest(&mut third);
    assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    first.text("undisturbed");
    assert_text(&world.frame(&mut first), "undisturbed");
    world.told();
    second.reset();
    world.told_closed();
    world.open();
}

/// The 503 must not be lost because the request came before it was written.
#[test]
fn a_503_can_be_read_by_a_peer_that_has_sent_its_request() {
    let mut world = World::with(|settings| settings.max_connections = 1);
    let _first = world.open();
    for _ in 0..50 {
        let mut peer = world.connect();
        peer.write(REQUEST.as_bytes());
        let answer = world.rest(&mut peer);
        assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
    }
}

// --- peers that do not read, or say nothing ----------------------------------------------------------------------

/// A message that no socket buffer takes in whole together with a few more.
fn big() -> String {
    "x".repeat(1 << 20)
}

#[test]
fn a_reader_that_does_not_read_is_ended() {
    let mut world = World::new();
    let (_stuck, id) = world.open();
    let (mut other, _) = world.open();
    let big = big();
    let mut queued = 0;
    let cause = world.until(|world| {
        match world.cx().send_text(id, &big) {
            Sent::Queued(bytes) => queued = queued.max(bytes),
            Sent::Now => {}
            Sent::Closed => {}
            sent => panic!("{sent:?}"),
        }
        match world.probe.told.pop_front()? {
            Told::Closed(closed, cause, _) if closed == id => Some(cause),
            _ => None, // drained, while the system's buffers still grow
        }
    });
    assert!(matches!(cause, Cause::Overflow), "{cause:?}");
    // 4 MiB, and the last message that was accepted may pass the mark.
    assert!(queued < (5 << 20) + 100, "{queued}");
    world.probe.echoes = true;
    other.text("not slowed");
    assert_text(&world.frame(&mut other), "not slowed");
    assert_eq!(world.event_loop.engine().len(), 1);
}

#[test]
fn a_reader_that_does_not_read_loses_data_but_no_control_frame() {
    let mut world = World::with(|settings| settings.overflow = Overflow::DropData);
    let (mut peer, id) = world.open();
    let big = big();
    let mut accepted = 0;
    world.until(|world| match world.cx().send_text(id, &big) {
        Sent::Dropped => Some(()),
        _ => {
            accepted += 1;
            None
        }
    });
    assert!(matches!(world.cx().ping(id, b"still there?"), Sent::Queued(_)));
    assert_eq!(world.cx().send_text(id, &big), Sent::Dropped);
    for _ in 0..accepted {
        assert!(world.frame(&mut peer).1 == big.as_bytes());
    }
    assert_eq!(world.frame(&mut peer).1, b"still there?");
    assert!(matches!(world.told(), Told::Drained(drained) if drained == id));
    assert_eq!(world.cx().send_text(id, "again"), Sent::Now);
    assert_text(&world.frame(&mut peer), "again");
}

#[test]
fn a_peer_that_does_not_read_echoes_is_not_read_from() {
    let mut world = World::echo();
    let (mut peer, _) = world.open();
    let message = sent_by(Role::Client, RawHeader::BINARY, &vec![7; 1 << 16]);
    // It sends as long as it can, and the loop is idle in between: 64 turns without progress.
    let (mut sent, mut stuck) = (0, 0);
    let mut rest = &message[..];
    while stuck < 64 {
        match io::Write::write(&mut peer.stream, rest) {
            Ok(len) => {
                stuck = 0;
                rest = &rest[len..];
                if rest.is_empty() {
                    sent += 1;
                    rest = &message;
                }
            }
            Err(_) => {
                stuck += 1;
                world.turn();
            }
        }
        assert!(sent < 1000, "{sent} messages of 64 KiB were taken from a peer that does not read");
    }
    assert!(world.probe.sent.iter().all(|sent| matches!(sent, Sent::Now | Sent::Queued(_))));
    // Then it reads, and everything is there.
    for _ in 0..sent {
        assert_eq!(world.frame(&mut peer).1.len(), 1 << 16);
    }
    world.write(&mut peer, rest);
    assert_eq!(world.frame(&mut peer).1.len(), 1 << 16);
}

#[test]
fn a_flood_of_pings_is_bounded() {
    let mut world = World::new();
    let (mut peer, id) = world.open();
    let pings = sent_by(Role::Client, RawHeader::PING, &[b'p'; 125]).repeat(1000);
    let mut most = 0;
    for _ in 0..200 {
        let _ = io::Write::write(&mut peer.stream, &pings);
        world.turn();
        most = most.max(world.cx().queued(id));
    }
    assert!(most < 200 << 10, "{most} bytes of Pongs wait");
    assert!(world.cx().is_open(id));
}

#[test]
fn a_flood_of_empty_fragments_is_ended() {
    let mut world = World::new();
    let (mut peer, _) = world.open();
    peer.send(not_fin(RawHeader::TEXT), b"");
    let empty = sent_by(Role::Client, not_fin(RawHeader::CONTINUATION), b"");
    world.write(&mut peer, &empty.repeat(2000));
    assert_close(&world.frame(&mut peer), 1008);
    assert!(matches!(world.told_closed().1, Cause::Protocol(ProtocolError::TooManyEmptyFragments)));
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let mut world = World::with(|settings| {
        settings.connection = Arc::new(config(|config| {
            config.ping_interval = Some(Duration::from_millis(50));
            config.pong_timeout = Duration::from_millis(50);
        }));
    });
    let (mut peer, id) = world.open();
    for _ in 0..3 {
        let (header, payload) = world.frame(&mut peer);
        assert_eq!(header.opcode, RawHeader::PING.opcode);
        peer.send(RawHeader::PONG, &payload);
        assert!(matches!(world.told(), Told::Pong(pong) if pong == id));
    }
    let (_, cause, _) = world.told_closed();
    assert!(matches!(cause, Cause::Timeout(Due::Dead)), "{cause:?}");
    world.frame(&mut peer);
    assert_close(&world.frame(&mut peer), 1001);
}

#[test]
fn an_idle_peer_is_closed() {
    let mut world = World::with(|settings| {
        settings.connection =
            Arc::new(config(|config| config.idle_timeout = Some(Duration::from_millis(100))));
    });
    let (mut peer, _) = world.open();
    assert_close(&world.frame(&mut peer), 1001);
    assert!(matches!(world.told_closed().1, Cause::Timeout(Due::Idle)));
}
