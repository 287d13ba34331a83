//! Plays a case about HTTP/2 itself on a connection of its own: bytes and time in, bytes out, a verdict.

mod host;
mod judge;
mod send;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::exchange::{Exchange, Move};
use super::fields::{self, Field};
use super::frame::{Frame, code};
use super::session::Session;
use crate::case::{Case, Class, Subject};
use crate::judge::Facts;
use crate::link::Dialogue;
use crate::options::Options;
use crate::player::Wants;
use crate::random::Random;
use crate::receiver::{self, Receiver};
use crate::wire::{Item, Log, Way};

/// The longest message that is accepted.
const MOST: usize = 4 << 20;
/// How long to wait for a better outcome when an allowed one has been reached.
const GRACE: Duration = Duration::from_millis(300);
/// How long our farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// One case being played.
#[derive(Debug)]
pub(crate) struct Examiner {
    case: &'static Case,
    exchange: &'static Exchange,
    /// The side that is examined.
    subject: Subject,
    /// The stream that a client has opened for its WebSocket.
    own: Option<u32>,
    options: Options,
    random: Random,
    /// The fields of a good request.
    request: Vec<Field>,
    session: Session,
    sockets: BTreeMap<u32, Ws>,
    /// Long messages held back by windows.
    waiting: VecDeque<(u32, Vec<u8>)>,
    step: usize,
    rest: Option<Duration>,
    deadline: Duration,
    limit: Duration,
    facts: Facts,
    log: Log,
    /// How the peer ended the connection, if it did.
    ended: Option<String>,
    /// Whether everything to judge is there.
    settled: bool,
    over: bool,
    duration: Duration,
}

/// The WebSocket on a stream.
#[derive(Debug)]
struct Ws {
    receiver: Receiver,
    texts: Vec<Vec<u8>>,
    closed: Option<Option<u16>>,
}

impl Ws {
    fn of(subject: Subject) -> Self {
        let masked = subject == Subject::Client;
        Self { receiver: Receiver::new(masked, MOST), texts: Vec::new(), closed: None }
    }
}

impl Examiner {
    /// Creates a player of this case; `lines` are further fields of each request.
    pub(crate) fn new(
        case: &'static Case,
        exchange: &'static Exchange,
        scheme: &str,
        host: &str,
        target: &str,
        lines: &[String],
        options: Options,
    ) -> Self {
        let extra: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let head =
            format!("CONNECT {target} HTTP/2.0\r\nHost: {host}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n");
        let mut session = Session::traced(exchange.settings);
        session.open_wide();
        let request = fields::of_head(head.as_bytes(), scheme);
        Self::with(case, exchange, Subject::Server, request, session, options)
    }

    fn with(
        case: &'static Case,
        exchange: &'static Exchange,
        subject: Subject,
        request: Vec<Field>,
        session: Session,
        options: Options,
    ) -> Self {
        let patience = options.patience.unwrap_or(Duration::from_millis(case.patience.into()));
        let rests = exchange
            .moves
            .iter()
            .map(|step| if let Move::Rest(millis) = step { u64::from(*millis) } else { 0 });
        let limit = patience * 3 + Duration::from_millis(rests.sum());
        let mut examiner = Self {
            case,
            exchange,
            options,
            random: Random::for_case(options.seed, case.id),
            request,
            subject,
            own: None,
            session,
            sockets: BTreeMap::new(),
            waiting: VecDeque::new(),
            step: 0,
            rest: None,
            deadline: patience,
            limit,
            facts: Facts::default(),
            log: Log::default(),
            ended: None,
            settled: false,
            over: false,
            duration: Duration::ZERO,
        };
        examiner.advance(Duration::ZERO);
        examiner
    }

    /// Returns whether the server has opened a WebSocket and sent something on it.
    pub(crate) fn shows_life(&self) -> bool {
        self.sockets.values().any(|socket| !socket.texts.is_empty() || socket.closed.is_some())
    }

    /// Records that the connection did not come up.
    pub(crate) fn unconnected(&mut self, error: &str) {
        self.facts.unconnected = true;
        self.log.note(Duration::ZERO, format!("could not connect: {error}"));
        (self.settled, self.over) = (true, true);
    }

    fn tell(&mut self, now: Duration) {
        for (way, line) in self.session.lines() {
            self.log.add(now, || Item::Words(way, line));
        }
    }

    /// Runs the moves as far as possible, and settles what can be settled.
    fn advance(&mut self, now: Duration) {
        if self.exchange.patient
            && self.session.settings_frames == 0
            && self.ended.is_none()
            && now < self.deadline
        {
            return self.tell(now);
        }
        while !self.settled {
            if self.rest.is_some_and(|at| now < at) {
                break;
            }
            self.rest = None;
            let Some(step) = self.exchange.moves.get(self.step) else { break };
            if self.session.fault.is_some() || self.ended.is_some() {
                self.step = self.exchange.moves.len();
                break;
            }
            match step {
                Move::Await(seen) if self.holds(seen) => {}
                Move::Await(seen) if now < self.deadline && self.can_come(seen) => break,
                Move::Await(_) => {
                    self.step = self.exchange.moves.len();
                    break;
                }
                Move::Rest(millis) => self.rest = Some(now + Duration::from_millis((*millis).into())),
                step if !self.send_waiting() || !self.has_room(step) => break,
                step => self.play(now, step),
            }
            self.step += 1;
            self.deadline = now + self.patience();
        }
        self.send_waiting();
        self.tell(now);
        if !self.settled && self.step >= self.exchange.moves.len() && self.rest.is_none_or(|at| now >= at) {
            let ended = self.ended.is_some() || self.session.fault.is_some();
            match self.best() {
                Some(Class::Ok) => self.settle(now),
                _ if ended => self.settle(now),
                Some(_) => self.deadline = self.deadline.min(now + GRACE),
                None => {}
            }
        }
    }

