//! The event loop over real sockets of the loopback interface.
//!
//! The loop is turned by the test itself, so that what a test waits for is an event and never a time that passes. The
//! peers know TCP and frames, nothing else.

#![cfg(feature = "event-loop")]

#[path = "../support/mod.rs"]
mod support;

mod callbacks;
mod endings;
mod handshakes;
mod messages;
mod slow_peers;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
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
use support::port::reserved;
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
