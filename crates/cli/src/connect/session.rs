//! The life of `bowsprit connect`: from the first try to the exit code.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bowsprit::client::ClientConfig;
use bowsprit::close::{CloseCode, CloseReason, OwnedClose};
use bowsprit::connection::{Due, Latency};
use bowsprit::event_loop::{
    Cause, ClientEvent, ClientId, ClientState, ConnId, Context, Ended, Handler, Sent,
};
use bowsprit::frame::DataKind;
use bowsprit::handshake::{Agreement, Response};
use bowsprit::message::Message;
use mio::Waker;
use serde_json::json;

use super::LINGER;
use super::answers::{Answers, Moved};
use super::failure;
use super::json::{self, Direction};
use super::lines::{self, HELP, Line};
use super::output::Output;
use super::terminal;
use crate::args::Time;
use crate::deflate::agreed;
use crate::driver::{Driver, Turn};
use crate::exit::Exit;
use crate::input::{Format, Input, Item, Separator};
use crate::output::{count, one_line};

/// What the user wants.
pub(super) struct Plan {
    pub(super) target: String,
    /// The one that stands before it.
    pub(super) proxy: Option<String>,
    /// The file of certificates that are trusted.
    pub(super) ca: Option<String>,
    /// In place of stdin.
    pub(super) messages: Vec<Outgoing>,
    pub(super) separator: Option<Separator>,
    pub(super) preamble: Vec<String>,
    pub(super) expect: Option<u64>,
    /// How long the server may be quiet after the last line; `None` where it is not for us to close.
    pub(super) wait: Option<Duration>,
    pub(super) until: Option<Instant>,
    pub(super) close_timeout: Duration,
    pub(super) binary: bool,
    pub(super) base64: bool,
    pub(super) json: bool,
    pub(super) commands: bool,
    pub(super) edit: bool,
    pub(super) keep_history: bool,
    pub(super) verbose: bool,
    pub(super) close_code_exit: bool,
}

/// A message that was named on the command line.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    Text(String),
    /// The bytes of this file.
    File(PathBuf),
}

pub(super) struct Session {
    plan: Plan,
    stage: Stage,
    client: Option<ClientId>,
    /// From the moment the first connection is open.
    input: Option<Input>,
    /// What was typed while there was no connection.
    held: VecDeque<Item>,
    messages: VecDeque<Outgoing>,
    /// What is still to be said of it on this connection.
    preamble: VecDeque<String>,
    /// When we began to connect.
    began: Option<Instant>,
    /// Nothing is sent before, so that a greeting is not taken for an answer.
    silent_until: Option<Instant>,
    waker: Arc<Waker>,
    output: Output,
    latency: Latency,
    received: u64,
    answers: Answers,
    /// A message is being sent in fragments.
    in_fragments: bool,
    /// Nothing is read from the server until the terminal has shown what has come.
    paused: bool,
    /// The code of the last connection that was open.
    code: Option<CloseCode>,
}

#[derive(Clone, Copy)]
enum Stage {
    /// On the way, for the first time or again.
    Away,
    Open(ConnId),
    /// We have begun the closing handshake; how it ends if all goes well.
    Closing(Exit),
    /// Nothing more is to come; the client may still have to end.
    Over(Exit),
}

/// While more than this waits for the server, stdin waits too.
const ENOUGH_QUEUED: usize = 256 << 10;

/// A server that speaks first does so right behind its 101: twice the time that it took to open the connection is long
/// enough for it, within these bounds.
const SHORTEST_GREETING: Duration = Duration::from_millis(5);
const LONGEST_GREETING: Duration = Duration::from_millis(250);

/// Messages taken from stdin before messages from the server get their turn.
const ITEMS_A_TURN: usize = 64;

impl Session {
    pub(super) fn new(plan: Plan, waker: Arc<Waker>) -> Self {
        Self {
            stage: Stage::Away,
            client: None,
            input: None,
            held: VecDeque::new(),
            messages: plan.messages.clone().into(),
            preamble: VecDeque::new(),
            began: None,
            silent_until: None,
            waker,
            output: {
                let end = plan.separator.as_ref().map(|separator| separator.0.clone());
                Output::new(plan.binary, plan.json, plan.base64, end.filter(|end| !end.is_empty()))
            },
            latency: Latency::new(),
            received: 0,
            answers: Answers::new(plan.wait),
            in_fragments: false,
            paused: false,
            code: None,
            plan,
        }
    }