    fn patience(&self) -> Duration {
        self.options.patience.unwrap_or(Duration::from_millis(self.case.patience.into()))
    }

    /// Ends the case in good order, since everything is there.
    fn settle(&mut self, now: Duration) {
        self.settled = true;
        self.facts.sent_all = self.step >= self.exchange.moves.len();
        self.duration = now;
        self.deadline = now + FAREWELL;
        if self.ended.is_some() {
            self.over = true;
        } else {
            let code = if self.session.fault.is_some() { code::PROTOCOL_ERROR } else { code::NO_ERROR };
            self.session.raw(&Frame::goaway(0, code));
            self.tell(now);
        }
    }

    /// Reads the WebSockets of all streams.
    fn read(&mut self, now: Duration) {
        let streams: Vec<(u32, Option<u16>)> =
            self.session.streams().map(|(stream, half)| (stream, half.status)).collect();
        let mut scratch = [0; 16 * 1024];
        for (stream, status) in streams {
            loop {
                let length = self.session.take(stream, &mut scratch);
                if length == 0 {
                    break;
                }
                let opened = match self.subject {
                    Subject::Client => self.own == Some(stream),
                    _ => status.is_some_and(|status| status / 100 == 2) && self.is_websocket(stream),
                };
                if !opened {
                    continue;
                }
                let socket = self.sockets.entry(stream).or_insert_with(|| Ws::of(self.subject));
                socket.receiver.push(&scratch[..length]);
                loop {
                    match socket.receiver.next(None) {
                        Ok(None) => break,
                        Ok(Some(frame)) => {
                            self.log.frame(now, Way::Received, frame.header, frame.payload);
                            match frame.seen {
                                Some(receiver::Seen::Text(text)) if socket.texts.len() < 4096 => {
                                    socket.texts.push(text);
                                }
                                Some(receiver::Seen::Close(code, _)) => socket.closed = Some(code),
                                _ => {}
                            }
                        }
                        Err(violation) => {
                            self.log
                                .note(now, format!("the peer breaks a rule on stream {stream}: {violation}"));
                            self.facts.violation.get_or_insert(violation);
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Returns whether a WebSocket rather than a page was requested on this stream.
    fn is_websocket(&self, stream: u32) -> bool {
        !self.exchange.moves.contains(&Move::Get(stream))
    }
}

impl Dialogue for Examiner {
    fn outgoing(&self) -> Option<&[u8]> {
        Some(self.session.outgoing()).filter(|bytes| !bytes.is_empty())
    }
    fn sent(&mut self, now: Duration, bytes: usize) {
        self.facts.last_sent = now;
        self.session.sent(bytes);
        if !self.settled {
            self.advance(now);
        }
    }
    fn write_failed(&mut self, now: Duration, error: &str) {
        self.log.note(now, format!("writing failed: {error}"));
        self.session.forget_outgoing();
    }
    fn receive(&mut self, now: Duration, bytes: &[u8]) {
        if self.settled {
            return;
        }
        self.facts.last_heard = now;
        self.session.receive(bytes);
        self.take_asked();
        self.tell(now);
        self.read(now);
        self.advance(now);
    }
    fn eof(&mut self, now: Duration, error: Option<&str>) {
        let how = match error {
            None => match self.subject {
                Subject::Client => "the client ended the connection".to_owned(),
                _ => "the server ended the connection".to_owned(),
            },
            Some(error) => format!("the connection broke: {error}"),
        };
        self.log.note(now, how.clone());
        (self.facts.ended_by_peer, self.facts.reset) = (true, error.is_some());
        self.ended.get_or_insert(how);
        if self.settled {
            self.over = true;
        } else {
            self.advance(now);
            if !self.settled {
                self.settle(now);
            }
        }
    }
    fn tick(&mut self, now: Duration) {
        if self.settled {
            self.over = true;
            return;
        }
        self.advance(now);
        if !self.settled && self.rest.is_none() && now >= self.deadline.min(self.limit) {
            self.facts.timed_out = self.best().is_none();
            if self.facts.timed_out {
                self.log.note(now, "our patience ended");
            }
            self.settle(now);
        }
    }
    fn deadline(&self) -> Duration {
        match self.rest {
            Some(at) if !self.settled => at.min(self.limit),
            _ if self.settled => self.deadline,
            _ => self.deadline.min(self.limit),
        }
    }
    fn wants(&self) -> Wants {
        if self.settled && self.session.outgoing().is_empty() { Wants::Drop } else { Wants::Nothing }
    }
    fn half_closed(&mut self, _: Duration) {}
    fn dropped(&mut self, _: Duration) {
        self.over = true;
    }
    fn is_over(&self) -> bool {
        self.over
    }
}
