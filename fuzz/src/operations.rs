//! A client and a server joined in memory under a virtual clock, driven by a list of operations. Nothing sent is lost,
//! duplicated or reordered, neither side breaks a rule, both agree on how it ended, and nothing hangs.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};

use crate::support::{Random, Seen};
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{CloseStep, Config, Connection, Due, SendError};
use bowsprit::frame::DataKind;
use bowsprit::message::{Message, Prepared};
use bowsprit::role::Role;

#[derive(Debug, Arbitrary)]
struct Plan {
    client: Settings,
    server: Settings,
    operations: Vec<Operation>,
}

#[derive(Debug, Arbitrary)]
struct Settings {
    fragment: u8,
    ping_seconds: u8,
    idle_seconds: u8,
    small_queue: bool,
    answer_pings: bool,
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Send {
        by: By,
        text: bool,
        len: u16,
        how: How,
    },
    Begin {
        by: By,
        text: bool,
        len: u8,
    },
    Proceed {
        by: By,
        len: u8,
    },
    End {
        by: By,
        len: u8,
    },
    Ping {
        by: By,
        len: u8,
    },
    Pong {
        by: By,
        len: u8,
    },
    Close {
        by: By,
        code: u16,
        len: u8,
    },
    /// Writes at most this many of the waiting bytes, which are read in steps of this size.
    Carry {
        by: By,
        most: u16,
        step: u8,
    },
    Pass {
        deciseconds: u8,
    },
}

#[derive(Debug, Arbitrary)]
enum How {
    Plain,
    Prepared,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum By {
    Client,
    Server,
}

struct Side {
    conn: Connection,
    /// Messages that were accepted for sending, in order.
    sent: Vec<Seen>,
    /// The message that is being sent in parts.
    open: Option<(bool, Vec<u8>)>,
    pings: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
    seen: Vec<Seen>,
    given_up: Option<Due>,
}

struct World {
    sides: [Side; 2],
    now: Instant,
    serial: u32,
}

pub fn run(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let now = Instant::now();
    let side = |role, settings: &Settings| {
        let config = Arc::new(settings.config());
        let conn = match role {
            Role::Client => Connection::client(config, Box::new(Random::new(1)), now),
            Role::Server => Connection::server(config, now),
        };
        Side {
            conn,
            sent: Vec::new(),
            open: None,
            pings: Vec::new(),
            pongs: Vec::new(),
            seen: Vec::new(),
            given_up: None,
        }
    };
    let sides = [side(Role::Client, &plan.client), side(Role::Server, &plan.server)];
    let mut world = World { sides, now, serial: 0 };
    for operation in &plan.operations {
        world.operate(operation);
        world.check();
    }
    world.end();
}

impl Settings {
    fn config(&self) -> Config {
        let seconds = |count: u8| (count > 0).then(|| Duration::from_secs(count.into()));
        let mut config = Config::default();
        config.fragment_size = NonZeroUsize::new(self.fragment.into());
        config.ping_interval = seconds(self.ping_seconds);
        config.idle_timeout = seconds(self.idle_seconds);
        config.answer_pings = self.answer_pings;
        if self.small_queue {
            config.max_queued = 4000;
        }
        config
    }
}

impl World {
    fn operate(&mut self, operation: &Operation) {
        match *operation {
            Operation::Send { by, text, len, ref how } => {
                let payload = self.payload(text, len.into());
                let side = &mut self.sides[by as usize];
                let message = match std::str::from_utf8(&payload) {
                    Ok(characters) if text => Message::Text(characters),
                    _ => Message::Binary(&payload),
                };
                let result = match how {
                    How::Plain => side.conn.outbound.send(message),
                    How::Prepared => side.conn.outbound.send_prepared(&Prepared::new(message)),
                };
                match result {
                    Ok(()) => side.sent.push(seen(text, payload)),
                    Err(error) => side.refused(error),
                }
            }
            Operation::Begin { by, text, len } => {
                let part = self.payload(text, len.into());
                let side = &mut self.sides[by as usize];
                let kind = if text { DataKind::Text } else { DataKind::Binary };
                match side.conn.outbound.start_message(kind, &part) {
                    Ok(()) => side.open = Some((text, part)),
                    Err(error) => side.refused(error),
                }
            }
            Operation::Proceed { by, len } => self.part(by, len.into(), false),
            Operation::End { by, len } => self.part(by, len.into(), true),
            Operation::Ping { by, len } => {
                let payload = self.payload(false, len.into());
                let side = &mut self.sides[by as usize];
                match side.conn.outbound.ping(&payload) {
                    Ok(()) => side.pings.push(payload),
                    Err(error) => side.refused_control(error, payload.len()),
                }
            }
            Operation::Pong { by, len } => {
                let payload = self.payload(false, len.into());
                let side = &mut self.sides[by as usize];
                match side.conn.outbound.pong(&payload) {
                    Ok(()) => side.pongs.push(payload),
                    Err(error) => side.refused_control(error, payload.len()),
                }
            }
            Operation::Close { by, code, len } => {
                let reason = "r".repeat(len.into());
                let close = (code != 0).then_some(CloseReason { code: CloseCode(code), reason: &reason });
                let now = self.now;
                let side = &mut self.sides[by as usize];
                match side.conn.close(close, now) {
                    Ok(()) => assert!(side.conn.outbound.sent_close()),
                    Err(SendError::Closing) => assert!(side.conn.outbound.sent_close()),
                    Err(SendError::CloseCode) => assert!(!CloseCode(code).may_travel()),
                    Err(SendError::ReasonTooLong) => assert!(reason.len() > 123),
                    Err(error) => panic!("{error}"),
                }
            }
            Operation::Carry { by, most, step } => {
                self.carry(by as usize, most.into(), 1 + usize::from(step));
            }
            Operation::Pass { deciseconds } => {
                self.now += Duration::from_millis(100 * u64::from(deciseconds));
                self.expire();
            }
        }
    }