    pub(super) fn run(mut self, driver: &mut Driver<()>, config: ClientConfig) -> io::Result<i32> {
        let exit = self.live(driver, config);
        self.output.leave_screen();
        Ok(self.exit_code(exit?))
    }

    fn live(&mut self, driver: &mut Driver<()>, config: ClientConfig) -> io::Result<Exit> {
        self.client = Some(driver.engine.context().open(config)?);
        let exit = loop {
            if let Stage::Over(exit) = self.stage {
                break exit;
            }
            let until = if let Stage::Closing(_) = self.stage { None } else { self.plan.until };
            let turn = driver.turn(self, [until, self.due()].into_iter().flatten().min())?;
            let cx = driver.engine.context();
            if turn == Turn::AskedToEnd {
                self.interrupted(cx);
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                self.time_is_up(cx);
            }
            self.hold_input(cx);
            self.send_input(cx);
            self.close_when_answered(cx);
            self.flush_output(cx);
            self.keep_pace(cx);
        };
        self.linger(driver)?;
        Ok(exit)
    }

    /// When there is something to do on the open connection.
    fn due(&self) -> Option<Instant> {
        let Stage::Open(_) = self.stage else { return None };
        [self.answers.due(), self.silent_until].into_iter().flatten().min()
    }

    /// Lets what is left to be said go out.
    fn linger(&mut self, driver: &mut Driver<()>) -> io::Result<()> {
        let by = Instant::now() + LINGER.min(self.plan.close_timeout);
        while !driver.engine.is_empty() && Instant::now() < by {
            driver.turn(self, Some(by))?;
        }
        Ok(())
    }

    fn exit_code(&self, exit: Exit) -> i32 {
        match self.code {
            Some(CloseCode(code)) if self.plan.close_code_exit && exit != Exit::Usage => match code {
                1000 => 0,
                1001..=1015 => i32::from(code) - 900,
                4000..=4105 => i32::from(code) - 4000 + 150,
                4106.. => 255,
                _ => 130,
            },
            _ => exit as i32,
        }
    }

    /// Says why it ends so.
    fn because(&mut self, exit: Exit, why: impl Display) -> Exit {
        self.output.note(why);
        exit
    }

    /// Says what a person at a terminal wants to know, and a script does not.
    fn tell(&mut self, text: impl Display) {
        if self.plan.edit {
            self.output.note(text);
        }
    }

    /// Reads no faster than the terminal shows.
    fn keep_pace(&mut self, cx: &mut Context<()>) {
        let behind = self.output.is_behind();
        if let Stage::Open(id) = self.stage
            && behind != self.paused
        {
            self.paused = behind;
            if behind { cx.pause(id) } else { cx.resume(id) }
        }
    }

    fn interrupted(&mut self, cx: &mut Context<()>) {
        match self.stage {
            Stage::Open(_) => self.close(cx, CloseCode::GOING_AWAY, "", Exit::Done),
            Stage::Closing(..) | Stage::Over(_) => {}
            Stage::Away => {
                let exit = if self.code.is_some() { Exit::Done } else { Exit::NotConnected };
                self.output.note("interrupted while there was no connection");
                self.give_up(cx, exit);
            }
        }
    }

    fn time_is_up(&mut self, cx: &mut Context<()>) {
        self.plan.until = None;
        let exit = match self.plan.expect {
            Some(expect) => {
                let received = self.received;
                self.because(Exit::PeerFailed, format_args!("{received} of {expect} messages came in time"))
            }
            None => Exit::Done,
        };
        match self.stage {
            Stage::Open(_) => self.close(cx, CloseCode::NORMAL, "", exit),
            Stage::Closing(..) | Stage::Over(_) => {}
            Stage::Away => {
                let exit = if self.code.is_some() { exit } else { Exit::NotConnected };
                self.output.note("the time was up while there was no connection");
                self.give_up(cx, exit);
            }
        }
    }

