//! The life of `bowsprit connect`: from the first attempt to the exit code.

mod events;
mod sending;

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bowsprit::client::ClientConfig;
use bowsprit::close::{CloseCode, CloseReason};
use bowsprit::connection::{Due, Latency};
use bowsprit::event_loop::{Cause, ClientId, ConnId, Context, Ended};
use bowsprit_lab::counted;
use mio::Waker;

use super::answers::Answers;
use super::failure::Asked;
use super::output::Output;
use crate::driver::{Driver, Turn};
use crate::exit::Exit;
use crate::input::{Input, Item, Separator};
use crate::limits;
use crate::output::one_line;
use crate::values::Time;

/// How long we wait for the server to end the TCP connection, which it does first (§7.1.1), before we do.
const LINGER: Duration = Duration::from_secs(1);

/// What the user wants.
pub(super) struct Plan {
    pub(super) target: String,
    /// The proxy in front of the target.
    pub(super) proxy: Option<String>,
    /// The file of trusted certificates.
    pub(super) ca: Option<String>,
    pub(super) asked: Asked,
    /// The subprotocols to offer.
    pub(super) subprotocols: Vec<String>,
    /// Messages to send in place of stdin.
    pub(super) messages: Vec<Outgoing>,
    pub(super) separator: Option<Separator>,
    pub(super) preamble: Vec<String>,
    pub(super) expect: Option<u64>,
    /// How long the server may be quiet after the last line; `None` if we do not close by ourselves.
    pub(super) wait: Option<Duration>,
    pub(super) until: Option<Instant>,
    pub(super) close_timeout: Duration,
    pub(super) pong_timeout: Duration,
    pub(super) binary: bool,
    pub(super) base64: bool,
    pub(super) json: bool,
    pub(super) commands: bool,
    pub(super) edit: bool,
    pub(super) keep_history: bool,
    pub(super) verbose: bool,
    pub(super) close_code_exit: bool,
}

/// A message given on the command line.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    Text(String),
    /// The content of this file.
    File(PathBuf),
}

pub(super) struct Session {
    plan: Plan,
    stage: SessionState,
    client: Option<ClientId>,
    /// Set from the moment the first connection is open.
    input: Option<Input>,
    /// What was typed while there was no connection.
    held: VecDeque<Item>,
    messages: VecDeque<Outgoing>,
    /// The part of the preamble that has yet to be sent on this connection.
    preamble: VecDeque<String>,
    /// When we began to connect.
    began: Option<Instant>,
    /// Nothing is sent before this, so that a greeting is not taken for an answer.
    silent_until: Option<Instant>,
    waker: Arc<Waker>,
    output: Output,
    latency: Latency,
    received: u64,
    answers: Answers,
    /// Whether a message is being sent in fragments.
    in_fragments: bool,
    /// Whether reading from the server is paused until the terminal has shown what has come.
    paused: bool,
    /// The close code of the last connection that was open.
    code: Option<CloseCode>,
}

#[derive(Clone, Copy)]
enum SessionState {
    /// Connecting, for the first time or again.
    Away,
    Open(ConnId),
    /// The closing handshake has begun; this is the exit code if it succeeds.
    Closing(Exit),
    /// Nothing more will come, but the client may still have to end.
    Over(Exit),
}

