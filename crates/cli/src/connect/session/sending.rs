//! What is sent: the lines of stdin, the messages of the command line, and what these ask for.

use std::path::Path;
use std::time::Instant;

use bowsprit::close::CloseCode;
use bowsprit::event_loop::{ConnId, Context, Sent};
use bowsprit::frame::DataKind;
use bowsprit::message::Message;
use bowsprit_lab::counted;

use super::{Outgoing, Session, SessionState};
use crate::connect::answers::Moved;
use crate::connect::json::{self, Direction};
use crate::connect::lines::{self, HELP, Line};
use crate::connect::terminal;
use crate::exit::Exit;
use crate::input::{Format, Input, Item};
use crate::output::one_line;

/// If more than this waits for the server, stdin waits too.
const ENOUGH_QUEUED: usize = 256 << 10;

/// How many messages are taken from stdin before messages from the server get their turn.
const ITEMS_A_TURN: usize = 64;

impl Session {
    /// Sends the input, as far as the server reads.
    pub(super) fn send_input(&mut self, cx: &mut Context<()>) {
        for _ in 0..ITEMS_A_TURN {
            let SessionState::Open(id) = self.stage else { return };
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
                    Ok(Some(line)) => self.run_line(cx, id, Ok(line)),
                    Ok(None) => {}
                    Err(why) => self.run_line(cx, id, Err(why)),
                },
                Some(Item::Text(line)) if self.plan.edit || self.plan.commands => {
                    self.run_line(cx, id, lines::parse(&line));
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
        // There may be more input.
        let _ = self.waker.wake();
    }

    /// Keeps what is typed between two connections, and says so.
    pub(super) fn hold_input(&mut self, cx: &mut Context<()>) {
        while let (SessionState::Away, true, Some(input)) = (self.stage, self.plan.edit, &self.input) {
            match input.next() {
                None => return,
                Some(Item::Text(line)) if line.starts_with("/close") => self.give_up(cx, Exit::Done),
                Some(item @ Item::Text(_)) => {
                    self.held.push_back(item);
                    let waiting = counted(self.held.len(), "line");
                    self.tell(format_args!(
                        "not connected: {waiting} will be sent once there is a connection"
                    ));
                }
                Some(_) => self.give_up(cx, Exit::Done),
            }
        }
    }

    /// Closes once the server has answered or been quiet for long enough.
    pub(super) fn close_when_answered(&mut self, cx: &mut Context<()>) {
        if let SessionState::Open(id) = self.stage {
            let moved = Moved { read: cx.stats().bytes_in, queued: cx.queued(id) };
            if self.answers.are_over(Instant::now(), moved) {
                self.close(cx, CloseCode::NORMAL, "", Exit::Done);
            }
        }
    }

    fn run_line(&mut self, cx: &mut Context<()>, id: ConnId, line: Result<Line, String>) {
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
            Ok(Line::Fragment(part)) if self.in_fragments => cx.continue_message(id, part.as_bytes()),
            Ok(Line::Fragment(part)) => {
                self.in_fragments = true;
                cx.start_message(id, DataKind::Text, part.as_bytes())
            }
            Ok(Line::End(part)) => {
                self.in_fragments = false;
                self.answers.sent();
                cx.finish_message(id, part.as_bytes())
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

    pub(super) fn send(&mut self, cx: &mut Context<()>, id: ConnId, message: Message<'_>) {
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
            // `on_close` reports this, or has done so.
            Sent::Now | Sent::Queued(_) | Sent::Closed => {}
            Sent::Refused(why) => self.output.note(format_args!("not sent: {why}")),
            other => self.output.note(format_args!("a message was not sent: {other}")),
        }
    }

    pub(super) fn start_input(&mut self) {
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