    fn part(&mut self, by: By, len: usize, last: bool) {
        let text = self.sides[by as usize].open.as_ref().is_some_and(|(text, _)| *text);
        let part = self.payload(text, len);
        let side = &mut self.sides[by as usize];
        let outbound = &mut side.conn.outbound;
        match if last { outbound.finish_message(&part) } else { outbound.continue_message(&part) } {
            Ok(()) => {
                let (_, payload) = side.open.as_mut().expect("a message was open");
                payload.extend(part);
                if last && let Some((text, payload)) = side.open.take() {
                    side.sent.push(seen(text, payload));
                }
            }
            Err(SendError::NoMessageOpen) => assert!(side.open.is_none()),
            Err(error) => side.refused(error),
        }
    }

    /// No two payloads are the same, so that duplicates show.
    fn payload(&mut self, text: bool, len: usize) -> Vec<u8> {
        self.serial += 1;
        let mark = format!("<{}>", self.serial);
        let mut payload = mark.repeat(len / mark.len() + 1).into_bytes();
        payload.truncate(len);
        if !text {
            payload.iter_mut().for_each(|byte| *byte |= 0x80);
        }
        payload
    }

    /// Carries bytes to the other side. Returns whether there were any.
    fn carry(&mut self, from: usize, most: usize, step: usize) -> bool {
        let now = self.now;
        let mut bytes = Vec::new();
        let outbound = &mut self.sides[from].conn.outbound;
        while bytes.len() < most && !outbound.pending().is_empty() {
            let len = outbound.pending().len().min(most - bytes.len());
            bytes.extend_from_slice(&outbound.pending()[..len]);
            outbound.advance(len);
        }
        let to = &mut self.sides[1 - from];
        if to.given_up.is_some() {
            return !bytes.is_empty(); // nobody reads any more
        }
        for piece in bytes.chunks_mut(step) {
            let mut input = &mut piece[..];
            loop {
                match to.conn.next(&mut input, now) {
                    Ok(None) => break,
                    Ok(Some(event)) => to.seen.push(Seen::of(&event)),
                    Err(error) => panic!("our own peer broke a rule: {error}"),
                }
            }
        }
        !bytes.is_empty()
    }