impl Session {
    pub(super) fn new(plan: Plan, waker: Arc<Waker>) -> Self {
        Self {
            stage: SessionState::Away,
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
            if let SessionState::Over(exit) = self.stage {
                break exit;
            }
            let until = if let SessionState::Closing(_) = self.stage { None } else { self.plan.until };
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

    /// Returns when there is something to do on the open connection.
    fn due(&self) -> Option<Instant> {
        let SessionState::Open(_) = self.stage else { return None };
        [self.answers.due(), self.silent_until].into_iter().flatten().min()
    }

    /// Sends the remaining bytes, and lets the loop end the connection to a server that does not end it itself: TLS has
    /// to send close_notify before TCP ends.
    fn linger(&mut self, driver: &mut Driver<()>) -> io::Result<()> {
        let patience = LINGER.min(self.plan.close_timeout);
        driver.engine.context().shutdown(patience);
        // The grace period is measured on the peers' clock, which may stand still.
        let by = Instant::now() + 2 * patience;
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

    /// Prints the reason, and returns the exit code.
    fn because(&mut self, exit: Exit, why: impl Display) -> Exit {
        self.output.note(why);
        exit
    }

    /// Prints something for a person at a terminal, but not for a script.
    fn tell(&mut self, text: impl Display) {
        if self.plan.edit {
            self.output.note(text);
        }
    }

    /// Reads no faster than the terminal shows.
    fn keep_pace(&mut self, cx: &mut Context<()>) {
        let behind = self.output.is_behind();
        if let SessionState::Open(id) = self.stage
            && behind != self.paused
        {
            self.paused = behind;
            if behind { cx.pause(id) } else { cx.resume(id) }
        }
    }

    fn interrupted(&mut self, cx: &mut Context<()>) {
        match self.stage {
            SessionState::Open(_) => self.close(cx, CloseCode::GOING_AWAY, "", Exit::Done),
            SessionState::Closing(..) | SessionState::Over(_) => {}
            SessionState::Away => {
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
                self.because(
                    Exit::PeerFailed,
                    format_args!("{received} of {} came in time", counted(expect, "message")),
                )
            }
            None => Exit::Done,
        };
        match self.stage {
            SessionState::Open(_) => self.close(cx, CloseCode::NORMAL, "", exit),
            SessionState::Closing(..) | SessionState::Over(_) => {}
            SessionState::Away => {
                let exit = if self.code.is_some() { exit } else { Exit::NotConnected };
                self.output.note("the time was up while there was no connection");
                self.give_up(cx, exit);
            }
        }
    }

    fn give_up(&mut self, cx: &mut Context<()>, exit: Exit) {
        self.stage = SessionState::Over(exit);
        if let Some(client) = self.client {
            cx.abort_client(client);
        }
    }

    /// Begins the closing handshake; no further connection is made.
    fn close(&mut self, cx: &mut Context<()>, code: CloseCode, reason: &str, exit: Exit) {
        if let (SessionState::Open(_), Some(client)) = (self.stage, self.client) {
            cx.close_client(client, Some(CloseReason { code, reason }));
            self.stage = SessionState::Closing(exit);
        }
    }

    fn flush_output(&mut self, cx: &mut Context<()>) {
        match self.output.flush() {
            Ok(()) => {}
            // The reader has left, which is its right.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.stop(cx, Exit::Done),
            Err(error) => {
                self.output.note(format_args!("cannot write to stdout: {error}"));
                self.stop(cx, Exit::Usage);
            }
        }
    }

    /// Stops, because nobody reads the output any more.
    fn stop(&mut self, cx: &mut Context<()>, exit: Exit) {
        self.output.stop();
        match self.stage {
            SessionState::Open(_) => self.close(cx, CloseCode::GOING_AWAY, "", exit),
            SessionState::Closing(Exit::Done) => self.stage = SessionState::Closing(exit),
            SessionState::Away => self.give_up(cx, exit),
            _ => {}
        }
    }

    fn trace(&mut self, text: impl Display) {
        if self.plan.verbose {
            self.output.note(format_args!("{} {text}", clock()));
        }
    }

    /// Returns the exit code for the end of an open connection.
    fn judge(&mut self, ended: &Ended) -> Exit {
        let received = self.received;
        let asked = match (self.stage, self.plan.expect) {
            (SessionState::Closing(exit), _) => exit,
            (_, Some(expect)) if received < expect => self
                .because(Exit::PeerFailed, format_args!("{received} of {} came", counted(expect, "message"))),
            _ => Exit::Done,
        };
        let why = match &ended.cause {
            Cause::Closed => {
                let code = ended.outcome.code();
                let usual = matches!(code, CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS);
                let by_us = matches!(self.stage, SessionState::Closing(_));
                let reason = one_line(ended.outcome.reason().as_bytes());
                let colon = if reason.is_empty() { "" } else { ": " };
                let text = format!("the server closed with {code}{colon}{reason}");
                if usual || (by_us && ended.outcome.sent.code() == code) {
                    if !by_us {
                        self.tell(text);
                    }
                    return asked;
                }
                text
            }
            Cause::Protocol(error) => match limits::flag_of(*error) {
                Some(flag) => format!("{error}; {flag} accepts more"),
                None => format!("the server broke a rule: {error}"),
            },
            Cause::Eof => "the server ended the connection without a Close frame".to_owned(),
            Cause::Io(error) => format!("the connection broke: {error}"),
            Cause::Timeout(Due::CloseTimeout) => {
                let timeout = Time(self.plan.close_timeout);
                format!("the server did not answer the Close frame within {timeout}")
            }
            Cause::Timeout(Due::Idle) => {
                "the server was silent for too long; --idle-timeout waits longer".to_owned()
            }
            Cause::Timeout(Due::Stalled) => {
                "nothing more of a message came for too long; --message-timeout waits longer".to_owned()
            }
            Cause::Timeout(_) => {
                let timeout = Time(self.plan.pong_timeout);
                format!("the server did not answer a Ping within {timeout}; --pong-timeout waits longer")
            }
            other => format!("the connection ended: {other}"),
        };
        self.because(Exit::PeerFailed, why)
    }
}

/// Returns the time of day in UTC, to the millisecond.
fn clock() -> String {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let (hours, minutes, seconds) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}