    fn give_up(&mut self, cx: &mut Context<()>, exit: Exit) {
        self.stage = Stage::Over(exit);
        if let Some(client) = self.client {
            cx.abort_client(client);
        }
    }

    /// Begins the closing handshake; no connection follows.
    fn close(&mut self, cx: &mut Context<()>, code: CloseCode, reason: &str, exit: Exit) {
        if let (Stage::Open(_), Some(client)) = (self.stage, self.client) {
            cx.close_client(client, Some(CloseReason { code, reason }));
            self.stage = Stage::Closing(exit);
        }
    }

    /// Sends what is to be sent, as far as the server reads.
    fn send_input(&mut self, cx: &mut Context<()>) {
        for _ in 0..ITEMS_A_TURN {
            let Stage::Open(id) = self.stage else { return };
            if self.silent_until.is_some_and(|until| Instant::now() < until) {
                return;
            }
            self.silent_until = None;
            if cx.queued(id) > ENOUGH_QUEUED {
                return; // `on_drained` or the end of the turn that writes it comes back here
            }
            if let Some(text) = self.preamble.pop_front() {
                self.send(cx, id, Message::Text(&text));
                continue;
            }
            match self.messages.pop_front() {
                Some(Outgoing::Text(text)) => {
                    self.send(cx, id, Message::Text(&text));
                    continue;
                }
                Some(Outgoing::File(path)) => {
                    self.send_file(cx, id, &path);
                    continue;
                }
                None => {}
            }
            if !self.plan.messages.is_empty() {
                return self.answers.wait(Instant::now());
            }
            let next = match self.held.pop_front() {
                None => self.input.as_ref().and_then(Input::next),
                held => held,
            };
            match next {
                None => return,
                Some(Item::Text(line)) if self.plan.json => match json::parse(&line) {
                    Ok(Some(line)) => self.obey(cx, id, Ok(line)),
                    Ok(None) => {}
                    Err(why) => self.obey(cx, id, Err(why)),
                },
                Some(Item::Text(line)) if self.plan.edit || self.plan.commands => {
                    self.obey(cx, id, lines::parse(&line));
                }
                Some(Item::Text(text)) => self.send(cx, id, Message::Text(&text)),
                Some(Item::Binary(bytes)) => self.send(cx, id, Message::Binary(&bytes)),
                Some(Item::End) => {
                    self.input = None;
                    return self.answers.wait(Instant::now());
                }
                Some(Item::Wrong(why)) => {
                    self.output.note(why);
                    self.close(cx, CloseCode::NORMAL, "", Exit::Usage);
                }
            }
        }
        // There may be more.
        let _ = self.waker.wake();
    }

    /// Keeps what is typed between two connections, and says so.
    fn hold_input(&mut self, cx: &mut Context<()>) {
        while let (Stage::Away, true, Some(input)) = (self.stage, self.plan.edit, &self.input) {
            match input.next() {
                None => return,
                Some(Item::Text(line)) if line.starts_with("/close") => self.give_up(cx, Exit::Done),
                Some(item @ Item::Text(_)) => {
                    self.held.push_back(item);
                    let waiting = count(self.held.len() as u64, "line");
                    self.tell(format_args!(
                        "not connected: {waiting} will be sent once there is a connection"
                    ));
                }
                Some(_) => self.give_up(cx, Exit::Done),
            }
        }
    }

    /// Closes once the server has answered, or has been quiet for long enough.
    fn close_when_answered(&mut self, cx: &mut Context<()>) {
        if let Stage::Open(id) = self.stage {
            let moved = Moved { read: cx.stats().bytes_in, queued: cx.queued(id) };
            if self.answers.are_over(Instant::now(), moved) {
                self.close(cx, CloseCode::NORMAL, "", Exit::Done);
            }
        }
    }