    fn expire(&mut self) {
        let now = self.now;
        for side in &mut self.sides {
            // One call does one thing, and there is at most a Ping and an end to do.
            for _ in 0..2 {
                // A Ping of the connection's own may be added to ours.
                let before = side.conn.outbound.queued();
                if side.given_up.is_none() {
                    side.given_up = side.conn.handle_timeout(now);
                }
                if side.conn.outbound.queued() > before && side.given_up.is_none() {
                    side.pings.push(Vec::new());
                }
            }
            let still_due = side.conn.next_timeout().is_some_and(|at| at <= now);
            assert!(side.given_up.is_some() || !still_due, "what was due by now is still due");
        }
    }

    fn check(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to) = (&self.sides[from], &self.sides[to]);
            let messages = to.seen.iter().filter(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_)));
            let mut sent = from.sent.iter();
            for message in messages {
                assert_eq!(Some(message), sent.next(), "what is received was sent, in this order");
            }
            let mut sent = from.pings.iter();
            for seen in &to.seen {
                if let Seen::Ping(payload) = seen {
                    assert_eq!(Some(payload), sent.next(), "so with Pings");
                }
                if let Seen::Pong(payload) = seen {
                    let answers = to.pings.contains(payload) && from.conn.outbound.config().answer_pings;
                    assert!(answers || from.pongs.contains(payload), "a Pong that nobody asked for");
                }
            }
        }
    }

    /// Ends everything: all bytes arrive, and both sides learn how it ended.
    fn end(&mut self) {
        self.settle();
        self.check();
        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to) = (&self.sides[from], &self.sides[to]);
            if to.given_up.is_some() || to.conn.outbound.has_failed() {
                continue;
            }
            let came = to.seen.iter().filter(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_))).count();
            assert_eq!(came, from.sent.len(), "everything has arrived");
            assert!(
                to.conn.inbound.is_between_messages()
                    || from.open.is_some()
                    || from.conn.outbound.sent_close()
            );
            let (sent, received) = (from.conn.outcome().sent, to.conn.outcome().received);
            assert_eq!(sent, received, "both agree what the Close frame said");
        }
        let _ = self.sides[0].conn.close(None, self.now);
        self.settle();
        // §7.1.1, and a deadline if the peer is gone.
        for _ in 0..20_000 {
            let due = self.sides.iter().filter(|side| side.given_up.is_none());
            let Some(at) = due.filter_map(|side| side.conn.next_timeout()).min() else { break };
            self.now = self.now.max(at);
            self.expire();
            self.settle();
            if self.sides.iter().all(Side::is_over) {
                break;
            }
        }
        assert!(self.sides.iter().all(Side::is_over), "a connection hangs");
        self.check();
    }

    fn settle(&mut self) {
        while self.carry(0, usize::MAX, 700) | self.carry(1, usize::MAX, 700) {}
    }
}

impl Side {
    fn is_over(&self) -> bool {
        self.given_up.is_some() || matches!(self.conn.close_step(), CloseStep::CloseTcp | CloseStep::AwaitEof)
    }

    fn refused(&self, error: SendError) {
        let outbound = &self.conn.outbound;
        match error {
            SendError::Closing => assert!(outbound.sent_close()),
            SendError::QueueFull => assert!(outbound.queued() >= outbound.config().max_queued),
            SendError::MessageOpen => assert!(self.open.is_some()),
            error => panic!("{error}"),
        }
    }

    fn refused_control(&self, error: SendError, len: usize) {
        match error {
            SendError::ControlTooLong => assert!(len > 125),
            error => self.refused(error),
        }
    }
}

fn seen(text: bool, payload: Vec<u8>) -> Seen {
    if text { Seen::Text(payload) } else { Seen::Binary(payload) }
}
