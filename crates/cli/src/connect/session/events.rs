//! The events that the loop reports for the connection.

use std::time::{Duration, Instant};

use bowsprit::close::{CloseCode, OwnedClose};
use bowsprit::connection::CloseFrame;
use bowsprit::event_loop::{ClientEvent, ClientId, ClientState, ConnId, Context, Ended, Handler};
use bowsprit::handshake::{Agreement, Response};
use bowsprit::message::Message;
use bowsprit_lab::counted;
use serde_json::json;

use super::{Session, SessionState};
use crate::connect::failure;
use crate::connect::json::Direction;
use crate::deflate::agreed;
use crate::exit::Exit;
use crate::output::one_line;

/// Bounds of the time that a server has to speak first. It does so right after its 101, so twice the time that it took
/// to open the connection is enough, within these bounds.
const SHORTEST_GREETING: Duration = Duration::from_millis(5);
const LONGEST_GREETING: Duration = Duration::from_millis(250);

impl Handler for Session {
    type Data = ();

    fn on_response(&mut self, _: &mut Context<()>, _: ConnId, response: &Response) {
        if self.plan.verbose {
            failure::show_head(&mut self.output, '<', response.head().bytes());
        }
    }

    fn on_open(&mut self, cx: &mut Context<()>, id: ConnId, agreement: &Agreement) {
        if matches!(self.stage, SessionState::Over(_)) {
            return cx.abort(id);
        }
        self.stage = SessionState::Open(id);
        self.in_fragments = false;
        self.paused = false;
        self.answers.start_again(Instant::now());
        let address = cx.peer_addr(id).map(|address| address.to_string());
        let is_http2 = cx.is_http2(id);
        let over = if is_http2 { ", over HTTP/2," } else { "," };
        self.trace(format_args!(
            "open{over} to {}",
            address.as_deref().unwrap_or(&self.plan.target).to_owned()
        ));
        self.trace(format_args!("agreed: {}", agreed(agreement.deflate())));
        self.output.event(
            None,
            "open",
            &json!({
                "address": address, "subprotocol": agreement.subprotocol,
                "http": if is_http2 { "2" } else { "1.1" },
                "extensions": agreement.extensions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }),
        );
        if agreement.subprotocol.is_none() && !self.plan.subprotocols.is_empty() {
            let offered = self.plan.subprotocols.join(", ");
            self.output.note(format_args!(
                "the server speaks none of the subprotocols that were offered: {offered}"
            ));
        }
        let again = match (self.code, self.held.len() as u64) {
            (None, _) => "; /help tells of commands, Ctrl-D ends".to_owned(),
            (Some(_), 0) => " again".to_owned(),
            (Some(_), held) => format!(" again; now sending {}", counted(held, "line")),
        };
        self.tell(format_args!("connected to {}{again}", self.plan.target.clone()));
        self.preamble = self.plan.preamble.clone().into();
        if self.plan.wait.is_some_and(|wait| !wait.is_zero()) {
            let took = self.began.map_or(Duration::ZERO, |began| began.elapsed());
            self.silent_until =
                Instant::now().checked_add((took * 2).clamp(SHORTEST_GREETING, LONGEST_GREETING));
        } else {
            // Sent before a message that has come with the 101 can be the last one expected.
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
        if self.plan.expect.is_some_and(|expect| expect < self.received) {
            return; // it came with the last one, as it might not have
        }
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
        } else if self.plan.edit || self.plan.commands {
            // A user who has typed /ping wants to know.
            self.output.note(format_args!("< Pong \"{shown}\"{after}"));
        }
        if self.output.wants_events() {
            // To the microsecond.
            let ms = time.map(|time| time.as_micros() as f64 / 1e3);
            self.output.event(Some(Direction::In), "pong", &json!({"data": shown, "latency_ms": ms}));
        }
    }

    fn on_close(&mut self, _: &mut Context<()>, _: ConnId, ended: &Ended) {
        let mut closes = [('<', &ended.outcome.received), ('>', &ended.outcome.sent)];
        if let SessionState::Closing(..) = self.stage {
            closes.reverse(); // ours came first
        }
        for (direction, close) in closes {
            if let Some(text) = close_text(direction, close) {
                self.trace(text);
            }
        }
        let code = ended.outcome.code();
        self.code = Some(code);
        let reason = ended.outcome.reason();
        let by_us = matches!(self.stage, SessionState::Closing(_));
        let direction = if by_us { Direction::Out } else { Direction::In };
        self.output.event(
            Some(direction),
            "close",
            &json!({
                "code": code.0, "reason": reason, "clean": ended.outcome.is_clean(),
            }),
        );
        // The messages come before the final remark.
        let _ = self.output.flush();
        if let Some(remark) = self.answers.remark() {
            self.output.note(remark);
        }
        let exit = self.judge(ended);
        self.stage = match self.stage {
            // `on_client` shows whether there will be another connection.
            SessionState::Open(_) => SessionState::Closing(exit),
            _ => SessionState::Over(exit),
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
                self.trace(format_args!("{state} {}", self.plan.target.clone()));
            }
            ClientEvent::Unreached(error) => {
                self.output.event(None, "unreached", &json!({"error": error.to_string()}));
                let way = failure::Way {
                    target: &self.plan.target,
                    proxy: self.plan.proxy.as_deref(),
                    ca: self.plan.ca.as_deref(),
                    asked: self.plan.asked,
                };
                failure::tell(&mut self.output, &way, error);
            }
            ClientEvent::Retry { attempt, delay, cause } => {
                self.stage = SessionState::Away;
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
                self.stage = SessionState::Over(match self.stage {
                    SessionState::Over(exit) | SessionState::Closing(exit) => exit,
                    SessionState::Away | SessionState::Open(_) => Exit::NotConnected,
                });
            }
            _ => {}
        }
    }
}

fn close_text(direction: char, close: &CloseFrame) -> Option<String> {
    match close {
        CloseFrame::None => None,
        CloseFrame::NoStatus => Some(format!("{direction} Close")),
        CloseFrame::Status(OwnedClose { code, reason }) => {
            Some(format!("{direction} Close {code} \"{}\"", one_line(reason.as_bytes())))
        }
    }
}