    fn obey(&mut self, cx: &mut Context<()>, id: ConnId, line: Result<Line, String>) {
        let sent = match line {
            Ok(Line::Text(text)) => return self.send(cx, id, Message::Text(&text)),
            Ok(Line::Binary(bytes)) => return self.send(cx, id, Message::Binary(&bytes)),
            Ok(Line::Ping(payload)) => {
                self.latency.pinged(&payload, Instant::now());
                self.trace(format_args!("> Ping \"{}\"", one_line(&payload)));
                cx.ping(id, &payload)
            }
            Ok(Line::Pong(payload)) => {
                self.trace(format_args!("> Pong \"{}\"", one_line(&payload)));
                cx.pong(id, &payload)
            }
            Ok(Line::Close(code, reason)) => return self.close(cx, code, &reason, Exit::Done),
            Ok(Line::Fragment(part)) if self.in_fragments => cx.proceed(id, part.as_bytes()),
            Ok(Line::Fragment(part)) => {
                self.in_fragments = true;
                cx.begin(id, DataKind::Text, part.as_bytes())
            }
            Ok(Line::End(part)) => {
                self.in_fragments = false;
                self.answers.sent();
                cx.end(id, part.as_bytes())
            }
            Ok(Line::Help) => return self.output.note(HELP),
            Err(why) if self.plan.edit => return self.output.note(why),
            Err(why) => {
                self.output.note(why);
                return self.close(cx, CloseCode::NORMAL, "", Exit::Usage);
            }
        };
        self.check(sent);
    }

    fn send(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
        if self.plan.verbose {
            self.output.message_event(Direction::Out, message);
        }
        self.answers.sent();
        let sent = cx.send(id, message);
        self.check(sent);
    }

    fn send_file(&mut self, cx: &mut Context<()>, id: ConnId, path: &Path) {
        match std::fs::read(path) {
            Ok(bytes) => self.send(cx, id, Message::Binary(&bytes)),
            Err(error) => {
                let path = one_line(path.as_os_str().as_encoded_bytes());
                self.output.note(format_args!("cannot read {path}: {error}"));
                self.close(cx, CloseCode::NORMAL, "", Exit::Usage);
            }
        }
    }

    fn check(&mut self, sent: Sent) {
        match sent {
            // `on_close` tells, or has told.
            Sent::Now | Sent::Queued(_) | Sent::Closed => {}
            Sent::Refused(why) => self.output.note(format_args!("not sent: {why}")),
            other => self.output.note(format_args!("a message was not sent: {other:?}")),
        }
    }

    fn flush_output(&mut self, cx: &mut Context<()>) {
        match self.output.flush() {
            Ok(()) => {}
            // The reader has had enough, which is its right.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.stop(cx, Exit::Done),
            Err(error) => {
                self.output.note(format_args!("cannot write to stdout: {error}"));
                self.stop(cx, Exit::Usage);
            }
        }
    }

    /// Nobody reads what comes any more.
    fn stop(&mut self, cx: &mut Context<()>, exit: Exit) {
        self.output.stop();
        match self.stage {
            Stage::Open(_) => self.close(cx, CloseCode::GOING_AWAY, "", exit),
            Stage::Closing(Exit::Done) => self.stage = Stage::Closing(exit),
            Stage::Away => self.give_up(cx, exit),
            _ => {}
        }
    }

    fn trace(&mut self, text: impl Display) {
        if self.plan.verbose {
            self.output.note(format_args!("{} {text}", clock()));
        }
    }

    /// What the end of an open connection means.
    fn judge(&mut self, ended: &Ended) -> Exit {
        let received = self.received;
        let asked = match (self.stage, self.plan.expect) {
            (Stage::Closing(exit), _) => exit,
            (_, Some(expect)) if received < expect => {
                self.because(Exit::PeerFailed, format_args!("{received} of {expect} messages came"))
            }
            _ => Exit::Done,
        };
        let why = match &ended.cause {
            Cause::Closed => {
                let code = ended.outcome.code();
                let ours = ended.outcome.sent.as_ref().and_then(|sent| sent.as_ref()).map(|sent| sent.code);
                let usual = matches!(code, CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS);
                let by_us = matches!(self.stage, Stage::Closing(_));
                let reason = one_line(ended.outcome.reason().as_bytes());
                let colon = if reason.is_empty() { "" } else { ": " };
                let text = format!("the server closed with {code}{colon}{reason}");
                if usual || (by_us && ours == Some(code)) {
                    if !by_us {
                        self.tell(text);
                    }
                    return asked;
                }
                text
            }
            Cause::Protocol(error) => format!("the server broke a rule: {error}"),
            Cause::Eof => "the server ended the connection without a Close frame".to_owned(),
            Cause::Io(error) => format!("the connection broke: {error}"),
            Cause::Timeout(Due::CloseTimeout) => {
                let timeout = Time(self.plan.close_timeout);
                format!("the server did not answer the Close frame within {timeout}")
            }
            Cause::Timeout(Due::Idle) => "the server was silent for too long".to_owned(),
            Cause::Timeout(_) => "the server did not answer a Ping in time".to_owned(),
            other => format!("the connection ended: {other:?}"),
        };
        self.because(Exit::PeerFailed, why)
    }

    fn start_input(&mut self) {
        if self.input.is_some() || !self.plan.messages.is_empty() || self.answers.are_awaited() {
            return;
        }
        if self.plan.edit
            && self.output.is_for_people()
            && let Some((input, screen)) = terminal::start(self.waker.clone(), self.plan.keep_history)
        {
            self.input = Some(input);
            return self.output.print_to(screen);
        }
        let binary = self.plan.binary;
        let format = match &self.plan.separator {
            Some(separator) => Format::Parts { separator: separator.clone(), binary },
            None if binary => Format::Bytes,
            None => Format::Lines,
        };
        self.input = Some(Input::start(format, self.waker.clone()));
    }
}

impl Handler for Session {
    type Data = ();

    fn on_response(&mut self, _: &mut Context<()>, _: ConnId, response: &Response) {
        if self.plan.verbose {
            failure::show_head(&mut self.output, '<', response.head().bytes());
        }
    }

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, agreement: &Agreement) {
        if matches!(self.stage, Stage::Over(_)) {
            return cx.abort(id);
        }
        self.stage = Stage::Open(id);
        self.in_fragments = false;
        self.paused = false;
        self.answers.start_again(Instant::now());
        let address = cx.peer_address(id).map(|address| address.to_string());
        self.trace(format_args!("open, to {}", address.as_deref().unwrap_or(&self.plan.target).to_owned()));
        self.trace(format_args!("agreed: {}", agreed(agreement.deflate())));
        self.output.event(
            None,
            "open",
            &json!({
                "address": address, "subprotocol": agreement.subprotocol,
                "extensions": agreement.extensions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
        );
        let again = match (self.code, self.held.len() as u64) {
            (None, _) => "; /help tells of commands, Ctrl-D ends".to_owned(),
            (Some(_), 0) => " again".to_owned(),
            (Some(_), held) => format!(" again; now sending {}", count(held, "line")),
        };
        self.tell(format_args!("connected to {}{again}", self.plan.target.clone()));
        self.preamble = self.plan.preamble.clone().into();
        if self.plan.wait.is_some_and(|wait| !wait.is_zero()) {
            let took = self.began.map_or(Duration::ZERO, |began| began.elapsed());
            self.silent_until =
                Instant::now().checked_add((took * 2).clamp(SHORTEST_GREETING, LONGEST_GREETING));
        } else {
            // Before a message that has come with the 101 can be the last one expected.
            while let Some(text) = self.preamble.pop_front() {
                self.send(cx, id, Message::Text(&text));
            }
        }
        self.start_input();
        let _ = self.waker.wake();
    }

    fn on_message(&mut self, cx: &mut Context<()>, _: ConnId, message: Message<'_>) {
        self.received += 1;
        self.answers.came();
        self.output.message(message);
        if self.plan.expect == Some(self.received) {
            self.close(cx, CloseCode::NORMAL, "", Exit::Done);
        }
    }

    fn on_ping(&mut self, _: &mut Context<()>, _: ConnId, payload: &[u8]) {
        self.answers.control_came();
        self.trace(format_args!("< Ping \"{}\"", one_line(payload)));
        self.output.event(Some(Direction::In), "ping", &json!({"data": one_line(payload)}));
    }

    fn on_pong(&mut self, cx: &mut Context<()>, id: ConnId, payload: &[u8]) {
        self.answers.control_came();
        let measured = self.latency.ponged(payload, Instant::now());
        let timed = cx.round_trip(id, payload);
        let time = measured.or(timed);
        let shown = if timed.is_some() { String::new() } else { one_line(payload) };
        let after = time.map(|time| format!(" after {:.3} ms", time.as_secs_f64() * 1e3)).unwrap_or_default();
        if self.plan.verbose || measured.is_none() {
            self.trace(format_args!("< Pong \"{shown}\"{after}"));
        } else {
            self.tell(format_args!("< Pong \"{shown}\"{after}"));
        }
        if self.output.wants_events() {
            // To the microsecond.
            let ms = time.map(|time| time.as_micros() as f64 / 1e3);
            self.output.event(Some(Direction::In), "pong", &json!({"data": shown, "latency_ms": ms}));
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        let mut closes = [('<', ended.outcome.received.as_ref()), ('>', ended.outcome.sent.as_ref())];
        if let Stage::Closing(..) = self.stage {
            closes.reverse(); // ours came first
        }
        for (direction, close) in closes {
            if let Some(close) = close {
                self.trace(close_text(direction, close.as_ref()));
            }
        }
        let code = ended.outcome.code();
        self.code = Some(code);
        let reason = ended.outcome.reason();
        let by_us = matches!(self.stage, Stage::Closing(_));
        let direction = if by_us { Direction::Out } else { Direction::In };
        self.output.event(
            Some(direction),
            "close",
            &json!({
                "code": code.0, "reason": reason, "clean": ended.outcome.is_clean(),
            }),
        );
        // The messages before the last word.
        let _ = self.output.flush();
        if let Some(remark) = self.answers.remark() {
            self.output.note(remark);
        }
        let exit = self.judge(ended);
        self.stage = match self.stage {
            // `on_client` tells whether there will be another one.
            Stage::Open(_) => Stage::Closing(exit),
            _ => Stage::Over(exit),
        };
    }

    fn on_client(&mut self, cx: &mut Context<()>, client: ClientId, event: &ClientEvent<'_>) {
        match event {
            ClientEvent::State(ClientState::Handshaking) => {
                if self.plan.verbose
                    && let Some(bytes) = cx.client_request(client)
                {
                    failure::show_head(&mut self.output, '>', bytes);
                }
            }
            ClientEvent::State(
                state @ (ClientState::Resolving | ClientState::Connecting | ClientState::Tunneling),
            ) => {
                self.began = Some(Instant::now());
                self.trace(format_args!(
                    "{} {}",
                    format!("{state:?}").to_lowercase(),
                    self.plan.target.clone()
                ));
            }
            ClientEvent::Unreached(error) => {
                self.output.event(None, "unreached", &json!({"error": error.to_string()}));
                let way = failure::Way {
                    target: &self.plan.target,
                    proxy: self.plan.proxy.as_deref(),
                    ca: self.plan.ca.as_deref(),
                };
                failure::tell(&mut self.output, &way, error);
            }
            ClientEvent::Retry { attempt, delay, cause } => {
                self.stage = Stage::Away;
                let ms = delay.as_millis() as u64;
                self.output.event(
                    None,
                    "retry",
                    &json!({
                        "attempt": attempt, "delay_ms": ms, "cause": cause.to_string(),
                    }),
                );
                self.output.note(format_args!("try {attempt} in {:.1} s: {cause}", delay.as_secs_f64()));
            }
            ClientEvent::End { .. } => {
                self.stage = Stage::Over(match self.stage {
                    Stage::Over(exit) | Stage::Closing(exit) => exit,
                    Stage::Away | Stage::Open(_) => Exit::NotConnected,
                });
            }
            _ => {}
        }
    }
}

/// The time of day, UTC, to the millisecond.
fn clock() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let (hours, minutes, seconds) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}

fn close_text(direction: char, close: Option<&OwnedClose>) -> String {
    match close {
        None => format!("{direction} Close"),
        Some(OwnedClose { code, reason }) => {
            format!("{direction} Close {code} \"{}\"", one_line(reason.as_bytes()))
        }
    }
}
